// SPDX-License-Identifier: GPL-2.0
/*
 * Several victims at once, and victims that are several processes.
 *
 * Stock waits for two seconds before it looks at a victim, and never gets the
 * memory of one whose mmap_lock is held for write; in the meantime, or then, a
 * second process may be killed that need not have been. It fails all these but
 * the guards.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"
#include "starve.h"
#include "swap.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif

#define GROUP	64
#define STACK	65536

FIXTURE(several)
{
	struct scene scene;
	struct cgroup top;
	struct cgroup cgroup;
	struct victim victim[GROUP];
	pid_t squeezer;
	struct probe_params params;
};

FIXTURE_VARIANT(several)
{
	enum victim_stuck stuck;
};

FIXTURE_VARIANT_ADD(several, read)
{
	.stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(several, mmap_lock)
{
	.stuck = VICTIM_MMAP_WRITE,
};

FIXTURE_SETUP(several)
{
	int i, err = scene_start(&self->scene);

	probe_params_save(&self->params);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	/* Whose parent is gone becomes a child of the test */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (i = 0; i < GROUP; i++) {
		self->victim[i].stuck = variant->stuck;
		self->victim[i].hold = &self->scene.hold;
		self->victim[i].file = i;
	}
	err = cgroup_make(&self->top, "+memory");
	if (!err) {
		ASSERT_EQ(0, cgroup_make_child(&self->cgroup, &self->top, 0));
		for (i = 0; i < GROUP; i++)
			self->victim[i].cgroup = self->cgroup.procs;
	}
}

FIXTURE_TEARDOWN(several)
{
	int i;

	hold_release_all(&self->scene.hold);
	for (i = 0; i < GROUP; i++)
		victim_stop(&self->victim[i]);
	if (self->squeezer > 0)
		cgroup_squeezed(self->squeezer, 0);
	probe_params_restore(&self->params);
	if (*self->cgroup.dir)
		cgroup_remove(&self->cgroup);
	if (*self->top.dir)
		cgroup_remove(&self->top);
	scene_stop(&self->scene);
}

#define NEEDS_MEMCG "no memory controller of cgroup v2"

static int reaped(struct scene *scene, struct victim *victim, int count)
{
	int i, nr = 0;

	for (i = 0; i < count; i++)
		nr += victim_reaped(&scene->log, victim[i].pid, 0);
	return nr;
}

static int killed(struct victim *victim, int count)
{
	int i, nr = 0;

	for (i = 0; i < count; i++)
		nr += victim_gone(&victim[i], 5000) &&
		      victim_killed(&victim[i]);
	return nr;
}

static void no_complaint(struct __test_metadata *_metadata,
			 struct scene *scene)
{
	const char *complaint;

	/* The last reference to an mm may be dropped a little later */
	probe_sleep_ms(100);
	complaint = probe_complaint(&scene->log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

/* All of a group are handed over at once: most have to go on the backlog */
static void kill_group(struct __test_metadata *_metadata, struct scene *scene,
		       struct cgroup *cgroup, struct victim *victim,
		       pid_t *squeezer)
{
	long before, backlogged = probe_vmstat("oom_reaper_backlogged");
	int i, back, nr = 0;

	for (i = 0; i < GROUP; i++) {
		victim[i].mb = 1;
		ASSERT_EQ(0, victim_start(&victim[i]));
	}
	ASSERT_EQ(0, cgroup_write(cgroup, "memory.oom.group", "1"));
	probe_sleep_ms(100);
	before = probe_free_kb();
	*squeezer = cgroup_squeeze(cgroup, 0);
	ASSERT_LT(0, *squeezer);
	back = victim_memory_back(before, GROUP, 1500);
	probe_wait((nr = reaped(scene, victim, GROUP)) == GROUP, 1000);
	scene_print("back after %d ms: %ld of %d MB, %d of %d reaped", back,
		    (probe_free_kb() - before) / 1024, GROUP, nr, GROUP);
	scene_print("%ld handed over by way of the backlog",
		    probe_vmstat("oom_reaper_backlogged") - backlogged);
	EXPECT_LE(0, back);
	EXPECT_EQ(GROUP, nr);
	EXPECT_EQ(0, probe_count(&scene->log, "unable to reap"));
	EXPECT_TRUE(bystander_intact(&scene->bystander));

	hold_release_all(&scene->hold);
	EXPECT_EQ(GROUP, killed(victim, GROUP));
	no_complaint(_metadata, scene);
}

TEST_F_TIMEOUT(several, group, 90)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	kill_group(_metadata, &self->scene, &self->cgroup, self->victim,
		   &self->squeezer);
}

TEST_F_TIMEOUT(several, group_threads, 90)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param("threads") < 2)
		SKIP(return, "oom_reaper.threads= is not on the command line");
	kill_group(_metadata, &self->scene, &self->cgroup, self->victim,
		   &self->squeezer);
}

