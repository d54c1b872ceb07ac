// SPDX-License-Identifier: GPL-2.0
/*
 * Suspending the machine: the reaper freezes and thaws like other tasks, and
 * suspend fails while a victim is left. The tests only freeze all tasks, for a
 * second.
 *
 * For victims that a control group has frozen, see stuck.c.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#define POWER		"/sys/power/"
#define TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"

struct freezer {
	struct scene scene;
	struct victim victim;
	struct cgroup cgroup;
};

FIXTURE(freezer)
{
	struct freezer freezer;
};

FIXTURE_SETUP(freezer)
{
	struct freezer *freezer = &self->freezer;
	int err;

	if (access(POWER "pm_test", F_OK) || access(TEST_DELAY, F_OK))
		SKIP(return, "no /sys/power/pm_test");
	err = scene_start(&freezer->scene);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	freezer->victim.mb = SCENE_MB;
	freezer->victim.stuck = VICTIM_READ;
	freezer->victim.hold = &freezer->scene.hold;

	ASSERT_EQ(0, setting_change(POWER "pm_test", "freezer"));
	ASSERT_EQ(0, setting_change(TEST_DELAY, "1"));
	ASSERT_EQ(0, setting_change(POWER "pm_freeze_timeout", "2000"));
	/* Not every file system could be synced: one is ours */
	setting_change(POWER "sync_on_suspend", "0");
}

FIXTURE_TEARDOWN(freezer)
{
	struct freezer *freezer = &self->freezer;

	if (cgroup_there(&freezer->cgroup))
		cgroup_write(&freezer->cgroup, "freezer.state", "THAWED");
	hold_release_all(&freezer->scene.hold);
	victim_stop(&freezer->victim);
	cgroup_remove(&freezer->cgroup);
	scene_stop(&freezer->scene);
}

/* Return: 0 or -errno */
static int suspend(long *ms)
{
	long long from = probe_now_ns();
	int err = probe_write(POWER "state", "freeze");

	*ms = (probe_now_ns() - from) / 1000000;
	return err;
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
	struct freezer *freezer = &self->freezer;
	int err, round;
	long ms;

	for (round = 0; round < 2; round++) {
		err = suspend(&ms);
		scene_print("suspended with %d for %ld ms", err, ms);
		if (err == -ENODEV || err == -EINVAL)
			SKIP(return, "no suspend to idle");
		EXPECT_EQ(0, err);
	}
	EXPECT_NE(NULL, probe_find(&freezer->scene.log, 0,
				   "Freezing remaining freezable tasks"));
	ASSERT_EQ(0, victim_start(&freezer->victim));
	EXPECT_LE(0, scene_kill(&freezer->scene, freezer->victim.mb, 1000));
	EXPECT_TRUE(victim_reaped(&freezer->scene.log, freezer->victim.pid, 1000));
	EXPECT_TRUE(scene_let_go(&freezer->scene, &freezer->victim));
}

/* A task in D state does not freeze; the reaper is thawed and continues */
TEST_F_TIMEOUT(freezer, reaps_after_refusal, 60)
{
	struct freezer *freezer = &self->freezer;
	long ms;
	int err;

	ASSERT_EQ(0, victim_start(&freezer->victim));
	err = suspend(&ms);
	scene_print("suspended with %d after %ld ms", err, ms);
	EXPECT_EQ(-EBUSY, err);
	EXPECT_LE(0, scene_kill(&freezer->scene, freezer->victim.mb, 1000));
	EXPECT_TRUE(victim_reaped(&freezer->scene.log, freezer->victim.pid, 1000));
	EXPECT_TRUE(scene_let_go(&freezer->scene, &freezer->victim));
}

/*
 * The freezer does not wait for a victim, but oom_killer_disable() does: as long
 * as a victim is left, it may allocate memory that others rely on. It makes no
 * difference that the victim has been reaped.
 */
TEST_F_TIMEOUT(freezer, guard_waits_for_victims, 60)
{
	struct freezer *freezer = &self->freezer;
	long ms;
	int err;

	ASSERT_EQ(0, victim_start(&freezer->victim));
	EXPECT_LE(0, scene_kill(&freezer->scene, freezer->victim.mb, 5000));
	EXPECT_TRUE(victim_reaped(&freezer->scene.log, freezer->victim.pid, 1000));
	err = suspend(&ms);
	scene_print("suspended with %d after %ld ms", err, ms);
	EXPECT_EQ(-EBUSY, err);
	EXPECT_EQ(0, probe_count(&freezer->scene.log, "OOM killer disabled"));
	EXPECT_LE(2000, ms);
	EXPECT_TRUE(scene_let_go(&freezer->scene, &freezer->victim));

	err = suspend(&ms);
	scene_print("suspended with %d for %ld ms", err, ms);
	EXPECT_EQ(0, err);
	EXPECT_NE(NULL, probe_find(&freezer->scene.log, 0,
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
 * No task is marked as a victim any more, but a thread of a victim is still stuck
 * and might continue after the image of the memory has been made.
 */
TEST_F_TIMEOUT(freezer, guard_waits_for_threads, 60)
{
	struct freezer *freezer = &self->freezer;
	long ms;
	int err;

	freezer->victim.stuck = VICTIM_FREE;
	freezer->victim.body = have_stuck_thread;
	ASSERT_EQ(0, victim_start(&freezer->victim));
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_reaped(&freezer->scene.log, freezer->victim.pid, 5000));
	ASSERT_TRUE(probe_wait(main_thread_gone(freezer->victim.pid), 5000));
	err = suspend(&ms);
	scene_print("suspended with %d after %ld ms", err, ms);
	EXPECT_EQ(-EBUSY, err);
	EXPECT_TRUE(scene_let_go(&freezer->scene, &freezer->victim));
}

/*
 * A victim that a control group has frozen, killed just before everything else
 * freezes. It must get out of both freezers for that, with all its threads.
 *
 * Stock thaws the one thread that it marks: the others outlast the suspend.
 */
TEST_F_TIMEOUT(freezer, frozen_victim, 60)
{
	struct freezer *freezer = &self->freezer;
	struct scene *scene = &freezer->scene;
	struct victim *victim = &freezer->victim;
	long before, ms;
	int err;

	err = cgroup_make_v1(&freezer->cgroup, "freezer");
	if (err)
		SKIP(return, "no freezer of cgroup v1: %s", strerror(-err));
	victim->cgroup = freezer->cgroup.procs;
	victim->stuck = VICTIM_FREE;
	victim->threads = 3;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_EQ(0, cgroup_write(&freezer->cgroup, "freezer.state", "FROZEN"));
	EXPECT_TRUE(cgroup_wait(&freezer->cgroup, "freezer.state", "FROZEN",
				5000));
	before = probe_free_kb();
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_picked(&scene->log, victim->pid, 5000));
	err = suspend(&ms);
	scene_print("suspended with %d for %ld ms", err, ms);
	EXPECT_EQ(0, err);
	EXPECT_LE(0, victim_memory_back(before, victim->mb, 1000));
	EXPECT_TRUE(victim_gone(victim, 1000));
	EXPECT_TRUE(victim_killed(victim));
	EXPECT_EQ(0, cgroup_write(&freezer->cgroup, "freezer.state", "THAWED"));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
