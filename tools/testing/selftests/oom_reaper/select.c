// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the OOM killer picks when there are victims already, and when it stops
 * waiting for those.
 *
 * Where the kernel can do without the reaper it is switched off, so that all
 * victims are in flight: killed, and neither gone nor reaped. Stock reaps a
 * victim after two seconds, nearly everything here is over by then.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "glutton.h"
#include "scene.h"
#include "swap.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif

#define ALLOCATING	"/proc/sys/vm/oom_kill_allocating_task"
#define NEEDS_MEMCG	"no memory controller of cgroup v2"
#define NEEDS_TIMEOUT	"no parameter \"victim_timeout_ms\""

#define NR_VICTIMS	8
#define NR_HOGS		3
#define MAX_EXEMPT	256

/* The other processes, and what they were before they were made exempt */
struct exempt {
	int nr;
	int pid[MAX_EXEMPT];
	char adj[MAX_EXEMPT][8];
};

FIXTURE(select)
{
	struct hold hold;
	struct probe_text log;
	struct exempt exempt;
	struct victim victim[NR_VICTIMS];
	struct swap swap;
	struct cgroup top;
	struct cgroup cgroup;
};

static void adj_path(char *path, size_t size, int pid)
{
	snprintf(path, size, "/proc/%d/oom_score_adj", pid);
}

static void exempt_others(struct exempt *exempt)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[64];

	exempt->nr = 0;
	while (dir && (entry = readdir(dir)) && exempt->nr < MAX_EXEMPT) {
		int pid = atoi(entry->d_name), nr = exempt->nr;

		if (!isdigit(*entry->d_name))
			continue;
		adj_path(path, sizeof(path), pid);
		if (probe_read(path, exempt->adj[nr], 8) <= 0 ||
		    probe_write(path, "-1000"))
			continue;
		exempt->pid[exempt->nr++] = pid;
	}
	if (dir)
		closedir(dir);
}

static void restore_others(struct exempt *exempt)
{
	char path[64];

	while (exempt->nr--) {
		adj_path(path, sizeof(path), exempt->pid[exempt->nr]);
		probe_write(path, exempt->adj[exempt->nr]);
	}
	exempt->nr = 0;
}

FIXTURE_SETUP(select)
{
	int i, err = hold_start(&self->hold);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, probe_log_open(&self->log));
	self->swap.number = -1;
	if (!cgroup_make(&self->top, "+memory"))
		ASSERT_EQ(0, cgroup_make_child(&self->cgroup, &self->top, 0));
	for (i = 0; i < NR_VICTIMS; i++) {
		self->victim[i].mb = 4;
		self->victim[i].stuck = VICTIM_READ;
		self->victim[i].hold = &self->hold;
		self->victim[i].file = i;
	}
	/* Before the victims are there */
	exempt_others(&self->exempt);
	probe_param_write("enabled", "0");
	/* Longer than any test here, where it is not what is tested */
	probe_param_write("victim_timeout_ms", "60000");
}

FIXTURE_TEARDOWN(select)
{
	int i;

	probe_param_write("enabled", "1");
	probe_param_write("victim_timeout_ms", "10000");
	probe_param_write("vma_locks", "1");
	probe_write(ALLOCATING, "0");
	hold_release_all(&self->hold);
	for (i = 0; i < NR_VICTIMS; i++)
		victim_stop(&self->victim[i]);
	swap_stop(&self->swap);
	if (*self->cgroup.dir)
		cgroup_remove(&self->cgroup);
	if (*self->top.dir)
		cgroup_remove(&self->top);
	restore_others(&self->exempt);
	hold_stop(&self->hold);
	probe_text_close(&self->log);
}

/* SysRq-f, and wait until it has done something that the log tells of */
static void press(struct probe_text *log)
{
	int before = probe_count(log, "Killed process");
	int none = probe_count(log, "OOM request ignored");

	victim_sysrq();
	probe_wait(probe_count(log, "Killed process") > before ||
		   probe_count(log, "OOM request ignored") > none, 200);
}

static bool killed(struct probe_text *log, pid_t pid, int ms)
{
	return probe_find(log, ms, "Killed process %d (", pid);
}

static int nr_killed(struct probe_text *log, struct victim *victim, int count)
{
	int i, nr = 0;

	for (i = 0; i < count; i++)
		nr += killed(log, victim[i].pid, 0);
	return nr;
}

