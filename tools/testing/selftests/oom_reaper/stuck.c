// SPDX-License-Identifier: GPL-2.0
/*
 * Victims that are stuck somewhere when the OOM killer kills them. Their
 * memory must be back within a second, no other process may be killed, and once
 * they are released they must still exit properly.
 *
 * Stock waits for two seconds before it looks at a victim, and never gets the
 * memory of one whose mmap_lock is held for write: it fails all these tests
 * except the guards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "locks.h"
#include "scene.h"
#include "starve.h"
#include "swap.h"

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"

FIXTURE(stuck)
{
	struct scene scene;
	struct cgroup cgroup;
	struct swap swap;
};

FIXTURE_SETUP(stuck)
{
	int err = scene_start(&self->scene);

	self->swap.number = -1;
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(stuck)
{
	swap_stop(&self->swap);
	cgroup_remove(&self->cgroup);
	scene_stop(&self->scene);
}

/* Can another process read the list of its mappings within @ms? */
static bool maps_readable(pid_t victim, int ms)
{
	char path[32], byte;
	bool done;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/maps", victim);
	pid = fork();
	if (!pid) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		_exit(read(fd, &byte, 1) == 1 ? 0 : 1);
	}
	done = probe_wait(waitpid(pid, NULL, WNOHANG) == pid, ms);
	if (!done) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return done;
}

/* All these tests rely on this: the task that should hold mmap_lock does */
TEST_F(stuck, guard_hold)
{
	static const struct {
		enum victim_stuck stuck;
		bool held;
	} kind[] = {
		{ VICTIM_READ, false },
		{ VICTIM_MMAP_READ, false },
		{ VICTIM_MMAP_WRITE, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kind); i++) {
		struct victim victim = {
			.mb = 1, .stuck = kind[i].stuck,
			.hold = &self->scene.hold, .file = i,
		};
		bool readable;

		ASSERT_EQ(0, victim_start(&victim));
		readable = maps_readable(victim.pid, kind[i].held ? 300 : 5000);
		scene_print("%u: mmap_lock is %savailable for read", i,
			    readable ? "" : "not ");
		EXPECT_EQ(!kind[i].held, readable);
		hold_release(&self->scene.hold, i);
		EXPECT_TRUE(maps_readable(victim.pid, 5000));
		victim_stop(&victim);
	}
}

/* The victim is there: kill it and see */
static void kill_and_see(struct __test_metadata *_metadata,
			 struct scene *scene, struct victim *victim)
{
	EXPECT_LE(0, scene_kill(scene, victim->mb, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_FALSE(victim_given_up(&scene->log, victim->pid));

	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(victim, 5000));
}

static void stuck_in(struct __test_metadata *_metadata, struct scene *scene,
		     enum victim_stuck stuck, int threads)
{
	struct victim victim = {
		.mb = SCENE_MB, .threads = threads,
		.stuck = stuck, .hold = &scene->hold,
	};

	ASSERT_EQ(0, victim_start(&victim));
	kill_and_see(_metadata, scene, &victim);
	EXPECT_TRUE(victim_killed(&victim));
	victim_stop(&victim);
}

TEST_F(stuck, read)
{
	stuck_in(_metadata, &self->scene, VICTIM_READ, 0);
}

TEST_F(stuck, mmap_lock_write)
{
	stuck_in(_metadata, &self->scene, VICTIM_MMAP_WRITE, 0);
}

TEST_F(stuck, mmap_lock_read)
{
	stuck_in(_metadata, &self->scene, VICTIM_MMAP_READ, 0);
}

/* Past PF_EXITING, asleep on the way to exit_mm() */
TEST_F(stuck, exiting)
{
	stuck_in(_metadata, &self->scene, VICTIM_EXITING, 1);
}

TEST_F(stuck, exiting_mmap_lock_read)
{
	stuck_in(_metadata, &self->scene, VICTIM_EXITING_LOCKED, 1);
}

/* The last user of the mm is gone, and asleep before exit_mmap() */
TEST_F(stuck, exit_aio)
{
	stuck_in(_metadata, &self->scene, VICTIM_AIO, 0);
}

TEST_F(stuck, threads_1000)
{
	stuck_in(_metadata, &self->scene, VICTIM_READ, 999);
}

TEST_F(stuck, threads_1000_mmap_lock)
{
	stuck_in(_metadata, &self->scene, VICTIM_MMAP_WRITE, 999);
}

static void *read_for_ever(void *arg)
{
	struct victim *victim = arg;

	/* By then the first thread is gone */
	probe_sleep_ms(50);
	victim->shared->stage = VICTIM_READY;
	hold_in_read(victim->hold, victim->file);
	for (;;)
		pause();
	return NULL;
}

static int leave_thread(struct victim *victim)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, read_for_ever, victim);

	if (!err)
		syscall(SYS_exit, 0);
	return -err;
}