/* The death of the first is enough, the second must live */
TEST_F(several, one_of_two_in_memcg)
{
	struct victim *victim = self->victim;
	long kills;
	bool done;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	victim[0].mb = 24;
	victim[1].mb = 8;
	ASSERT_EQ(0, victim_start(&victim[0]));
	ASSERT_EQ(0, victim_start(&victim[1]));
	self->squeezer = cgroup_squeeze(&self->cgroup, 16);
	ASSERT_LT(0, self->squeezer);
	done = cgroup_squeezed(self->squeezer, 1000);
	self->squeezer = 0;
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&self->scene.log, victim[0].pid, 1000));
	/* Stock looks for the next one when it has given up */
	probe_sleep_ms(200);
	kills = cgroup_number(&self->cgroup, "memory.events", "oom_kill");
	scene_print("the limit is %s, %ld killed",
		    done ? "kept" : "not kept after a second", kills);
	EXPECT_EQ(1, kills);

	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&victim[0], 5000));
	EXPECT_TRUE(victim_killed(&victim[0]));
	EXPECT_FALSE(victim_gone(&victim[1], 200));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	no_complaint(_metadata, &self->scene);
}

TEST_F(several, both_in_memcg)
{
	struct victim *victim = self->victim;
	bool done;
	int nr = 0;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	victim[0].mb = 16;
	victim[1].mb = 16;
	ASSERT_EQ(0, victim_start(&victim[0]));
	ASSERT_EQ(0, victim_start(&victim[1]));
	self->squeezer = cgroup_squeeze(&self->cgroup, 8);
	ASSERT_LT(0, self->squeezer);
	done = cgroup_squeezed(self->squeezer, 1000);
	self->squeezer = 0;
	probe_wait((nr = reaped(&self->scene, victim, 2)) == 2, 1000);
	scene_print("the limit is %s, %d reaped",
		    done ? "kept" : "not kept after a second", nr);
	EXPECT_TRUE(done);
	EXPECT_EQ(2, nr);
	hold_release_all(&self->scene.hold);
	EXPECT_EQ(2, killed(victim, 2));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	no_complaint(_metadata, &self->scene);
}

/* When a line came into the log, in ms. -1: there is none */
static long log_ms(struct probe_text *log, int ms, const char *what, pid_t pid)
{
	const char *line = probe_find(log, ms, "%s%d (", what, pid);
	long long us;

	/* "priority,number,microseconds,..." */
	if (!line || sscanf(line, "%*d,%*d,%lld", &us) != 1)
		return -1;
	return us / 1000;
}

/*
 * The first victim gives too little and does not exit, for the files that it
 * has open and nothing else: the next one is killed soon.
 */
static void kill_next(struct __test_metadata *_metadata, struct scene *scene,
		      struct cgroup *cgroup, struct victim *victim,
		      pid_t *squeezer, const char *first)
{
	long begun, next;

	victim[0].mb = 24;
	victim[1].mb = 16;
	ASSERT_EQ(0, victim_start(&victim[0]));
	ASSERT_EQ(0, victim_start(&victim[1]));
	*squeezer = cgroup_squeeze(cgroup, 4);
	ASSERT_LT(0, *squeezer);
	begun = log_ms(&scene->log, 5000, first, victim[0].pid);
	next = log_ms(&scene->log, 5000, "Killed process ", victim[1].pid);
	scene_print("\"%s\" at %ld ms, the next kill at %ld ms", first, begun,
		    next);
	EXPECT_LE(0, begun);
	EXPECT_LE(0, next);
	EXPECT_GE(probe_limit(1000), next - begun);
	hold_release_all(&scene->hold);
	EXPECT_EQ(2, killed(victim, 2));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	no_complaint(_metadata, scene);
}