static void let_go(struct __test_metadata *_metadata, struct hold *hold,
		   struct probe_text *log, struct victim *victim, int count)
{
	const char *complaint;
	int nr = 0;

	hold_release_all(hold);
	while (nr < count && victim_gone(&victim[nr], 5000) &&
	       victim_killed(&victim[nr]))
		nr++;
	EXPECT_EQ(count, nr);
	probe_sleep_ms(100);
	complaint = probe_complaint(log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

/* Stock presses on the first one eight times */
TEST_F(select, sysrq_eight)
{
	int i, nr;

	for (i = 0; i < NR_VICTIMS; i++)
		ASSERT_EQ(0, victim_start(&self->victim[i]));
	for (i = 0; i < NR_VICTIMS; i++)
		press(&self->log);
	nr = nr_killed(&self->log, self->victim, NR_VICTIMS);
	scene_print("%d presses killed %d of %d", NR_VICTIMS, nr, NR_VICTIMS);
	EXPECT_EQ(NR_VICTIMS, nr);
	let_go(_metadata, &self->hold, &self->log, self->victim, NR_VICTIMS);
}

/* Stock finds the victims again */
TEST_F(select, sysrq_only_victims)
{
	int i, again;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, victim_start(&self->victim[i]));
	for (i = 0; i < 3; i++)
		press(&self->log);
	EXPECT_EQ(2, nr_killed(&self->log, self->victim, 2));
	again = probe_count(&self->log, "Killed process") - 2;
	scene_print("%d killed twice, \"no killable processes\": %d", again,
		    probe_count(&self->log, "no killable processes"));
	EXPECT_EQ(0, again);
	EXPECT_EQ(1, probe_count(&self->log, "no killable processes"));
	EXPECT_EQ(1, probe_count(&self->log, "OOM request ignored"));
	let_go(_metadata, &self->hold, &self->log, self->victim, 2);
}

/*
 * One that exits by itself is stuck between PF_EXITING and exit_mm(), and has
 * the most memory. The memory of the other one is enough.
 */
static void select_with_exiting(struct __test_metadata *_metadata,
				struct probe_text *log, struct cgroup *cgroup,
				struct victim *victim, enum victim_stuck stuck)
{
	pid_t squeezer;
	bool done;

	victim[0].mb = 24;
	victim[0].stuck = stuck;
	victim[0].cgroup = cgroup->procs;
	victim[1].mb = 16;
	victim[1].stuck = VICTIM_FREE;
	victim[1].cgroup = cgroup->procs;
	ASSERT_EQ(0, victim_start(&victim[0]));
	ASSERT_EQ(0, victim_start(&victim[1]));
	kill(victim[0].pid, SIGKILL);
	probe_sleep_ms(50);
	EXPECT_FALSE(victim_gone(&victim[0], 0));
	squeezer = cgroup_squeeze(cgroup, 4);
	ASSERT_LT(0, squeezer);
	done = killed(log, victim[1].pid, 5000);
	scene_print("the next one is %s", done ? "killed" : "not killed");
	EXPECT_TRUE(done);
	cgroup_squeezed(squeezer, 5000);
}

TEST_F(select, guard_exiting)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	probe_param_write("enabled", "1");
	select_with_exiting(_metadata, &self->log, &self->cgroup, self->victim,
			    VICTIM_EXITING);
	let_go(_metadata, &self->hold, &self->log, self->victim, 2);
}

/* On stock the reaper has to give up first: three seconds */
TEST_F(select, guard_exiting_mmap_lock)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	probe_param_write("enabled", "1");
	select_with_exiting(_metadata, &self->log, &self->cgroup, self->victim,
			    VICTIM_EXITING_LOCKED);
	let_go(_metadata, &self->hold, &self->log, self->victim, 2);
}

/* With nothing but the timer */
TEST_F(select, exiting_timer)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param_write("victim_timeout_ms", "500"))
		SKIP(return, NEEDS_TIMEOUT);
	select_with_exiting(_metadata, &self->log, &self->cgroup, self->victim,
			    VICTIM_EXITING_LOCKED);
	let_go(_metadata, &self->hold, &self->log, self->victim, 2);
}

/*
 * A process in swapoff() is killed first. It waits for the mmap_lock of one
 * that has a page in swap, for as long as that one is held.
 */
static int swap_out_page(struct victim *victim)
{
	return swap_out(victim->mem) ? 0 : -EBUSY;
}

