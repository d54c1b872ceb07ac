// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests for the parts of the OOM reaper that need no victim.
 */
#include <kunit/test.h>

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm_types.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/prandom.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../oom_handover.h"
#include "../oom_keep.h"
#include "../oom_params.h"
#include "../oom_reap.h"
#include "../oom_robust.h"

/* Page number to address */
#define P(n)		((unsigned long)(n) << PAGE_SHIFT)

static void expect_range(struct kunit *test, const struct oom_keep *keep,
			 unsigned int i, unsigned long first, unsigned long end)
{
	KUNIT_ASSERT_LT(test, i, keep->nr);
	KUNIT_EXPECT_EQ(test, keep->range[i].start, P(first));
	KUNIT_EXPECT_EQ(test, keep->range[i].end, P(end));
}

static void expect_gap(struct kunit *test, const struct oom_keep *keep,
		       unsigned long from, unsigned long to,
		       unsigned long gap_from, unsigned long gap_to)
{
	unsigned long start = P(from), end = P(to);

	KUNIT_EXPECT_TRUE(test, oom_keep_gap(keep, &start, &end));
	KUNIT_EXPECT_EQ(test, start, P(gap_from));
	KUNIT_EXPECT_EQ(test, end, P(gap_to));
}

static void keep_whole_pages(struct kunit *test)
{
	struct oom_keep keep;

	oom_keep_init(&keep, NULL, 0);
	oom_keep_add(&keep, P(10) + 8, P(10) + 32);
	expect_range(test, &keep, 0, 10, 11);
	/* A list head that straddles two pages */
	oom_keep_add(&keep, P(21) - 8, P(21) + 16);
	expect_range(test, &keep, 1, 20, 22);
	KUNIT_EXPECT_EQ(test, keep.nr_pages, 3UL);

	/* Empty and reversed ranges are not added */
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(30), P(30)));
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(31), P(30)));
	KUNIT_EXPECT_EQ(test, keep.nr, 2U);
}

static void keep_merges(struct kunit *test)
{
	struct oom_keep keep;

	oom_keep_init(&keep, NULL, 0);
	oom_keep_add(&keep, P(10), P(11));
	oom_keep_add(&keep, P(14), P(15));
	oom_keep_add(&keep, P(12), P(13));
	KUNIT_EXPECT_EQ(test, keep.nr, 3U);
	/* A range that is in the table already */
	oom_keep_add(&keep, P(12), P(13));
	KUNIT_EXPECT_EQ(test, keep.nr, 3U);
	/* A range that touches two */
	oom_keep_add(&keep, P(11), P(12));
	KUNIT_EXPECT_EQ(test, keep.nr, 2U);
	expect_range(test, &keep, 0, 10, 13);
	/* A range that covers all */
	oom_keep_add(&keep, P(1), P(20));
	KUNIT_EXPECT_EQ(test, keep.nr, 1U);
	expect_range(test, &keep, 0, 1, 20);
	KUNIT_EXPECT_EQ(test, keep.nr_pages, 19UL);
}

static void keep_at_both_ends(struct kunit *test)
{
	unsigned long start = 0, end = ULONG_MAX;
	struct oom_keep keep;

	oom_keep_init(&keep, NULL, 0);
	oom_keep_add(&keep, 0, 4);
	oom_keep_add(&keep, ULONG_MAX - 8, ULONG_MAX);
	KUNIT_ASSERT_EQ(test, keep.nr, 2U);
	KUNIT_EXPECT_TRUE(test, oom_keep_gap(&keep, &start, &end));
	KUNIT_EXPECT_EQ(test, start, P(1));
	KUNIT_EXPECT_EQ(test, end, ALIGN_DOWN(ULONG_MAX, PAGE_SIZE));
}

static void keep_gaps(struct kunit *test)
{
	unsigned long start = P(10), end = P(12);
	struct oom_keep keep;

	oom_keep_init(&keep, NULL, 0);
	expect_gap(test, &keep, 5, 50, 5, 50);

	oom_keep_add(&keep, P(10), P(12));
	oom_keep_add(&keep, P(20), P(21));
	expect_gap(test, &keep, 5, 50, 5, 10);
	expect_gap(test, &keep, 10, 50, 12, 20);
	expect_gap(test, &keep, 11, 15, 12, 15);
	expect_gap(test, &keep, 20, 50, 21, 50);
	expect_gap(test, &keep, 21, 50, 21, 50);
	KUNIT_EXPECT_FALSE(test, oom_keep_gap(&keep, &start, &end));
}

