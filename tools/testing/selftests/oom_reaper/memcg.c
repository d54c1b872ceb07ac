// SPDX-License-Identifier: GPL-2.0
/*
 * OOM kills for a memory control group and for the whole machine, the sysctls
 * that decide which process is killed, and a disabled reaper.
 *
 * Stock waits for two seconds before it looks at a victim: it fails all these
 * tests except the guards.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#define ALLOCATING	"/proc/sys/vm/oom_kill_allocating_task"
#define PANIC		"/proc/sys/vm/panic_on_oom"

struct memcg {
	struct scene scene;
	struct cgroup cgroup;
	struct victim global;		/* SysRq-f finds it first */
	struct victim local;		/* in the group */
};

FIXTURE(memcg)
{
	struct memcg memcg;
};

FIXTURE_SETUP(memcg)
{
	struct memcg *memcg = &self->memcg;
	int err = scene_start(&memcg->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	cgroup_make(&memcg->cgroup, "+memory");
	memcg->global = (struct victim){
		.mb = SCENE_MB, .stuck = VICTIM_READ,
		.hold = &memcg->scene.hold,
	};
	memcg->local = (struct victim){
		.mb = 32, .stuck = VICTIM_READ, .hold = &memcg->scene.hold,
		.file = 1, .oom_score_adj = 100,
		.cgroup = memcg->cgroup.procs,
	};
}

FIXTURE_TEARDOWN(memcg)
{
	struct memcg *memcg = &self->memcg;

	hold_release_all(&memcg->scene.hold);
	victim_stop(&memcg->global);
	victim_stop(&memcg->local);
	cgroup_remove(&memcg->cgroup);
	scene_stop(&memcg->scene);
}

TEST_F(memcg, local)
{
	struct memcg *memcg = &self->memcg;
	struct victim *victim = &memcg->local;
	bool done;

	if (!cgroup_there(&memcg->cgroup))
		SKIP(return, CGROUP_NO_MEMORY);
	ASSERT_EQ(0, victim_start(victim));
	ASSERT_EQ(0, cgroup_squeeze(&memcg->cgroup, 4));
	done = cgroup_squeezed(&memcg->cgroup, 1000);
	scene_print("the limit is %s, %ld kB left",
		    done ? "kept" : "not kept after a second",
		    probe_status(victim->pid, "VmRSS"));
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&memcg->scene.log, victim->pid, 1000));
	EXPECT_TRUE(scene_let_go(&memcg->scene, victim));
}

TEST_F(memcg, local_and_global)
{
	struct memcg *memcg = &self->memcg;
	struct scene *scene = &memcg->scene;
	long before;
	bool done;
	int back;

	if (!cgroup_there(&memcg->cgroup))
		SKIP(return, CGROUP_NO_MEMORY);
	ASSERT_EQ(0, victim_start(&memcg->local));
	ASSERT_EQ(0, victim_start(&memcg->global));
	probe_sleep_ms(100);
	before = probe_free_kb();
	ASSERT_EQ(0, cgroup_squeeze(&memcg->cgroup, 4));
	EXPECT_EQ(0, victim_sysrq());
	back = victim_memory_back(before, SCENE_MB + 32, 1000);
	done = cgroup_squeezed(&memcg->cgroup, 1000);
	scene_print("back after %d ms: %ld of %d MB, the limit is %s", back,
		    (probe_free_kb() - before) / 1024, SCENE_MB + 32,
		    done ? "kept" : "not kept after a second");
	EXPECT_LE(0, back);
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&scene->log, memcg->local.pid, 1000));
	EXPECT_TRUE(victim_reaped(&scene->log, memcg->global.pid, 1000));
	EXPECT_TRUE(scene_let_go(scene, &memcg->local));
	EXPECT_TRUE(scene_let_go(scene, &memcg->global));
}

static void *use_all(void *arg)
{
	size_t at, size = probe_meminfo_kb("MemTotal") * 1024;
	char *mem = victim_map(size, false);

	for (at = 0; mem && at < size; at += 4096)
		mem[at] = 1;
	return NULL;
}

enum { GO };	/* flag */

/* One thread will be stuck, another one then takes what memory there is */
static void *use_all_when_told(void *arg)
{
	struct victim_shared *shared = arg;

	while (!shared->flag[GO])
		probe_sleep_ms(1);
	return use_all(NULL);
}

static int have_user(struct victim *victim)
{
	pthread_t thread;

	return -pthread_create(&thread, NULL, use_all_when_told,
			       victim->shared);
}

/* The allocating task is killed, not the bystander with its high score */
TEST_F(memcg, allocating_task)
{
	struct scene *scene = &self->memcg.scene;
	struct victim *victim = &self->memcg.global;
	long kills = probe_vmstat("oom_kill");
	long long killed, reaped;

	if (probe_meminfo_kb("SwapTotal") > 0)
		SKIP(return, "with swap nobody is killed");
	victim->oom_score_adj = 1;
	victim->mb = 16;
	victim->body = have_user;
	ASSERT_EQ(0, setting_change(ALLOCATING, "1"));
	ASSERT_EQ(0, victim_start(victim));
	victim->shared->flag[GO] = 1;
	/* The test has no memory, either: it looks at the clock of the log */
	killed = probe_log_us(probe_find(&scene->log, 20000,
					 "Killed process %d (", victim->pid));
	reaped = probe_log_us(probe_find(&scene->log, 5000,
					 "reaped process %d (", victim->pid));
	kills = probe_vmstat("oom_kill") - kills;
	scene_print("reaped %lld ms after it was killed, %ld killed",
		    reaped < 0 ? -1 : (reaped - killed) / 1000, kills);
	EXPECT_LE(0, killed);
	EXPECT_LE(killed, reaped);
	/* It has all there is: on a slow kernel that takes its time */
	if (!probe_slow())
		EXPECT_GT(probe_limit(1000), (reaped - killed) / 1000);
	EXPECT_EQ(1, kills);
	EXPECT_TRUE(scene_let_go(scene, victim));
}