static int do_swapoff(struct victim *victim)
{
	struct swap *swap = victim->arg;

	victim->shared->stage = VICTIM_READY;
	swapoff(swap->device);
	return -EINTR;
}

static bool in_swapoff(pid_t pid)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	if (probe_read(path, text, sizeof(text)) <= 0) {
		/* Without that file: give it time */
		probe_sleep_ms(200);
		return true;
	}
	return atoi(text) == SYS_swapoff;
}

/* Return: 0, -ENODEV if there is no swap to be had */
static int start_swapoff(struct __test_metadata *_metadata, struct swap *swap,
			 struct victim *victim, int oom_score_adj)
{
	int err = swap_start(swap, 16);

	if (err)
		return -ENODEV;
	victim[0].body = swap_out_page;
	victim[0].stuck = VICTIM_MMAP_WRITE;
	victim[0].oom_score_adj = -1000;
	err = victim_start(&victim[0]);
	if (err)
		return err;
	victim[1].body = do_swapoff;
	victim[1].arg = swap;
	victim[1].stuck = VICTIM_FREE;
	victim[1].oom_score_adj = oom_score_adj;
	err = victim_start(&victim[1]);
	if (err)
		return err;
	EXPECT_TRUE(probe_wait(in_swapoff(victim[1].pid), 2000));
	probe_sleep_ms(50);
	EXPECT_FALSE(victim_gone(&victim[1], 0));
	victim[2].oom_score_adj = 1000;
	return victim_start(&victim[2]);
}

/* Stock picks it again and again */
TEST_F(select, swapoff_victim)
{
	int err = start_swapoff(_metadata, &self->swap, self->victim, 1);

	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	press(&self->log);
	EXPECT_TRUE(killed(&self->log, self->victim[1].pid, 0));
	EXPECT_FALSE(killed(&self->log, self->victim[2].pid, 0));
	press(&self->log);
	scene_print("the second press killed %s",
		    killed(&self->log, self->victim[2].pid, 0) ?
		    "the next one" : "the same one");
	EXPECT_TRUE(killed(&self->log, self->victim[2].pid, 0));
	let_go(_metadata, &self->hold, &self->log, &self->victim[2], 1);
	self->swap.on = false;
}

/* Stock does not care that it is exempt */
TEST_F(select, swapoff_exempt)
{
	int err = start_swapoff(_metadata, &self->swap, self->victim, -1000);

	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	press(&self->log);
	scene_print("killed: %s",
		    killed(&self->log, self->victim[1].pid, 0) ?
		    "the exempt process" : "the one with the highest score");
	EXPECT_FALSE(killed(&self->log, self->victim[1].pid, 0));
	EXPECT_TRUE(killed(&self->log, self->victim[2].pid, 0));
	let_go(_metadata, &self->hold, &self->log, &self->victim[2], 1);
	self->swap.on = false;
}

/* Return: ms from the death of the first until that of the second, -1: lives */
static int second_after(struct __test_metadata *_metadata,
			struct probe_text *log, struct cgroup *cgroup,
			struct victim *victim, pid_t *squeezer, int ms)
{
	long long from;

	victim[0].mb = 24;
	victim[0].cgroup = cgroup->procs;
	victim[1].mb = 16;
	victim[1].cgroup = cgroup->procs;
	ASSERT_EQ(0, victim_start(&victim[0]));
	ASSERT_EQ(0, victim_start(&victim[1]));
	*squeezer = cgroup_squeeze(cgroup, 4);
	ASSERT_LT(0, *squeezer);
	EXPECT_TRUE(killed(log, victim[0].pid, 5000));
	from = probe_now_ns();
	if (!killed(log, victim[1].pid, ms))
		return -1;
	return (probe_now_ns() - from) / 1000000;
}

#define TIMEOUT_MS	1000

static void timer(struct __test_metadata *_metadata, struct hold *hold,
		  struct probe_text *log, struct cgroup *cgroup,
		  struct victim *victim)
{
	pid_t squeezer;
	int ms;

	ms = second_after(_metadata, log, cgroup, victim, &squeezer,
			  5 * TIMEOUT_MS);
	scene_print("the next one after %d ms, timeout %d ms", ms, TIMEOUT_MS);
	EXPECT_LE(TIMEOUT_MS * 9 / 10, ms);
	EXPECT_GE(TIMEOUT_MS * 2, ms);
	EXPECT_EQ(1, probe_count(log, "OOM victim %d (victim) has neither",
				 victim[0].pid));
	let_go(_metadata, hold, log, victim, 2);
	cgroup_squeezed(squeezer, 5000);
}

