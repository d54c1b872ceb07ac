// SPDX-License-Identifier: GPL-2.0
/*
 * Victims that have been stuck for so long that they are swapped out, the lists
 * of their robust futexes included. Their memory and their swap space must be
 * back long before the two seconds that stock waits, and no lock may be lost
 * for it, whatever the storage is.
 *
 * Stock waits for two seconds before it looks at a victim, and then reaps the
 * lists with the rest: it fails all these but the guards.
 *
 * Built a second time with -m32, for lists in the format of 32-bit programs.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "locks.h"
#include "scene.h"
#include "swap.h"

#define CLUSTER		"/proc/sys/vm/page-cluster"
#define NODES		4
#define SWAP_MB		24
#define DISK_MB		12
#define LIMIT_MS	1000	/* half of what stock waits */

struct stage {
	struct locks locks;
	struct swap swap;
	long waits;
	long kept;
};

FIXTURE(swapped)
{
	struct stage stage;
};

FIXTURE_VARIANT(swapped)
{
	enum swap_kind kind;
};

FIXTURE_VARIANT_ADD(swapped, zram) {
	.kind = SWAP_ZRAM,
};

FIXTURE_VARIANT_ADD(swapped, zswap) {
	.kind = SWAP_ZSWAP,
};

FIXTURE_VARIANT_ADD(swapped, disk) {
	.kind = SWAP_DISK,
};

FIXTURE_VARIANT_ADD(swapped, slow_disk) {
	.kind = SWAP_SLOW_DISK,
};

FIXTURE_VARIANT_ADD(swapped, virtio) {
	.kind = SWAP_VIRTIO,
};

FIXTURE_SETUP(swapped)
{
	struct stage *stage = &self->stage;
	int err;

	stage->swap.number = -1;
	err = locks_start(&stage->locks);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	/* A neighbour would be read in, too, and be found in the swap cache */
	setting_change(CLUSTER, "0");
	err = swap_start_on(&stage->swap, variant->kind,
			    variant->kind == SWAP_ZRAM ? SWAP_MB : DISK_MB);
	if (err == -ENODEV)
		SKIP(return, "no swap space of this kind");
	ASSERT_EQ(0, err);
	stage->waits = probe_vmstat("oom_reaper_futex_waits");
	stage->kept = probe_vmstat("oom_reaper_futex_kept");
	stage->locks.words = NODES;
	/* Each of them on a separate page */
	stage->locks.stride = 4096;
}

FIXTURE_TEARDOWN(swapped)
{
	struct stage *stage = &self->stage;

	locks_stop(&stage->locks);
	swap_stop(&stage->swap);
}

static void *nodes_and_head(struct locks *locks, int i)
{
	return i < locks->words ? (void *)locks_node(locks, i) :
				  (void *)locks_head(locks);
}

static bool list_out(struct locks *locks)
{
	bool out = true;
	int i;

	for (i = 0; i <= locks->words; i++)
		out &= swap_is_out(nodes_and_head(locks, i)) ||
		       (swap_out(nodes_and_head(locks, i)), false);
	return out;
}

static int hold_swapped(struct victim *victim)
{
	struct locks *locks = victim->arg;
	int err = locks_hold_words(victim);

	if (err)
		return err;
	return probe_wait(list_out(locks), 5000) ? 0 : -EAGAIN;
}

static void print_counters(struct stage *stage)
{
	if (stage->waits < 0)
		return;
	scene_print("oom_reaper_futex_waits +%ld, oom_reaper_futex_kept +%ld",
		    probe_vmstat("oom_reaper_futex_waits") - stage->waits,
		    probe_vmstat("oom_reaper_futex_kept") - stage->kept);
}

/* It is reaped: let it exit, and see what has become of its locks */
static void let_go(struct __test_metadata *_metadata, struct stage *stage)
{
	struct locks *locks = &stage->locks;

	print_counters(stage);
	EXPECT_TRUE(scene_let_go(&locks->scene, &locks->victim));
}

static void kill_and_let_go(struct __test_metadata *_metadata,
			    struct stage *stage, int ms)
{
	struct locks *locks = &stage->locks;
	long before = probe_free_kb();

	/* The waiters are asleep by then */
	probe_sleep_ms(100);
	EXPECT_LE(0, scene_kill(&locks->scene, locks->victim.mb, ms));
	/* Late, but check what happens to the locks once it is reaped */
	victim_memory_back(before, locks->victim.mb, 5000);
	EXPECT_FALSE(victim_gone(&locks->victim, 0));
	let_go(_metadata, stage);
}