/* Counted from the kill: on stock it is reaped two seconds after that */
TEST_F(several, next_after_reaped)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (variant->stuck != VICTIM_READ)
		SKIP(return, "the first one would not be reaped on stock");
	kill_next(_metadata, &self->scene, &self->cgroup, self->victim,
		  &self->squeezer, "Killed process ");
}

TEST_F(several, guard_next_after_given_up)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (variant->stuck != VICTIM_MMAP_WRITE)
		SKIP(return, "nothing to give up");
	probe_param_write("vma_locks", "N");
	probe_param_write("interval_ms", "10");
	kill_next(_metadata, &self->scene, &self->cgroup, self->victim,
		  &self->squeezer, "oom_reaper: unable to reap pid:");
}

#define SHARED_MB	32

static int map_shared(struct victim *victim)
{
	char *mem = mmap(NULL, SHARED_MB * PROBE_MB, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, SHARED_MB * PROBE_MB);
	return 0;
}

/*
 * Most of the first victim is shared memory, which goes when it exits: that is
 * worth to wait for before somebody else is killed. Stock looks for the next one
 * when the address space is gone, and the file is still to be closed.
 */
static void exit_with_shared(struct __test_metadata *_metadata,
			     struct scene *scene, struct cgroup *cgroup,
			     struct victim *victim, pid_t *squeezer, int ms)
{
	bool alive;

	victim[0].mb = 4;
	victim[0].body = map_shared;
	victim[1].mb = 8;
	victim[1].oom_score_adj = 500;
	ASSERT_EQ(0, victim_start(&victim[0]));
	ASSERT_EQ(0, victim_start(&victim[1]));
	*squeezer = cgroup_squeeze(cgroup, SHARED_MB / 2);
	ASSERT_LT(0, *squeezer);
	EXPECT_NE(NULL, probe_find(&scene->log, 5000, "Killed process %d (",
				   victim[0].pid));
	probe_sleep_ms(ms);
	hold_release(&scene->hold, victim[0].file);
	EXPECT_TRUE(victim_gone(&victim[0], 5000));
	EXPECT_TRUE(cgroup_squeezed(*squeezer, 5000));
	*squeezer = 0;
	alive = !probe_count(&scene->log, "Killed process %d (", victim[1].pid);
	scene_print("it exits %d ms after the kill, the other one is %s", ms,
		    alive ? "spared" : "killed, too");
	EXPECT_TRUE(alive);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

TEST_F(several, shared_memory_exit_200)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	exit_with_shared(_metadata, &self->scene, &self->cgroup, self->victim,
			 &self->squeezer, 200);
}

TEST_F(several, shared_memory_exit_1500)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_slow())
		SKIP(return, "near to the end of the time that it has");
	exit_with_shared(_metadata, &self->scene, &self->cgroup, self->victim,
			 &self->squeezer, 1500);
}

#define SLOW_MB		2	/* less than an eighth of it */
#define SLOW_STEPS	24
#define SLOW_STEP_MS	50

static int map_slow(struct victim *victim)
{
	char *mem = mmap(NULL, SLOW_MB * PROBE_MB, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, SLOW_MB * PROBE_MB);
	*(char **)victim->arg = mem;
	return 0;
}

static void page_out(pid_t pid, char *mem, size_t size)
{
	struct iovec vec = { mem, size };
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	syscall(SYS_process_madvise, pidfd, &vec, 1, MADV_PAGEOUT, 0);
	close(pidfd);
}

/*
 * The first victim has been reaped, and goes on losing memory, as one does whose
 * exit takes long: here because it is swapped out bit by bit. As long as it does
 * the second one lives.
 */
