// SPDX-License-Identifier: GPL-2.0
/*
 * Victims that are changing their address space when they
 * are killed and reaped. In the starved tests the victim stalls there because it
 * does not get the CPU, and its memory must come back anyway. In the others it
 * continues; nothing may break, the victim must exit, and no other process may.
 *
 * Stock looks at no victim before two seconds are over: the starved tests fail
 * there. The others are guards.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "scene.h"
#include "starve.h"
#include "uffd.h"

#define AREA		0x1000000000UL	/* below the rest of its memory */
#define AREA_MB		32
#define OTHER_AREA	(AREA + 1024 * PROBE_MB)
#define EXEC_MB		16
#define EXEC_OPTION	"--exec-again"

#define ALL		(PROT_READ | PROT_WRITE)
#define NEW		(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

enum operation {
	OP_MUNMAP,
	OP_MREMAP,
	OP_MPROTECT,
	OP_SPLIT_MERGE,
	OP_DONTNEED,
	OP_FORK,
	OP_EXEC,
	OP_POPULATE,
	OP_MLOCK,
	OP_THREADS,
};

static const char *me;

static void fill_area(char *area)
{
	size_t at;

	for (at = 0; at < AREA_MB * PROBE_MB; at += 4096)
		area[at] = 1;
}

static char *map_area(unsigned long addr)
{
	char *area = mmap((void *)addr, AREA_MB * PROBE_MB, ALL, NEW, -1, 0);

	if (area != MAP_FAILED)
		madvise(area, AREA_MB * PROBE_MB, MADV_NOHUGEPAGE);
	return area == MAP_FAILED ? NULL : area;
}

static void split_and_merge(char *area, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += 8192)
		mprotect(area + at, 4096, PROT_READ);
	for (at = 0; at < size; at += 8192)
		mprotect(area + at, 4096, ALL);
}

static void *do_nothing(void *arg)
{
	return arg;
}

/* What execve() starts: the same again, with some memory to free each time */
static int exec_again(void)
{
	char *mem = victim_alloc(EXEC_MB * PROBE_MB, false);

	if (mem)
		execl("/proc/self/exe", me, EXEC_OPTION, NULL);
	return 1;
}

static int run_once(enum operation operation, char *area)
{
	const size_t size = AREA_MB * PROBE_MB;
	pthread_t thread;
	char *other;
	pid_t pid;

	switch (operation) {
	case OP_MUNMAP:
		munmap(area, size);
		return map_area(AREA) ? 0 : -errno;
	case OP_MREMAP:
		other = mremap(area, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			       (void *)OTHER_AREA);
		if (other == MAP_FAILED)
			return -errno;
		other = mremap(other, size, size,
			       MREMAP_MAYMOVE | MREMAP_FIXED, area);
		return other == MAP_FAILED ? -errno : 0;
	case OP_MPROTECT:
		mprotect(area, size, PROT_READ);
		return mprotect(area, size, ALL) ? -errno : 0;
	case OP_SPLIT_MERGE:
		split_and_merge(area, PROBE_MB);
		return 0;
	case OP_DONTNEED:
		madvise(area, size, MADV_DONTNEED);
		return 0;
	case OP_FORK:
		pid = fork();
		if (!pid)
			_exit(0);
		return waitpid(pid, NULL, 0) == pid ? 0 : -errno;
	case OP_EXEC:
		execl("/proc/self/exe", me, EXEC_OPTION, NULL);
		return -errno;
	case OP_POPULATE:
		other = mmap((void *)OTHER_AREA, size, ALL, NEW | MAP_POPULATE,
			     -1, 0);
		return other == MAP_FAILED ? -errno : munmap(other, size);
	case OP_MLOCK:
		mlock(area, size / 4);
		return munlock(area, size / 4);
	case OP_THREADS:
		if (pthread_create(&thread, NULL, do_nothing, NULL))
			return -EAGAIN;
		return pthread_join(thread, NULL);
	}
	return -EINVAL;
}