/* A range that does not fit is refused, and the table stays unchanged */
static void keep_has_room_for_so_many_ranges(struct kunit *test)
{
	struct oom_keep keep;
	unsigned int i;

	oom_keep_init(&keep, NULL, 0);
	for (i = 0; i < OOM_KEEP_INLINE; i++)
		KUNIT_EXPECT_TRUE(test,
				  oom_keep_add(&keep, P(2 * i), P(2 * i) + 1));
	KUNIT_EXPECT_FALSE(test, oom_keep_add(&keep, P(100), P(100) + 1));
	KUNIT_EXPECT_EQ(test, keep.nr, (unsigned int)OOM_KEEP_INLINE);
	for (i = 0; i < OOM_KEEP_INLINE; i++)
		expect_range(test, &keep, i, 2 * i, 2 * i + 1);

	/* A page between two ranges merges them */
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(1), P(1) + 1));
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(100), P(100) + 1));
	KUNIT_EXPECT_FALSE(test, oom_keep_add(&keep, P(102), P(102) + 1));
}

static void keep_has_room_for_so_many_pages(struct kunit *test)
{
	struct oom_keep keep;

	oom_keep_init(&keep, NULL, 0);
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(1), P(OOM_KEEP_PAGES)));
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(1), P(2)));
	KUNIT_EXPECT_FALSE(test, oom_keep_add(&keep, P(1UL << 20),
					      P((1UL << 20) + 2)));
	KUNIT_EXPECT_EQ(test, keep.nr, 1U);
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(1UL << 20),
					     P((1UL << 20) + 1)));
	KUNIT_EXPECT_EQ(test, keep.nr_pages, OOM_KEEP_PAGES);

	oom_keep_reset(&keep);
	KUNIT_EXPECT_TRUE(test, oom_keep_add(&keep, P(5), P(6)));
	KUNIT_EXPECT_EQ(test, keep.nr_pages, 1UL);
}

/* Compare the table with a bitmap, using random ranges */
static void keep_at_random(struct kunit *test)
{
	const unsigned int nr_pages = 512, max = 64;
	struct oom_keep_range *range;
	unsigned long *kept, *seen;
	struct rnd_state rnd;
	struct oom_keep keep;
	unsigned int i, page;

	range = kunit_kcalloc(test, max, sizeof(*range), GFP_KERNEL);
	kept = kunit_kcalloc(test, BITS_TO_LONGS(nr_pages), sizeof(*kept),
			     GFP_KERNEL);
	seen = kunit_kcalloc(test, BITS_TO_LONGS(nr_pages), sizeof(*seen),
			     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, range);
	KUNIT_ASSERT_NOT_NULL(test, kept);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	oom_keep_init(&keep, range, max);

	prandom_seed_state(&rnd, 1);
	for (i = 0; i < 200; i++) {
		unsigned int nr = 1 + prandom_u32_state(&rnd) % 3;

		page = prandom_u32_state(&rnd) % (nr_pages - nr);
		if (oom_keep_add(&keep, P(page), P(page + nr)))
			bitmap_set(kept, page, nr);
	}
	for (page = 0; page < nr_pages; page++) {
		unsigned long start = P(page), end = P(page + 1);

		if (!oom_keep_gap(&keep, &start, &end))
			__set_bit(page, seen);
	}
	KUNIT_EXPECT_TRUE(test, bitmap_equal(kept, seen, nr_pages));
	KUNIT_EXPECT_EQ(test, keep.nr_pages,
			(unsigned long)bitmap_weight(kept, nr_pages));
	for (i = 1; i < keep.nr; i++)
		KUNIT_EXPECT_LT(test, range[i - 1].end, range[i].start);
}