TEST_F(several, next_while_it_shrinks)
{
	char **mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct victim *victim = self->victim;
	size_t step = SLOW_MB * PROBE_MB / SLOW_STEPS & ~4095UL;
	struct swap swap;
	long begun, next;
	int i, err;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (variant->stuck != VICTIM_READ)
		SKIP(return, "nobody swaps out with mmap_lock held");
	if (probe_param("enabled") < 0)
		SKIP(return, "there is no such wait");
	ASSERT_NE(MAP_FAILED, (void *)mem);
	err = swap_start(&swap, 16);
	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	victim[0].mb = 24;
	victim[0].body = map_slow;
	victim[0].arg = mem;
	victim[1].mb = 16;
	EXPECT_EQ(0, victim_start(&victim[0]));
	EXPECT_EQ(0, victim_start(&victim[1]));
	self->squeezer = cgroup_squeeze(&self->cgroup, 4);
	EXPECT_TRUE(victim_reaped(&self->scene.log, victim[0].pid, 5000));
	for (i = 0; i < SLOW_STEPS; i++) {
		page_out(victim[0].pid, *mem + i * step, step);
		probe_sleep_ms(SLOW_STEP_MS);
	}
	begun = log_ms(&self->scene.log, 0, "Killed process ", victim[0].pid);
	next = log_ms(&self->scene.log, 5000, "Killed process ", victim[1].pid);
	scene_print("killed at %ld ms, the next at %ld ms, %ld kB of shared memory left",
		    begun, next, probe_status(victim[0].pid, "RssShmem"));
	EXPECT_LE(0, begun);
	EXPECT_LE(begun + SLOW_STEPS * SLOW_STEP_MS * 3 / 4, next);
	hold_release_all(&self->scene.hold);
	EXPECT_EQ(2, killed(victim, 2));
	cgroup_squeezed(self->squeezer, 5000);
	self->squeezer = 0;
	swap_stop(&swap);
	munmap(mem, 4096);
	no_complaint(_metadata, &self->scene);
}

/* A process with the memory of another one, its flags and signals its own */
enum { SHARER, SHARER_STUCK };	/* flags: PID, and whether it gets stuck */

#define SHARER_FILE	(GROUP + 1)

static int share(void *arg)
{
	struct victim *victim = arg;

	if (victim->shared->flag[SHARER_STUCK])
		hold_in_read(victim->hold, SHARER_FILE);
	for (;;)
		pause();
	return 0;
}

static int have_sharer(struct victim *victim)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	victim->shared->flag[SHARER_STUCK] = *(bool *)victim->arg;
	pid = clone(share, stack + STACK, CLONE_VM | SIGCHLD, victim);
	if (pid < 0)
		return -errno;
	victim->shared->flag[SHARER] = pid;
	return 0;
}

