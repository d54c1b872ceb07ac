// SPDX-License-Identifier: GPL-2.0
/*
 * Robust futexes. When a task dies, the kernel walks the list of the locks it
 * holds, marks them and tells somebody who waits. The list is in the memory
 * that the OOM reaper frees: each test here kills a stuck process that holds
 * locks in shared memory, waits until its memory is back, lets it exit, and
 * then wants every lock marked and every waiter told.
 *
 * Stock waits two seconds, reaps the lists with the rest, and loses the locks:
 * it fails all these but the guards.
 *
 * Built a second time with -m32, for lists in the format of 32-bit programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "locks.h"
#include "scene.h"
#include "starve.h"

FIXTURE(futex)
{
	struct locks locks;
};

FIXTURE_SETUP(futex)
{
	int err = locks_start(&self->locks);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(futex)
{
	locks_stop(&self->locks);
}

/* Kill the victim, see its memory come back, and let it exit */
static void kill_and_release(struct __test_metadata *_metadata,
			     struct locks *locks, int ms)
{
	struct scene *scene = &locks->scene;

	long before = probe_free_kb();
	int back;

	/* The waiters are asleep by then */
	probe_sleep_ms(100);
	back = scene_kill(scene, locks->victim.mb, ms);
	EXPECT_LE(0, back);
	/* Late as it is: see what comes of the locks when it is reaped */
	if (back < 0)
		victim_memory_back(before, locks->victim.mb, 5000);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_FALSE(victim_given_up(&scene->log, locks->victim.pid));
	EXPECT_FALSE(victim_gone(&locks->victim, 0));
	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
}

static void waiters_told(struct __test_metadata *_metadata, struct locks *locks)
{
	EXPECT_EQ(locks->waiters, locks_told(locks));
}

/* Every word that the victim held carries the mark */
static void words_marked(struct __test_metadata *_metadata, struct locks *locks)
{
	EXPECT_EQ(0, locks_lost(locks));
}

static int lock_mutexes(struct locks *locks, int from, int to)
{
	int i, err = 0;

	for (i = from; i < to && !err; i++)
		err = pthread_mutex_lock(&locks->shared->mutex[i]);
	return -err;
}

static void mutexes_marked(struct __test_metadata *_metadata, struct locks *locks,
			   int from, int to)
{
	int i, lost = 0;

	for (i = from; i < to; i++)
		lost += pthread_mutex_trylock(&locks->shared->mutex[i]) !=
			EOWNERDEAD;
	scene_print("%d of %d locks lost", lost, to - from);
	EXPECT_EQ(0, lost);
}

/*
 * The locks of the C library: what programs use.
 *
 * In a 32-bit program they want the futex() with 32-bit times.
 */
static bool library_locks_work(void)
{
	unsigned int futex = 0;

#ifdef SYS_futex
	return syscall(SYS_futex, &futex, FUTEX_WAKE, 0, NULL) >= 0;
#else
	return syscall(LOCKS_SYS_FUTEX, &futex, FUTEX_WAKE, 0, NULL) >= 0;
#endif
}

#define NO_LIBRARY_LOCKS	"no futex(): CONFIG_COMPAT_32BIT_TIME?"

static int hold_one(struct victim *victim)
{
	return lock_mutexes(victim->arg, 0, 1);
}

TEST_F(futex, mutex)
{
	struct locks *locks = &self->locks;

	if (!library_locks_work())
		SKIP(return, NO_LIBRARY_LOCKS);
	locks->victim.body = hold_one;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
}

TEST_F(futex, mutex_mmap_lock)
{
	struct locks *locks = &self->locks;

	if (!library_locks_work())
		SKIP(return, NO_LIBRARY_LOCKS);
	locks->victim.body = hold_one;
	locks->victim.stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
}

/*
 * A priority-inheritance lock that somebody waits for is known to the kernel,
 * which hands it on, on stock too. Those that nobody waits for yet are not.
 */
static int hold_ten(struct victim *victim)
{
	return lock_mutexes(victim->arg, 0, 10);
}

TEST_F(futex, mutexes_pi)
{
	struct locks *locks = &self->locks;

	if (!library_locks_work())
		SKIP(return, NO_LIBRARY_LOCKS);
	locks_init_mutexes(locks->shared, true);
	locks->victim.body = hold_ten;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	mutexes_marked(_metadata, locks, 1, 10);
}

