// SPDX-License-Identifier: GPL-2.0
/*
 * OOM kills for a memory control group and for the whole machine, the sysctls
 * that decide who is killed, and the reaper being switched off.
 *
 * Stock waits for two seconds before it looks at a victim: it fails these but
 * the guards.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#define NEEDS_MEMCG	"no memory controller of cgroup v2"
#define ALLOCATING	"/proc/sys/vm/oom_kill_allocating_task"
#define PANIC		"/proc/sys/vm/panic_on_oom"

FIXTURE(memcg)
{
	struct scene scene;
	struct cgroup top;
	struct cgroup cgroup;
	struct victim global;		/* SysRq-f finds it first */
	struct victim local;		/* in the group */
};

FIXTURE_SETUP(memcg)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	err = cgroup_make(&self->top, "+memory");
	if (!err) {
		ASSERT_EQ(0, cgroup_make_child(&self->cgroup, &self->top, 0));
		self->local.cgroup = self->cgroup.procs;
	}
	self->global.mb = SCENE_MB;
	self->global.stuck = VICTIM_READ;
	self->global.hold = &self->scene.hold;
	self->local.mb = 32;
	self->local.stuck = VICTIM_READ;
	self->local.hold = &self->scene.hold;
	self->local.file = 1;
	self->local.oom_score_adj = 100;
}

FIXTURE_TEARDOWN(memcg)
{
	probe_write(ALLOCATING, "0");
	probe_write(PANIC, "0");
	probe_param_write("enabled", "1");
	hold_release_all(&self->scene.hold);
	victim_stop(&self->global);
	victim_stop(&self->local);
	if (*self->cgroup.dir)
		cgroup_remove(&self->cgroup);
	if (*self->top.dir)
		cgroup_remove(&self->top);
	scene_stop(&self->scene);
}

static void let_go(struct __test_metadata *_metadata, struct scene *scene,
		   struct victim *victim)
{
	const char *complaint;

	hold_release(&scene->hold, victim->file);
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(victim_killed(victim));
	probe_sleep_ms(100);
	complaint = probe_complaint(&scene->log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

TEST_F(memcg, local)
{
	pid_t squeezer;
	bool done;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	ASSERT_EQ(0, victim_start(&self->local));
	squeezer = cgroup_squeeze(&self->cgroup, 4);
	ASSERT_LT(0, squeezer);
	done = cgroup_squeezed(squeezer, 1000);
	scene_print("the limit is %s, %ld kB left",
		    done ? "kept" : "not kept after a second",
		    probe_status(self->local.pid, "VmRSS"));
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&self->scene.log, self->local.pid, 1000));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	let_go(_metadata, &self->scene, &self->local);
}