TEST_F(select, timer_no_reaper)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param_write("victim_timeout_ms", "1000"))
		SKIP(return, NEEDS_TIMEOUT);
	timer(_metadata, &self->hold, &self->log, &self->cgroup, self->victim);
}

/* The reaper is willing, but somebody holds mmap_lock */
TEST_F(select, timer_unreapable)
{
	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param_write("victim_timeout_ms", "1000"))
		SKIP(return, NEEDS_TIMEOUT);
	EXPECT_EQ(0, probe_param_write("enabled", "1"));
	EXPECT_EQ(0, probe_param_write("vma_locks", "0"));
	EXPECT_EQ(0, probe_param_write("attempts", "1000"));
	self->victim[0].stuck = VICTIM_MMAP_WRITE;
	timer(_metadata, &self->hold, &self->log, &self->cgroup, self->victim);
	EXPECT_EQ(0, probe_param_write("attempts", "16"));
}

#define SHRINKING_MB	64
#define SHRINKING_STEPS	16

static int map_shrinking(struct victim *victim)
{
	/* At this address in the test, too, where nothing is in it */
	madvise(victim->arg, SHRINKING_MB * PROBE_MB, MADV_NOHUGEPAGE);
	memset(victim->arg, 1, SHRINKING_MB * PROBE_MB);
	return 0;
}

/* With nobody to reap it, it loses a sixteenth of its memory now and then */
TEST_F(select, timer_shrinking)
{
	size_t step = SHRINKING_MB * PROBE_MB / SHRINKING_STEPS;
	int i, ms, err, pidfd;
	struct iovec vec;
	long long from;
	pid_t squeezer;
	char *mem;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param_write("victim_timeout_ms", "1000"))
		SKIP(return, NEEDS_TIMEOUT);
	err = swap_start(&self->swap, SHRINKING_MB + 16);
	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	mem = mmap(NULL, SHRINKING_MB * PROBE_MB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	self->victim[0].body = map_shrinking;
	self->victim[0].arg = mem;
	self->victim[0].cgroup = self->cgroup.procs;
	self->victim[1].mb = 16;
	self->victim[1].cgroup = self->cgroup.procs;
	ASSERT_EQ(0, victim_start(&self->victim[0]));
	ASSERT_EQ(0, victim_start(&self->victim[1]));
	/* What goes to swap stays charged, so that this does not help the group */
	cgroup_write(&self->cgroup, "memory.swap.max", "0");
	squeezer = cgroup_squeeze(&self->cgroup, 4);
	ASSERT_LT(0, squeezer);
	EXPECT_TRUE(killed(&self->log, self->victim[0].pid, 5000));
	cgroup_write(&self->cgroup, "memory.swap.max", "max");
	from = probe_now_ns();
	pidfd = syscall(SYS_pidfd_open, self->victim[0].pid, 0);
	for (i = 0; i < SHRINKING_STEPS / 2; i++) {
		vec = (struct iovec){ mem + i * step, step };
		syscall(SYS_process_madvise, pidfd, &vec, 1, MADV_PAGEOUT, 0);
		probe_sleep_ms(TIMEOUT_MS / 4);
	}
	close(pidfd);
	EXPECT_TRUE(killed(&self->log, self->victim[1].pid, 5 * TIMEOUT_MS));
	ms = (probe_now_ns() - from) / 1000000;
	scene_print("the next one after %d ms, timeout %d ms", ms, TIMEOUT_MS);
	EXPECT_LE(TIMEOUT_MS * 18 / 10, ms);
	let_go(_metadata, &self->hold, &self->log, self->victim, 2);
	cgroup_squeezed(squeezer, 5000);
	munmap(mem, SHRINKING_MB * PROBE_MB);
}

TEST_F(select, timer_off)
{
	pid_t squeezer;
	int ms;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	if (probe_param_write("victim_timeout_ms", "0"))
		SKIP(return, NEEDS_TIMEOUT);
	ms = second_after(_metadata, &self->log, &self->cgroup, self->victim,
			  &squeezer, 2 * TIMEOUT_MS);
	EXPECT_EQ(-1, ms);
	EXPECT_EQ(0, probe_count(&self->log, "has neither"));
	/* The first has given way by itself, the second has to after all */
	hold_release(&self->hold, 0);
	EXPECT_TRUE(killed(&self->log, self->victim[1].pid, 5000));
	let_go(_metadata, &self->hold, &self->log, self->victim, 2);
	cgroup_squeezed(squeezer, 5000);
}

