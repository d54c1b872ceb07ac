// SPDX-License-Identifier: GPL-2.0
/*
 * Suspending the machine: the reaper freezes and thaws like everybody, and
 * while a victim is about there is no suspending. Goes no further than to
 * freeze all tasks, for a second.
 *
 * What becomes of a victim that a control group has frozen: see stuck.c.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#define POWER		"/sys/power/"
#define TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"

FIXTURE(freezer)
{
	struct scene scene;
	struct victim victim;
	struct cgroup cgroup;
	char timeout[32];
	char delay[32];
	char sync[32];
};

FIXTURE_SETUP(freezer)
{
	int err;

	if (probe_write(POWER "pm_test", "freezer") ||
	    probe_read(TEST_DELAY, self->delay, sizeof(self->delay)) <= 0)
		SKIP(return, "no /sys/power/pm_test");
	err = scene_start(&self->scene);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->victim.mb = SCENE_MB;
	self->victim.stuck = VICTIM_READ;
	self->victim.hold = &self->scene.hold;

	probe_read(POWER "pm_freeze_timeout", self->timeout,
		   sizeof(self->timeout));
	probe_read(POWER "sync_on_suspend", self->sync, sizeof(self->sync));
	ASSERT_EQ(0, probe_write(TEST_DELAY, "1"));
	ASSERT_EQ(0, probe_write(POWER "pm_freeze_timeout", "2000"));
	/* Not every file system could be synced: one is ours */
	probe_write(POWER "sync_on_suspend", "0");
}

FIXTURE_TEARDOWN(freezer)
{
	probe_write(POWER "pm_test", "none");
	probe_write(POWER "pm_freeze_timeout", self->timeout);
	probe_write(POWER "sync_on_suspend", self->sync);
	probe_write(TEST_DELAY, self->delay);
	probe_param_write("delay_ms", "0");
	if (*self->cgroup.dir)
		cgroup_write(&self->cgroup, "freezer.state", "THAWED");
	hold_release_all(&self->scene.hold);
	victim_stop(&self->victim);
	if (*self->cgroup.dir)
		cgroup_remove(&self->cgroup);
	scene_stop(&self->scene);
}

/* Return: 0 or -errno */
static int suspend(long *ms)
{
	long long from = probe_now_ns();
	int err = probe_write(POWER "state", "freeze");

	*ms = (probe_now_ns() - from) / 1000000;
	return err;
}