/* Some of them leave the area empty, or need nothing in it */
static bool wants_full_area(enum operation operation)
{
	return operation != OP_POPULATE && operation != OP_THREADS &&
	       operation != OP_SPLIT_MERGE;
}

enum { GO, DELAY_US };		/* flags */

struct plan {
	enum operation operation;
	struct starve *starve;	/* NULL: never ends */
};

static int work(struct victim *victim)
{
	struct plan *plan = victim->arg;
	char *area = map_area(AREA);
	int err = area ? 0 : -errno;

	if (err)
		return err;
	if (plan->starve)
		err = starve_me();
	if (err)
		return err;
	if (wants_full_area(plan->operation))
		fill_area(area);
	victim->shared->stage = VICTIM_READY;
	while (!victim->shared->flag[GO])
		usleep(200);
	if (plan->starve)
		starve_after(plan->starve, victim->shared->flag[DELAY_US]);
	while (!err) {
		err = run_once(plan->operation, area);
		if (plan->operation == OP_MUNMAP ||
		    plan->operation == OP_DONTNEED)
			fill_area(area);
	}
	return err;
}

FIXTURE(race)
{
	struct scene scene;
	struct victim victim;
	struct plan plan;
	struct starve starve;
};

FIXTURE_VARIANT(race)
{
	enum operation operation;
	/* It has write-locked all its memory, and not only the area, maybe */
	bool all_locked;
};

FIXTURE_VARIANT_ADD(race, munmap) {
	.operation = OP_MUNMAP,
};

FIXTURE_VARIANT_ADD(race, mremap) {
	.operation = OP_MREMAP,
};

FIXTURE_VARIANT_ADD(race, mprotect) {
	.operation = OP_MPROTECT,
};

FIXTURE_VARIANT_ADD(race, split_merge) {
	.operation = OP_SPLIT_MERGE,
};

FIXTURE_VARIANT_ADD(race, dontneed) {
	.operation = OP_DONTNEED,
};

FIXTURE_VARIANT_ADD(race, fork) {
	.operation = OP_FORK, .all_locked = true,
};

FIXTURE_VARIANT_ADD(race, execve) {
	.operation = OP_EXEC, .all_locked = true,
};

FIXTURE_VARIANT_ADD(race, populate) {
	.operation = OP_POPULATE,
};

FIXTURE_VARIANT_ADD(race, mlock) {
	.operation = OP_MLOCK,
};

FIXTURE_VARIANT_ADD(race, threads) {
	.operation = OP_THREADS,
};

FIXTURE_SETUP(race)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->plan.operation = variant->operation;
	self->victim.mb = SCENE_MB;
	self->victim.body = work;
	self->victim.arg = &self->plan;
}

FIXTURE_TEARDOWN(race)
{
	if (self->starve.shared)
		starve_stop(&self->starve);
	victim_stop(&self->victim);
	scene_stop(&self->scene);
}

static int runs(void)
{
	return probe_env("OOM_REAPER_RACES", 3);
}

TEST_F_TIMEOUT(race, starved, 600)
{
	int i, back, late = 0, worst = 0, left = 0, locked = 0, n = runs();
	struct victim *victim = &self->victim;
	long before;

	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	if (variant->all_locked)
		SKIP(return, "its memory may rightly be locked: see stuck.fork");
	self->plan.starve = &self->starve;
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, starve_start(&self->starve));
		ASSERT_EQ(0, victim_start(victim));
		victim->shared->flag[DELAY_US] = i * 5000 / n + rand() % 500;
		victim->shared->flag[GO] = 1;
		probe_wait(self->starve.shared->spin, 1000);
		probe_sleep_ms(10);
		locked += starve_lock_held(&self->starve, victim->pid,
					   victim->mem);
		before = probe_free_kb();
		back = scene_kill_since(&self->scene, before, victim->mb,
					STARVE_MS);
		late += back < 0;
		worst = back > worst ? back : worst;
		starve_stop(&self->starve);
		left += !victim_gone(victim, 5000);
		victim_stop(victim);
	}
	scene_print("%d killed, mmap_lock held for write in %d, late %d, at most %d ms",
		    n, locked, late, worst);
	/* An emulator may be late once */
	if (!probe_slow())
		EXPECT_GE(n / 3, late);
	EXPECT_EQ(0, left);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