/* The first thread of the victim has exited, and so it has no memory */
TEST_F(stuck, first_thread_gone)
{
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ,
		.hold = &self->scene.hold, .body = leave_thread,
	};

	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(-1, probe_status(victim.pid, "RssAnon"));
	kill_and_see(_metadata, &self->scene, &victim);
	EXPECT_TRUE(victim_killed(&victim));
	victim_stop(&victim);
}

/* The OOM killer picks the parent, which waits for a child with the same mm */
static int vfork_stuck_child(struct victim *victim)
{
	pid_t pid = vfork();

	if (!pid) {
		victim->shared->stage = VICTIM_READY;
		hold_in_read(victim->hold, victim->file);
		_exit(0);
	}
	return pid < 0 ? -errno : -EINTR;
}

TEST_F(stuck, vfork)
{
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ,
		.hold = &self->scene.hold, .body = vfork_stuck_child,
	};

	ASSERT_EQ(0, victim_start(&victim));
	kill_and_see(_metadata, &self->scene, &victim);
	EXPECT_TRUE(victim_killed(&victim));
	victim_stop(&victim);
}

static int dump_core(struct victim *victim)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &all);
	prctl(PR_SET_DUMPABLE, 1);
	victim->shared->stage = VICTIM_READY;
	raise(SIGSEGV);
	return -EINVAL;
}

/* Its core goes to a file that does not take it */
TEST_F(stuck, coredump)
{
	char path[128];
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ,
		.hold = &self->scene.hold, .body = dump_core,
	};

	hold_core_path(&self->scene.hold, 0, path, sizeof(path));
	if (setting_change(CORE_PATTERN, path))
		SKIP(return, "no coredumps");
	ASSERT_EQ(0, victim_start(&victim));
	kill_and_see(_metadata, &self->scene, &victim);
	victim_stop(&victim);
}

/*
 * Only the thread that the OOM killer marks is thawed: the other one keeps the
 * memory. On stock too, for two seconds.
 */
TEST_F(stuck, frozen_v1)
{
	struct victim victim = { .mb = SCENE_MB, .threads = 3 };
	struct cgroup *cgroup = &self->cgroup;
	int err;

	err = cgroup_make_v1(cgroup, "freezer");
	if (err)
		SKIP(return, "no freezer of cgroup v1: %s", strerror(-err));
	victim.cgroup = cgroup->procs;
	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(0, cgroup_write(cgroup, "freezer.state", "FROZEN"));
	EXPECT_TRUE(cgroup_wait(cgroup, "freezer.state", "FROZEN", 5000));

	EXPECT_LE(0, scene_kill(&self->scene, victim.mb, 1000));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));

	EXPECT_EQ(0, cgroup_write(cgroup, "freezer.state", "THAWED"));
	EXPECT_TRUE(victim_gone(&victim, 5000));
	victim_stop(&victim);
}

/* SIGKILL gets through to what cgroup v2 has frozen */
TEST_F(stuck, guard_frozen_v2)
{
	struct victim victim = { .mb = SCENE_MB, .threads = 3 };
	struct cgroup *cgroup = &self->cgroup;
	int err;

	err = cgroup_make(cgroup, NULL);
	if (err)
		SKIP(return, "no cgroup v2: %s", strerror(-err));
	victim.cgroup = cgroup->procs;
	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(0, cgroup_write(cgroup, "cgroup.freeze", "1"));
	EXPECT_TRUE(cgroup_wait(cgroup, "cgroup.events", "frozen 1", 5000));

	EXPECT_LE(0, scene_kill(&self->scene, victim.mb, 1000));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	EXPECT_TRUE(victim_gone(&victim, 5000));

	cgroup_write(cgroup, "cgroup.freeze", "0");
	victim_stop(&victim);
}

static bool stopped(struct victim *victim)
{
	return waitpid(victim->pid, &victim->status, WNOHANG) == victim->pid &&
	       WIFSTOPPED(victim->status);
}