static int hold_500(struct victim *victim)
{
	return lock_mutexes(victim->arg, 0, 500);
}

TEST_F(futex, mutexes_500)
{
	struct locks *locks = &self->locks;

	if (!library_locks_work())
		SKIP(return, NO_LIBRARY_LOCKS);
	locks->victim.body = hold_500;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	locks_wait_mutex(locks, 250);
	locks_wait_mutex(locks, 499);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	mutexes_marked(_metadata, locks, 1, 250);
	mutexes_marked(_metadata, locks, 251, 499);
}

/* Threads, each with a list of its own and all of them stuck */
struct thread {
	struct locks *locks;
	int from;
	int to;
};

static void *hold_and_read(void *arg)
{
	struct thread *thread = arg;

	lock_mutexes(thread->locks, thread->from, thread->to);
	hold_in_read(&thread->locks->scene.hold, 0);
	return NULL;
}

static int start_threads(struct victim *victim, int threads, int each)
{
	static struct thread thread[LOCKS_MAX];
	pthread_attr_t attr;
	pthread_t id;
	int i, err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32768);
	for (i = 0; i < threads && !err; i++) {
		thread[i].locks = victim->arg;
		thread[i].from = i * each;
		thread[i].to = (i + 1) * each;
		err = pthread_create(&id, &attr, hold_and_read, &thread[i]);
	}
	/* And the main thread is going to be one more who reads */
	if (!err && !hold_wait(victim->hold, 0, threads, 30000))
		err = ETIMEDOUT;
	return -err;
}

static int threads_20(struct victim *victim)
{
	return start_threads(victim, 20, 5);
}

TEST_F(futex, threads_20)
{
	struct locks *locks = &self->locks;

	if (!library_locks_work())
		SKIP(return, NO_LIBRARY_LOCKS);
	locks->victim.body = threads_20;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	locks_wait_mutex(locks, 99);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	mutexes_marked(_metadata, locks, 1, 99);
}

static int threads_1000(struct victim *victim)
{
	return start_threads(victim, 1000, 1);
}

TEST_F(futex, threads_1000)
{
	struct locks *locks = &self->locks;

	if (!library_locks_work())
		SKIP(return, NO_LIBRARY_LOCKS);
	locks->victim.body = threads_1000;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	locks_wait_mutex(locks, 999);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	mutexes_marked(_metadata, locks, 1, 999);
}

/*
 * Two processes share the memory, and each holds half of the locks. Whichever of
 * them the OOM killer picks, those of the other one must not be lost.
 */
#define SHARER_FILE	1
#define SHARER_STACK	65536
#define SHARER_NODES	(8 * PROBE_MB)

static int share_and_hold(void *arg)
{
	struct locks *half = arg;

	if (!locks_make_list(half, locks_head(half)))
		hold_in_read(&half->scene.hold, SHARER_FILE);
	_exit(0);
}

static int have_sharer(struct victim *victim)
{
	char *stack = mmap(NULL, SHARER_STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct locks *locks = victim->arg;
	static struct locks half;
	int err;

	if (stack == MAP_FAILED)
		return -errno;
	locks->words /= 2;
	half = *locks;
	half.words_at = (char *)locks_word(locks, locks->words);
	half.nodes_at += SHARER_NODES;
	err = locks_hold_words(victim);
	if (err)
		return err;
	if (clone(share_and_hold, stack + SHARER_STACK, CLONE_VM | SIGCHLD,
		  &half) < 0)
		return -errno;
	return hold_wait(victim->hold, SHARER_FILE, 1, 5000) ? 0 : -ETIMEDOUT;
}

TEST_F(futex, other_process)
{
	struct locks *locks = &self->locks;

	locks->words = 50;
	locks->victim.body = have_sharer;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, 49);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
}

/*
 * Lists of our own making. Nodes and words lie apart from each other by the
 * one offset that a list has: the nodes in the victim's private memory, in the
 * middle of other data, the words in shared memory: see locks.h.
 */
TEST_F(futex, private_nodes)
{
	struct locks *locks = &self->locks;

	locks->words = 500;
	locks->victim.body = locks_hold_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, 499);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
}

/* A node in every other page: most of the memory comes back all the same */
TEST_F(futex, private_nodes_scattered)
{
	struct locks *locks = &self->locks;

	locks->words = 500;
	locks->stride = 8192;
	locks->nodes_at = PROBE_MB;
	locks->victim.body = locks_hold_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, 499);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
}