static bool sharer_gone(pid_t pid, int ms)
{
	int status;

	return probe_wait(waitpid(pid, &status, WNOHANG) == pid, ms) &&
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void kill_sharers(struct __test_metadata *_metadata,
			 struct scene *scene, struct victim *victim, bool stuck)
{
	pid_t sharer;

	victim->mb = SCENE_MB;
	victim->cgroup = NULL;
	victim->body = have_sharer;
	victim->arg = &stuck;
	ASSERT_EQ(0, victim_start(victim));
	sharer = victim->shared->flag[SHARER];
	if (stuck)
		EXPECT_TRUE(hold_wait(&scene->hold, SHARER_FILE, 1, 5000));
	EXPECT_LE(0, scene_kill(scene, SCENE_MB, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_EQ(0, probe_count(&scene->log, "unable to reap"));

	/* One after the other */
	hold_release(&scene->hold, victim->file);
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(victim_killed(victim));
	hold_release(&scene->hold, SHARER_FILE);
	EXPECT_TRUE(sharer_gone(sharer, 5000));
	no_complaint(_metadata, scene);
}

TEST_F(several, one_mm)
{
	kill_sharers(_metadata, &self->scene, &self->victim[0], false);
}

TEST_F(several, one_mm_both_stuck)
{
	kill_sharers(_metadata, &self->scene, &self->victim[0], true);
}

static int share_in_group(void *arg)
{
	struct victim *victim = arg;

	if (!probe_write(victim->cgroup, "0"))
		hold_in_read(victim->hold, SHARER_FILE);
	return 0;
}

/* The sharer goes into another group, which the victim names */
static int have_sharer_in_group(struct victim *victim)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static struct victim copy;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	copy = *victim;
	copy.cgroup = victim->arg;
	pid = clone(share_in_group, stack + STACK, CLONE_VM | SIGCHLD, &copy);
	if (pid < 0)
		return -errno;
	victim->shared->flag[SHARER] = pid;
	return hold_wait(victim->hold, SHARER_FILE, 1, 5000) ? 0 : -ETIMEDOUT;
}

/*
 * Of two processes with the same score and the same memory SysRq-f picks the one
 * that came last. The group of the other one runs out of memory before they are
 * reaped. The OOM killer finds that one dying and marks it, too; the memory is
 * handed over once.
 */
TEST_F(several, handed_over_once)
{
	struct victim *victim = self->victim;
	struct scene *scene = &self->scene;
	struct cgroup other;
	pid_t sharer;
	int times;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param_write("delay_ms", "1000"))
		SKIP(return, "no parameter delay_ms");
	ASSERT_EQ(0, cgroup_make_child(&other, &self->top, 1));
	victim[0].mb = SCENE_MB;
	victim[0].body = have_sharer_in_group;
	victim[0].arg = other.procs;
	EXPECT_EQ(0, victim_start(&victim[0]));
	sharer = victim[0].shared->flag[SHARER];
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_NE(NULL, probe_find(&scene->log, 5000, "Killed process %d (",
				   sharer));
	self->squeezer = cgroup_squeeze(&self->cgroup, 4);
	EXPECT_NE(NULL, probe_find(&scene->log, 10000,
				   "oom_reaper: reaped process"));
	probe_sleep_ms(1200);
	times = probe_count(&scene->log, "oom_reaper: reaped process");
	scene_print("reaped %d times", times);
	EXPECT_EQ(1, times);
	hold_release(&scene->hold, victim[0].file);
	hold_release(&scene->hold, SHARER_FILE);
	EXPECT_TRUE(victim_gone(&victim[0], 5000));
	EXPECT_TRUE(sharer_gone(sharer, 5000));
	cgroup_squeezed(self->squeezer, 5000);
	self->squeezer = 0;
	cgroup_remove(&other);
	no_complaint(_metadata, scene);
}

/* The thread of this name, -1: there is none */
static pid_t thread_named(const char *name)
{
	char path[64], comm[32];
	pid_t pid;

	for (pid = 2; pid < 2000; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (probe_read(path, comm, sizeof(comm)) <= 0)
			continue;
		comm[strcspn(comm, "\n")] = '\0';
		if (!strcmp(comm, name))
			return pid;
	}
	return -1;
}

FIXTURE(process)
{
	struct scene scene;
	struct probe_text trace;
	struct probe_params params;
};

FIXTURE_SETUP(process)
{
	int err = scene_start(&self->scene);

	self->trace.fd = -1;
	probe_params_save(&self->params);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

FIXTURE_TEARDOWN(process)
{
	int cpu, reaper = thread_named("oom_reaper");
	struct sched_param param = { .sched_priority = 99 };
	cpu_set_t all;

	if (probe_param("priority") > 0)
		param.sched_priority = probe_param("priority");
	probe_text_close(&self->trace);
	probe_params_restore(&self->params);
	/* As it was before a test put it somewhere else */
	CPU_ZERO(&all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &all);
	if (reaper > 0 && probe_param("priority") > 0) {
		sched_setaffinity(reaper, sizeof(all), &all);
		sched_setscheduler(reaper, SCHED_FIFO, &param);
	}
	scene_stop(&self->scene);
}

/* The OOM killer may not pick the child; with its parent it has to go */
static int vfork_exempt(struct victim *victim)
{
	pid_t pid = vfork();

	if (!pid) {
		probe_write("/proc/self/oom_score_adj", "-1000");
		victim->shared->flag[SHARER] = getpid();
		victim->shared->stage = VICTIM_READY;
		hold_in_read(victim->hold, victim->file);
		_exit(0);
	}
	return pid < 0 ? -errno : -EINTR;
}

TEST_F(process, vfork_exempt_child)
{
	struct scene *scene = &self->scene;
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ, .hold = &scene->hold,
		.body = vfork_exempt,
	};
	pid_t child;

	ASSERT_EQ(0, victim_start(&victim));
	child = victim.shared->flag[SHARER];
	EXPECT_LE(0, scene_kill(scene, SCENE_MB, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_EQ(0, probe_count(&scene->log, "unable to reap"));
	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(&victim, 5000));
	EXPECT_TRUE(victim_killed(&victim));
	EXPECT_TRUE(sharer_gone(child, 5000));
	no_complaint(_metadata, scene);
	victim_stop(&victim);
}

/* An ordinary task, and on this CPU only */
static int put_on(pid_t pid, int cpu)
{
	struct sched_param param = { 0 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setscheduler(pid, SCHED_OTHER, &param) ||
	    sched_setaffinity(pid, sizeof(set), &set))
		return -errno;
	return 0;
}

#define BUSY_MB		160
#define BUSY_DELAY	"300"

/*
 * One of two threads is in the middle of a victim, and stands still there as it
 * does not get the CPU: the other one takes the next victim.
 */
TEST_F_TIMEOUT(process, busy_thread, 120)
{
	struct scene *scene = &self->scene;
	struct probe_text *trace = &self->trace;
	struct victim first = {
		.mb = BUSY_MB, .stuck = VICTIM_READ, .hold = &scene->hold,
	}, second = {
		.mb = 16, .stuck = VICTIM_READ, .hold = &scene->hold,
		.file = 1, .oom_score_adj = 900,
	};
	pid_t reaper[2];
	struct starve starve;
	const char *line;
	long left, begun;
	bool back;
	int other;

	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	if (probe_param("threads") != 2)
		SKIP(return, "oom_reaper.threads=2 is not on the command line");
	ASSERT_EQ(0, probe_param_write("delay_ms", BUSY_DELAY));
	reaper[0] = thread_named("oom_reaper");
	reaper[1] = thread_named("oom_reaper/1");
	if (reaper[0] < 0 || reaper[1] < 0)
		SKIP(return, "there are no two threads");
	ASSERT_EQ(0, put_on(reaper[0], STARVE_CPU));
	ASSERT_EQ(0, put_on(reaper[1], STARVE_CPU));
	ASSERT_EQ(0, probe_trace_open(trace, "oom:start_task_reaping"));
	ASSERT_EQ(0, starve_start(&starve));
	EXPECT_EQ(0, victim_start(&first));
	EXPECT_EQ(0, victim_start(&second));
	begun = probe_status(first.pid, "RssAnon");

	EXPECT_EQ(0, victim_sysrq());
	line = probe_find(trace, 5000, "start_task_reaping: pid=%d", first.pid);
	starve_after(&starve, 0);
	EXPECT_NE(NULL, line);
	/* It is not this one: that one is free to run elsewhere */
	other = line && strstr(line, "oom_reaper/1") ? 0 : 1;
	EXPECT_EQ(0, put_on(reaper[other], 0));
	probe_param_write("delay_ms", "0");
	probe_sleep_ms(20);
	EXPECT_EQ(0, victim_sysrq());
	back = probe_wait(probe_status(second.pid, "RssAnon") < 1024,
			  STARVE_MS - 100);
	left = probe_status(first.pid, "RssAnon");
	starve_stop(&starve);
	scene_print("first: %ld of %ld kB left, second: %s", left, begun,
		    back ? "reaped meanwhile" : "had to wait");
	/* Else nothing was tested */
	EXPECT_LT(1024, left);
	EXPECT_TRUE(back);
	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(&first, 5000));
	EXPECT_TRUE(victim_gone(&second, 5000));
	victim_stop(&first);
	victim_stop(&second);
}

/*
 * Victims that are let go while they are being reaped, and some that never
 * were stuck. Nobody waits for memory here, so that stock has nothing to fail.
 */
TEST_F_TIMEOUT(process, guard_dying, 600)
{
	static const enum victim_stuck kind[] = {
		VICTIM_READ, VICTIM_MMAP_WRITE, VICTIM_MMAP_READ,
		VICTIM_EXITING, VICTIM_AIO, VICTIM_FREE,
	};
	long rounds = probe_env("OOM_REAPER_ROUNDS", 60);
	long counter = probe_vmstat("oom_reaper_reaped");
	struct scene *scene = &self->scene;
	long i, reaped = 0, lost = 0, before, after;

	if (rounds >= HOLD_FILES)
		rounds = HOLD_FILES - 1;
	srandom(probe_env("OOM_REAPER_SEED", 1));
	before = probe_free_kb();
	for (i = 0; i < rounds; i++) {
		struct victim victim = {
			.mb = 8, .threads = random() % 8,
			.huge = random() % 2,
			.stuck = kind[random() % ARRAY_SIZE(kind)],
			.hold = &scene->hold, .file = i,
		};

		ASSERT_EQ(0, victim_start(&victim));
		EXPECT_EQ(0, victim_sysrq());
		usleep(random() % 6000);
		hold_release(&scene->hold, i);
		lost += !victim_gone(&victim, 5000);
		reaped += victim_reaped(&scene->log, victim.pid, 0);
		victim_stop(&victim);
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
	no_complaint(_metadata, scene);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
