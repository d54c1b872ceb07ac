// SPDX-License-Identifier: GPL-2.0
/*
 * When the OOM killer goes on to the next process: not while a victim still
 * gives memory back, and soon after it has no more to give.
 *
 * Stock waits for two seconds before it looks at a victim, never gets the memory
 * of one whose mmap_lock is held for write, and kills the next process when it
 * has given up, or too early. It fails all these tests except the guards.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"
#include "swap.h"

#define NEEDS_TIMEOUT	"no parameter \"victim_timeout_ms\""

/* Two in a memory cgroup: the first is killed first */
struct next {
	struct scene scene;
	struct cgroup cgroup;
	struct cgroup other;
	struct victim first;
	struct victim second;
};

/* Return: why there is nothing to test, or NULL; @err: 0 or -errno */
static const char *next_start(struct next *next, int *err)
{
	if (cgroup_make(&next->cgroup, "+memory"))
		return CGROUP_NO_MEMORY;
	*err = scene_start(&next->scene);
	if (*err)
		return *err == -ENODEV ? "no FUSE" : NULL;
	next->first.mb = 24;
	next->first.hold = &next->scene.hold;
	next->first.cgroup = next->cgroup.procs;
	next->first.stuck = VICTIM_READ;
	next->second = next->first;
	next->second.mb = 16;
	next->second.file = 1;
	return NULL;
}

static void next_stop(struct next *next)
{
	hold_release_all(&next->scene.hold);
	victim_stop(&next->first);
	victim_stop(&next->second);
	cgroup_remove(&next->cgroup);
	cgroup_remove(&next->other);
	scene_stop(&next->scene);
}

/* Have the OOM killer kill until there are @mb megabytes left */
static void squeeze(struct __test_metadata *_metadata, struct next *next,
		    size_t mb)
{
	ASSERT_EQ(0, victim_start(&next->first));
	ASSERT_EQ(0, victim_start(&next->second));
	ASSERT_EQ(0, cgroup_squeeze(&next->cgroup, mb));
}

static void let_go(struct __test_metadata *_metadata, struct next *next)
{
	hold_release_all(&next->scene.hold);
	EXPECT_TRUE(scene_let_go(&next->scene, &next->first));
	EXPECT_TRUE(scene_let_go(&next->scene, &next->second));
	EXPECT_TRUE(cgroup_squeezed(&next->cgroup, 5000));
}

FIXTURE(next)
{
	struct next next;
	struct swap swap;
};

FIXTURE_VARIANT(next)
{
	enum victim_stuck stuck;
};

FIXTURE_VARIANT_ADD(next, read)
{
	.stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(next, mmap_lock)
{
	.stuck = VICTIM_MMAP_WRITE,
};

FIXTURE_SETUP(next)
{
	const char *lacking;
	int err;

	lacking = next_start(&self->next, &err);
	if (lacking)
		SKIP(return, "%s", lacking);
	ASSERT_EQ(0, err);
	self->next.first.stuck = variant->stuck;
	self->next.second.stuck = variant->stuck;
	self->swap.number = -1;
}

FIXTURE_TEARDOWN(next)
{
	next_stop(&self->next);
	swap_stop(&self->swap);
}

/* The death of the first is enough, the second must live */
TEST_F(next, one_of_two_in_memcg)
{
	struct next *next = &self->next;
	long kills;
	bool done;

	next->second.mb = 8;
	squeeze(_metadata, next, 16);
	done = cgroup_squeezed(&next->cgroup, 1000);
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&next->scene.log, next->first.pid, 1000));
	/* Stock looks for the next one when it has given up */
	probe_sleep_ms(200);
	kills = cgroup_number(&next->cgroup, "memory.events", "oom_kill");
	scene_print("the limit is %s, %ld killed",
		    done ? "kept" : "not kept after a second", kills);
	EXPECT_EQ(1, kills);
	EXPECT_TRUE(scene_let_go(&next->scene, &next->first));
	EXPECT_FALSE(victim_gone(&next->second, 200));
}