/* Head and nodes are swapped out; in memory is nothing but the words */
static void kill_with_list(struct __test_metadata *_metadata,
			   struct stage *stage, enum victim_stuck stuck,
			   int (*body)(struct victim *victim))
{
	struct locks *locks = &stage->locks;

	locks->victim.body = body;
	locks->victim.stuck = stuck;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, NODES - 1);
	kill_and_let_go(_metadata, stage, LIMIT_MS);
	EXPECT_EQ(locks->waiters, locks_told(locks));
	EXPECT_EQ(0, locks_lost(locks));
}

TEST_F(swapped, list)
{
	kill_with_list(_metadata, &self->stage, VICTIM_READ, hold_swapped);
}

TEST_F(swapped, list_mmap_lock)
{
	kill_with_list(_metadata, &self->stage, VICTIM_MMAP_WRITE,
		       hold_swapped);
}

static int mutex_in_little_memory(struct victim *victim)
{
	struct locks *locks = victim->arg;
	int i, err = 0;

	for (i = 0; i < NODES && !err; i++)
		err = pthread_mutex_lock(&locks->shared->mutex[i]);
	return -err;
}

/* A lock of the C library, and of the process next to nothing is in memory */
TEST_F(swapped, process)
{
	struct locks *locks = &self->stage.locks;
	long swap_kb, back_kb;
	bool back;

	locks->victim.mb = 8;
	locks->victim.body = mutex_in_little_memory;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_mutex(locks, 0);
	locks_wait_mutex(locks, NODES - 1);
	ASSERT_TRUE(swap_out_process(locks->victim.pid, 512));
	swap_kb = probe_status(locks->victim.pid, "VmSwap");
	ASSERT_LT(7 * 1024, swap_kb);
	/* Swap space that is being written to is freed by reclaim, later */
	EXPECT_TRUE(probe_wait(!probe_meminfo_kb("Writeback"), 20000));
	back_kb = probe_meminfo_kb("SwapFree");
	EXPECT_EQ(0, victim_sysrq());
	back = probe_wait(probe_meminfo_kb("SwapFree") - back_kb >
			  swap_kb * 9 / 10, LIMIT_MS);
	scene_print("%ld of %ld kB of swap space back",
		    probe_meminfo_kb("SwapFree") - back_kb, swap_kb);
	EXPECT_TRUE(back);
	/* Late, but check what happens to the locks once it is reaped */
	probe_wait(probe_meminfo_kb("SwapFree") - back_kb > swap_kb * 9 / 10,
		   5000);
	EXPECT_FALSE(victim_gone(&locks->victim, 0));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(locks->waiters, locks_told(locks));
}

/*
 * process_mrelease() of the same: stock frees all of it, and loses the locks.
 * It may ask to be called again when a list is on its way from the disk.
 */
TEST_F(swapped, mrelease)
{
	struct locks *locks = &self->stage.locks;
	long long until, began;
	int pidfd, err, calls = 0;
	long before, swap_kb;

	locks->victim.body = hold_swapped;
	ASSERT_EQ(0, victim_start(&locks->victim));
	locks_wait_word(locks, 0);
	locks_wait_word(locks, NODES - 1);
	probe_sleep_ms(100);
	pidfd = syscall(SYS_pidfd_open, locks->victim.pid, 0);
	before = probe_free_kb();
	swap_kb = probe_meminfo_kb("SwapFree");
	kill(locks->victim.pid, SIGKILL);
	began = probe_now_ns();
	until = began + probe_limit(LIMIT_MS) * 1000000LL;
	do {
		err = syscall(SYS_process_mrelease, pidfd, 0) ? -errno : 0;
		calls++;
		if (err)
			probe_sleep_ms(10);
	} while (err == -EAGAIN && probe_now_ns() < until);
	scene_print("process_mrelease(): %d after %d calls in %lld ms", err,
		    calls, (probe_now_ns() - began) / 1000000);
	EXPECT_EQ(0, err);
	EXPECT_LE(0, victim_memory_back(before, locks->victim.mb, 100));
	scene_print("%ld of %zu MB back, %ld kB of swap space",
		    (probe_free_kb() - before) / 1024, locks->victim.mb,
		    probe_meminfo_kb("SwapFree") - swap_kb);
	close(pidfd);
	let_go(_metadata, &self->stage);
	EXPECT_EQ(locks->waiters, locks_told(locks));
	EXPECT_EQ(0, locks_lost(locks));
}