/*
 * Nodes in the very last bytes of pages, and the head across two pages on which
 * there is nothing else: its first pointer is the last one of a page.
 */
TEST_F(futex, head_straddles_pages)
{
	struct locks *locks = &self->locks;

	locks->words = 3;
	locks->stride = 4096;
	locks->nodes_at = 16 * PROBE_MB - sizeof(void *);
	locks->head_at = 8 * PROBE_MB - sizeof(void *);
	locks->victim.body = locks_hold_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, 2);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
}

TEST_F(futex, nodes_in_huge_pages)
{
	struct locks *locks = &self->locks;
	long huge_kb = probe_meminfo_kb("AnonHugePages");
	long split = probe_vmstat("thp_split_pmd");

	locks->words = 10;
	locks->nodes_at = PROBE_MB;
	locks->victim.huge = true;
	locks->victim.body = locks_hold_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	huge_kb = probe_meminfo_kb("AnonHugePages") - huge_kb;
	if (huge_kb < (long)locks->victim.mb * 1024 / 2)
		SKIP(return, "no huge pages: only %ld kB", huge_kb);
	locks_wait_word(locks, 0);
	locks_wait_word(locks, 9);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
	/* What is kept of a huge page keeps all of it: nothing is won by that */
	split = probe_vmstat("thp_split_pmd") - split;
	scene_print("%ld huge pages were split", split);
	EXPECT_EQ(0, split);
}

/* Killed when it has the lock and has not put it on its list yet */
static int hold_pending(struct victim *victim)
{
	struct locks *locks = victim->arg;
	struct robust_list_head *head = locks_head(locks);
	int err, words = locks->words;

	locks->words = 0;
	err = locks_make_list(locks, head);
	locks->words = words;
	head->list_op_pending = locks_node(locks, 0);
	locks_own(locks, 0);
	return err;
}

TEST_F(futex, pending)
{
	struct locks *locks = &self->locks;

	locks->words = 1;
	locks->victim.body = hold_pending;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
}

/*
 * Killed when it has given the lock back and has not woken anybody yet. The
 * kernel does not mark that lock, but wakes one waiter.
 */
static int gave_back(struct victim *victim)
{
	struct locks *locks = victim->arg;
	int err = hold_pending(victim);

	*locks_word(locks, 0) = 0;
	return err;
}

static void wait_for_wake(struct locks *locks)
{
	atomic_int *told = &locks->shared->told[locks->waiters];
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!syscall(LOCKS_SYS_FUTEX, locks_word(locks, 0), FUTEX_WAIT,
			     0, NULL))
			*told = EOWNERDEAD + 1;
		_exit(0);
	}
	locks->waiter[locks->waiters++] = pid;
}

TEST_F(futex, pending_unlock)
{
	struct locks *locks = &self->locks;

	locks->words = 1;
	locks->victim.body = gave_back;
	ASSERT_EQ(0, victim_start(&locks->victim));
	wait_for_wake(locks);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
}

/*
 * As many nodes as a list may have, and memory all around each of them. What is
 * kept for them must be no more than their own pages.
 */
#define FAR_NODES	2048		/* ROBUST_LIST_LIMIT */
#define FAR_STRIDE	(4 * PROBE_MB)
#define FAR_BYTES	32768		/* filled after each node */
#define KEPT_MB		9		/* the nodes' pages and a little more */