TEST_F(next, both_in_memcg)
{
	struct next *next = &self->next;
	bool done;

	next->first.mb = 16;
	squeeze(_metadata, next, 8);
	done = cgroup_squeezed(&next->cgroup, 1000);
	scene_print("the limit is %s",
		    done ? "kept" : "not kept after a second");
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&next->scene.log, next->first.pid, 1000));
	EXPECT_TRUE(victim_reaped(&next->scene.log, next->second.pid, 1000));
	let_go(_metadata, next);
}

/*
 * The first victim gives too little and does not exit, for the files that it
 * has open and nothing else: the next one is killed soon after @what.
 */
static void next_soon_after(struct __test_metadata *_metadata,
			    struct next *next, const char *what)
{
	struct probe_text *log = &next->scene.log;
	long long from_us, next_us;

	squeeze(_metadata, next, 4);
	from_us = probe_log_us(probe_find(log, 5000, "%s%d (", what,
					  next->first.pid));
	next_us = probe_log_us(probe_find(log, 5000, "Killed process %d (",
					  next->second.pid));
	scene_print("\"%s\" at %lld ms, the next kill at %lld ms", what,
		    from_us / 1000, next_us / 1000);
	EXPECT_LE(0, from_us);
	EXPECT_LE(0, next_us);
	EXPECT_GE(probe_limit(1000), (next_us - from_us) / 1000);
	let_go(_metadata, next);
}

/* Counted from the kill: on stock it is reaped two seconds after that */
TEST_F(next, next_after_reaped)
{
	if (variant->stuck != VICTIM_READ)
		SKIP(return, "the first one would not be reaped on stock");
	next_soon_after(_metadata, &self->next, "Killed process ");
}

TEST_F(next, guard_next_after_given_up)
{
	if (variant->stuck != VICTIM_MMAP_WRITE)
		SKIP(return, "nothing to give up");
	setting_param("vma_locks", "N");
	setting_param("interval_ms", "10");
	next_soon_after(_metadata, &self->next,
			"oom_reaper: unable to reap pid:");
}

#define SHARED_MB	32
#define LITTLE_MB	2	/* less than an eighth of the victim */

static int map_shared(size_t mb)
{
	char *mem = mmap(NULL, mb * PROBE_MB, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, mb * PROBE_MB);
	return 0;
}

static int map_little_shared(struct victim *victim)
{
	return map_shared(LITTLE_MB);
}

static int map_much_shared(struct victim *victim)
{
	return map_shared(SHARED_MB);
}

/* Nearly all processes have some shared memory: that is not worth a wait */
TEST_F(next, next_after_little_shared)
{
	if (variant->stuck != VICTIM_READ)
		SKIP(return, "the first one would not be reaped on stock");
	self->next.first.body = map_little_shared;
	next_soon_after(_metadata, &self->next, "Killed process ");
}

/*
 * Most of the first victim is shared memory, which goes when it exits: that is
 * worth waiting for before another process is killed. Stock looks for the next one
 * when the address space is gone, but the file is not closed yet.
 */
static void exit_with_shared(struct __test_metadata *_metadata,
			     struct next *next, int ms)
{
	struct probe_text *log = &next->scene.log;
	bool alive;

	next->first.mb = 4;
	next->first.body = map_much_shared;
	next->second.mb = 8;
	next->second.oom_score_adj = 500;
	squeeze(_metadata, next, SHARED_MB / 2);
	EXPECT_TRUE(victim_picked(log, next->first.pid, 5000));
	probe_sleep_ms(ms);
	EXPECT_TRUE(scene_let_go(&next->scene, &next->first));
	EXPECT_TRUE(cgroup_squeezed(&next->cgroup, 5000));
	alive = !victim_picked(log, next->second.pid, 0);
	scene_print("it exits %d ms after the kill, the other one is %s", ms,
		    alive ? "spared" : "killed, too");
	EXPECT_TRUE(alive);
}

TEST_F(next, shared_memory_exit_200)
{
	exit_with_shared(_metadata, &self->next, 200);
}

TEST_F(next, shared_memory_exit_1500)
{
	if (probe_slow())
		SKIP(return, "near to the end of the time that it has");
	exit_with_shared(_metadata, &self->next, 1500);
}