/* panic_on_oom=1 is for OOMs of the whole machine only, and not for SysRq-f */
TEST_F(memcg, guard_panic_on_oom)
{
	struct memcg *memcg = &self->memcg;
	struct scene *scene = &memcg->scene;

	if (!cgroup_there(&memcg->cgroup))
		SKIP(return, CGROUP_NO_MEMORY);
	ASSERT_EQ(0, setting_change(PANIC, "1"));
	ASSERT_EQ(0, victim_start(&memcg->local));
	ASSERT_EQ(0, victim_start(&memcg->global));
	ASSERT_EQ(0, cgroup_squeeze(&memcg->cgroup, 4));
	EXPECT_TRUE(victim_picked(&scene->log, memcg->local.pid, 5000));
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_picked(&scene->log, memcg->global.pid, 5000));
	EXPECT_TRUE(scene_let_go(scene, &memcg->local));
	EXPECT_TRUE(scene_let_go(scene, &memcg->global));
	EXPECT_TRUE(cgroup_squeezed(&memcg->cgroup, 5000));
}

/* What is killed while the reaper is off waits for its own exit, as ever */
TEST_F(memcg, disabled)
{
	struct scene *scene = &self->memcg.scene;
	struct victim *victim = &self->memcg.global;
	long before, free;

	if (setting_param("enabled", "0"))
		SKIP(return, "no parameter \"enabled\"");
	ASSERT_EQ(0, victim_start(victim));
	probe_sleep_ms(100);
	before = probe_free_kb();
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_picked(&scene->log, victim->pid, 5000));
	EXPECT_EQ(-1, victim_memory_back(before, victim->mb, 2500));
	free = probe_free_kb();
	EXPECT_FALSE(victim_reaped(&scene->log, victim->pid, 0));
	scene_print("off: %ld of %zu MB back", (free - before) / 1024,
		    victim->mb);
	EXPECT_EQ(0, setting_param("enabled", "1"));
	EXPECT_TRUE(scene_let_go(scene, victim));
	EXPECT_LE(0, victim_memory_back(before, SCENE_MB, 5000));
	victim_stop(victim);

	victim->file = 2;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_LE(0, scene_kill(scene, victim->mb, 1000));
	EXPECT_TRUE(victim_reaped(&scene->log, victim->pid, 1000));
	EXPECT_TRUE(scene_let_go(scene, victim));
}

TEST_F(memcg, guard_kill_the_reaper)
{
	struct scene *scene = &self->memcg.scene;
	struct victim *victim = &self->memcg.global;
	pid_t reaper = probe_task("oom_reaper");

	ASSERT_LT(0, reaper);
	kill(reaper, SIGKILL);
	kill(reaper, SIGSTOP);
	kill(reaper, SIGTERM);
	probe_sleep_ms(50);
	EXPECT_EQ(reaper, probe_task("oom_reaper"));
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_LE(0, scene_kill(scene, victim->mb, 5000));
	EXPECT_TRUE(victim_reaped(&scene->log, victim->pid, 1000));
	EXPECT_EQ(reaper, probe_task("oom_reaper"));
	EXPECT_TRUE(scene_let_go(scene, victim));
}

/*
 * memory.oom_control of cgroup v1: no process is killed; tasks that need memory
 * wait until the limit is raised.
 */
static int outgrow(struct victim *victim)
{
	victim->shared->stage = VICTIM_READY;
	if (!victim_alloc(16 * PROBE_MB, false))
		return -ENOMEM;
	victim->shared->flag[GO] = 1;
	return 0;
}

TEST_F(memcg, guard_oom_kill_disable)
{
	struct memcg *memcg = &self->memcg;
	struct cgroup *cgroup = &memcg->cgroup;
	struct victim *victim = &memcg->local;
	bool waits, goes_on;

	/* The controller is in one hierarchy only */
	cgroup_remove(cgroup);
	if (cgroup_make_v1(cgroup, "memory"))
		SKIP(return, "no memory controller of cgroup v1");
	ASSERT_EQ(0, cgroup_write(cgroup, "memory.limit_in_bytes", "8M"));
	ASSERT_EQ(0, cgroup_write(cgroup, "memory.oom_control", "1"));
	victim->mb = 1;
	victim->stuck = VICTIM_FREE;
	victim->cgroup = cgroup->procs;
	victim->body = outgrow;
	ASSERT_EQ(0, victim_start(victim));
	waits = cgroup_wait(cgroup, "memory.oom_control", "under_oom 1", 5000);
	probe_sleep_ms(500);
	EXPECT_EQ(0, victim->shared->flag[GO]);
	EXPECT_FALSE(victim_gone(victim, 0));
	ASSERT_EQ(0, cgroup_write(cgroup, "memory.limit_in_bytes", "32M"));
	goes_on = probe_wait(victim->shared->flag[GO], 20000);
	scene_print("below the limit it %s, above that it %s",
		    waits ? "waits" : "does not wait",
		    goes_on ? "goes on" : "waits, too");
	EXPECT_TRUE(waits);
	EXPECT_TRUE(goes_on);
	EXPECT_EQ(0, probe_count(&memcg->scene.log, "Killed process"));
	EXPECT_TRUE(scene_quiet(&memcg->scene));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
