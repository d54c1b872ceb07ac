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
#include <sched.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"
#include "starve.h"

#define MAX_VICTIMS	64

struct burst {
	struct scene scene;
	struct cgroup root;
	struct cgroup cgroup[MAX_VICTIMS];
	struct victim victim[MAX_VICTIMS];
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
	if (cgroup_make_parent(&burst->root, "+memory"))
		SKIP(return, CGROUP_NO_MEMORY);
}

FIXTURE_TEARDOWN(burst)
{
	struct burst *burst = &self->burst;
	int i;

	if (burst->victims)
		hold_release_all(&burst->scene.hold);
	for (i = 0; i < burst->victims; i++)
		victim_stop(&burst->victim[i]);
	for (i = 0; i < MAX_VICTIMS; i++)
		cgroup_remove(&burst->cgroup[i]);
	cgroup_remove(&burst->root);
	scene_stop(&burst->scene);
}

/* One more victim, stuck in a separate place */
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
	scene_print("back after %d ms: %ld of %zu MB, counter %ld, %ld by way of the backlog",
		    back, (probe_free_kb() - before) / 1024, mb,
		    reaped - reaped_before,
		    probe_vmstat("oom_reaper_backlogged"));
	EXPECT_LE(0, back);
	EXPECT_EQ(burst->victims, count(burst, "Killed process"));
	EXPECT_EQ(burst->victims, count(burst, "reaped process"));
	if (reaped >= 0)
		EXPECT_EQ(burst->victims, reaped - reaped_before);
	EXPECT_EQ(0, given_up);
	EXPECT_TRUE(bystander_intact(&burst->scene.bystander));

	hold_release_all(&burst->scene.hold);
	for (i = 0; i < burst->victims; i++)
		gone += victim_gone(&burst->victim[i], 5000) &&
			victim_killed(&burst->victim[i]);
	EXPECT_EQ(burst->victims, gone);
	EXPECT_TRUE(scene_quiet(&burst->scene));
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
	ASSERT_EQ(0, cgroup_squeeze(cgroup, 1));
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
		ASSERT_EQ(0, cgroup_squeeze(&burst->cgroup[i], 1));
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

/*
 * One of two reaper threads is reaping a victim, and stalls because it does not
 * get the CPU: the other one takes the next victim.
 */
#define BUSY_MB		160
#define BUSY_DELAY	"300"

FIXTURE(threads)
{
	struct scene scene;
	struct probe_text trace;
	struct victim first;
	struct victim second;
	struct starve starve;
	pid_t reaper[2];
};

FIXTURE_SETUP(threads)
{
	int err;

	self->trace.fd = -1;
	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	if (probe_param("threads") != 2)
		SKIP(return, "oom_reaper.threads=2 is not on the command line");
	self->reaper[0] = probe_task("oom_reaper");
	self->reaper[1] = probe_task("oom_reaper/1");
	if (self->reaper[0] < 0 || self->reaper[1] < 0)
		SKIP(return, "there are no two threads");
	err = scene_start(&self->scene);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->first = (struct victim){
		.mb = BUSY_MB, .stuck = VICTIM_READ, .hold = &self->scene.hold,
	};
	self->second = (struct victim){
		.mb = 16, .stuck = VICTIM_READ, .hold = &self->scene.hold,
		.file = 1, .oom_score_adj = 900,
	};
}

/* With the priority that the parameter says, and on any CPU */
static void put_back(pid_t reaper)
{
	struct sched_param param = {
		.sched_priority = probe_param("priority"),
	};
	cpu_set_t all;
	int cpu;

	CPU_ZERO(&all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &all);
	sched_setaffinity(reaper, sizeof(all), &all);
	sched_setscheduler(reaper, param.sched_priority ? SCHED_FIFO :
			   SCHED_OTHER, &param);
}

FIXTURE_TEARDOWN(threads)
{
	if (self->starve.shared)
		starve_stop(&self->starve);
	put_back(self->reaper[0]);
	put_back(self->reaper[1]);
	hold_release_all(&self->scene.hold);
	victim_stop(&self->first);
	victim_stop(&self->second);
	probe_text_close(&self->trace);
	scene_stop(&self->scene);
}

/* An ordinary task, and on this CPU only */
static int put_on(pid_t pid, int cpu)
{
	struct sched_param param = { 0 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setscheduler(pid, SCHED_OTHER, &param) ||
	    sched_setaffinity(pid, sizeof(set), &set))
		return -errno;
	return 0;
}

TEST_F_TIMEOUT(threads, busy_thread, 120)
{
	struct victim *first = &self->first, *second = &self->second;
	const char *line;
	long left, begun;
	bool back;
	int other;

	ASSERT_EQ(0, setting_param("delay_ms", BUSY_DELAY));
	ASSERT_EQ(0, put_on(self->reaper[0], STARVE_CPU));
	ASSERT_EQ(0, put_on(self->reaper[1], STARVE_CPU));
	ASSERT_EQ(0, probe_trace_open(&self->trace, "oom:start_task_reaping"));
	ASSERT_EQ(0, starve_start(&self->starve));
	ASSERT_EQ(0, victim_start(first));
	ASSERT_EQ(0, victim_start(second));
	begun = probe_status(first->pid, "RssAnon");

	EXPECT_EQ(0, victim_sysrq());
	line = probe_find(&self->trace, 5000, "start_task_reaping: pid=%d",
			  first->pid);
	starve_after(&self->starve, 0);
	EXPECT_NE(NULL, line);
	/* It is not this one: that one is free to run elsewhere */
	other = line && strstr(line, "oom_reaper/1") ? 0 : 1;
	EXPECT_EQ(0, put_on(self->reaper[other], 0));
	setting_param("delay_ms", "0");
	probe_sleep_ms(20);
	EXPECT_EQ(0, victim_sysrq());
	back = probe_wait(probe_status(second->pid, "RssAnon") < 1024,
			  STARVE_MS - 100);
	left = probe_status(first->pid, "RssAnon");
	starve_stop(&self->starve);
	scene_print("first: %ld of %ld kB left, second: %s", left, begun,
		    back ? "reaped meanwhile" : "had to wait");
	/* Else nothing was tested */
	EXPECT_LT(1024, left);
	EXPECT_TRUE(back);
	EXPECT_TRUE(scene_let_go(&self->scene, first));
	EXPECT_TRUE(scene_let_go(&self->scene, second));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