/* It exits at once, with its files, and that is not enough: nobody waits longer */
TEST_F(next, guard_next_after_shared_exit)
{
	struct victim *first = &self->next.first;

	if (variant->stuck != VICTIM_READ)
		SKIP(return, "the first one is not stuck");
	first->mb = 4;
	first->stuck = VICTIM_FREE;
	first->body = map_much_shared;
	next_soon_after(_metadata, &self->next, "Killed process ");
}

#define SLOW_VICTIM_MB	64
/* Less than an eighth of it; a step shows in counters that batch 32 pages a CPU */
#define SLOW_MB		6
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

/*
 * The first victim has been reaped and keeps losing memory, like a victim that
 * takes long to exit: here because it is swapped out bit by bit. Until that ends
 * the second one must live.
 */
TEST_F(next, next_while_it_shrinks)
{
	char **mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t step = SLOW_MB * PROBE_MB / SLOW_STEPS & ~4095UL;
	struct next *next = &self->next;
	struct probe_text *log = &next->scene.log;
	long long first_us, second_us;
	int i;

	if (variant->stuck != VICTIM_READ)
		SKIP(return, "nobody swaps out with mmap_lock held");
	if (probe_param("enabled") < 0)
		SKIP(return, "there is no such wait");
	ASSERT_NE(MAP_FAILED, (void *)mem);
	if (swap_start(&self->swap, 16))
		SKIP(return, "no zram");
	next->first.mb = SLOW_VICTIM_MB;
	next->first.body = map_slow;
	next->first.arg = mem;
	squeeze(_metadata, next, 4);
	EXPECT_TRUE(victim_reaped(log, next->first.pid, 5000));
	for (i = 0; i < SLOW_STEPS; i++) {
		probe_madvise(next->first.pid, *mem + i * step, step, MADV_PAGEOUT);
		probe_sleep_ms(SLOW_STEP_MS);
	}
	first_us = probe_log_us(probe_find(log, 0, "Killed process %d (",
					   next->first.pid));
	second_us = probe_log_us(probe_find(log, 5000, "Killed process %d (",
					    next->second.pid));
	scene_print("killed at %lld ms, the next at %lld ms, %ld kB of shared memory left",
		    first_us / 1000, second_us / 1000,
		    probe_status(next->first.pid, "RssShmem"));
	EXPECT_LE(0, first_us);
	EXPECT_LE(SLOW_STEPS * SLOW_STEP_MS * 3 / 4,
		  (second_us - first_us) / 1000);
	let_go(_metadata, next);
	munmap(mem, 4096);
}

/*
 * The OOM killer may not pick the child on its own account; the child uses the
 * memory of its parent, which has exited.
 */
static int vfork_exempt(struct victim *victim)
{
	pid_t pid = vfork();

	if (!pid) {
		probe_write("/proc/self/oom_score_adj", "-1000");
		victim->shared->stage = VICTIM_READY;
		hold_in_read(victim->hold, victim->file);
		_exit(0);
	}
	return pid < 0 ? -errno : -EINTR;
}

/*
 * The selected process has left the process list, but one that shares its memory
 * is stuck: the victim is still in flight. Stock searches the list and kills the
 * next one.
 */
TEST_F(next, leader_gone)
{
	struct next *next = &self->next;
	struct probe_text *log = &next->scene.log;
	bool alive;

	if (variant->stuck != VICTIM_READ)
		SKIP(return, "who waits in vfork() does nothing else");
	/* Not to have it reaped; stock's reaper comes two seconds later */
	setting_param("enabled", "0");
	next->first.body = vfork_exempt;
	next->second.oom_score_adj = 500;
	squeeze(_metadata, next, 24);
	EXPECT_TRUE(victim_picked(log, next->first.pid, 5000));
	EXPECT_TRUE(victim_gone(&next->first, 5000));
	alive = !victim_picked(log, next->second.pid, 1000);
	scene_print("a second later the other one is %s",
		    alive ? "spared" : "killed, too");
	EXPECT_TRUE(alive);
	/* With the stuck one its memory goes, and that is enough */
	hold_release(&next->scene.hold, next->first.file);
	EXPECT_TRUE(cgroup_squeezed(&next->cgroup, 5000));
	EXPECT_FALSE(victim_picked(log, next->second.pid, 0));
	EXPECT_TRUE(scene_quiet(&next->scene));
}

