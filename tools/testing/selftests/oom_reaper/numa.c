// SPDX-License-Identifier: GPL-2.0
/*
 * A node of two has no memory left. A process that may use no other node waits
 * there, and the OOM killer kills for it. As long as that victim is still
 * giving back memory, or its memory can be had without it, nobody else may be
 * killed.
 *
 * Stock waits for two seconds before it looks at a stuck victim, and kills the
 * next process if it cannot take that victim's mmap_lock for a second.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "scene.h"

#define NODE		1
#define VICTIM_MB	96
#define BYSTANDER_MB	56	/* on the node: its death would do as well */
#define MORE_MB		40	/* that the hog wants above what is free */

static int use_node(void)
{
	unsigned long mask = 1UL << NODE;

	return syscall(SYS_set_mempolicy, MPOL_BIND, &mask,
		       sizeof(mask) * 8) ? -errno : 0;
}

static void use_any_node(void)
{
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

static long node_free_kb(void)
{
	char path[64], buf[4096], *at;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo",
		 NODE);
	if (probe_read(path, buf, sizeof(buf)) <= 0)
		return -1;
	at = strstr(buf, "MemFree:");
	return at ? strtol(at + strlen("MemFree:"), NULL, 10) : -1;
}

/* Shared with the hog */
struct hog {
	long mb;
	long worst_ms;
	bool served;
};

FIXTURE(numa)
{
	struct scene scene;
	struct bystander bystander;	/* on the node, next in line */
	struct hog *hog;
	pid_t pid;			/* of the hog */
};

FIXTURE_SETUP(numa)
{
	int err;

	if (node_free_kb() < (VICTIM_MB + BYSTANDER_MB + 32) * 1024)
		SKIP(return, "no second NUMA node with enough memory");
	if (probe_meminfo_kb("SwapTotal") > 0)
		SKIP(return, "with swap nobody is killed");
	err = scene_start(&self->scene);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, use_node());
	err = bystander_start(&self->bystander, BYSTANDER_MB, 1, 500);
	use_any_node();
	ASSERT_EQ(0, err);
	self->hog = mmap(NULL, sizeof(*self->hog), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->hog);
}

FIXTURE_TEARDOWN(numa)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	bystander_stop(&self->bystander);
	if (self->hog)
		munmap(self->hog, sizeof(*self->hog));
	scene_stop(&self->scene);
}

static int fill_node(struct victim *victim)
{
	int err = use_node();

	if (err)
		return err;
	return victim_alloc(VICTIM_MB * PROBE_MB, victim->huge) ? 0 : -ENOMEM;
}

static void run_hog(struct hog *hog)
{
	size_t at, size = hog->mb * PROBE_MB;
	char *mem = victim_map(size, false);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!mem || use_node())
		_exit(1);
	for (at = 0; at < size; at += 4096) {
		long long from = probe_now_ns();
		long ms;

		mem[at] = 1;
		ms = (probe_now_ns() - from) / 1000000;
		if (ms > hog->worst_ms)
			hog->worst_ms = ms;
	}
	hog->served = true;
	_exit(0);
}

static bool hog_done(pid_t *pid)
{
	if (*pid > 0 && waitpid(*pid, NULL, WNOHANG) == *pid)
		*pid = 0;
	return !*pid;
}

/* Have a hog use up the node, and the victim die for it */
static void starve_node(struct __test_metadata *_metadata,
			struct scene *scene, struct bystander *bystander,
			struct hog *hog, pid_t *pid)
{
	long kills = probe_vmstat("oom_kill");

	memset(hog, 0, sizeof(*hog));
	hog->mb = node_free_kb() / 1024 + MORE_MB;
	*pid = fork();
	ASSERT_LE(0, *pid);
	if (!*pid)
		run_hog(hog);
	EXPECT_TRUE(probe_wait(hog_done(pid), 20000));
	kills = probe_vmstat("oom_kill") - kills;
	scene_print("hog of %ld MB %s, worst stall %ld ms, %ld killed, bystanders %s and %s",
		    hog->mb, hog->served ? "served" : "not served",
		    hog->worst_ms, kills,
		    bystander_alive(bystander) ? "alive" : "killed",
		    bystander_alive(&scene->bystander) ? "alive" : "killed");
	EXPECT_TRUE(hog->served);
	EXPECT_EQ(1, kills);
	EXPECT_TRUE(bystander_intact(bystander));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

static void no_complaint(struct __test_metadata *_metadata,
			 struct scene *scene)
{
	const char *complaint;

	probe_sleep_ms(100);
	complaint = probe_complaint(&scene->log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

static void kill_stuck(struct __test_metadata *_metadata, struct scene *scene,
		       struct bystander *bystander, struct hog *hog,
		       pid_t *pid, enum victim_stuck stuck)
{
	struct victim victim = {
		.mb = 1, .stuck = stuck, .hold = &scene->hold,
		.body = fill_node,
	};

	ASSERT_EQ(0, victim_start(&victim));
	starve_node(_metadata, scene, bystander, hog, pid);
	EXPECT_GT(probe_limit(1000), hog->worst_ms);
	EXPECT_EQ(0, probe_count(&scene->log, "unable to reap"));
	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(&victim, 5000));
	EXPECT_TRUE(victim_killed(&victim));
	victim_stop(&victim);
	no_complaint(_metadata, scene);
}

TEST_F_TIMEOUT(numa, read, 60)
{
	kill_stuck(_metadata, &self->scene, &self->bystander, self->hog,
		   &self->pid, VICTIM_READ);
}

TEST_F_TIMEOUT(numa, mmap_lock, 60)
{
	kill_stuck(_metadata, &self->scene, &self->bystander, self->hog,
		   &self->pid, VICTIM_MMAP_WRITE);
}

/*
 * The victim exits by itself and takes its time for that. It must not be given
 * up before it has: on stock, with its two seconds, it is not either.
 */
static void kill_exiting(struct __test_metadata *_metadata,
			 struct scene *scene, struct bystander *bystander,
			 struct hog *hog, pid_t *pid, bool huge)
{
	long i, rounds = probe_env("OOM_REAPER_ROUNDS", 5);

	for (i = 0; i < rounds; i++) {
		struct victim victim = {
			.mb = 1, .threads = 1 << (i % 8), .huge = huge,
			.body = fill_node,
		};

		ASSERT_EQ(0, victim_start(&victim));
		starve_node(_metadata, scene, bystander, hog, pid);
		EXPECT_TRUE(victim_gone(&victim, 5000));
		EXPECT_TRUE(victim_killed(&victim));
		victim_stop(&victim);
	}
	no_complaint(_metadata, scene);
}

TEST_F_TIMEOUT(numa, guard_exiting, 300)
{
	kill_exiting(_metadata, &self->scene, &self->bystander, self->hog,
		     &self->pid, false);
}

TEST_F_TIMEOUT(numa, guard_exiting_huge_pages, 300)
{
	kill_exiting(_metadata, &self->scene, &self->bystander, self->hog,
		     &self->pid, true);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
