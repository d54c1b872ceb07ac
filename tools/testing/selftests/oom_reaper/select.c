// SPDX-License-Identifier: GPL-2.0
/*
 * Which process the OOM killer picks if there are victims already. For when it
 * stops waiting for those, see next.c.
 *
 * The reaper is disabled if the kernel allows it, so that all victims are in
 * flight: killed, but neither gone nor reaped. Stock reaps a victim after two
 * seconds; nearly all tests here are over by then.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/swap.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "glutton.h"
#include "scene.h"
#include "swap.h"

#define NR_VICTIMS	8
#define NR_HOGS		3

struct select {
	struct scene scene;
	struct victim victim[NR_VICTIMS];
	struct glutton hog[NR_HOGS];
	struct swap swap;
	struct cgroup cgroup;
};

FIXTURE(select)
{
	struct select select;
};

/* All processes that there are, and the bystander */
static void exempt_others(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[300];

	while (dir && (entry = readdir(dir))) {
		if (!isdigit(*entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/oom_score_adj",
			 entry->d_name);
		setting_change(path, "-1000");
	}
	if (dir)
		closedir(dir);
}

FIXTURE_SETUP(select)
{
	struct select *select = &self->select;
	int i, err = scene_start(&select->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	select->swap.number = -1;
	for (i = 0; i < NR_VICTIMS; i++) {
		select->victim[i].mb = 4;
		select->victim[i].stuck = VICTIM_READ;
		select->victim[i].hold = &select->scene.hold;
		select->victim[i].file = i;
	}
	/* Before the victims are there */
	exempt_others();
	setting_param("enabled", "0");
	/* Longer than any test here */
	setting_param("victim_timeout_ms", "60000");
}

FIXTURE_TEARDOWN(select)
{
	struct select *select = &self->select;
	int i;

	for (i = 0; i < NR_HOGS; i++)
		glutton_stop(&select->hog[i]);
	hold_release_all(&select->scene.hold);
	for (i = 0; i < NR_VICTIMS; i++)
		victim_stop(&select->victim[i]);
	swap_stop(&select->swap);
	cgroup_remove(&select->cgroup);
	scene_stop(&select->scene);
}

/* SysRq-f, and wait until it has done something that the log tells of */
static void press(struct select *select)
{
	struct probe_text *log = &select->scene.log;
	int before = probe_count(log, "Killed process");
	int none = probe_count(log, "OOM request ignored");

	victim_sysrq();
	probe_wait(probe_count(log, "Killed process") > before ||
		   probe_count(log, "OOM request ignored") > none, 200);
}

static bool picked(struct select *select, int i)
{
	return victim_picked(&select->scene.log, select->victim[i].pid, 0);
}

static int nr_picked(struct select *select, int count)
{
	return victims_picked(&select->scene.log, select->victim, count);
}

static void let_go(struct __test_metadata *_metadata, struct select *select,
		   int from, int to)
{
	int i;

	hold_release_all(&select->scene.hold);
	for (i = from; i < to; i++)
		EXPECT_TRUE(scene_let_go(&select->scene, &select->victim[i]));
}

/* Stock presses on the first one eight times */
TEST_F(select, sysrq_eight)
{
	struct select *select = &self->select;
	int i, nr;

	for (i = 0; i < NR_VICTIMS; i++)
		ASSERT_EQ(0, victim_start(&select->victim[i]));
	for (i = 0; i < NR_VICTIMS; i++)
		press(select);
	nr = nr_picked(select, NR_VICTIMS);
	scene_print("%d presses killed %d of %d", NR_VICTIMS, nr, NR_VICTIMS);
	EXPECT_EQ(NR_VICTIMS, nr);
	let_go(_metadata, select, 0, NR_VICTIMS);
}

/* Stock finds the victims again */
TEST_F(select, sysrq_only_victims)
{
	struct select *select = &self->select;
	struct probe_text *log = &select->scene.log;
	int i, again;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, victim_start(&select->victim[i]));
	for (i = 0; i < 3; i++)
		press(select);
	EXPECT_EQ(2, nr_picked(select, 2));
	again = probe_count(log, "Killed process") - 2;
	scene_print("%d killed twice, \"no killable processes\": %d", again,
		    probe_count(log, "no killable processes"));
	EXPECT_EQ(0, again);
	EXPECT_EQ(1, probe_count(log, "no killable processes"));
	EXPECT_EQ(1, probe_count(log, "OOM request ignored"));
	let_go(_metadata, select, 0, 2);
}

/*
 * A process in swapoff() is killed first. It waits for the mmap_lock of one
 * that has a page in swap, for as long as that one is held.
 */
static int swap_out_page(struct victim *victim)
{
	return swap_out(victim->mem) ? 0 : -EBUSY;
}

static int do_swapoff(struct victim *victim)
{
	struct swap *swap = victim->arg;

	victim->shared->stage = VICTIM_READY;
	swapoff(swap->device);
	return -EINTR;
}

static bool in_swapoff(pid_t pid)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	if (probe_read(path, text, sizeof(text)) <= 0) {
		/* Without that file: give it time */
		probe_sleep_ms(200);
		return true;
	}
	return atoi(text) == SYS_swapoff;
}