static void let_go(struct __test_metadata *_metadata, struct scene *scene,
		   struct victim *victim)
{
	const char *complaint;

	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	probe_sleep_ms(100);
	complaint = probe_complaint(&scene->log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

#define PF_NOFREEZE	0x8000	/* of the kernel: field 9 of /proc/PID/stat */

/* The flags of the thread of that name, 0: there is none */
static unsigned long thread_flags(const char *name)
{
	char path[64], text[512], comm[32];
	unsigned long flags;
	pid_t pid;

	for (pid = 2; pid < 1000; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (probe_read(path, text, sizeof(text)) <= 0)
			continue;
		if (sscanf(text, "%*d (%31[^)]) %*c %*d %*d %*d %*d %*d %lu",
			   comm, &flags) == 2 && !strcmp(comm, name))
			return flags;
	}
	return 0;
}

/* What reaps while an image of the memory is made spoils it */
TEST_F(freezer, guard_reaper_freezes)
{
	unsigned long flags = thread_flags("oom_reaper");

	scene_print("oom_reaper has flags %#lx", flags);
	ASSERT_NE(0UL, flags);
	EXPECT_EQ(0UL, flags & PF_NOFREEZE);
}

/* Fails on stock for its two seconds */
TEST_F_TIMEOUT(freezer, reaps_after_suspend, 60)
{
	int err, round;
	long ms;

	for (round = 0; round < 2; round++) {
		err = suspend(&ms);
		scene_print("suspended with %d for %ld ms", err, ms);
		if (err == -ENODEV || err == -EINVAL)
			SKIP(return, "no suspend to idle");
		EXPECT_EQ(0, err);
	}
	EXPECT_NE(NULL, probe_find(&self->scene.log, 0,
				   "Freezing remaining freezable tasks"));
	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_LE(0, scene_kill(&self->scene, self->victim.mb, 1000));
	EXPECT_TRUE(victim_reaped(&self->scene.log, self->victim.pid, 1000));
	let_go(_metadata, &self->scene, &self->victim);
}

/* Who is in D state does not freeze; the reaper is thawed and goes on */
TEST_F_TIMEOUT(freezer, reaps_after_refusal, 60)
{
	long ms;
	int err;

	ASSERT_EQ(0, victim_start(&self->victim));
	err = suspend(&ms);
	scene_print("suspended with %d after %ld ms", err, ms);
	EXPECT_EQ(-EBUSY, err);
	EXPECT_LE(0, scene_kill(&self->scene, self->victim.mb, 1000));
	EXPECT_TRUE(victim_reaped(&self->scene.log, self->victim.pid, 1000));
	let_go(_metadata, &self->scene, &self->victim);
	EXPECT_TRUE(victim_killed(&self->victim));
}

/*
 * The freezer does not wait for a victim, but oom_killer_disable() does: it is
 * only with no victim left that nobody allocates what others count on. That
 * the victim was reaped makes no difference.
 */
TEST_F_TIMEOUT(freezer, guard_waits_for_victims, 60)
{
	long ms;
	int err;

	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_LE(0, scene_kill(&self->scene, self->victim.mb, 5000));
	EXPECT_TRUE(victim_reaped(&self->scene.log, self->victim.pid, 1000));
	err = suspend(&ms);
	scene_print("suspended with %d after %ld ms", err, ms);
	EXPECT_EQ(-EBUSY, err);
	EXPECT_EQ(0, probe_count(&self->scene.log, "OOM killer disabled"));
	EXPECT_LE(2000, ms);
	let_go(_metadata, &self->scene, &self->victim);
	EXPECT_TRUE(victim_killed(&self->victim));

	err = suspend(&ms);
	scene_print("suspended with %d for %ld ms", err, ms);
	EXPECT_EQ(0, err);
	EXPECT_NE(NULL, probe_find(&self->scene.log, 0,
				   "OOM killer disabled"));
}

/* A thread that is stuck, and outlives the one that the OOM killer has marked */
static void *stuck_thread(void *arg)
{
	struct victim *victim = arg;

	hold_in_read(victim->hold, victim->file);
	return NULL;
}

static int have_stuck_thread(struct victim *victim)
{
	static struct victim copy;
	pthread_t thread;
	int err;

	copy = *victim;
	err = pthread_create(&thread, NULL, stuck_thread, &copy);
	if (!err && !hold_wait(victim->hold, victim->file, 1, 5000))
		err = ETIMEDOUT;
	return -err;
}

static bool main_thread_gone(pid_t pid)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
	return probe_read(path, text, sizeof(text)) <= 0 ||
	       strstr(text, ") Z ") || strstr(text, ") X ");
}

/*
 * Nobody is marked as a victim any more, but a thread of one is in the middle of
 * something, and may go on with it once an image of the memory has been made.
 */
TEST_F_TIMEOUT(freezer, guard_waits_for_threads, 60)
{
	long ms;
	int err;

	self->victim.stuck = VICTIM_FREE;
	self->victim.body = have_stuck_thread;
	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_reaped(&self->scene.log, self->victim.pid, 5000));
	ASSERT_TRUE(probe_wait(main_thread_gone(self->victim.pid), 5000));
	err = suspend(&ms);
	scene_print("suspended with %d after %ld ms", err, ms);
	EXPECT_EQ(-EBUSY, err);
	let_go(_metadata, &self->scene, &self->victim);
	EXPECT_TRUE(victim_killed(&self->victim));
}

/*
 * A victim that a control group has frozen, killed just before everything else
 * freezes. It must get out of both freezers for that, with all its threads.
 *
 * Stock thaws the one thread that it marks: the others outlast the suspend.
 */
TEST_F_TIMEOUT(freezer, frozen_victim, 60)
{
	struct scene *scene = &self->scene;
	struct victim *victim = &self->victim;
	long before, ms;
	int err;

	err = cgroup_make_v1(&self->cgroup, "freezer");
	if (err)
		SKIP(return, "no freezer of cgroup v1: %s", strerror(-err));
	victim->cgroup = self->cgroup.procs;
	victim->stuck = VICTIM_FREE;
	victim->threads = 3;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_EQ(0, cgroup_write(&self->cgroup, "freezer.state", "FROZEN"));
	EXPECT_TRUE(cgroup_wait(&self->cgroup, "freezer.state", "FROZEN",
				5000));
	before = probe_free_kb();
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_NE(NULL, probe_find(&scene->log, 5000, "Killed process %d (",
				   victim->pid));
	err = suspend(&ms);
	scene_print("suspended with %d for %ld ms", err, ms);
	EXPECT_EQ(0, err);
	EXPECT_LE(0, victim_memory_back(before, victim->mb, 1000));
	EXPECT_TRUE(victim_gone(victim, 1000));
	EXPECT_TRUE(victim_killed(victim));
	EXPECT_EQ(0, cgroup_write(&self->cgroup, "freezer.state", "THAWED"));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
