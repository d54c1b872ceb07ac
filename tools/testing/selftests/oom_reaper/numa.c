// SPDX-License-Identifier: GPL-2.0
/*
 * One of two nodes has no memory left. A process that may use no other node waits
 * for it, and the OOM killer kills a victim. While that victim is still giving
 * back memory, or its memory can be reaped, no other process may be killed.
 *
 * Stock waits for two seconds before it looks at a stuck victim, and kills the
 * next process if it cannot take that victim's mmap_lock for a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "glutton.h"
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

struct numa {
	struct scene scene;
	struct bystander bystander;	/* on the node, next in line */
	struct victim victim;
	struct glutton hog;
};

FIXTURE(numa)
{
	struct numa numa;
};

static int fill_node(struct victim *victim)
{
	int err = use_node();

	if (err)
		return err;
	return victim_alloc(VICTIM_MB * PROBE_MB, victim->huge) ? 0 : -ENOMEM;
}

FIXTURE_SETUP(numa)
{
	struct numa *numa = &self->numa;
	int err;

	if (node_free_kb() < (VICTIM_MB + BYSTANDER_MB + 32) * 1024)
		SKIP(return, "no second NUMA node with enough memory");
	if (probe_meminfo_kb("SwapTotal") > 0)
		SKIP(return, "with swap nobody is killed");
	err = scene_start(&numa->scene);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, use_node());
	err = bystander_start(&numa->bystander, BYSTANDER_MB, 1, 500);
	use_any_node();
	ASSERT_EQ(0, err);
	numa->victim.mb = 1;
	numa->victim.hold = &numa->scene.hold;
	numa->victim.body = fill_node;
}

FIXTURE_TEARDOWN(numa)
{
	struct numa *numa = &self->numa;

	glutton_stop(&numa->hog);
	hold_release_all(&numa->scene.hold);
	victim_stop(&numa->victim);
	bystander_stop(&numa->bystander);
	scene_stop(&numa->scene);
}

/* Have a hog use up the node, and the victim die for it. Return: its worst wait */
static long starve_node(struct __test_metadata *_metadata, struct numa *numa)
{
	struct glutton *hog = &numa->hog;
	long kills = probe_vmstat("oom_kill"), worst_ms;
	bool served;

	*hog = (struct glutton){
		.want_kb = node_free_kb() + MORE_MB * 1024,
		.oom_score_adj = -1000,
		.setup = use_node,
	};
	ASSERT_EQ(0, glutton_start(hog));
	served = glutton_served(hog, 20000);
	worst_ms = hog->shared->worst_ns / 1000000;
	glutton_stop(hog);
	kills = probe_vmstat("oom_kill") - kills;
	scene_print("hog of %zu MB %s, worst stall %ld ms, %ld killed, bystanders %s and %s",
		    hog->want_kb / 1024, served ? "served" : "not served",
		    worst_ms, kills,
		    bystander_alive(&numa->bystander) ? "alive" : "killed",
		    bystander_alive(&numa->scene.bystander) ? "alive" :
							      "killed");
	EXPECT_TRUE(served);
	EXPECT_EQ(1, kills);
	EXPECT_TRUE(bystander_intact(&numa->bystander));
	return worst_ms;
}

static void kill_stuck(struct __test_metadata *_metadata, struct numa *numa,
		       enum victim_stuck stuck)
{
	numa->victim.stuck = stuck;
	ASSERT_EQ(0, victim_start(&numa->victim));
	EXPECT_GT(probe_limit(1000), starve_node(_metadata, numa));
	EXPECT_EQ(0, probe_count(&numa->scene.log, "unable to reap"));
	EXPECT_TRUE(scene_let_go(&numa->scene, &numa->victim));
}

TEST_F_TIMEOUT(numa, read, 60)
{
	kill_stuck(_metadata, &self->numa, VICTIM_READ);
}

TEST_F_TIMEOUT(numa, mmap_lock, 60)
{
	kill_stuck(_metadata, &self->numa, VICTIM_MMAP_WRITE);
}

/*
 * The victim exits by itself and takes its time for that. It must not be given
 * up before it has: on stock, with its two seconds, it is not either.
 */
static void kill_exiting(struct __test_metadata *_metadata, struct numa *numa,
			 bool huge)
{
	long i, rounds = probe_env("OOM_REAPER_ROUNDS", 5);

	numa->victim.huge = huge;
	for (i = 0; i < rounds; i++) {
		numa->victim.threads = 1 << (i % 8);
		ASSERT_EQ(0, victim_start(&numa->victim));
		starve_node(_metadata, numa);
		EXPECT_TRUE(scene_let_go(&numa->scene, &numa->victim));
		victim_stop(&numa->victim);
	}
}

TEST_F_TIMEOUT(numa, guard_exiting, 300)
{
	kill_exiting(_metadata, &self->numa, false);
}

TEST_F_TIMEOUT(numa, guard_exiting_huge_pages, 300)
{
	kill_exiting(_metadata, &self->numa, true);
}

#define TEST_OOM	PROBE_TEST_OOM "alloc"

enum { DYING };	/* flag: TID */

/* Waits for SIGKILL, and then takes more than there is */
static void *use_up_node(void *arg)
{
	int fd = open(TEST_OOM, O_RDWR | O_CLOEXEC);
	struct victim *victim = arg;
	char text[64];

	use_node();
	snprintf(text, sizeof(text), "dying kernel 0 %ld",
		 (node_free_kb() + MORE_MB * 1024) / 4);
	victim->shared->flag[DYING] = fd < 0 ? -errno : syscall(SYS_gettid);
	/* Does not return to user mode */
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
	return NULL;
}

static int have_user(struct victim *victim)
{
	pthread_t thread;
	int err = -pthread_create(&thread, NULL, use_up_node, victim);

	if (err)
		return err;
	probe_wait(victim->shared->flag[DYING], 5000);
	/* And it is asleep */
	probe_sleep_ms(50);
	return victim->shared->flag[DYING] > 0 ? 0 : -ENOENT;
}

/*
 * A process has been sent SIGKILL, and one of its threads wants memory in the
 * kernel: instead of the OOM killer selecting another victim the process becomes
 * one. Another of its threads is stuck, so it has to be reaped.
 */
TEST_F_TIMEOUT(numa, guard_dying_allocates, 60)
{
	struct numa *numa = &self->numa;
	struct probe_text *log = &numa->scene.log;
	struct victim *victim = &numa->victim;
	bool reaped;

	if (!probe_test_oom(TEST_OOM))
		SKIP(return, "no module test_oom");
	victim->mb = 16;
	victim->stuck = VICTIM_READ;
	victim->body = have_user;
	ASSERT_EQ(0, victim_start(victim));
	kill(victim->pid, SIGKILL);
	reaped = victim_reaped(log, victim->shared->flag[DYING], 20000);
	scene_print("%ld kB free on the node, the dying process %s",
		    node_free_kb(), reaped ? "was reaped" : "was not reaped");
	EXPECT_TRUE(reaped);
	EXPECT_FALSE(victim_picked(log, victim->pid, 0));
	EXPECT_TRUE(bystander_intact(&numa->bystander));
	EXPECT_TRUE(scene_let_go(&numa->scene, victim));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
