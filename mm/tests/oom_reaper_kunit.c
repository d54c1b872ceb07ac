// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the parts of the OOM reaper that need no victim.
 */
#include <kunit/test.h>

#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm_types.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/prandom.h>
#include <linux/preempt.h>
#include <linux/slab.h>

#include "../oom_reap.h"

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

	/* Nothing, and less than nothing */
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
	/* The same again */
	oom_keep_add(&keep, P(12), P(13));
	KUNIT_EXPECT_EQ(test, keep.nr, 3U);
	/* Touches two */
	oom_keep_add(&keep, P(11), P(12));
	KUNIT_EXPECT_EQ(test, keep.nr, 2U);
	expect_range(test, &keep, 0, 10, 13);
	/* Swallows all */
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

/* What does not fit is refused, and what is in the table stays as it is */
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

	/* A page between two of them makes one of the two */
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

/* The table against a bitmap, with ranges at random */
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

/* Somebody may wait for a single page: the first batch is small */
static void progress_is_told_early(struct kunit *test)
{
	struct oom_reap reap = { .nr_pages = 63 };

	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	reap.nr_pages = 64;
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	reap.nr_pages = 127;
	KUNIT_EXPECT_FALSE(test, oom_reap_tell_progress(&reap));
	reap.nr_pages = 128;
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
	/* And each 256 MB of a large victim */
	reap.nr_told = SZ_1G >> PAGE_SHIFT;
	reap.nr_pages = (SZ_1G + SZ_256M) >> PAGE_SHIFT;
	KUNIT_EXPECT_TRUE(test, oom_reap_tell_progress(&reap));
}

static int gives_memory(void *data)
{
	msleep(50);
	oom_gave_memory();
	return 0;
}

/* A batch wakes those who wait, and is not more than that */
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

	task = kthread_run(gives_memory, NULL, "oom_giver");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	from = jiffies;
	KUNIT_EXPECT_FALSE(test, oom_wait_progress(&progress, 10 * HZ));
	KUNIT_EXPECT_LT(test, jiffies - from, 5UL * HZ);

	/* Time to try again */
	oom_progress_now(&progress);
	oom_wake_waiters();
	KUNIT_EXPECT_TRUE(test, oom_wait_progress(&progress, 10 * HZ));
}

static int nr_applied;

static void count_apply(void)
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

#define NR_PRODUCERS		4
#define NR_PER_PRODUCER		500
#define NR_CONSUMERS		3

struct handover_test {
	struct oom_handover handover;
	struct mm_struct *mm[NR_PRODUCERS][NR_PER_PRODUCER];
	atomic_t ready;
	atomic_t producing;
	atomic_t consuming;
	atomic_t nr_taken;
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

