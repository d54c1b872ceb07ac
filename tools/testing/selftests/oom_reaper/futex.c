// SPDX-License-Identifier: GPL-2.0
/*
 * Robust futexes. When a task dies, the kernel walks the list of the locks it
 * holds, marks them and wakes a waiter. The list is in the memory
 * that the OOM reaper frees: each test here kills a stuck process that holds
 * locks in shared memory, waits until its memory is back, lets it exit, and
 * then checks that every lock is marked and every waiter woken.
 *
 * Stock waits two seconds, reaps the lists with the rest, and loses the locks:
 * it fails all these tests except the guards.
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

static int lock_mutexes(struct locks *locks, int from, int to)
{
	int i, err = 0;

	for (i = from; i < to && !err; i++)
		err = pthread_mutex_lock(&locks->shared->mutex[i]);
	return -err;
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

/* Threads, each with its own list and all of them stuck */
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
	/* And the main thread will be one more reader */
	if (!err && !hold_wait(victim->hold, 0, threads, 30000))
		err = ETIMEDOUT;
	return -err;
}

FIXTURE(mutex)
{
	struct locks locks;
};

FIXTURE_VARIANT(mutex)
{
	int mutexes;		/* that each of them holds */
	int threads;		/* 0: only the victim itself */
	bool inherit;
	enum victim_stuck stuck;
};

