// SPDX-License-Identifier: GPL-2.0
/*
 * Victims that are several processes with one address space, and threads of
 * which some are gone: vfork(), and clone() with CLONE_VM.
 *
 * Stock waits for two seconds before it looks at a victim, and never gets the
 * memory of one whose mmap_lock is held for write: it fails all these tests
 * except the guards.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

enum { SHARER, SHARER_STUCK };	/* flags: PID, and whether it gets stuck */

#define SHARER_FILE	1

FIXTURE(one_mm)
{
	struct scene scene;
	struct victim victim;
	struct cgroup cgroup;
	struct cgroup other;
};

FIXTURE_VARIANT(one_mm)
{
	enum victim_stuck stuck;
};

FIXTURE_VARIANT_ADD(one_mm, read)
{
	.stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(one_mm, mmap_lock)
{
	.stuck = VICTIM_MMAP_WRITE,
};

FIXTURE_SETUP(one_mm)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	/* Whose parent is gone becomes a child of the test */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	self->victim.mb = SCENE_MB;
	self->victim.stuck = variant->stuck;
	self->victim.hold = &self->scene.hold;
}

FIXTURE_TEARDOWN(one_mm)
{
	hold_release_all(&self->scene.hold);
	victim_stop(&self->victim);
	cgroup_remove(&self->other);
	cgroup_remove(&self->cgroup);
	scene_stop(&self->scene);
}

/* A process with the memory of another one, its flags and signals its own */
static int live(struct victim *victim)
{
	if (victim->shared->flag[SHARER_STUCK])
		hold_in_read(victim->hold, SHARER_FILE);
	for (;;)
		pause();
	return 0;
}

static int have_sharer(struct victim *victim)
{
	pid_t pid = victim_share(victim, live);

	victim->shared->flag[SHARER] = pid;
	return pid < 0 ? pid : 0;
}

static int have_stuck_sharer(struct victim *victim)
{
	victim->shared->flag[SHARER_STUCK] = 1;
	return have_sharer(victim);
}

static bool sharer_gone(pid_t pid, int ms)
{
	int status;

	return probe_wait(waitpid(pid, &status, WNOHANG) == pid, ms) &&
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void kill_sharers(struct __test_metadata *_metadata, struct scene *scene,
			 struct victim *victim)
{
	pid_t sharer;

	ASSERT_EQ(0, victim_start(victim));
	sharer = victim->shared->flag[SHARER];
	if (victim->shared->flag[SHARER_STUCK])
		EXPECT_TRUE(hold_wait(&scene->hold, SHARER_FILE, 1, 5000));
	EXPECT_LE(0, scene_kill(scene, SCENE_MB, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_EQ(0, probe_count(&scene->log, "unable to reap"));

	/* One after the other */
	EXPECT_TRUE(scene_let_go(scene, victim));
	hold_release(&scene->hold, SHARER_FILE);
	EXPECT_TRUE(sharer_gone(sharer, 5000));
	EXPECT_TRUE(scene_quiet(scene));
}

TEST_F(one_mm, sharer)
{
	self->victim.body = have_sharer;
	kill_sharers(_metadata, &self->scene, &self->victim);
}

TEST_F(one_mm, both_stuck)
{
	self->victim.body = have_stuck_sharer;
	kill_sharers(_metadata, &self->scene, &self->victim);
}

static int live_in_group(struct victim *victim)
{
	if (!probe_write(victim->arg, "0"))
		hold_in_read(victim->hold, SHARER_FILE);
	return 0;
}

/* The sharer goes into another group, which the victim names */
static int have_sharer_in_group(struct victim *victim)
{
	pid_t pid = victim_share(victim, live_in_group);

	if (pid < 0)
		return pid;
	victim->shared->flag[SHARER] = pid;
	return hold_wait(victim->hold, SHARER_FILE, 1, 5000) ? 0 : -ETIMEDOUT;
}

/*
 * Of two processes with the same score and the same memory SysRq-f picks the one
 * that came last. The group of the other one runs out of memory before they are
 * reaped. The OOM killer finds that one dying and marks it, too; the memory is
 * handed over once.
 */
TEST_F(one_mm, handed_over_once)
{
	struct victim *victim = &self->victim;
	struct scene *scene = &self->scene;
	pid_t sharer;
	int times;

	if (cgroup_make(&self->cgroup, "+memory") ||
	    cgroup_make(&self->other, "+memory"))
		SKIP(return, CGROUP_NO_MEMORY);
	if (setting_param("delay_ms", "1000"))
		SKIP(return, "no parameter delay_ms");
	victim->cgroup = self->cgroup.procs;
	victim->body = have_sharer_in_group;
	victim->arg = self->other.procs;
	ASSERT_EQ(0, victim_start(victim));
	sharer = victim->shared->flag[SHARER];
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_picked(&scene->log, sharer, 5000));
	ASSERT_EQ(0, cgroup_squeeze(&self->cgroup, 4));
	EXPECT_NE(NULL, probe_find(&scene->log, 10000,
				   "oom_reaper: reaped process"));
	probe_sleep_ms(1200);
	times = probe_count(&scene->log, "oom_reaper: reaped process");
	scene_print("reaped %d times", times);
	EXPECT_EQ(1, times);
	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(sharer_gone(sharer, 5000));
	cgroup_squeezed(&self->cgroup, 5000);
	EXPECT_TRUE(scene_quiet(scene));
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

TEST_F(one_mm, vfork_exempt_child)
{
	if (variant->stuck != VICTIM_READ)
		SKIP(return, "who waits in vfork() does nothing else");
	self->victim.body = vfork_exempt;
	kill_sharers(_metadata, &self->scene, &self->victim);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