/* SIGKILL gets through to what a tracer has stopped */
TEST_F(stuck, guard_ptrace)
{
	struct victim victim = { .mb = SCENE_MB };

	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(0, ptrace(PTRACE_SEIZE, victim.pid, 0, 0));
	EXPECT_EQ(0, ptrace(PTRACE_INTERRUPT, victim.pid, 0, 0));
	EXPECT_TRUE(probe_wait(stopped(&victim), 5000));
	kill_and_see(_metadata, &self->scene, &victim);
	EXPECT_TRUE(victim_killed(&victim));
	victim_stop(&victim);
}

/* A tracer that wants to be told of exits stops the victim on its way out */
TEST_F(stuck, ptrace_exit)
{
	struct victim victim = { .mb = SCENE_MB };

	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(0, ptrace(PTRACE_SEIZE, victim.pid, 0, PTRACE_O_TRACEEXIT));
	EXPECT_LE(0, scene_kill(&self->scene, victim.mb, 1000));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	EXPECT_TRUE(probe_wait(stopped(&victim), 5000));
	EXPECT_EQ(0, ptrace(PTRACE_CONT, victim.pid, 0, 0));
	EXPECT_TRUE(victim_gone(&victim, 5000));
	victim_stop(&victim);
}

#define NOTIFIER	PROBE_TEST_OOM "notifier"
#define REFUSE		PROBE_TEST_OOM "refuse"
#define REFUSALS	1000000

static int register_notifier(struct victim *victim)
{
	return open(NOTIFIER, O_RDONLY | O_CLOEXEC) < 0 ? -errno : 0;
}

static long refusals_left(void)
{
	char text[32] = "";

	probe_read(REFUSE, text, sizeof(text));
	return atol(text);
}

/*
 * A device uses the memory of the victim, and its driver cannot release it at
 * once: nothing may be reaped before the driver has released it.
 */
TEST_F(stuck, mmu_notifier)
{
	struct scene *scene = &self->scene;
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ, .hold = &scene->hold,
		.body = register_notifier,
	};
	long before, asked, rss;

	if (!probe_test_oom(NOTIFIER))
		SKIP(return, "no test_oom with an mmu notifier");
	ASSERT_EQ(0, setting_change(REFUSE, "0"));
	setting_param("attempts", "1000");
	ASSERT_EQ(0, victim_start(&victim));
	ASSERT_EQ(0, probe_write(REFUSE, "1000000"));
	before = probe_free_kb();
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(probe_wait(refusals_left() < REFUSALS - 1, 5000));
	probe_sleep_ms(100);
	asked = REFUSALS - refusals_left();
	rss = probe_status(victim.pid, "RssAnon");
	scene_print("refused %ld times, %ld of %zu kB are there", asked, rss,
		    victim.mb * 1024);
	EXPECT_LE((long)(victim.mb * 1024), rss);
	EXPECT_FALSE(victim_reaped(&scene->log, victim.pid, 0));
	EXPECT_EQ(0, probe_write(REFUSE, "0"));
	EXPECT_LE(0, victim_memory_back(before, victim.mb, 1000));
	EXPECT_TRUE(victim_reaped(&scene->log, victim.pid, 1000));
	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(&victim, 5000));
	victim_stop(&victim);
}

/*
 * In the middle of fork(), mmap_lock held for write: the victim does not get on
 * with the fork of a first area, because its CPU has more important things to
 * do. The memory above it has no write-locked VMA yet and must come back, and
 * that before the scheduler lets the victim get on.
 */
#define FORK_AREA	0x1000000000UL
#define FORK_BELOW	(FORK_AREA / 2)	/* is copied before it */
#define FORK_PAGES	4000
#define FORK_STRIDE	(2 * PROBE_MB)	/* a page table for each page */

enum { FORK_GO, FORK_DELAY_US, FORK_LIST_ABOVE, FORK_DONE };	/* flags */

/* Of the lock that the victim holds, after @flag */
#define FORK_WORD	15

/*
 * To memory that is copied later, or that has been copied when fork() blocks.
 * There is one lock on it.
 */
static void move_robust_list(struct victim *victim, char *mem)
{
	struct robust_list_head *head = (void *)mem;
	struct robust_list *node = (void *)(mem + sizeof(*head));

	locks_register_one(head, node,
			   (atomic_uint *)&victim->shared->flag[FORK_WORD]);
}