static void press_on_swapoff(struct __test_metadata *_metadata,
			     struct select *select, int oom_score_adj)
{
	struct victim *victim = select->victim;

	victim[0].body = swap_out_page;
	victim[0].stuck = VICTIM_MMAP_WRITE;
	victim[0].oom_score_adj = -1000;
	ASSERT_EQ(0, victim_start(&victim[0]));
	victim[1].body = do_swapoff;
	victim[1].arg = &select->swap;
	victim[1].stuck = VICTIM_FREE;
	victim[1].oom_score_adj = oom_score_adj;
	ASSERT_EQ(0, victim_start(&victim[1]));
	EXPECT_TRUE(probe_wait(in_swapoff(victim[1].pid), 2000));
	probe_sleep_ms(50);
	EXPECT_FALSE(victim_gone(&victim[1], 0));
	victim[2].oom_score_adj = 1000;
	ASSERT_EQ(0, victim_start(&victim[2]));
	press(select);
}

/* Stock picks it again and again */
TEST_F(select, swapoff_victim)
{
	struct select *select = &self->select;

	if (swap_start(&select->swap, 16))
		SKIP(return, "no zram");
	press_on_swapoff(_metadata, select, 1);
	EXPECT_TRUE(picked(select, 1));
	EXPECT_FALSE(picked(select, 2));
	press(select);
	scene_print("the second press killed %s",
		    picked(select, 2) ? "the next one" : "the same one");
	EXPECT_TRUE(picked(select, 2));
	let_go(_metadata, select, 2, 3);
	select->swap.on = false;
}

/* Stock does not care that it is exempt */
TEST_F(select, swapoff_exempt)
{
	struct select *select = &self->select;

	if (swap_start(&select->swap, 16))
		SKIP(return, "no zram");
	press_on_swapoff(_metadata, select, -1000);
	scene_print("killed: %s", picked(select, 1) ? "the exempt process" :
		    "the one with the highest score");
	EXPECT_FALSE(picked(select, 1));
	EXPECT_TRUE(picked(select, 2));
	let_go(_metadata, select, 2, 3);
	select->swap.on = false;
}

static int nr_hogs_gone(struct select *select)
{
	int i, nr = 0;

	for (i = 0; i < NR_HOGS; i++)
		nr += glutton_gone(&select->hog[i]);
	return nr;
}

/*
 * A victim is in flight, and three processes want its memory. Stock kills one
 * of the three after the other.
 */
TEST_F_TIMEOUT(select, allocating_task_waits, 90)
{
	struct select *select = &self->select;
	struct victim *first = &select->victim[0];
	size_t want_kb;
	int i, nr;

	if (!glutton_possible())
		SKIP(return, "too much memory to use it up");
	first->mb = 64;
	/* Stock's reaper does not get at it */
	first->stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, victim_start(first));
	ASSERT_EQ(0, setting_change("/proc/sys/vm/oom_kill_allocating_task",
				    "1"));
	probe_write("/proc/sys/vm/drop_caches", "3");
	want_kb = probe_free_kb() / NR_HOGS + 8 * 1024;
	press(select);
	EXPECT_TRUE(picked(select, 0));
	for (i = 0; i < NR_HOGS; i++) {
		select->hog[i].want_kb = want_kb;
		select->hog[i].oom_score_adj = 1;
		ASSERT_EQ(0, glutton_start(&select->hog[i]));
	}
	probe_wait(nr_hogs_gone(select), 2000);
	probe_sleep_ms(200);
	nr = nr_hogs_gone(select);
	scene_print("%d of %d allocating tasks killed, %ld kB free", nr,
		    NR_HOGS, probe_free_kb());
	EXPECT_EQ(0, nr);
	/* Stock lets go of it after three seconds: the end of what it shows */
	let_go(_metadata, select, 0, 1);
}

/* Stock thaws one thread, the others stay where they are and keep the process */
TEST_F(select, frozen_v1_gone)
{
	struct select *select = &self->select;
	struct victim *victim = &select->victim[0];
	struct cgroup *freezer = &select->cgroup;
	long long from;
	bool gone;

	if (cgroup_make_v1(freezer, "freezer"))
		SKIP(return, "no freezer of cgroup v1");
	victim->stuck = VICTIM_FREE;
	victim->threads = 7;
	victim->cgroup = freezer->procs;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_EQ(0, cgroup_write(freezer, "freezer.state", "FROZEN"));
	EXPECT_TRUE(cgroup_wait(freezer, "freezer.state", "FROZEN", 5000));
	from = probe_now_ns();
	press(select);
	gone = victim_gone(victim, 1000);
	scene_print("%s after %lld ms", gone ? "gone" : "not gone",
		    (probe_now_ns() - from) / 1000000);
	EXPECT_TRUE(gone);
	EXPECT_EQ(0, cgroup_write(freezer, "freezer.state", "THAWED"));
	let_go(_metadata, select, 0, 1);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