static void pause_schedule(struct kunit *test)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(test, oom_reaper_pause_ms(1, 100), 1U);
	KUNIT_EXPECT_EQ(test, oom_reaper_pause_ms(2, 100), 2U);
	KUNIT_EXPECT_EQ(test, oom_reaper_pause_ms(7, 100), 64U);
	KUNIT_EXPECT_EQ(test, oom_reaper_pause_ms(8, 100), 100U);
	KUNIT_EXPECT_EQ(test, oom_reaper_pause_ms(1000, 100), 100U);
	KUNIT_EXPECT_EQ(test, oom_reaper_pause_ms(1000, 10000), 10000U);
	for (i = 1; i < 100; i++)
		KUNIT_EXPECT_LE(test, oom_reaper_pause_ms(i, 10000),
				oom_reaper_pause_ms(i + 1, 10000));
}

/* A waiting task may need a single page, so it learns of a small first batch */
static void progress_is_told_early(struct kunit *test)
{
	struct oom_reap reap = { .nr_pages = 63 };

	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	reap.nr_pages = 64;
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	/* And then when the total has quadrupled */
	reap.nr_pages = 255;
	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	reap.nr_pages = 256;
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
	/* From then on for each 256 MB of a large victim */
	reap.nr_told = SZ_1G >> PAGE_SHIFT;
	reap.nr_pages = ((SZ_1G + SZ_256M) >> PAGE_SHIFT) - 1;
	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	reap.nr_pages++;
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
}

/* Telling about progress is what oom_wait_progress() waits for */
static void progress_is_told_to_waiters(struct kunit *test)
{
	struct oom_reap reap = { .nr_pages = SZ_1M >> PAGE_SHIFT };
	struct oom_progress progress;
	unsigned long from;

	oom_progress_now(&progress);
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
	from = jiffies;
	KUNIT_EXPECT_FALSE(test, oom_wait_progress(&progress, 10 * HZ));
	KUNIT_EXPECT_LT(test, jiffies - from, 5UL * HZ);
}

static int give_memory(void *data)
{
	msleep(50);
	oom_gave_memory();
	return 0;
}

/* A batch of memory wakes tasks that wait, but is no reason to try again */
static void batch_wakes(struct kunit *test)
{
	struct oom_progress progress;
	struct task_struct *task;
	unsigned long from;

	oom_progress_now(&progress);
	oom_gave_memory();
	from = jiffies;
	/* It came before the wait */
	KUNIT_EXPECT_FALSE(test, oom_wait_progress(&progress, 10 * HZ));
	KUNIT_EXPECT_LT(test, jiffies - from, 5UL * HZ);

	/* A task that is not woken finds the batch after ten seconds only */
	task = kthread_run(give_memory, NULL, "oom_giver");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	from = jiffies;
	KUNIT_EXPECT_FALSE(test, oom_wait_progress(&progress, 10 * HZ));
	KUNIT_EXPECT_LT(test, jiffies - from, 5UL * HZ);

	/* This one is a reason to try again */
	oom_progress_now(&progress);
	oom_wake_waiters();
	KUNIT_EXPECT_TRUE(test, oom_wait_progress(&progress, 10 * HZ));
}

static int nr_applied;

static void count_apply(unsigned int value)
{
	nr_applied++;
}

static void param_limits(struct kunit *test)
{
	struct oom_reaper_param param = {
		.value = 5, .min = 2, .max = 9, .apply = count_apply,
	};
	struct kernel_param kp = { .arg = &param };
	static const char * const bad[] = {
		"", " ", "1", "10", "-3", "3x", "x", "0x", "4294967298", "2.5",
	};
	unsigned int i;

	nr_applied = 0;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, oom_reaper_param_set(bad[i], &kp),
				    -EINVAL, "\"%s\"", bad[i]);
		KUNIT_EXPECT_EQ(test, param.value, 5U);
	}
	KUNIT_EXPECT_EQ(test, oom_reaper_param_set(NULL, &kp), -EINVAL);
	KUNIT_EXPECT_EQ(test, nr_applied, 0);

	KUNIT_EXPECT_EQ(test, oom_reaper_param_set("2", &kp), 0);
	KUNIT_EXPECT_EQ(test, param.value, 2U);
	KUNIT_EXPECT_EQ(test, oom_reaper_param_set("9\n", &kp), 0);
	KUNIT_EXPECT_EQ(test, param.value, 9U);
	KUNIT_EXPECT_EQ(test, nr_applied, 2);
}

