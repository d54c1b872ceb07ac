// SPDX-License-Identifier: GPL-2.0
/*
 * Killed at any moment of locking and unlocking. A thread that is still in
 * user mode on another CPU when the reaper starts must not be able to take a
 * robust lock that the reaper does not know of.
 *
 * Stock comes too late to lose a lock: see the tests.
 *
 * Built a second time with -m32, for lists in the format of 32-bit programs.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "locks.h"
#include "scene.h"
#include "starve.h"

FIXTURE(loop)
{
	struct locks locks;
};

FIXTURE_SETUP(loop)
{
	int err = locks_start(&self->locks);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(loop)
{
	locks_stop(&self->locks);
}

static int start_locking(struct victim *victim)
{
	struct locks *locks = victim->arg;
	unsigned int tid = syscall(SYS_gettid);
	int err = locks_make_empty_list(locks);

	if (err)
		return err;
	if (locks->starved) {
		err = starve_me();
		if (err)
			return err;
	}
	victim->shared->stage = VICTIM_READY;
	for (;;) {
		if (locks_try_lock(locks, tid))
			locks_unlock(locks);
	}
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

TEST_F_TIMEOUT(loop, guard_tight_loop, 3600)
{
	kill_in_loop(_metadata, &self->locks, kills(), false);
}

TEST_F_TIMEOUT(loop, guard_tight_loop_mrelease, 3600)
{
	kill_in_loop(_metadata, &self->locks, kills(), true);
}

/*
 * The same with a victim that does not get the CPU to die on, so that its
 * memory is reaped while it is anywhere in the loop. Stock comes too late: the
 * victim has been given some of the CPU again by then, and is gone.
 */
TEST_F_TIMEOUT(loop, tight_loop_starved, 3600)
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
