// SPDX-License-Identifier: GPL-2.0
/*
 * Several stuck victims at once: none may be lost, and the memory of all must
 * be back within a second.
 *
 * Stock reaps all of them but those whose mmap_lock is held, two seconds
 * after the kill. SysRq-f on stock goes for the same victim again and again
 * in the meantime.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#define MAX_VICTIMS	64

struct burst {
	struct scene scene;
	struct cgroup root;
	struct cgroup cgroup[MAX_VICTIMS];
	struct victim victim[MAX_VICTIMS];
	pid_t writer[MAX_VICTIMS];
	int victims;
};

FIXTURE(burst)
{
	struct burst burst;
};

FIXTURE_SETUP(burst)
{
	struct burst *burst = &self->burst;
	int err = scene_start(&burst->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	err = cgroup_make(&burst->root, "+memory");
	if (err)
		SKIP(return, "no memory controller of cgroup v2: %s",
		     strerror(-err));
}

FIXTURE_TEARDOWN(burst)
{
	struct burst *burst = &self->burst;
	int i;

	for (i = 0; i < MAX_VICTIMS; i++) {
		if (!burst->writer[i])
			continue;
		kill(burst->writer[i], SIGKILL);
		waitpid(burst->writer[i], NULL, 0);
	}
	if (burst->victims)
		hold_release_all(&burst->scene.hold);
	for (i = 0; i < burst->victims; i++)
		victim_stop(&burst->victim[i]);
	for (i = 0; i < MAX_VICTIMS; i++)
		cgroup_remove(&burst->cgroup[i]);
	cgroup_remove(&burst->root);
	scene_stop(&burst->scene);
}

/* One more victim, stuck in a place of its own */
static void add_victim(struct __test_metadata *_metadata,
		       struct burst *burst, size_t mb,
		       enum victim_stuck stuck, struct cgroup *cgroup)
{
	struct victim *victim = &burst->victim[burst->victims];

	victim->mb = mb;
	victim->stuck = stuck;
	victim->hold = &burst->scene.hold;
	victim->file = burst->victims;
	victim->cgroup = cgroup ? cgroup->procs : NULL;
	ASSERT_EQ(0, victim_start(victim));
	burst->victims++;
}

/*
 * Lower the limit of a group below what it uses: an OOM kill in it. The writer
 * is caught in the kernel for as long as that does not help.
 */
static pid_t squeeze(struct cgroup *cgroup)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cgroup_write(cgroup, "memory.max", "1M");
		_exit(0);
	}
	return pid;
}

static int count(struct burst *burst, const char *what)
{
	int i, n = 0;

	for (i = 0; i < burst->victims; i++)
		n += !!probe_count(&burst->scene.log, "%s %d (", what,
				   burst->victim[i].pid);
	return n;
}

/* The kills have been started: see the memory of all come back */
static void all_back(struct __test_metadata *_metadata,
		     struct burst *burst, long before, long reaped_before)
{
	size_t mb = burst->victim[0].mb * burst->victims;
	int i, back, gone = 0, given_up = 0;
	long reaped;

	/* With a slow printk() the kills alone take their time */
	back = victim_memory_back(before, mb, probe_slow() ? 4000 : 1000);
	probe_wait(count(burst, "reaped process") == burst->victims, 500);
	reaped = probe_vmstat("oom_reaper_reaped");
	for (i = 0; i < burst->victims; i++)
		given_up += victim_given_up(&burst->scene.log,
					    burst->victim[i].pid);
	scene_print("%d victims, %d killed, %d reaped, %d given up",
		    burst->victims, count(burst, "Killed process"),
		    count(burst, "reaped process"), given_up);
	scene_print("back after %d ms: %ld of %zu MB, counter %ld", back,
		    (probe_free_kb() - before) / 1024, mb,
		    reaped - reaped_before);
	EXPECT_LE(0, back);
	EXPECT_EQ(burst->victims, count(burst, "Killed process"));
	EXPECT_EQ(burst->victims, count(burst, "reaped process"));
	if (reaped >= 0)
		EXPECT_EQ(burst->victims, reaped - reaped_before);
	EXPECT_EQ(0, given_up);
	EXPECT_TRUE(bystander_intact(&burst->scene.bystander));

	hold_release_all(&burst->scene.hold);
	for (i = 0; i < burst->victims; i++)
		gone += victim_gone(&burst->victim[i], 5000);
	EXPECT_EQ(burst->victims, gone);
}

/* One group, memory.oom.group: all that are in it are killed in one go */
static void group_of(struct __test_metadata *_metadata,
		     struct burst *burst, int victims, size_t mb,
		     bool every_other_locked)
{
	struct cgroup *cgroup = &burst->cgroup[0];
	long before, reaped = probe_vmstat("oom_reaper_reaped");
	int i;

	ASSERT_EQ(0, cgroup_make_child(cgroup, &burst->root, 0));
	ASSERT_EQ(0, cgroup_write(cgroup, "memory.oom.group", "1"));
	for (i = 0; i < victims; i++)
		add_victim(_metadata, burst, mb, every_other_locked && i % 2 ?
			   VICTIM_MMAP_WRITE : VICTIM_READ, cgroup);
	probe_sleep_ms(200);
	before = probe_free_kb();
	burst->writer[0] = squeeze(cgroup);
	all_back(_metadata, burst, before, reaped);
}

TEST_F(burst, group_8)
{
	group_of(_metadata, &self->burst, 8, 12, false);
}

TEST_F(burst, group_8_locked)
{
	group_of(_metadata, &self->burst, 8, 12, true);
}

TEST_F(burst, group_64)
{
	group_of(_metadata, &self->burst, 64, 3, false);
}

TEST_F(burst, group_64_locked)
{
	group_of(_metadata, &self->burst, 64, 3, true);
}

/* Eight groups, each with an OOM kill of its own at the same time */
TEST_F(burst, groups_8)
{
	struct burst *burst = &self->burst;
	long before, reaped = probe_vmstat("oom_reaper_reaped");
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, cgroup_make_child(&burst->cgroup[i], &burst->root,
					       i));
		add_victim(_metadata, burst, 12, VICTIM_READ, &burst->cgroup[i]);
	}
	probe_sleep_ms(200);
	before = probe_free_kb();
	for (i = 0; i < 8; i++)
		burst->writer[i] = squeeze(&burst->cgroup[i]);
	all_back(_metadata, burst, before, reaped);
}

/* One SysRq-f after the other, as fast as an impatient administrator */
TEST_F(burst, sysrq_8)
{
	struct burst *burst = &self->burst;
	long before, reaped = probe_vmstat("oom_reaper_reaped");
	int i;

	for (i = 0; i < 8; i++)
		add_victim(_metadata, burst, 12, VICTIM_READ, NULL);
	probe_sleep_ms(200);
	before = probe_free_kb();
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(0, victim_sysrq());
		probe_sleep_ms(probe_limit(100));
	}
	all_back(_metadata, burst, before, reaped);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