TEST_F(select, timer_range)
{
	if (probe_param("victim_timeout_ms") < 0)
		SKIP(return, NEEDS_TIMEOUT);
	EXPECT_EQ(-EINVAL, probe_param_write("victim_timeout_ms", "600001"));
	EXPECT_EQ(-EINVAL, probe_param_write("victim_timeout_ms", "-1"));
	EXPECT_EQ(-EINVAL, probe_param_write("victim_timeout_ms", "soon"));
	EXPECT_EQ(60000, probe_param("victim_timeout_ms"));
	EXPECT_EQ(0, probe_param_write("victim_timeout_ms", "600000"));
	EXPECT_EQ(0, probe_param_write("victim_timeout_ms", "0"));
	EXPECT_EQ(0, probe_param_write("victim_timeout_ms", "10000"));
}

/* Wants more than there is as long as the victim has not given way */
static int hog(struct victim *victim)
{
	size_t at, size = *(size_t *)victim->arg;
	char *mem = victim_map(size, false);

	victim->shared->stage = VICTIM_READY;
	for (at = 0; mem && at < size; at += 4096)
		mem[at] = 1;
	return 0;
}

/*
 * A victim is in flight, and three processes want its memory. Stock kills one
 * of the three after the other.
 */
TEST_F_TIMEOUT(select, allocating_task_waits, 90)
{
	struct victim *first = &self->victim[0], *hogs = &self->victim[1];
	size_t size;
	int i, nr;

	if (!glutton_possible())
		SKIP(return, "too much memory to use it up");
	first->mb = 64;
	/* Stock's reaper does not get at it */
	first->stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, victim_start(first));
	ASSERT_EQ(0, probe_write(ALLOCATING, "1"));
	probe_write("/proc/sys/vm/drop_caches", "3");
	size = (probe_free_kb() / NR_HOGS + 8 * 1024) * 1024;
	press(&self->log);
	EXPECT_TRUE(killed(&self->log, first->pid, 0));
	for (i = 0; i < NR_HOGS; i++) {
		hogs[i].oom_score_adj = 1;
		hogs[i].mb = 1;
		hogs[i].stuck = VICTIM_FREE;
		hogs[i].body = hog;
		hogs[i].arg = &size;
		ASSERT_EQ(0, victim_start(&hogs[i]));
	}
	probe_wait(nr_killed(&self->log, hogs, NR_HOGS), 2000);
	probe_sleep_ms(200);
	nr = nr_killed(&self->log, hogs, NR_HOGS);
	scene_print("%d of %d allocating tasks killed, %ld kB free", nr,
		    NR_HOGS, probe_free_kb());
	EXPECT_EQ(0, nr);
	/* Stock lets go of it after three seconds: the end of what it shows */
	hold_release_all(&self->hold);
	EXPECT_TRUE(victim_gone(first, 5000));
	EXPECT_TRUE(victim_killed(first));
	EXPECT_EQ(NULL, probe_complaint(&self->log));
}

/* Stock thaws one thread, the others stay where they are and keep the process */
TEST_F(select, frozen_v1_gone)
{
	struct victim *victim = &self->victim[0];
	struct cgroup freezer;
	long long from;
	bool gone;

	if (cgroup_make_v1(&freezer, "freezer"))
		SKIP(return, "no freezer of cgroup v1");
	victim->stuck = VICTIM_FREE;
	victim->threads = 7;
	victim->cgroup = freezer.procs;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_EQ(0, cgroup_write(&freezer, "freezer.state", "FROZEN"));
	EXPECT_TRUE(cgroup_wait(&freezer, "freezer.state", "FROZEN", 5000));
	from = probe_now_ns();
	press(&self->log);
	gone = victim_gone(victim, 1000);
	scene_print("%s after %lld ms", gone ? "gone" : "not gone",
		    (probe_now_ns() - from) / 1000000);
	EXPECT_TRUE(gone);
	EXPECT_EQ(0, cgroup_write(&freezer, "freezer.state", "THAWED"));
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(victim_killed(victim));
	cgroup_remove(&freezer);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