/* No other process can wait for a lock in private memory */
static int hold_private_lock(struct victim *victim, bool out)
{
	struct locks *locks = victim->arg;
	int err;

	locks->words_at = victim->mem + PROBE_MB;
	err = locks_hold_words(victim);
	if (err)
		return err;
	if (out && !probe_wait(list_out(locks), 5000))
		return -EAGAIN;
	locks_unshare(victim, NULL);
	return 0;
}

static int hold_private_swapped(struct victim *victim)
{
	return hold_private_lock(victim, true);
}

static int hold_private(struct victim *victim)
{
	return hold_private_lock(victim, false);
}

static void kill_private(struct __test_metadata *_metadata,
			 struct stage *stage, int (*body)(struct victim *))
{
	struct locks *locks = &stage->locks;
	long before = probe_free_kb(), rss;

	locks->victim.body = body;
	ASSERT_EQ(0, victim_start(&locks->victim));
	ASSERT_TRUE(hold_wait(&locks->scene.hold, 0, 1, 5000));
	EXPECT_LE(0, scene_kill(&locks->scene, locks->victim.mb, LIMIT_MS));
	victim_memory_back(before, locks->victim.mb, 5000);
	victim_reaped(&locks->scene.log, locks->victim.pid, 1000);
	rss = probe_status(locks->victim.pid, "RssAnon");
	scene_print("%ld kB left of it", rss);
	let_go(_metadata, stage);
	if (stage->waits < 0)
		return;
	/* Nothing that was looked at, waited for or kept */
	EXPECT_EQ(stage->waits, probe_vmstat("oom_reaper_futex_waits"));
	EXPECT_EQ(stage->kept, probe_vmstat("oom_reaper_futex_kept"));
	EXPECT_GE(8, rss);
}

TEST_F(swapped, private_lock)
{
	kill_private(_metadata, &self->stage, hold_private_swapped);
}

TEST_F(swapped, private_lock_in_memory)
{
	if (variant->kind != SWAP_ZRAM)
		SKIP(return, "has nothing to do with swap");
	kill_private(_metadata, &self->stage, hold_private);
}

/*
 * swapoff() looks for what is swapped out in all processes; it must not look for
 * ever for what a reaped victim has kept.
 */
TEST_F(swapped, guard_swapoff)
{
	struct locks *locks = &self->stage.locks;
	struct swap *swap = &self->stage.swap;
	long long began;
	pid_t pid;
	bool off;

	if (!swap->on)
		SKIP(return, "the swap space is not the test's own");
	locks->victim.body = hold_swapped;
	ASSERT_EQ(0, victim_start(&locks->victim));
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_reaped(&locks->scene.log, locks->victim.pid, 5000));
	began = probe_now_ns();
	pid = fork();
	if (!pid)
		_exit(swapoff(swap->device) ? errno : 0);
	off = probe_wait(waitpid(pid, NULL, WNOHANG) == pid, 5000);
	scene_print("swapoff() %s after %lld ms", off ? "done" : "hangs",
		    (probe_now_ns() - began) / 1000000);
	EXPECT_TRUE(off);
	swap->on = !off;
	hold_release_all(&locks->scene.hold);
	EXPECT_TRUE(victim_gone(&locks->victim, 10000));
	if (!off) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/* The disk returns nothing: reaped after the grace time */
TEST_F(swapped, read_error)
{
	struct locks *locks = &self->stage.locks;
	int back;

	if (variant->kind != SWAP_DISK)
		SKIP(return, "only a disk can be made to fail");
	if (probe_param("futex_grace_ms") < 0)
		SKIP(return, "no parameter futex_grace_ms");
	locks->victim.body = hold_swapped;
	ASSERT_EQ(0, setting_param("futex_grace_ms", "500"));
	ASSERT_EQ(0, victim_start(&locks->victim));
	swap_fail(&self->stage.swap);
	back = scene_kill(&locks->scene, locks->victim.mb, 3000);
	EXPECT_LE(400, back);
	EXPECT_LT(self->stage.waits, probe_vmstat("oom_reaper_futex_waits"));
	let_go(_metadata, &self->stage);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