	/* All at once */
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

/* Takes as a reaper thread does, and counts how often each has come */
static int consume(void *data)
{
	struct handover_test *t = data;
	struct mm_struct *mm;
	bool more;

	do {
		more = atomic_read(&t->producing);
		/* What has been given by now is to be found below */
		smp_rmb();
		while ((mm = oom_handover_take(&t->handover))) {
			atomic_inc(&mm->mm_count);
			atomic_inc(&t->nr_taken);
		}
		cond_resched();
	} while (more);
	atomic_dec(&t->consuming);
	return 0;
}

static void handover_loses_nothing(struct kunit *test)
{
	struct producer producers[NR_PRODUCERS];
	struct task_struct *task;
	struct handover_test *t;
	unsigned int i, j;

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

	atomic_set(&t->consuming, 1);
	for (i = 1; i < NR_CONSUMERS; i++) {
		atomic_inc(&t->consuming);
		task = kthread_run(consume, t, "oom_consumer/%u", i);
		if (IS_ERR(task))
			atomic_dec(&t->consuming);
	}
	for (i = 0; i < NR_PRODUCERS; i++) {
		producers[i].test = t;
		producers[i].id = i;
		task = kthread_run(produce, &producers[i], "oom_producer/%u", i);
		/* The others wait for this one, and use what is on our stack */
		if (IS_ERR(task))
			produce(&producers[i]);
	}

	consume(t);
	/* The others use what is on our stack, and what the test frees */
	while (atomic_read(&t->producing) || atomic_read(&t->consuming))
		cond_resched();

	KUNIT_EXPECT_EQ(test, atomic_read(&t->nr_taken),
			NR_PRODUCERS * NR_PER_PRODUCER);
	KUNIT_EXPECT_FALSE(test, oom_handover_waiting(&t->handover));
	for (i = 0; i < NR_PRODUCERS; i++) {
		for (j = 0; j < NR_PER_PRODUCER; j++)
			KUNIT_EXPECT_EQ(test, atomic_read(&t->mm[i][j]->mm_count),
					1);
	}
}

#define NR_ROUNDS		50
#define NR_PER_ROUND		1000

struct taker {
	struct oom_handover *handover;
	atomic_t *nr_taken;
	atomic_t *running;
};

/* Returns as soon as there is nothing left */
static int take_all(void *data)
{
	struct taker *taker = data;

	/* Both at once */
	atomic_inc(taker->running);
	while (atomic_read(taker->running) < 2)
		cond_resched();
	while (oom_handover_take(taker->handover)) {
		if (atomic_inc_return(taker->nr_taken) > 2 * NR_PER_ROUND)
			break;
	}
	atomic_inc(taker->running);
	return 0;
}

/* Two that take from a backlog at the same time never get the same one */
static void handover_gives_each_once(struct kunit *test)
{
	struct oom_handover handover = { };
	atomic_t nr_taken, running;
	struct taker taker = { &handover, &nr_taken, &running };
	struct mm_struct **mm;
	unsigned int i, round;

	mm = kunit_kcalloc(test, NR_PER_ROUND, sizeof(*mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	for (i = 0; i < NR_PER_ROUND; i++) {
		mm[i] = kunit_kzalloc(test, sizeof(*mm[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, mm[i]);
	}
	spin_lock_init(&handover.lock);
	for (round = 0; round < NR_ROUNDS; round++) {
		struct task_struct *task;

		atomic_set(&nr_taken, 0);
		atomic_set(&running, 0);
		for (i = 0; i < NR_PER_ROUND; i++)
			oom_handover_give(&handover, mm[i]);
		task = kthread_run(take_all, &taker, "oom_taker");
		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		take_all(&taker);
		/* What it uses is on our stack */
		while (atomic_read(&running) < 4)
			cond_resched();
		KUNIT_ASSERT_EQ(test, atomic_read(&nr_taken), NR_PER_ROUND);
	}
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

	KUNIT_EXPECT_TRUE(test, oom_handover_waiting(&handover));
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

/* As deaf as a thread in user mode that has not noticed SIGKILL yet */
static int ignore_interrupts(void *data)
{
	struct deaf *deaf = data;

	local_irq_disable();
	WRITE_ONCE(deaf->stage, STARTED);
	mdelay(50);
	WRITE_ONCE(deaf->stage, NOTICED);
	local_irq_enable();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* Once past the fence a thread has taken an interrupt */
static void fence_waits_for_interrupts(struct kunit *test)
{
	struct deaf deaf = { };
	struct task_struct *task;
	unsigned int cpu;

	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	if (cpu >= nr_cpu_ids) {
		migrate_enable();
		kunit_skip(test, "needs two CPUs");
	}
	task = kthread_create(ignore_interrupts, &deaf, "oom_deaf");
	if (IS_ERR(task)) {
		migrate_enable();
		KUNIT_FAIL(test, "no thread");
		return;
	}
	kthread_bind(task, cpu);
	wake_up_process(task);
	while (READ_ONCE(deaf.stage) != STARTED)
		cpu_relax();
	oom_robust_fence(task);
	KUNIT_EXPECT_EQ(test, READ_ONCE(deaf.stage), NOTICED);
	/* One that does not run passes there before it does */
	oom_robust_fence(task);
	kthread_stop(task);
	migrate_enable();
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
	KUNIT_CASE(batch_wakes),
	KUNIT_CASE(param_limits),
	KUNIT_CASE(handover_loses_nothing),
	KUNIT_CASE(handover_gives_each_once),
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

MODULE_DESCRIPTION("Unit tests of the OOM reaper");
MODULE_LICENSE("GPL");