TEST_F(memcg, local_and_global)
{
	struct scene *scene = &self->scene;
	pid_t squeezer;
	long before;
	bool done;
	int back;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	ASSERT_EQ(0, victim_start(&self->local));
	ASSERT_EQ(0, victim_start(&self->global));
	probe_sleep_ms(100);
	before = probe_free_kb();
	squeezer = cgroup_squeeze(&self->cgroup, 4);
	ASSERT_LT(0, squeezer);
	EXPECT_EQ(0, victim_sysrq());
	back = victim_memory_back(before, SCENE_MB + 32, 1000);
	done = cgroup_squeezed(squeezer, 1000);
	scene_print("back after %d ms: %ld of %d MB, the limit is %s", back,
		    (probe_free_kb() - before) / 1024, SCENE_MB + 32,
		    done ? "kept" : "not kept after a second");
	EXPECT_LE(0, back);
	EXPECT_TRUE(done);
	EXPECT_TRUE(victim_reaped(&scene->log, self->local.pid, 1000));
	EXPECT_TRUE(victim_reaped(&scene->log, self->global.pid, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	let_go(_metadata, scene, &self->local);
	let_go(_metadata, scene, &self->global);
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

/* When the kernel logged that, by its own clock; -1: not in time */
static long long logged_ms(struct scene *scene, int ms, const char *what,
			   pid_t pid)
{
	const char *line = probe_find(&scene->log, ms, "%s process %d (", what,
				      pid);
	long long us = -1;

	/* "6,1234,5678901,-;text": level, number, microseconds */
	if (line)
		sscanf(line, "%*d,%*d,%lld", &us);
	return us < 0 ? -1 : us / 1000;
}

/* Who asks for memory is killed, and not the bystander with its high score */
TEST_F(memcg, allocating_task)
{
	struct scene *scene = &self->scene;
	struct victim *victim = &self->global;
	long kills = probe_vmstat("oom_kill");
	long long killed, reaped;

	if (probe_meminfo_kb("SwapTotal") > 0)
		SKIP(return, "with swap nobody is killed");
	victim->oom_score_adj = 1;
	victim->mb = 16;
	victim->body = have_user;
	ASSERT_EQ(0, probe_write(ALLOCATING, "1"));
	ASSERT_EQ(0, victim_start(victim));
	victim->shared->flag[GO] = 1;
	/* The test has no memory, either: it looks at the clock of the log */
	killed = logged_ms(scene, 20000, "Killed", victim->pid);
	reaped = logged_ms(scene, 5000, "reaped", victim->pid);
	kills = probe_vmstat("oom_kill") - kills;
	scene_print("reaped %lld ms after it was killed, %ld killed",
		    reaped < 0 ? -1 : reaped - killed, kills);
	EXPECT_LE(0, killed);
	EXPECT_LE(killed, reaped);
	/* It has all there is: on a slow kernel that takes its time */
	if (!probe_slow())
		EXPECT_GT(killed + probe_limit(1000), reaped);
	EXPECT_EQ(1, kills);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	let_go(_metadata, scene, victim);
}

/* panic_on_oom=1 is for OOMs of the whole machine only, and not for SysRq-f */
TEST_F(memcg, guard_panic_on_oom)
{
	struct scene *scene = &self->scene;
	pid_t squeezer;

	if (!*self->cgroup.dir)
		SKIP(return, NEEDS_MEMCG);
	ASSERT_EQ(0, probe_write(PANIC, "1"));
	ASSERT_EQ(0, victim_start(&self->local));
	ASSERT_EQ(0, victim_start(&self->global));
	squeezer = cgroup_squeeze(&self->cgroup, 4);
	ASSERT_LT(0, squeezer);
	EXPECT_NE(NULL, probe_find(&scene->log, 5000, "Killed process %d (",
				   self->local.pid));
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_NE(NULL, probe_find(&scene->log, 5000, "Killed process %d (",
				   self->global.pid));
	let_go(_metadata, scene, &self->local);
	let_go(_metadata, scene, &self->global);
	EXPECT_TRUE(cgroup_squeezed(squeezer, 5000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

/* What is killed while the reaper is off waits for its own exit, as ever */
TEST_F(memcg, disabled)
{
	struct scene *scene = &self->scene;
	struct victim *victim = &self->global;
	long before, free;

	if (probe_param_write("enabled", "0"))
		SKIP(return, "no parameter \"enabled\"");
	ASSERT_EQ(0, victim_start(victim));
	probe_sleep_ms(100);
	before = probe_free_kb();
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_NE(NULL, probe_find(&scene->log, 5000, "Killed process %d (",
				   victim->pid));
	EXPECT_EQ(-1, victim_memory_back(before, victim->mb, 2500));
	free = probe_free_kb();
	EXPECT_FALSE(victim_reaped(&scene->log, victim->pid, 0));
	scene_print("off: %ld of %zu MB back", (free - before) / 1024,
		    victim->mb);
	EXPECT_EQ(0, probe_param_write("enabled", "1"));
	let_go(_metadata, scene, victim);
	EXPECT_LE(0, victim_memory_back(before, SCENE_MB, 5000));
	victim_stop(victim);

	victim->file = 2;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_LE(0, scene_kill(scene, victim->mb, 1000));
	EXPECT_TRUE(victim_reaped(&scene->log, victim->pid, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	let_go(_metadata, scene, victim);
}

static pid_t find_reaper(void)
{
	char path[300], name[32];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	pid_t pid = 0;

	while (dir && !pid && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (atoi(entry->d_name) &&
		    probe_read(path, name, sizeof(name)) > 0 &&
		    !strcmp(name, "oom_reaper\n"))
			pid = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return pid;
}

TEST_F(memcg, guard_kill_the_reaper)
{
	struct scene *scene = &self->scene;
	struct victim *victim = &self->global;
	pid_t reaper = find_reaper();

	ASSERT_LT(0, reaper);
	kill(reaper, SIGKILL);
	kill(reaper, SIGSTOP);
	kill(reaper, SIGTERM);
	probe_sleep_ms(50);
	EXPECT_EQ(reaper, find_reaper());
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_LE(0, scene_kill(scene, victim->mb, 5000));
	EXPECT_TRUE(victim_reaped(&scene->log, victim->pid, 1000));
	EXPECT_EQ(reaper, find_reaper());
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	let_go(_metadata, scene, victim);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