/* Not stopped: killed at any moment, and runs while it is reaped */
TEST_F_TIMEOUT(race, guard_moving, 600)
{
	struct victim *victim = &self->victim;
	int i, left = 0, killed = 0, n = 2 * runs();

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, victim_start(victim));
		victim->shared->flag[GO] = 1;
		usleep(rand() % 50000);
		EXPECT_EQ(0, victim_sysrq());
		left += !victim_gone(victim, 5000);
		killed += victim_killed(victim);
		victim_stop(victim);
	}
	scene_print("%d killed, %d did not end within 5 s", killed, left);
	EXPECT_EQ(n, killed);
	EXPECT_EQ(0, left);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

/* The others */
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KHUGEPAGED	THP "khugepaged/"

FIXTURE(lock)
{
	struct scene scene;
	struct victim victim;
	char mount[64];
	pid_t monitor;
};

FIXTURE_SETUP(lock)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->victim.mb = SCENE_MB;
	self->victim.hold = &self->scene.hold;
}

FIXTURE_TEARDOWN(lock)
{
	if (self->monitor > 0) {
		kill(self->monitor, SIGKILL);
		waitpid(self->monitor, NULL, 0);
	}
	if (self->victim.pid) {
		hold_release_all(&self->scene.hold);
		victim_stop(&self->victim);
	}
	if (*self->mount) {
		umount2(self->mount, MNT_DETACH);
		rmdir(self->mount);
	}
	scene_stop(&self->scene);
}

/*
 * mmap_lock is given back while the reaper works: under the VMAs' locks if it was
 * held for write, with the same lock if for read.
 */
static void release_half_way(struct __test_metadata *_metadata,
			     struct scene *scene, struct victim *victim)
{
	int i, left = 0, killed = 0, given_up = 0, n = 2 * runs();