/* Stay on this CPU, until migrate_enable(), and find another one */
static unsigned int find_other_cpu(struct kunit *test)
{
	unsigned int cpu;

	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu >= nr_cpu_ids) {
		migrate_enable();
		kunit_skip(test, "needs two CPUs");
	}
	return cpu;
}

#define NR_PRODUCERS		4
#define NR_PER_PRODUCER		500

struct handover_test {
	struct oom_handover handover;
	struct mm_struct *mm[NR_PRODUCERS][NR_PER_PRODUCER];
	atomic_t ready;
	atomic_t producing;
};

struct producer {
	struct handover_test *test;
	unsigned int id;
};

static int produce(void *data)
{
	struct producer *producer = data;
	struct handover_test *t = producer->test;
	unsigned int i;

	/* Start all producers at the same time */
	atomic_inc(&t->ready);
	while (atomic_read(&t->ready) < NR_PRODUCERS)
		cond_resched();

	for (i = 0; i < NR_PER_PRODUCER; i++) {
		oom_handover_give(&t->handover, t->mm[producer->id][i]);
		if (i % 16 == 0)
			cond_resched();
	}
	atomic_dec(&t->producing);
	return 0;
}

/* Take an mm as the reaper does, and count how often each was delivered */
static unsigned int consume(struct handover_test *t)
{
	struct mm_struct *mm = oom_handover_take(&t->handover);

	if (!mm)
		return 0;
	mm->map_count++;
	return 1;
}

static void handover_loses_nothing(struct kunit *test)
{
	struct producer producers[NR_PRODUCERS];
	unsigned int i, j, nr_taken = 0;
	struct handover_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	spin_lock_init(&t->handover.lock);
	atomic_set(&t->producing, NR_PRODUCERS);
	for (i = 0; i < NR_PRODUCERS; i++) {
		for (j = 0; j < NR_PER_PRODUCER; j++) {
			t->mm[i][j] = kunit_kzalloc(test,
						    sizeof(struct mm_struct),
						    GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, t->mm[i][j]);
		}
	}

	for (i = 0; i < NR_PRODUCERS; i++) {
		struct task_struct *task;

		producers[i].test = t;
		producers[i].id = i;
		task = kthread_run(produce, &producers[i], "oom_producer/%u", i);
		/* The other producers wait for this one, and use our stack */
		if (IS_ERR(task))
			produce(&producers[i]);
	}

	while (atomic_read(&t->producing)) {
		nr_taken += consume(t);
		cond_resched();
	}
	do {
		i = consume(t);
		nr_taken += i;
	} while (i);

	KUNIT_EXPECT_EQ(test, nr_taken, NR_PRODUCERS * NR_PER_PRODUCER);
	KUNIT_EXPECT_FALSE(test, oom_handover_waiting(&t->handover));
	for (i = 0; i < NR_PRODUCERS; i++) {
		for (j = 0; j < NR_PER_PRODUCER; j++)
			KUNIT_EXPECT_EQ(test, t->mm[i][j]->map_count, 1);
	}
}

struct taker {
	struct oom_handover *handover;
	struct completion taken;
	struct mm_struct *mm;
	bool started;
};

static int take_one(void *data)
{
	struct taker *taker = data;

	WRITE_ONCE(taker->started, true);
	WRITE_ONCE(taker->mm, oom_handover_take(taker->handover));
	complete(&taker->taken);
	return 0;
}