FIXTURE_VARIANT_ADD(mutex, one) {
	.mutexes = 1, .stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(mutex, one_mmap_lock) {
	.mutexes = 1, .stuck = VICTIM_MMAP_WRITE,
};

/*
 * The kernel knows a priority-inheritance lock that has a waiter and hands it
 * over, on stock too. It does not know those without a waiter.
 */
FIXTURE_VARIANT_ADD(mutex, ten_pi) {
	.mutexes = 10, .inherit = true, .stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(mutex, many) {
	.mutexes = 500, .stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(mutex, threads_20) {
	.mutexes = 5, .threads = 20, .stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(mutex, threads_1000) {
	.mutexes = 1, .threads = 1000, .stuck = VICTIM_READ,
};

FIXTURE_SETUP(mutex)
{
	int err;

	if (!library_locks_work())
		SKIP(return, "no futex(): CONFIG_COMPAT_32BIT_TIME?");
	err = locks_start(&self->locks);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(mutex)
{
	locks_stop(&self->locks);
}

/* What the victim does: there the variant is not known */
static int threads, mutexes;

static int hold_mutexes(struct victim *victim)
{
	if (threads)
		return start_threads(victim, threads, mutexes);
	return lock_mutexes(victim->arg, 0, mutexes);
}

TEST_F(mutex, mutex)
{
	struct locks *locks = &self->locks;
	int all, i, lost = 0;

	threads = variant->threads;
	mutexes = variant->mutexes;
	all = mutexes * (threads ?: 1);
	if (variant->inherit)
		locks_init_mutexes(locks->shared, true);
	locks->victim.body = hold_mutexes;
	locks->victim.stuck = variant->stuck;
	ASSERT_EQ(0, victim_start(&locks->victim));
	/* For the first, and the last if there are several */
	locks_wait_mutex(locks, 0);
	if (all > 1)
		locks_wait_mutex(locks, all - 1);
	EXPECT_TRUE(locks_kill_and_release(locks));
	EXPECT_EQ(locks->waiters, locks_told(locks));
	for (i = 1; i < all - 1; i++)
		lost += pthread_mutex_trylock(&locks->shared->mutex[i]) !=
			EOWNERDEAD;
	scene_print("%d of %d locks that nobody waits for lost", lost,
		    all > 2 ? all - 2 : 0);
	EXPECT_EQ(0, lost);
}

/*
 * Lists of our own making. Nodes and words lie apart from each other by the
 * one offset that a list has: the nodes in the victim's private memory, in the
 * middle of other data, the words in shared memory: see locks.h.
 */
static void hold_and_wait(struct __test_metadata *_metadata,
			  struct locks *locks)
{
	if (!locks->victim.body)
		locks->victim.body = locks_hold_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	if (locks->words > 1)
		locks_wait_word(locks, locks->words - 1);
}

static void nothing_lost(struct __test_metadata *_metadata,
			 struct locks *locks)
{
	EXPECT_TRUE(locks_kill_and_release(locks));
	EXPECT_EQ(locks->waiters, locks_told(locks));
	EXPECT_EQ(0, locks_lost(locks));
}

TEST_F(futex, private_nodes)
{
	self->locks.words = 500;
	hold_and_wait(_metadata, &self->locks);
	nothing_lost(_metadata, &self->locks);
}

/* A node in every other page: most of the memory comes back anyway */
TEST_F(futex, private_nodes_scattered)
{
	self->locks.words = 500;
	self->locks.stride = 8192;
	self->locks.nodes_at = PROBE_MB;
	hold_and_wait(_metadata, &self->locks);
	nothing_lost(_metadata, &self->locks);
}

/* The lowest bit of a pointer marks the node that it leads to */
static struct robust_list *mark_pi(struct robust_list *node)
{
	return (void *)((uintptr_t)node | 1);
}

static int hold_pi_words(struct victim *victim)
{
	struct locks *locks = victim->arg;
	struct robust_list_head *head = locks_head(locks);
	int i, err = locks_hold_words(victim);

	if (err)
		return err;
	head->list.next = mark_pi(head->list.next);
	for (i = 0; i < locks->words - 1; i++)
		locks_node(locks, i)->next = mark_pi(locks_node(locks, i)->next);
	return 0;
}

/* Who waits for one of these waits for a thread, and not for its list */
TEST_F(futex, private_nodes_pi)
{
	struct locks *locks = &self->locks;

	locks->words = 10;
	locks->stride = 4096;
	locks->nodes_at = PROBE_MB;
	locks->victim.body = hold_pi_words;
	ASSERT_EQ(0, victim_start(&locks->victim));
	nothing_lost(_metadata, locks);
}

/*
 * Nodes in the very last bytes of pages, and the head across two pages on which
 * there is nothing else: its first pointer is the last one of a page.
 */
TEST_F(futex, head_straddles_pages)
{
	self->locks.words = 3;
	self->locks.stride = 4096;
	self->locks.nodes_at = 16 * PROBE_MB - sizeof(void *);
	self->locks.head_at = 8 * PROBE_MB - sizeof(void *);
	hold_and_wait(_metadata, &self->locks);
	nothing_lost(_metadata, &self->locks);
}

/*
 * Two processes share the memory, and each holds half of the locks. Whichever of
 * them the OOM killer picks, those of the other one must not be lost.
 */
#define SHARER_FILE	1
#define SHARER_NODES	(8 * PROBE_MB)

/* The second half, and a list that lies elsewhere */
static int hold_half(struct victim *victim)
{
	struct locks half = *(struct locks *)victim->arg;

	half.words_at = (char *)locks_word(&half, half.words);
	half.nodes_at += SHARER_NODES;
	if (!locks_make_list(&half, locks_head(&half)))
		hold_in_read(victim->hold, SHARER_FILE);
	return 0;
}

static int have_sharer(struct victim *victim)
{
	struct locks *locks = victim->arg;
	pid_t pid;
	int err;

	locks->words /= 2;
	err = locks_hold_words(victim);
	if (err)
		return err;
	pid = victim_share(victim, hold_half);
	if (pid < 0)
		return pid;
	return hold_wait(victim->hold, SHARER_FILE, 1, 5000) ? 0 : -ETIMEDOUT;
}

TEST_F(futex, other_process)
{
	self->locks.words = 50;
	self->locks.victim.body = have_sharer;
	hold_and_wait(_metadata, &self->locks);
	probe_sleep_ms(100);
	EXPECT_LE(0, scene_kill(&self->locks.scene, SCENE_MB, 1000));
	hold_release_all(&self->locks.scene.hold);
	EXPECT_TRUE(victim_gone(&self->locks.victim, 5000));
	EXPECT_EQ(self->locks.waiters, locks_told(&self->locks));
	EXPECT_EQ(0, locks_lost(&self->locks));
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
	nothing_lost(_metadata, locks);
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
	nothing_lost(_metadata, locks);
}

/*
 * Killed when it has released the lock but has not woken a waiter yet. The
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
	EXPECT_TRUE(locks_kill_and_release(locks));
	EXPECT_EQ(locks->waiters, locks_told(locks));
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
	/* Late, but check what happens to the locks once it is reaped */
	victim_memory_back(before, FAR_NODES * FAR_BYTES / PROBE_MB / 2, 5000);
	little_kept(_metadata, locks);
	hold_release_all(&locks->scene.hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
	EXPECT_EQ(locks->waiters, locks_told(locks));
	EXPECT_EQ(0, locks_lost(locks));
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
	EXPECT_EQ(locks->waiters, locks_told(locks));
	EXPECT_EQ(0, locks_lost(locks));
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

/* Words in all kinds of memory that can be shared, nodes in private memory */
enum place { PLACE_HUGETLB, PLACE_SYSV, PLACE_MEMFD };

FIXTURE(word)
{
	struct locks locks;
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
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(word)
{
	locks_stop(&self->locks);
	if (self->shm >= 0)
		shmctl(self->shm, IPC_RMID, NULL);
}

static char *map_place(enum place place, int *shm)
{
	int flags = MAP_SHARED, fd = -1;
	char *mem;

	switch (place) {
	case PLACE_HUGETLB:
		setting_change(HUGEPAGES, "2");
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
 * The shared memory of the test does not tell the reaper that a lock may have a
 * waiter: the victim maps none of it except the futex words.
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
	nothing_lost(_metadata, locks);
}

/*
 * The first node is in shared memory and its word in private memory, so it has no
 * waiter. But if the word is missing the walk ends, and the next lock is lost.
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
	nothing_lost(_metadata, locks);
	munmap(areas, 3 * AREA_SIZE);
}

/* Stuck longer than the main thread, which has to see another user of its memory */
static void *read_second(void *arg)
{
	hold_in_read(arg, 1);
	return NULL;
}

static int share_tid(struct victim *victim)
{
	pthread_t thread;

	victim->shared->flag[0] = syscall(SYS_gettid);
	syscall(SYS_set_tid_address, &victim->shared->flag[0]);
	return -pthread_create(&thread, NULL, read_second, victim->hold);
}

/*
 * No list has an entry, so the threads may skip them when they exit. But another
 * process can wait for clear_child_tid if that is in shared memory.
 */
TEST_F(futex, guard_child_tid)
{
	struct victim *victim = &self->locks.victim;
	struct scene *scene = &self->locks.scene;

	victim->body = share_tid;
	ASSERT_EQ(0, victim_start(victim));
	ASSERT_TRUE(hold_wait(&scene->hold, 1, 1, 5000));
	EXPECT_LT(0, victim->shared->flag[0]);
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_reaped(&scene->log, victim->pid, 5000));
	hold_release(&scene->hold, 0);
	EXPECT_TRUE(probe_wait(!victim->shared->flag[0], 5000));
	EXPECT_FALSE(victim_gone(victim, 0));
	hold_release(&scene->hold, 1);
	EXPECT_TRUE(victim_gone(victim, 5000));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