static int fork_when_told(struct victim *victim)
{
	size_t i, size = FORK_PAGES * FORK_STRIDE;
	char *area = mmap((void *)FORK_AREA, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			  MAP_FIXED_NOREPLACE, -1, 0);
	char *below = mmap((void *)FORK_BELOW, PROBE_MB, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			   -1, 0);
	pid_t pid;
	int err;

	if (area == MAP_FAILED || below == MAP_FAILED)
		return -errno;
	madvise(area, size, MADV_NOHUGEPAGE);
	for (i = 0; i < FORK_PAGES; i++)
		area[i * FORK_STRIDE] = 1;
	err = starve_me();
	if (err)
		return err;
	victim->shared->stage = VICTIM_READY;
	while (!victim->shared->flag[FORK_GO])
		probe_sleep_ms(1);
	move_robust_list(victim, victim->shared->flag[FORK_LIST_ABOVE] ?
			 victim->mem : below);
	starve_after(victim->arg, victim->shared->flag[FORK_DELAY_US]);
	pid = fork();
	if (!pid)
		_exit(0);
	victim->shared->flag[FORK_DONE] = 1;
	return 0;
}

static void stuck_in_fork(struct __test_metadata *_metadata,
			  struct scene *scene, bool list_above)
{
	struct starve starve;
	long before, tables_kb, copied_kb = 0;
	bool caught = false;
	int try, back = -1, word = 0;

	for (try = 0; try < 16 && !caught; try++) {
		struct victim victim = {
			.mb = SCENE_MB, .body = fork_when_told, .arg = &starve,
		};

		ASSERT_EQ(0, starve_start(&starve));
		ASSERT_EQ(0, victim_start(&victim));
		tables_kb = probe_meminfo_kb("PageTables");
		before = probe_free_kb();
		victim.shared->flag[FORK_LIST_ABOVE] = list_above;
		/* Not before it has the lock, not after the first area */
		victim.shared->flag[FORK_DELAY_US] = 100 << try % 8;
		victim.shared->flag[FORK_GO] = 1;
		probe_wait(starve.shared->spin, 1000);
		probe_sleep_ms(10);
		/* It has copied some of the first area, and not all of it */
		copied_kb = probe_meminfo_kb("PageTables") - tables_kb;
		caught = starve_lock_held(&starve, victim.pid,
					  (void *)FORK_AREA) &&
			 copied_kb < FORK_PAGES * 4 * 3 / 4;
		if (caught) {
			back = scene_kill_since(scene, before, victim.mb,
						STARVE_MS);
			/* It was the reaper, and not the victim's own exit */
			if (!probe_slow())
				EXPECT_FALSE(victim_gone(&victim, 0));
		}
		starve_stop(&starve);
		if (caught) {
			EXPECT_TRUE(victim_gone(&victim, 5000));
			word = victim.shared->flag[FORK_WORD];
		}
		victim_stop(&victim);
	}
	scene_print("the lock is %s", word & FUTEX_OWNER_DIED ? "marked" :
								"lost");
	scene_print("caught in fork() at try %d, %ld of %d kB of page tables",
		    try, copied_kb, FORK_PAGES * 4);
	EXPECT_TRUE(caught);
	EXPECT_LE(0, back);
	EXPECT_TRUE(word & FUTEX_OWNER_DIED);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

TEST_F(stuck, fork)
{
	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	stuck_in_fork(_metadata, &self->scene, true);
}

/*
 * The list of robust futexes is where fork() has been already, so that the VMA
 * that it is in cannot be had.
 */
TEST_F(stuck, fork_list_locked)
{
	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	stuck_in_fork(_metadata, &self->scene, false);
}

/*
 * The same when the slow area is the highest of all: fork() has locked every
 * other VMA by then, and nothing can be reaped. Then what the victim has must
 * still be there to be swapped out.
 *
 * So that there is nothing above that area the victim forks from a thread whose
 * stack lies low, and does without a vDSO.
 */
#define TOP		0x7ffffffff000UL
#define TOP_AREA	(TOP - FORK_PAGES * FORK_STRIDE)
#define LOW_STACK	0x2000000000UL
#define LOW_STACK_SIZE	(256 * 1024)
#define SWAP_MB		48
#define RECLAIM_MB	8

static void unmap_top(void)
{
	static char maps[65536];
	unsigned long start, end;
	char *line, *rest = maps;

	if (probe_read("/proc/self/maps", maps, sizeof(maps)) <= 0)
		return;
	while ((line = strtok_r(rest, "\n", &rest)))
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 &&
		    end <= TOP && end > TOP_AREA)
			munmap((void *)start, end - start);
}

/* Nothing to look at or to keep, so that it is up to the VMAs alone */
static void drop_robust_list(void)
{
	locks_register(NULL);
}

static atomic_bool main_pauses;

/* It has its stack under it until it sleeps */
static bool main_sleeps(void)
{
	char stat[512];

	return main_pauses &&
	       probe_read("/proc/self/stat", stat, sizeof(stat)) > 0 &&
	       strstr(stat, ") S ");
}