	for (i = 0; i < n; i++) {
		victim->file = i;
		ASSERT_EQ(0, victim_start(victim));
		EXPECT_EQ(0, victim_sysrq());
		usleep(rand() % 40000);
		hold_release(&scene->hold, i);
		left += !victim_gone(victim, 5000);
		killed += victim_killed(victim);
		given_up += victim_given_up(&scene->log, victim->pid);
		victim_stop(victim);
	}
	scene_print("%d killed, %d did not end within 5 s, %d given up",
		    killed, left, given_up);
	EXPECT_EQ(n, killed);
	EXPECT_EQ(0, left);
	EXPECT_EQ(0, given_up);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

TEST_F_TIMEOUT(lock, guard_released_half_way, 300)
{
	self->victim.stuck = VICTIM_MMAP_WRITE;
	release_half_way(_metadata, &self->scene, &self->victim);
}

TEST_F_TIMEOUT(lock, guard_read_released_half_way, 300)
{
	self->victim.stuck = VICTIM_MMAP_READ;
	release_half_way(_metadata, &self->scene, &self->victim);
}

/*
 * Victims of all kinds that are released while they are being reaped, and some
 * that were never stuck.
 */
TEST_F_TIMEOUT(lock, guard_dying, 600)
{
	static const enum victim_stuck kind[] = {
		VICTIM_READ, VICTIM_MMAP_WRITE, VICTIM_MMAP_READ,
		VICTIM_EXITING, VICTIM_AIO, VICTIM_FREE,
	};
	long rounds = probe_env("OOM_REAPER_ROUNDS", 60);
	long counter = probe_vmstat("oom_reaper_reaped");
	long i, reaped = 0, lost = 0, before, after;
	struct victim *victim = &self->victim;
	struct scene *scene = &self->scene;

	if (rounds >= HOLD_FILES)
		rounds = HOLD_FILES - 1;
	srandom(probe_env("OOM_REAPER_SEED", 1));
	victim->mb = 8;
	before = probe_free_kb();
	for (i = 0; i < rounds; i++) {
		victim->threads = random() % 8;
		victim->huge = random() % 2;
		victim->stuck = kind[random() % ARRAY_SIZE(kind)];
		victim->file = i;
		ASSERT_EQ(0, victim_start(victim));
		EXPECT_EQ(0, victim_sysrq());
		usleep(random() % 6000);
		hold_release(&scene->hold, i);
		lost += !victim_gone(victim, 5000);
		reaped += victim_reaped(&scene->log, victim->pid, 0);
		victim_stop(victim);
	}
	after = probe_free_kb();
	counter = probe_vmstat("oom_reaper_reaped") - counter;
	scene_print("%ld killed, %ld reaped before they had exited (counted: %ld), %ld did not go",
		    rounds, reaped, counter, lost);
	scene_print("%ld kB free before, %ld kB after", before, after);
	EXPECT_EQ(0, lost);
	EXPECT_LT(before - 8 * 1024, after);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_EQ(0, probe_count(&scene->log, "unable to reap"));
	EXPECT_TRUE(scene_quiet(scene));
}

#define RELEASERS	2

static void mrelease_for_ever(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		syscall(SYS_process_mrelease, pidfd, 0);
}

/* A daemon goes over the victim at the same time, and more than once */
TEST_F_TIMEOUT(lock, guard_mrelease_too, 300)
{
	struct victim *victim = &self->victim;
	struct scene *scene = &self->scene;
	int i, j, late = 0, n = 2 * runs();
	pid_t releaser[RELEASERS];

	for (i = 0; i < n; i++) {
		long before;

		victim->file = i;
		victim->stuck = i % 2 ? VICTIM_MMAP_WRITE : VICTIM_READ;
		ASSERT_EQ(0, victim_start(victim));
		before = probe_free_kb();
		for (j = 0; j < RELEASERS; j++) {
			releaser[j] = fork();
			if (!releaser[j])
				mrelease_for_ever(victim->pid);
		}
		EXPECT_EQ(0, victim_sysrq());
		/* Stock gets the memory of one whose mmap_lock is held later */
		if (victim->stuck == VICTIM_READ)
			late += victim_memory_back(before, victim->mb, 5000) < 0;
		hold_release(&scene->hold, i);
		EXPECT_TRUE(victim_gone(victim, 10000));
		for (j = 0; j < RELEASERS; j++) {
			kill(releaser[j], SIGKILL);
			waitpid(releaser[j], NULL, 0);
		}
		victim_stop(victim);
	}
	scene_print("%d killed, late %d", n, late);
	EXPECT_EQ(0, late);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_TRUE(scene_quiet(scene));
}

#define FILES_MB	4
#define FILES_TRIES	8	/* for each of runs() */

/* A file on a separate file system, open and mapped in both ways */
static int map_files(struct victim *victim)
{
	char path[128], *mem;
	int i, fd;

	snprintf(path, sizeof(path), "%s/file", (char *)victim->arg);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, FILES_MB * PROBE_MB))
		return -errno;
	for (i = 0; i < 2; i++) {
		mem = mmap(NULL, FILES_MB * PROBE_MB, ALL,
			   i ? MAP_PRIVATE : MAP_SHARED, fd, 0);
		if (mem == MAP_FAILED)
			return -errno;
		memset(mem, i + 1, FILES_MB * PROBE_MB);
	}
	return 0;
}

/*
 * Once a process is gone its files are closed, and what they lie on can be
 * unmounted: whoever is the last with its address space, the reaper or itself.
 */