static int hold_far_apart(struct victim *victim)
{
	struct locks *locks = victim->arg;
	size_t i, at;
	char *mem;

	mem = mmap(NULL, FAR_NODES * FAR_STRIDE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	madvise(mem, FAR_NODES * FAR_STRIDE, MADV_NOHUGEPAGE);
	for (i = 0; i < FAR_NODES; i++)
		for (at = 0; at < FAR_BYTES; at += 4096)
			mem[i * FAR_STRIDE + at] = 1;
	/* The head is where the victim's memory is, which goes all but that */
	locks->nodes_at = mem - victim->mem;
	locks->head_at = PROBE_MB;
	return locks_hold_words(victim);
}

static void little_kept(struct __test_metadata *_metadata, struct locks *locks)
{
	long rss;

	victim_reaped(&locks->scene.log, locks->victim.pid, 1000);
	rss = probe_status(locks->victim.pid, "RssAnon");
	scene_print("%ld kB left of it", rss);
	EXPECT_GE(KEPT_MB * 1024, rss);
}

TEST_F(futex, nodes_far_apart)
{
	struct locks *locks = &self->locks;
	size_t size = FAR_NODES * FAR_STRIDE;
	long before;

	if (sizeof(size) == 4)
		SKIP(return, "needs 16 GB of addresses");
	locks->words_at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			       0);
	ASSERT_NE(MAP_FAILED, locks->words_at);
	locks->words = FAR_NODES;
	locks->stride = FAR_STRIDE;
	locks->victim.mb = 8;
	locks->victim.body = hold_far_apart;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, FAR_NODES - 1);
	before = probe_free_kb();
	EXPECT_LE(0, scene_kill(&locks->scene,
				FAR_NODES * (FAR_BYTES - 4096) / PROBE_MB,
				1000));
	/* Late as it is: see what comes of the locks when it is reaped */
	victim_memory_back(before, FAR_NODES * FAR_BYTES / PROBE_MB / 2, 5000);
	little_kept(_metadata, locks);
	hold_release_all(&locks->scene.hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
	munmap(locks->words_at, size);
}

#define KEPT_HUGE_MB	17		/* OOM_KEEP_PAGES and a little more */

/* A node in each huge page: all of them together are too much to keep */
static void hold_all_huge_pages(struct __test_metadata *_metadata,
				struct locks *locks)
{
	long huge_kb = probe_meminfo_kb("AnonHugePages");
	size_t size = SCENE_MB * PROBE_MB;

	locks->words_at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, locks->words_at);
	locks->words = SCENE_MB / 2;
	locks->stride = 2 * PROBE_MB;
	locks->nodes_at = PROBE_MB;
	locks->head_at = 64;
	locks->victim.huge = true;
	locks->victim.body = locks_hold_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	huge_kb = probe_meminfo_kb("AnonHugePages") - huge_kb;
	if (huge_kb < (long)locks->victim.mb * 1024 / 2)
		SKIP(return, "no huge pages: only %ld kB", huge_kb);
	locks_wait_word(locks, 0);
	locks_wait_word(locks, locks->words - 1);
}

