// SPDX-License-Identifier: GPL-2.0
/*
 * A task needs the memory of a stuck victim, and three bystanders hold memory,
 * too. It must get the victim's memory only, and without a long wait.
 *
 * Stock makes it wait for two seconds. If the victim's mmap_lock is held, stock
 * gives up on the victim after three seconds and kills two or three bystanders.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../kselftest_harness.h"
#include "glutton.h"
#include "scene.h"

#define VICTIM_MB	96
#define BYSTANDERS	3
#define BYSTANDER_MB	32

FIXTURE(hog)
{
	struct scene scene;
	struct bystander bystander[BYSTANDERS];
	struct victim victim;
	struct glutton hog;
};

/* What the reaper does not touch, and only the victim's exit gives back */
static int map_shared(struct victim *victim)
{
	char *mem = mmap(NULL, (size_t)VICTIM_MB << 20, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, (size_t)VICTIM_MB << 20);
	return 0;
}

FIXTURE_VARIANT(hog)
{
	enum victim_stuck stuck;
	bool shared;
};

FIXTURE_VARIANT_ADD(hog, read) {
	.stuck = VICTIM_READ,
};

FIXTURE_VARIANT_ADD(hog, mmap_lock_write) {
	.stuck = VICTIM_MMAP_WRITE,
};

FIXTURE_VARIANT_ADD(hog, mmap_lock_read) {
	.stuck = VICTIM_MMAP_READ,
};

/*
 * The reaper has nothing to reap, and nothing blocks the victim. A kernel that
 * tells the OOM killer that this victim is done before its file is closed kills
 * bystanders. Stock does so in exit_mmap(): in some runs one dies.
 */
FIXTURE_VARIANT_ADD(hog, guard_shared_memory) {
	.stuck = VICTIM_FREE,
	.shared = true,
};

FIXTURE_SETUP(hog)
{
	int i, err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	if (!glutton_possible())
		SKIP(return, "needs less than 8 GB of memory, and no swap");
	for (i = 0; i < BYSTANDERS; i++)
		ASSERT_EQ(0, bystander_start(&self->bystander[i], BYSTANDER_MB,
					     1, 500));
	self->victim.mb = variant->shared ? 1 : VICTIM_MB;
	self->victim.body = variant->shared ? map_shared : NULL;
	self->victim.stuck = variant->stuck;
	self->victim.hold = &self->scene.hold;
	ASSERT_EQ(0, victim_start(&self->victim));
}

FIXTURE_TEARDOWN(hog)
{
	int i;

	if (self->hog.shared)
		glutton_stop(&self->hog);
	if (self->victim.pid) {
		hold_release_all(&self->scene.hold);
		victim_stop(&self->victim);
	}
	for (i = 0; i < BYSTANDERS; i++)
		bystander_stop(&self->bystander[i]);
	scene_stop(&self->scene);
}

TEST_F(hog, served)
{
	int i, alive = 0, intact = 0;
	bool served;
	long worst_ms, stalled_ms;

	probe_sleep_ms(200);
	ASSERT_EQ(0, glutton_start_above(&self->hog, VICTIM_MB / 2));
	served = glutton_served(&self->hog, 30000);
	worst_ms = self->hog.shared->worst_ns / 1000000;
	/* A page that comes by chance can cut one wait into two */
	stalled_ms = self->hog.shared->stalled_ns / 1000000;
	glutton_stop(&self->hog);

	for (i = 0; i < BYSTANDERS; i++) {
		alive += bystander_alive(&self->bystander[i]);
		intact += bystander_intact(&self->bystander[i]);
	}
	scene_print("hog served: %d, waited %ld ms, at most %ld ms at a time",
		    served, stalled_ms, worst_ms);
	scene_print("%d of %d bystanders alive", alive, BYSTANDERS);
	/* Else it has not needed the victim's memory */
	EXPECT_TRUE(victim_picked(&self->scene.log, self->victim.pid, 0));
	EXPECT_TRUE(served);
	EXPECT_GE(probe_limit(1000), stalled_ms);
	EXPECT_GE(probe_limit(1000), worst_ms);
	EXPECT_EQ(BYSTANDERS, intact);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	EXPECT_FALSE(victim_given_up(&self->scene.log, self->victim.pid));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