TEST_F_TIMEOUT(lock, guard_files_closed, 300)
{
	struct victim *victim = &self->victim;
	int i, busy = 0, left = 0, n = FILES_TRIES * runs();

	victim->stuck = VICTIM_MMAP_WRITE;
	victim->body = map_files;
	victim->arg = self->mount;
	mkdir("/tmp", 01777);
	snprintf(self->mount, sizeof(self->mount), "/tmp/oom_reaper.mnt.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->mount));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, mount("oom_reaper", self->mount, "tmpfs", 0,
				   "size=16m"));
		victim->file = i;
		EXPECT_EQ(0, victim_start(victim));
		EXPECT_EQ(0, victim_sysrq());
		EXPECT_TRUE(victim_picked(&self->scene.log, victim->pid, 5000));
		/* Anywhere in the time that reaping takes */
		usleep(rand() % 40000);
		hold_release(&self->scene.hold, i);
		left += !victim_gone(victim, 5000);
		if (umount2(self->mount, 0)) {
			busy++;
			umount2(self->mount, MNT_DETACH);
		}
		victim_stop(victim);
	}
	scene_print("%d killed, the file system was busy after %d", n, busy);
	EXPECT_EQ(0, left);
	EXPECT_EQ(0, busy);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

#define AIO_TRIES	4	/* for each of runs() */
#define MAX_AIO		64

/* Not even the last user of it may wait: it could be the reaper */
static int submit_read(struct victim *victim)
{
	return hold_aio(victim->hold, MAX_AIO + victim->file);
}

/*
 * Victims whose address space cannot be torn down before a server answers, and
 * that exit while the reaper has a reference to it. Whoever comes after them is
 * reaped all the same.
 */
TEST_F_TIMEOUT(lock, last_user_waits, 300)
{
	static struct victim victim[MAX_AIO + 1];
	struct scene *scene = &self->scene;
	int i, back, left = 0, n = AIO_TRIES * runs();

	if (n > MAX_AIO)
		n = MAX_AIO;
	for (i = 0; i <= n; i++)
		victim[i] = (struct victim){
			.mb = SCENE_MB / 2, .hold = &scene->hold, .file = i,
			.stuck = i < n ? VICTIM_MMAP_WRITE : VICTIM_READ,
			.body = i < n ? submit_read : NULL,
		};
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, victim_start(&victim[i]));
		EXPECT_EQ(0, victim_sysrq());
		EXPECT_NE(NULL, probe_find(&scene->log, 5000,
					   "Killed process %d (",
					   victim[i].pid));
		/* Anywhere in the time that reaping takes */
		usleep(rand() % 20000);
		hold_release(&scene->hold, i);
		probe_sleep_ms(20);
	}
	EXPECT_EQ(0, victim_start(&victim[n]));
	back = scene_kill(scene, victim[n].mb, 1000);
	EXPECT_LE(0, back);
	hold_release_all(&scene->hold);
	for (i = 0; i <= n; i++) {
		left += !victim_gone(&victim[i], 5000);
		victim_stop(&victim[i]);
	}
	scene_print("%d killed, %d did not end within 5 s", n, left);
	EXPECT_EQ(0, left);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

#define REFILL_MB	16
#define REFILL_SECONDS	15	/* more than the reaper may spend on a victim */

enum { UFFD = 2 };		/* flag: descriptor in the victim */

struct refill {
	char *area;
	char *locked;
};

/*
 * One area that a monitor fills, and one whose VMA lock can never be taken: a pass
 * over them frees much, but is never complete.
 */
static int be_refilled(struct victim *victim)
{
	struct refill *refill = victim->arg;
	size_t at;
	int fd = uffd_register(refill->area, REFILL_MB * PROBE_MB);

	if (fd < 0)
		return fd;
	for (at = 0; at < PROBE_MB; at += 4096)
		refill->locked[at] = 1;
	victim->locked = refill->locked;
	victim->shared->flag[UFFD] = fd;
	return 0;
}

static void uffd_for_ever(int fd, struct refill *refill)
{
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(probe_limit(60000) / 1000);
	for (;;)
		for (at = 0; at < REFILL_MB * PROBE_MB; at += 4096)
			if (uffd_page(fd, refill->area + at) == -ESRCH)
				_exit(0);
}