/* Two threads must not take from the backlog at the same time */
static void handover_locks_the_backlog(struct kunit *test)
{
	struct oom_handover handover = { };
	struct mm_struct *mm[2], *early = NULL;
	struct taker taker = { .handover = &handover };
	struct task_struct *task;
	unsigned int cpu, i;

	spin_lock_init(&handover.lock);
	init_completion(&taker.taken);
	for (i = 0; i < ARRAY_SIZE(mm); i++) {
		mm[i] = kunit_kzalloc(test, sizeof(*mm[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, mm[i]);
		oom_handover_give(&handover, mm[i]);
	}
	/* The slot needs no lock */
	KUNIT_EXPECT_PTR_EQ(test, oom_handover_take(&handover), mm[0]);

	cpu = find_other_cpu(test);
	task = kthread_create_on_cpu(take_one, &taker, cpu, "oom_taker/%u");
	if (!IS_ERR(task)) {
		spin_lock(&handover.lock);
		wake_up_process(task);
		while (!READ_ONCE(taker.started))
			cpu_relax();
		mdelay(100);
		early = READ_ONCE(taker.mm);
		spin_unlock(&handover.lock);
		wait_for_completion(&taker.taken);
	}
	migrate_enable();
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	KUNIT_EXPECT_NULL(test, early);
	KUNIT_EXPECT_PTR_EQ(test, taker.mm, mm[1]);
}

static void handover_keeps_the_order(struct kunit *test)
{
	struct oom_handover handover = { };
	struct mm_struct *mm[4];
	unsigned int i;

	spin_lock_init(&handover.lock);
	for (i = 0; i < ARRAY_SIZE(mm); i++) {
		mm[i] = kunit_kzalloc(test, sizeof(*mm[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, mm[i]);
		KUNIT_EXPECT_EQ(test, oom_handover_give(&handover, mm[i]), i > 0);
	}

	/* Not only the slot counts as waiting, but also the backlog */
	for (i = 0; i < ARRAY_SIZE(mm); i++) {
		KUNIT_EXPECT_TRUE(test, oom_handover_waiting(&handover));
		KUNIT_EXPECT_PTR_EQ(test, oom_handover_take(&handover), mm[i]);
	}
	KUNIT_EXPECT_NULL(test, oom_handover_take(&handover));
	KUNIT_EXPECT_FALSE(test, oom_handover_waiting(&handover));

	/* The slot is free again */
	KUNIT_EXPECT_FALSE(test, oom_handover_give(&handover, mm[1]));
	KUNIT_EXPECT_TRUE(test, oom_handover_waiting(&handover));
	KUNIT_EXPECT_PTR_EQ(test, oom_handover_take(&handover), mm[1]);
}

#ifdef CONFIG_FUTEX
enum { STARTED = 1, NOTICED };

struct deaf {
	int stage;
};

/* Like a CPU that executes user mode and has not noticed SIGKILL yet */
static int ignore_interrupts(void *data)
{
	struct deaf *deaf = data;

	local_irq_disable();
	WRITE_ONCE(deaf->stage, STARTED);
	mdelay(100);
	WRITE_ONCE(deaf->stage, NOTICED);
	local_irq_enable();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* When oom_robust_fence() returns, the thread has taken an interrupt */
static void fence_waits_for_interrupts(struct kunit *test)
{
	unsigned int cpu = find_other_cpu(test);
	struct deaf deaf = { };
	struct task_struct *task;

	task = kthread_run_on_cpu(ignore_interrupts, &deaf, cpu, "oom_deaf/%u");
	if (!IS_ERR(task)) {
		while (!READ_ONCE(deaf.stage))
			cpu_relax();
		oom_robust_fence(task);
	}
	migrate_enable();
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	KUNIT_EXPECT_EQ(test, READ_ONCE(deaf.stage), NOTICED);
	/* There is nothing to wait for if the thread does not run */
	oom_robust_fence(task);
	kthread_stop(task);
}
#endif

static struct kunit_case oom_reaper_cases[] = {
	KUNIT_CASE(keep_whole_pages),
	KUNIT_CASE(keep_merges),
	KUNIT_CASE(keep_at_both_ends),
	KUNIT_CASE(keep_gaps),
	KUNIT_CASE(keep_has_room_for_so_many_ranges),
	KUNIT_CASE(keep_has_room_for_so_many_pages),
	KUNIT_CASE(keep_at_random),
	KUNIT_CASE(pause_schedule),
	KUNIT_CASE(progress_is_told_early),
	KUNIT_CASE(progress_is_told_to_waiters),
	KUNIT_CASE(batch_wakes),
	KUNIT_CASE(param_limits),
	KUNIT_CASE(handover_loses_nothing),
	KUNIT_CASE(handover_locks_the_backlog),
	KUNIT_CASE(handover_keeps_the_order),
#ifdef CONFIG_FUTEX
	KUNIT_CASE(fence_waits_for_interrupts),
#endif
	{}
};

static struct kunit_suite oom_reaper_suite = {
	.name = "oom_reaper",
	.test_cases = oom_reaper_cases,
};

kunit_test_suite(oom_reaper_suite);

MODULE_DESCRIPTION("Unit tests for the OOM reaper");
MODULE_LICENSE("GPL");