/*
 * A victim that is stuck in another group has nothing to give to this one, and
 * nobody waits for it.
 */
TEST_F(next, guard_other_group)
{
	struct next *next = &self->next;
	struct probe_text *log = &next->scene.log;
	bool killed;

	ASSERT_EQ(0, cgroup_make(&next->other, "+memory"));
	setting_param("enabled", "0");
	next->second.cgroup = next->other.procs;
	squeeze(_metadata, next, 4);
	EXPECT_TRUE(victim_picked(log, next->first.pid, 5000));
	ASSERT_EQ(0, cgroup_squeeze(&next->other, 4));
	killed = victim_picked(log, next->second.pid, 1000);
	scene_print("the one in the other group is %s",
		    killed ? "killed" : "waited with");
	EXPECT_TRUE(killed);
	let_go(_metadata, next);
}

/*
 * The first one exits by itself, has the most memory, and is stuck between
 * PF_EXITING and exit_mm(). The memory of the other one is enough.
 */
FIXTURE(exiting)
{
	struct next next;
};

FIXTURE_VARIANT(exiting)
{
	enum victim_stuck stuck;
	const char *timeout_ms;		/* NULL: the reaper is there for it */
};

FIXTURE_VARIANT_ADD(exiting, guard_read)
{
	.stuck = VICTIM_EXITING,
};

/* On stock the reaper has to give up first: three seconds */
FIXTURE_VARIANT_ADD(exiting, guard_mmap_lock)
{
	.stuck = VICTIM_EXITING_LOCKED,
};

/* With nothing but the timer */
FIXTURE_VARIANT_ADD(exiting, timer)
{
	.stuck = VICTIM_EXITING_LOCKED,
	.timeout_ms = "500",
};

FIXTURE_SETUP(exiting)
{
	const char *lacking;
	int err;

	lacking = next_start(&self->next, &err);
	if (lacking)
		SKIP(return, "%s", lacking);
	ASSERT_EQ(0, err);
	self->next.first.stuck = variant->stuck;
	self->next.second.stuck = VICTIM_FREE;
}

FIXTURE_TEARDOWN(exiting)
{
	next_stop(&self->next);
}

TEST_F(exiting, next)
{
	struct next *next = &self->next;
	bool done;

	if (variant->timeout_ms) {
		if (setting_param("victim_timeout_ms", variant->timeout_ms))
			SKIP(return, NEEDS_TIMEOUT);
		ASSERT_EQ(0, setting_param("enabled", "0"));
	}
	ASSERT_EQ(0, victim_start(&next->first));
	ASSERT_EQ(0, victim_start(&next->second));
	kill(next->first.pid, SIGKILL);
	probe_sleep_ms(50);
	EXPECT_FALSE(victim_gone(&next->first, 0));
	ASSERT_EQ(0, cgroup_squeeze(&next->cgroup, 4));
	done = victim_picked(&next->scene.log, next->second.pid, 5000);
	scene_print("the next one is %s", done ? "killed" : "not killed");
	EXPECT_TRUE(done);
	let_go(_metadata, next);
}

/* victim_timeout_ms, while the reaper is switched off or does not get on */
FIXTURE(timer)
{
	struct next next;
};

#define TIMEOUT_MS	1000
#define TIMEOUT		"1000"

FIXTURE_SETUP(timer)
{
	const char *lacking;
	int err;

	if (probe_param("victim_timeout_ms") < 0)
		SKIP(return, NEEDS_TIMEOUT);
	lacking = next_start(&self->next, &err);
	if (lacking)
		SKIP(return, "%s", lacking);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, setting_param("enabled", "0"));
	ASSERT_EQ(0, setting_param("victim_timeout_ms", TIMEOUT));
}

FIXTURE_TEARDOWN(timer)
{
	next_stop(&self->next);
}