TEST_F_TIMEOUT(lock, guard_filled_again, 120)
{
	struct victim *victim = &self->victim;
	struct probe_text *log = &self->scene.log;
	struct refill refill;
	long long began;
	bool ended, next;
	long ms;
	int fd;

	if (!uffd_possible())
		SKIP(return, "no userfaultfd");
	/* The victim has them at the same addresses; nothing is in them here */
	refill.area = mmap(NULL, REFILL_MB * PROBE_MB, ALL,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	refill.locked = mmap(NULL, PROBE_MB, ALL | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			     0);
	ASSERT_NE(MAP_FAILED, refill.area);
	ASSERT_NE(MAP_FAILED, refill.locked);
	victim->mb = 4;
	victim->stuck = VICTIM_MMAP_WRITE;
	victim->body = be_refilled;
	victim->arg = &refill;
	ASSERT_EQ(0, victim_start(victim));
	fd = uffd_take(victim->pid, victim->shared->flag[UFFD]);
	ASSERT_LE(0, fd);
	self->monitor = fork();
	if (!self->monitor)
		uffd_for_ever(fd, &refill);
	began = probe_now_ns();
	EXPECT_EQ(0, victim_sysrq());
	ended = probe_wait(victim_reaped(log, victim->pid, 0) ||
			   victim_given_up(log, victim->pid),
			   REFILL_SECONDS * 1000);
	ms = (probe_now_ns() - began) / 1000000;
	scene_print("%s after %ld ms", !ended ? "still at work" :
		    victim_given_up(log, victim->pid) ? "given up" : "reaped",
		    ms);
	EXPECT_TRUE(ended);
	EXPECT_FALSE(victim_gone(victim, 0));
	/* And the next one is not kept waiting */
	EXPECT_EQ(0, victim_sysrq());
	next = victim_picked(log, self->scene.bystander.process.pid, 2000);
	EXPECT_TRUE(next);
	kill(self->monitor, SIGKILL);
	waitpid(self->monitor, NULL, 0);
	self->monitor = 0;
	close(fd);
	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(victim, 10000));
	munmap(refill.area, REFILL_MB * PROBE_MB);
	munmap(refill.locked, PROBE_MB);
}

/* khugepaged is making huge pages of the victim's memory */
static int invite_khugepaged(struct victim *victim)
{
	/* Now that it is full of small pages */
	return madvise(victim->mem, victim->mb * PROBE_MB, MADV_HUGEPAGE) ?
	       -errno : 0;
}

TEST_F_TIMEOUT(lock, khugepaged, 300)
{
	struct victim *victim = &self->victim;
	int i, left = 0, late = 0, n = runs();
	char enabled[64];
	long collapsed;

	if (probe_read(THP "enabled", enabled, sizeof(enabled)) <= 0 ||
	    strstr(enabled, "[never]"))
		SKIP(return, "no transparent huge pages");
	ASSERT_EQ(0, setting_change(KHUGEPAGED "scan_sleep_millisecs", "0"));
	ASSERT_EQ(0, setting_change(KHUGEPAGED "alloc_sleep_millisecs", "0"));
	ASSERT_EQ(0, setting_change(KHUGEPAGED "pages_to_scan", "8192"));
	collapsed = probe_vmstat("thp_collapse_alloc");
	victim->stuck = VICTIM_READ;
	victim->body = invite_khugepaged;
	for (i = 0; i < n; i++) {
		long before = probe_vmstat("thp_collapse_alloc");

		victim->file = i;
		ASSERT_EQ(0, victim_start(victim));
		/* Not before it has begun, not after it has finished */
		probe_wait(probe_vmstat("thp_collapse_alloc") > before + i,
			   5000);
		late += scene_kill(&self->scene, victim->mb, 1000) < 0;
		hold_release(&self->scene.hold, i);
		left += !victim_gone(victim, 5000);
		victim_stop(victim);
	}
	collapsed = probe_vmstat("thp_collapse_alloc") - collapsed;
	scene_print("%ld huge pages made, late %d", collapsed, late);
	/* Else nothing was tested */
	EXPECT_LT(0, collapsed);
	EXPECT_EQ(0, late);
	EXPECT_EQ(0, left);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

int main(int argc, char **argv)
{
	me = argv[0];
	if (argc == 2 && !strcmp(argv[1], EXEC_OPTION))
		return exec_again();
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