static void *fork_at_top(void *arg)
{
	struct victim *victim = arg;
	char *area;
	size_t i;

	drop_robust_list();
	if (!probe_wait(main_sleeps(), 5000))
		_exit(1);
	unmap_top();
	/* What fork() has copied is the child's as well, and goes by that */
	madvise(victim->mem, victim->mb * PROBE_MB, MADV_DONTFORK);
	area = mmap((void *)TOP_AREA, FORK_PAGES * FORK_STRIDE,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (area == MAP_FAILED)
		_exit(1);
	madvise(area, FORK_PAGES * FORK_STRIDE, MADV_NOHUGEPAGE);
	for (i = 0; i < FORK_PAGES; i++)
		area[i * FORK_STRIDE] = 1;
	if (starve_me())
		_exit(1);
	victim->shared->stage = VICTIM_READY;
	while (!victim->shared->flag[FORK_GO])
		probe_sleep_ms(1);
	starve_after(victim->arg, victim->shared->flag[FORK_DELAY_US]);
	if (!syscall(SYS_fork))
		syscall(SYS_exit_group, 0);
	for (;;)
		pause();
	return NULL;
}

static int start_low_thread(struct victim *victim)
{
	static struct victim copy;
	static struct starve starve;
	pthread_attr_t attr;
	pthread_t thread;
	void *stack = mmap((void *)LOW_STACK, LOW_STACK_SIZE,
			   PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (stack == MAP_FAILED)
		return -errno;
	/* The originals are on the stack that goes */
	starve = *(struct starve *)victim->arg;
	copy = *victim;
	copy.arg = &starve;
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, LOW_STACK_SIZE);
	if (pthread_create(&thread, &attr, fork_at_top, &copy))
		return -EAGAIN;
	drop_robust_list();
	/* Its stack goes, too: it does not come back to it */
	main_pauses = true;
	for (;;)
		pause();
	return 0;
}

TEST_F_TIMEOUT(stuck, guard_swapped_while_locked, 240)
{
	struct cgroup *cgroup = &self->cgroup;
	struct starve starve;
	bool caught = false;
	long kb = -1, before, left;
	long long began;
	pid_t reclaimer;
	int try, err;

	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	if (cgroup_make(cgroup, "+memory"))
		SKIP(return, CGROUP_NO_MEMORY);
	err = swap_start(&self->swap, SWAP_MB);
	for (try = 0; !err && try < 16 && !caught; try++) {
		struct victim victim = {
			.mb = SCENE_MB / 2, .body = start_low_thread,
			.arg = &starve, .cgroup = cgroup->procs,
		};

		EXPECT_EQ(0, starve_start(&starve));
		err = victim_start(&victim);
		if (err)
			break;
		victim.shared->flag[FORK_DELAY_US] = 100 << try % 8;
		victim.shared->flag[FORK_GO] = 1;
		probe_wait(starve.shared->spin, 1000);
		began = probe_now_ns();
		probe_sleep_ms(10);
		EXPECT_EQ(0, victim_sysrq());
		/* And time for some attempts */
		victim_picked(&self->scene.log, victim.pid, 300);
		probe_sleep_ms(50);
		reclaimer = fork();
		before = probe_meminfo_kb("SwapFree");
		if (!reclaimer) {
			cgroup_write(cgroup, "memory.reclaim", "8M");
			_exit(0);
		}
		/* While it is stuck; reclaim itself takes longer */
		left = STARVE_MS - (probe_now_ns() - began) / 1000000;
		probe_wait(before - probe_meminfo_kb("SwapFree") >=
			   RECLAIM_MB * 1024 / 2, left);
		kb = before - probe_meminfo_kb("SwapFree");
		/* On a slow machine reclaim may not get far in time */
		caught = left > STARVE_MS / 4 && kb >= RECLAIM_MB * 1024 / 2 &&
			 starve_lock_held(&starve, victim.pid,
					  (void *)TOP_AREA);
		kill(reclaimer, SIGKILL);
		waitpid(reclaimer, NULL, 0);
		starve_stop(&starve);
		EXPECT_TRUE(victim_gone(&victim, 10000));
		victim_stop(&victim);
	}
	scene_print("caught in fork() at try %d, %ld kB swapped out then", try,
		    kb);
	if (err == -ENODEV)
		SKIP(return, "no zram");
	EXPECT_EQ(0, err);
	EXPECT_TRUE(caught);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