/* The victim has futex_grace_ms to exit by itself, and nothing is lost */
TEST_F(futex, guard_nodes_in_all_huge_pages)
{
	struct locks *locks = &self->locks;

	hold_all_huge_pages(_metadata, locks);
	EXPECT_EQ(0, victim_sysrq());
	probe_sleep_ms(300);
	hold_release_all(&locks->scene.hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
	munmap(locks->words_at, SCENE_MB * PROBE_MB);
}

/* If it does not, its memory comes back but for what the limit allows */
TEST_F(futex, too_much_to_keep)
{
	struct locks *locks = &self->locks;
	long rss;

	if (probe_param("futex_grace_ms") < 0)
		SKIP(return, "no parameter futex_grace_ms");
	hold_all_huge_pages(_metadata, locks);
	EXPECT_LE(0, scene_kill(&locks->scene, SCENE_MB - KEPT_HUGE_MB, 5000));
	EXPECT_TRUE(victim_reaped(&locks->scene.log, locks->victim.pid, 1000));
	rss = probe_status(locks->victim.pid, "RssAnon");
	scene_print("%ld kB left of it, %d locks lost", rss,
		    locks_lost(locks));
	EXPECT_GE(KEPT_HUGE_MB * 1024, rss);
	hold_release_all(&locks->scene.hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
	munmap(locks->words_at, SCENE_MB * PROBE_MB);
}

/*
 * More entries than the reaper follows for one victim: the threads all have the
 * same list. It leaves the victim alone for futex_grace_ms, and reaps it then.
 */
#define LIST_THREADS	20
#define LIST_WORDS	2000	/* times the threads: more than 32768 */

static void *hold_same_list(void *arg)
{
	struct locks *locks = arg;

	locks_register(locks_head(locks));
	hold_in_read(&locks->scene.hold, 0);
	return NULL;
}

static int hold_list_often(struct victim *victim)
{
	int i, err = locks_hold_words(victim);
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 32768);
	for (i = 0; i < LIST_THREADS && !err; i++)
		err = -pthread_create(&id, &attr, hold_same_list, victim->arg);
	if (!err && !hold_wait(victim->hold, 0, LIST_THREADS, 10000))
		err = -ETIMEDOUT;
	return err;
}

TEST_F(futex, too_many_entries)
{
	long waits = probe_vmstat("oom_reaper_futex_waits");
	struct locks *locks = &self->locks;

	if (waits < 0)
		SKIP(return, "no counter oom_reaper_futex_waits");
	locks->words = LIST_WORDS;
	locks->victim.body = hold_list_often;
	ASSERT_EQ(0, victim_start(&locks->victim));
	EXPECT_LE(0, scene_kill(&locks->scene, locks->victim.mb, 5000));
	EXPECT_TRUE(victim_reaped(&locks->scene.log, locks->victim.pid, 1000));
	scene_print("%d entries, waited for %ld times",
		    LIST_THREADS * LIST_WORDS,
		    probe_vmstat("oom_reaper_futex_waits") - waits);
	EXPECT_EQ(waits + 1, probe_vmstat("oom_reaper_futex_waits"));
	hold_release_all(&locks->scene.hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
}

/*
 * Lists that lead into the void. What the kernel would do for the good lock
 * that comes first it must still do, and nothing may happen to the kernel.
 */
enum garbage {
	GARBAGE_CYCLE,
	GARBAGE_LONG,
	GARBAGE_NULL,
	GARBAGE_WILD,
	GARBAGE_UNALIGNED,
	GARBAGE_KERNEL,
	GARBAGE_UNMAPPED,
	GARBAGE_SHARED,
	GARBAGE_FILE,
	GARBAGE_NO_ACCESS,
	GARBAGE_UNTOUCHED,
	GARBAGE_ZEROES,
	GARBAGE_SECRET,
	GARBAGE_OFFSET,
	GARBAGE_PENDING,
	GARBAGE_HEAD,
};

#define GARBAGE_NODES	3000

FIXTURE(garbage)
{
	struct locks locks;
};

FIXTURE_VARIANT(garbage)
{
	enum garbage garbage;
	int words;		/* that are marked all the same */
	int ms;			/* how long reaping may take, 0: a second */
};

FIXTURE_VARIANT_ADD(garbage, cycle) {
	.garbage = GARBAGE_CYCLE, .words = 1,
};

/* ROBUST_LIST_LIMIT is 2048: the kernel stops there */
FIXTURE_VARIANT_ADD(garbage, long) {
	.garbage = GARBAGE_LONG, .words = 2048,
};

FIXTURE_VARIANT_ADD(garbage, null) {
	.garbage = GARBAGE_NULL, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, wild) {
	.garbage = GARBAGE_WILD, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, unaligned) {
	.garbage = GARBAGE_UNALIGNED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, kernel) {
	.garbage = GARBAGE_KERNEL, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, unmapped) {
	.garbage = GARBAGE_UNMAPPED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, shared) {
	.garbage = GARBAGE_SHARED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, file) {
	.garbage = GARBAGE_FILE, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, no_access) {
	.garbage = GARBAGE_NO_ACCESS, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, untouched) {
	.garbage = GARBAGE_UNTOUCHED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, zeroes) {
	.garbage = GARBAGE_ZEROES, .words = 1,
};

/* Nobody but its owner can read that: reaped when futex_grace_ms is over */
FIXTURE_VARIANT_ADD(garbage, secret) {
	.garbage = GARBAGE_SECRET, .words = 1, .ms = 5000,
};

FIXTURE_VARIANT_ADD(garbage, offset) {
	.garbage = GARBAGE_OFFSET, .words = 0,
};

FIXTURE_VARIANT_ADD(garbage, pending) {
	.garbage = GARBAGE_PENDING, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, head) {
	.garbage = GARBAGE_HEAD, .words = 0,
};

FIXTURE_SETUP(garbage)
{
	int err = locks_start(&self->locks);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(garbage)
{
	locks_stop(&self->locks);
}

static enum garbage garbage;

/* A page that can be read now, and may not be there later */
static void *some_page(int prot, int flags, int fd)
{
	char *page = mmap(NULL, 4096, prot, flags, fd, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (prot & PROT_WRITE)
		memset(page, 0x5a, 4096);
	else
		atomic_load((atomic_char *)page);
	return page;
}

/* Return: -1 where there is none */
static int secret_file(void)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC);

	return fd >= 0 && !ftruncate(fd, 4096) ? fd : -1;
}

static void *bad_pointer(struct locks *locks)
{
	char *page;
	int fd;

	switch (garbage) {
	case GARBAGE_CYCLE:
		return locks_node(locks, 0);
	case GARBAGE_UNALIGNED:
		return (char *)locks_node(locks, 1) + 2;
	case GARBAGE_KERNEL:
		/* The direct map, or the last page but one */
		return (void *)(sizeof(void *) == 8 ?
				(uintptr_t)0xffff888000000000ULL :
				(uintptr_t)-8192);
	case GARBAGE_UNMAPPED:
		page = some_page(PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1);
		munmap(page, 4096);
		return page;
	case GARBAGE_NO_ACCESS:
		page = some_page(PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1);
		mprotect(page, 4096, PROT_NONE);
		return page;
	case GARBAGE_UNTOUCHED:
		return mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	case GARBAGE_ZEROES:
		return some_page(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	case GARBAGE_SECRET:
		fd = secret_file();
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    0);
		memset(page, 0, 4096);
		return page;
	case GARBAGE_SHARED:
		return locks->shared->words + LOCKS_WORDS_SIZE - 4096;
	case GARBAGE_FILE:
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		return some_page(PROT_READ, MAP_PRIVATE, fd);
	case GARBAGE_WILD:
	case GARBAGE_PENDING:
		return (void *)(uintptr_t)0x0dead0beef00c0d8ULL;
	default:
		return NULL;
	}
}

/* A good lock, and what comes after it */
static int hold_garbage(struct victim *victim)
{
	struct locks *locks = victim->arg;
	struct robust_list_head *head = locks_head(locks);
	int err;

	locks->words = garbage == GARBAGE_LONG ? GARBAGE_NODES : 1;
	err = locks_make_list(locks, head);
	if (err)
		return err;
	switch (garbage) {
	case GARBAGE_LONG:
		break;
	case GARBAGE_OFFSET:
		head->futex_offset = LONG_MIN + 0x123;
		break;
	case GARBAGE_PENDING:
		head->list_op_pending = bad_pointer(locks);
		break;
	case GARBAGE_HEAD:
		garbage = GARBAGE_KERNEL;
		return locks_register(bad_pointer(locks));
	default:
		locks_node(locks, 0)->next = bad_pointer(locks);
	}
	return 0;
}

TEST_F(garbage, list)
{
	struct locks *locks = &self->locks;

	garbage = variant->garbage;
	if (garbage == GARBAGE_SECRET) {
		int fd = secret_file();

		if (fd < 0)
			SKIP(return, "no secret memory");
		close(fd);
	}
	locks->words = variant->words;
	locks->victim.body = hold_garbage;
	ASSERT_EQ(0, victim_start(&locks->victim));
	kill_and_release(_metadata, locks, variant->ms ?: 1000);
	words_marked(_metadata, locks);
}

/* Words in all kinds of memory that can be shared, nodes in private memory */
enum place { PLACE_HUGETLB, PLACE_SYSV, PLACE_MEMFD };

FIXTURE(word)
{
	struct locks locks;
	char hugepages[32];
	int shm;
};

FIXTURE_VARIANT(word)
{
	enum place place;
};

FIXTURE_VARIANT_ADD(word, hugetlb) {
	.place = PLACE_HUGETLB,
};

FIXTURE_VARIANT_ADD(word, sysv) {
	.place = PLACE_SYSV,
};

FIXTURE_VARIANT_ADD(word, memfd) {
	.place = PLACE_MEMFD,
};

#define HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define PLACE_SIZE	(2 * PROBE_MB)

FIXTURE_SETUP(word)
{
	int err = locks_start(&self->locks);

	self->shm = -1;
	probe_read(HUGEPAGES, self->hugepages, sizeof(self->hugepages));
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(word)
{
	locks_stop(&self->locks);
	if (self->shm >= 0)
		shmctl(self->shm, IPC_RMID, NULL);
	if (*self->hugepages)
		probe_write(HUGEPAGES, self->hugepages);
}

static char *map_place(enum place place, int *shm)
{
	int flags = MAP_SHARED, fd = -1;
	char *mem;

	switch (place) {
	case PLACE_HUGETLB:
		probe_write(HUGEPAGES, "2");
		flags |= MAP_ANONYMOUS | MAP_HUGETLB;
		break;
	case PLACE_MEMFD:
		fd = memfd_create("oom_reaper", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, PLACE_SIZE))
			return MAP_FAILED;
		break;
	case PLACE_SYSV:
		*shm = shmget(IPC_PRIVATE, PLACE_SIZE, IPC_CREAT | 0600);
		return *shm < 0 ? MAP_FAILED : shmat(*shm, NULL, 0);
	}
	mem = mmap(NULL, PLACE_SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	return mem;
}

/*
 * The test's own shared memory does not tell the reaper that there is somebody
 * to wait for a lock: the victim has none of it, but the words.
 */
static int hold_words_only(struct victim *victim)
{
	struct locks *locks = victim->arg;
	int err = locks_hold_words(victim);

	if (err)
		return err;
	locks_unshare(victim, locks->words_at);
	return 0;
}

TEST_F(word, in_shared_memory)
{
	struct locks *locks = &self->locks;

	locks->words_at = map_place(variant->place, &self->shm);
	if (locks->words_at == MAP_FAILED)
		SKIP(return, "no such memory: %s", strerror(errno));
	locks->words = 100;
	locks->victim.body = hold_words_only;
	ASSERT_EQ(0, victim_start(&locks->victim));
	ASSERT_TRUE(hold_wait(&locks->scene.hold, 0, 1, 5000));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, 99);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
}

/*
 * The first node in shared memory, its word in private memory: nobody waits for
 * that. But if it is not there the walk ends, and the lock behind it is lost.
 * Three areas, as far from each other as a node from its word.
 */
#define AREA_SIZE	(4 * PROBE_MB)
#define FIRST_AT	8192		/* on pages of their own, both */
#define SECOND_AT	(2 * PROBE_MB)

static char *areas;

static int hold_across(struct victim *victim)
{
	static struct robust_list_head head;
	struct robust_list *first = (void *)(areas + FIRST_AT);
	struct robust_list *second = (void *)(areas + AREA_SIZE + SECOND_AT);
	char *middle;

	middle = mmap(areas + AREA_SIZE, AREA_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (middle == MAP_FAILED)
		return -errno;
	memset(middle, 0, AREA_SIZE);
	head.futex_offset = AREA_SIZE;
	head.list.next = first;
	first->next = second;
	second->next = &head.list;
	*(atomic_uint *)((char *)first + AREA_SIZE) = syscall(SYS_gettid);
	*(atomic_uint *)((char *)second + AREA_SIZE) = syscall(SYS_gettid);
	return locks_register(&head);
}

TEST_F(futex, private_word)
{
	struct locks *locks = &self->locks;

	areas = mmap(NULL, 3 * AREA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, areas);
	locks->words = 1;
	locks->words_at = areas + 2 * AREA_SIZE + SECOND_AT;
	locks->victim.body = hold_across;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	kill_and_release(_metadata, locks, 1000);
	waiters_told(_metadata, locks);
	words_marked(_metadata, locks);
	munmap(areas, 3 * AREA_SIZE);
}

/*
 * Killed at any moment of locking and unlocking. A thread that is still in
 * user mode on another CPU when the reaper starts must not be able to take a
 * lock that the reaper does not know of.
 */
static void lock_and_unlock(struct victim *victim)
{
	struct locks *locks = victim->arg;
	struct robust_list_head *head = locks_head(locks);
	struct robust_list *entry = locks_node(locks, 0);
	atomic_uint *futex = locks_word(locks, 0);
	unsigned int tid = syscall(SYS_gettid);

	/* The order in which user space must do it: see robust-futexes.rst */
	for (;;) {
		unsigned int free = 0;

		head->list_op_pending = entry;
		atomic_signal_fence(memory_order_seq_cst);
		if (!atomic_compare_exchange_strong(futex, &free, tid))
			continue;
		entry->next = &head->list;
		atomic_signal_fence(memory_order_seq_cst);
		head->list.next = entry;
		atomic_signal_fence(memory_order_seq_cst);
		head->list_op_pending = NULL;

		atomic_signal_fence(memory_order_seq_cst);
		head->list_op_pending = entry;
		atomic_signal_fence(memory_order_seq_cst);
		head->list.next = &head->list;
		atomic_signal_fence(memory_order_seq_cst);
		atomic_exchange(futex, 0);
		head->list_op_pending = NULL;
		atomic_signal_fence(memory_order_seq_cst);
	}
}

static int start_locking(struct victim *victim)
{
	struct locks *locks = victim->arg;
	int err, words = locks->words;

	locks->words = 0;
	err = locks_make_list(locks, locks_head(locks));
	locks->words = words;
	if (err)
		return err;
	if (locks->starved) {
		err = starve_me();
		if (err)
			return err;
	}
	victim->shared->stage = VICTIM_READY;
	lock_and_unlock(victim);
	return -EINVAL;
}

/* Kill it and have it reaped, without the OOM killer */
static void kill_and_mrelease(struct victim *victim)
{
	int pidfd = syscall(SYS_pidfd_open, victim->pid, 0);

	kill(victim->pid, SIGKILL);
	while (!syscall(SYS_process_mrelease, pidfd, 0) || errno == EAGAIN)
		if (victim_gone(victim, 0))
			break;
	close(pidfd);
}

/*
 * A lock counts as lost when the owner is gone and its number is still in the
 * word. On stock the OOM reaper comes when the victim has long gone by itself,
 * but process_mrelease() is as early there, and now and then loses one.
 */
static void kill_in_loop(struct __test_metadata *_metadata, struct locks *locks,
			 int kills, bool mrelease)
{
	int i, lost = 0, marked = 0, bad = 0;

	locks->victim.mb = 8;
	locks->nodes_at = 4 * PROBE_MB;
	locks->victim.stuck = VICTIM_FREE;
	locks->victim.body = start_locking;
	for (i = 0; i < kills && !bad; i++) {
		struct victim *victim = &locks->victim;

		*locks_word(locks, 0) = 0;
		ASSERT_EQ(0, victim_start(victim));
		/* Somewhere else in the loop each time */
		usleep(rand() % 300);
		if (mrelease)
			kill_and_mrelease(victim);
		else
			victim_sysrq();
		if (!victim_gone(victim, 10000) || !victim_killed(victim))
			bad++;
		lost += !!(*locks_word(locks, 0) & FUTEX_TID_MASK);
		marked += !!(*locks_word(locks, 0) & FUTEX_OWNER_DIED);
		victim_stop(victim);
	}
	scene_print("%d killed, %d of them with the lock, %d locks lost", i,
		    marked + lost, lost);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, lost);
	/* Else nothing was tested */
	EXPECT_LT(0, marked);
	EXPECT_TRUE(bystander_alive(&locks->scene.bystander));
}

static int kills(void)
{
	return probe_env("OOM_REAPER_KILLS", 100);
}

TEST_F_TIMEOUT(futex, guard_tight_loop, 3600)
{
	kill_in_loop(_metadata, &self->locks, kills(), false);
}

TEST_F_TIMEOUT(futex, guard_tight_loop_mrelease, 3600)
{
	kill_in_loop(_metadata, &self->locks, kills(), true);
}

/*
 * The same with a victim that does not get the CPU to die on, so that its
 * memory is reaped while it is anywhere in the loop. Stock comes too late: the
 * victim has been given some of the CPU again by then, and is gone.
 */
TEST_F_TIMEOUT(futex, tight_loop_starved, 3600)
{
	struct locks *locks = &self->locks;
	int i, n = kills() / 10 + 1, lost = 0, marked = 0, late = 0;

	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	locks->starved = true;
	locks->victim.stuck = VICTIM_FREE;
	locks->victim.body = start_locking;
	for (i = 0; i < n; i++) {
		struct victim *victim = &locks->victim;
		struct starve starve;
		long before;

		*locks_word(locks, 0) = 0;
		ASSERT_EQ(0, starve_start(&starve));
		ASSERT_EQ(0, victim_start(victim));
		before = probe_free_kb();
		starve_after(&starve, 0);
		probe_sleep_ms(2);
		late += scene_kill_since(&locks->scene, before, victim->mb,
					 STARVE_MS) < 0;
		starve_stop(&starve);
		EXPECT_TRUE(victim_gone(victim, 10000));
		lost += !!(*locks_word(locks, 0) & FUTEX_TID_MASK);
		marked += !!(*locks_word(locks, 0) & FUTEX_OWNER_DIED);
		victim_stop(victim);
	}
	scene_print("%d killed, %d late, %d with the lock, %d locks lost", n,
		    late, marked + lost, lost);
	/* An emulator may be late once */
	if (!probe_slow())
		EXPECT_GT(n / 2, late);
	EXPECT_EQ(0, lost);
	EXPECT_TRUE(bystander_alive(&locks->scene.bystander));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