/* Return: ms from the death of the first until that of the second, -1: lives */
static int second_after(struct __test_metadata *_metadata, struct next *next,
			int ms)
{
	struct probe_text *log = &next->scene.log;
	long long from;

	squeeze(_metadata, next, 4);
	EXPECT_TRUE(victim_picked(log, next->first.pid, 5000));
	from = probe_now_ns();
	if (!victim_picked(log, next->second.pid, ms))
		return -1;
	return (probe_now_ns() - from) / 1000000;
}

static void second_after_timeout(struct __test_metadata *_metadata,
				 struct next *next)
{
	int ms = second_after(_metadata, next, 5 * TIMEOUT_MS);

	scene_print("the next one after %d ms, timeout %d ms", ms, TIMEOUT_MS);
	EXPECT_LE(TIMEOUT_MS * 9 / 10, ms);
	EXPECT_GE(TIMEOUT_MS * 2, ms);
	EXPECT_EQ(1, probe_count(&next->scene.log,
				 "OOM victim %d (victim) has neither",
				 next->first.pid));
	let_go(_metadata, next);
}

TEST_F(timer, timer_no_reaper)
{
	second_after_timeout(_metadata, &self->next);
}

/* The reaper is ready, but mmap_lock is held */
TEST_F(timer, timer_unreapable)
{
	ASSERT_EQ(0, setting_param("enabled", "1"));
	ASSERT_EQ(0, setting_param("vma_locks", "0"));
	ASSERT_EQ(0, setting_param("attempts", "1000"));
	self->next.first.stuck = VICTIM_MMAP_WRITE;
	second_after_timeout(_metadata, &self->next);
}

#define EXTENDED_MS	2000
#define STEPS		12
#define STEP_MS		250

/* A file of which the test takes away one megabyte after the other */
static int map_file(struct victim *victim)
{
	char *mem = mmap(NULL, STEPS * PROBE_MB, PROT_READ | PROT_WRITE,
			 MAP_SHARED, *(int *)victim->arg, 0);

	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, STEPS * PROBE_MB);
	return 0;
}

/*
 * A victim that takes longer than the timeout to give its memory back, but goes
 * on with it: the next one lives for as long. Then the timeout counts.
 */
TEST_F(timer, timer_extended)
{
	int i, after_ms, fd = memfd_create("shrinking", MFD_CLOEXEC);
	struct next *next = &self->next;
	struct probe_text *log = &next->scene.log;
	long long from;
	bool early;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, STEPS * PROBE_MB));
	ASSERT_EQ(0, setting_param("victim_timeout_ms", "2000"));
	next->first.body = map_file;
	next->first.arg = &fd;
	squeeze(_metadata, next, 4);
	EXPECT_TRUE(victim_picked(log, next->first.pid, 5000));
	for (i = STEPS - 1; i >= 0; i--) {
		probe_sleep_ms(STEP_MS);
		EXPECT_EQ(0, ftruncate(fd, i * PROBE_MB));
	}
	early = victim_picked(log, next->second.pid, 0);
	from = probe_now_ns();
	EXPECT_TRUE(victim_picked(log, next->second.pid, 5 * EXTENDED_MS));
	after_ms = (probe_now_ns() - from) / 1000000;
	scene_print("the next one was killed %s the %d ms that the first one shrank, %d ms later",
		    early ? "in" : "after", STEPS * STEP_MS, after_ms);
	EXPECT_FALSE(early);
	EXPECT_GE(probe_limit(2 * EXTENDED_MS), after_ms);
	let_go(_metadata, next);
	close(fd);
}

TEST_F(timer, timer_off)
{
	struct next *next = &self->next;

	ASSERT_EQ(0, setting_param("victim_timeout_ms", "0"));
	EXPECT_EQ(-1, second_after(_metadata, next, 2 * TIMEOUT_MS));
	EXPECT_EQ(0, probe_count(&next->scene.log, "has neither"));
	/* The first has given way by itself, the second has to after all */
	hold_release(&next->scene.hold, 0);
	EXPECT_TRUE(victim_picked(&next->scene.log, next->second.pid, 5000));
	let_go(_metadata, next);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
