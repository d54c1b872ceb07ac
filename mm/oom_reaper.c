// SPDX-License-Identifier: GPL-2.0
/*
 * The OOM reaper: frees the memory of the OOM killer's victims, whatever they
 * are stuck on.
 *
 * The OOM killer hands over a victim's mm once all processes that share it have
 * been sent SIGKILL.  From then on the mm is a job of one thread, which makes
 * as many passes over it as it takes, until MMF_OOM_SKIP is set.  That tells
 * the OOM killer that this victim has nothing more to give.
 */
#define pr_fmt(fmt) "oom_reaper: " fmt

#include <linux/debug_locks.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/sched/debug.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/sched/types.h>

#include <trace/events/oom.h>

#include "internal.h"
#include "oom_handover.h"
#include "oom_params.h"
#include "oom_reap.h"

/* How many victims one thread handles at the same time */
#define MAX_JOBS	256

/* How many ranges can be kept: one for each 4 KiB page that can be kept */
#define MAX_RANGES	4096

/*
 * How long a victim that has been reaped may take to exit before the OOM killer
 * selects the next one.  Sockets, pipes and page tables are freed only then,
 * and so is shared memory.  If shared memory is a large part of the victim, it
 * gets the two seconds that the OOM reaper used to wait before it started.
 */
#define EXIT_MS		100
#define EXIT_MS_SHARED	2000

/*
 * How long to go on reaping a victim after the first pass.  Its address space
 * could be refilled forever.
 */
#define JOB_MS		10000

/* The longest pause before a robust list is read again */
#define FUTEX_PAUSE_MS	8

/**
 * struct reaper_job - a victim that a thread handles
 * @mm: its address space, pinned by mm_count
 * @since: when the thread may start on it, in jiffies
 * @due: when the thread will look at it again, in jiffies
 * @exit_by: when to stop waiting for its exit, in jiffies; if @reaped
 * @reap_by: when to stop reaping, in jiffies; if @passes
 * @passes: number of passes that have left something
 * @failed: number of passes or checks in a row that have freed nothing
 * @futex_waits: number of times that a robust list could not be read
 * @nr_pages: number of anonymous pages unmapped so far
 * @rss: number of mapped pages at the last check; if @reaped
 * @reaped: all that can be reaped has been; the victim has yet to exit
 * @kept: pages were kept for robust futexes
 * @unread: a robust list could not be read in time
 * @vma_locks: some of it was reaped under per-VMA locks
 * @report: log that it was reaped, if it does not exit at once
 */
struct reaper_job {
	struct mm_struct *mm;
	unsigned long since;
	unsigned long due;
	unsigned long exit_by;
	unsigned long reap_by;
	unsigned int passes;
	unsigned int failed;
	unsigned int futex_waits;
	unsigned long nr_pages;
	unsigned long rss;
	bool reaped;
	bool kept;
	bool unread;
	bool vma_locks;
	bool report;
};

/**
 * struct reaper - a reaper thread
 * @task: the kthread
 * @busy_since_ns: when it last slept
 * @nr_jobs: number of @jobs in use
 * @jobs: the victims that it handles
 * @range: the ranges to keep, for one job at a time
 */
struct reaper {
	struct task_struct *task;
	u64 busy_since_ns;
	unsigned int nr_jobs;
	struct reaper_job jobs[MAX_JOBS];
	struct oom_keep_range range[MAX_RANGES];
};

/* Filled once, at boot */
static struct reaper *reapers[OOM_REAPER_THREADS_MAX];

static DECLARE_WAIT_QUEUE_HEAD(reaper_wait);
static struct oom_handover handover = {
	.lock = __SPIN_LOCK_UNLOCKED(handover.lock),
};

/**
 * oom_reaper_handover() - hand the mm of an OOM victim to the reaper
 * @victim: the victim, marked by mark_oom_victim()
 *
 * All processes that share the mm must have been sent SIGKILL, or be exiting.
 * Does nothing if the mm has been handed over before.
 *
 * Context: any; neither sleeps nor allocates.  Callers hold oom_lock, RCU or
 * the victim's task_lock().
 */
void oom_reaper_handover(struct task_struct *victim)
{
	struct mm_struct *mm = victim->signal->oom_mm;
	bool backlogged;

	if (!READ_ONCE(oom_reaper_enabled) || !READ_ONCE(reapers[0]))
		return;
	if (mm_flags_test_and_set(MMF_OOM_REAP_QUEUED, mm))
		return;
	/* Not mm_users: that would delay exit_mmap() */
	if (!oom_victim_get(mm))
		return;

	backlogged = oom_handover_give(&handover, mm);
	if (backlogged)
		count_vm_event(OOM_REAPER_BACKLOGGED);
	trace_wake_reaper(task_pid_nr(victim), backlogged);
	wake_up(&reaper_wait);
}

static bool anything_new(struct reaper *reaper)
{
	return reaper->nr_jobs < MAX_JOBS && oom_handover_waiting(&handover);
}

static void add_job(struct reaper *reaper, struct mm_struct *mm)
{
	unsigned long due = jiffies +
			    msecs_to_jiffies(READ_ONCE(oom_reaper_delay_ms.value));

	reaper->jobs[reaper->nr_jobs++] = (struct reaper_job) {
		.mm = mm,
		.since = due,
		.due = due,
	};
	/* The victim's timeout starts when the reaper does */
	oom_victim_extend(mm, due);
}

static void count_reaped(const struct reaper_job *job)
{
	count_vm_event(OOM_REAPER_REAPED);
	if (job->vma_locks)
		count_vm_event(OOM_REAPER_VMA_LOCKS);
	if (job->kept)
		count_vm_event(OOM_REAPER_FUTEX_KEPT);
	if (job->unread)
		count_vm_event(OOM_REAPER_FUTEX_UNREAD);
}

/* Not for a victim that exits at once: it would wait for the console, too */
static void report_reaped(struct reaper_job *job)
{
	struct task_struct *victim = job->mm->oom_victim;

	if (!job->report)
		return;
	job->report = false;
	pr_info("reaped process %d (%s), now anon-rss:%lukB, file-rss:%lukB, shmem-rss:%lukB\n",
		task_pid_nr(victim), victim->comm,
		K(get_mm_counter(job->mm, MM_ANONPAGES)),
		K(get_mm_counter(job->mm, MM_FILEPAGES)),
		K(get_mm_counter(job->mm, MM_SHMEMPAGES)));
}

static void report_gave_up(const struct reaper_job *job)
{
	struct task_struct *victim = job->mm->oom_victim;

	count_vm_event(OOM_REAPER_GAVE_UP);
	trace_give_up_task_reaping(task_pid_nr(victim), job->passes);
	pr_info("unable to reap pid:%d (%s), %lukB freed in %u passes, mmap_lock or a VMA of it is held, or an mmu notifier refused\n",
		task_pid_nr(victim), victim->comm, K(job->nr_pages),
		job->passes);
	sched_show_task(victim);
	debug_show_all_locks();
}

/*
 * The victim has nothing more to give.  If this is called too early, the OOM
 * killer kills the next process while this one still frees memory.
 */
static void end_job(struct reaper *reaper, struct reaper_job *job)
{
	struct mm_struct *mm = job->mm;

	oom_victim_done(mm);
	oom_victim_put(mm);
	*job = reaper->jobs[--reaper->nr_jobs];
}

static bool exited(const struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users) && mm_flags_test(MMF_OOM_SKIP, mm);
}

/*
 * With no users left, the holder of mmap_lock is exit_mmap().  It frees in
 * batches, so some of what it has unmapped may not be free yet.
 */
static bool exit_mmap_at_work(const struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users) &&
	       rwsem_is_locked((struct rw_semaphore *)&mm->mmap_lock);
}

static void pause_job(struct reaper_job *job, unsigned int nth,
		      unsigned int limit_ms)
{
	job->due = jiffies + msecs_to_jiffies(oom_reaper_pause_ms(nth,
								  limit_ms));
}

static bool futex_grace_over(const struct reaper_job *job)
{
	return time_after_eq(jiffies, job->since + oom_reaper_futex_grace());
}

/*
 * A robust list cannot be read.  Either it is being read from a disk, or only
 * its thread can read it, when it exits.  Wait for futex_grace_ms, which is by
 * default as long as the OOM reaper used to wait before it started.
 */
static void wait_for_futex(struct reaper_job *job, int why)
{
	if (!job->futex_waits++) {
		count_vm_event(OOM_REAPER_FUTEX_WAITS);
		trace_futex_wait_reaping(task_pid_nr(job->mm->oom_victim));
	}
	oom_victim_extend(job->mm, jiffies);
	pause_job(job, job->futex_waits, FUTEX_PAUSE_MS);
	/* A list that is too long stays that way: wait for the grace period */
	if (why == -E2BIG)
		job->due = job->since + oom_reaper_futex_grace();
}

static void look_again(struct reaper_job *job)
{
	pause_job(job, ++job->failed, READ_ONCE(oom_reaper_interval_ms.value));
	if (time_after(job->due, job->exit_by))
		job->due = job->exit_by;
}

static void wait_for_exit(struct reaper_job *job)
{
	unsigned int ms = job->mm->oom_shared ? EXIT_MS_SHARED : EXIT_MS;

	job->reaped = true;
	job->failed = 0;
	job->rss = get_mm_rss(job->mm);
	job->exit_by = jiffies + msecs_to_jiffies(ms);
	look_again(job);
}

/* Returns false when the job is over */
static bool check_exit(struct reaper_job *job)
{
	unsigned long rss = get_mm_rss(job->mm);

	if (exited(job->mm))
		return false;
	report_reaped(job);
	if (time_after_eq(jiffies, job->exit_by)) {
		/* A large victim takes long to exit: wait while it shrinks */
		if (rss >= job->rss)
			return false;
		job->rss = rss;
		job->exit_by = jiffies + msecs_to_jiffies(EXIT_MS);
	}
	look_again(job);
	return true;
}

/* A pass has left something.  Returns false when the job is over */
static bool try_again(struct reaper_job *job, unsigned long nr_pages)
{
	if (!job->passes++)
		job->reap_by = jiffies + msecs_to_jiffies(JOB_MS);
	job->failed = nr_pages ? 0 : job->failed + 1;
	/* Pause even if the pass has freed a lot: it may be refilled */
	pause_job(job, job->passes, READ_ONCE(oom_reaper_interval_ms.value));

	if (job->failed < READ_ONCE(oom_reaper_attempts.value) &&
	    time_before(jiffies, job->reap_by))
		return true;
	report_gave_up(job);
	return false;
}

/* Returns false when the job is over */
static bool do_job(struct reaper *reaper, struct reaper_job *job)
{
	struct oom_reap reap = {
		.mm = job->mm,
		.victim = job->mm->oom_victim,
		.ignore_unreadable = futex_grace_over(job),
		.busy_since_ns = reaper->busy_since_ns,
	};
	enum oom_reap_result result;

	oom_keep_init(&reap.keep, reaper->range, MAX_RANGES);
	result = oom_reap_mm(&reap);
	reaper->busy_since_ns = reap.busy_since_ns;
	job->nr_pages += reap.nr_pages;
	job->vma_locks |= reap.vma_locks;
	if (result == OOM_REAP_DONE || result == OOM_REAP_AGAIN) {
		job->kept |= reap.keep.nr;
		job->unread |= !!reap.unread;
	}

	switch (result) {
	case OOM_REAP_GONE:
		/* Its shared memory may not be free yet */
		if (exited(job->mm))
			return false;
		wait_for_exit(job);
		return true;
	case OOM_REAP_FUTEX:
		wait_for_futex(job, reap.unread);
		return true;
	case OOM_REAP_DONE:
		count_reaped(job);
		job->report = true;
		wait_for_exit(job);
		return true;
	case OOM_REAP_AGAIN:
		/* The holder of mmap_lock may be exit_mmap() itself */
		if (!reap.nr_pages && exit_mmap_at_work(job->mm)) {
			wait_for_exit(job);
			return true;
		}
		break;
	}
	return try_again(job, reap.nr_pages);
}

static void do_due_jobs(struct reaper *reaper)
{
	unsigned int i = 0;

	while (i < reaper->nr_jobs) {
		struct reaper_job *job = &reaper->jobs[i];
		bool goes_on = true;

		if (time_after_eq(jiffies, job->due))
			goes_on = job->reaped ? check_exit(job) :
						do_job(reaper, job);
		/* end_job() moves the last job into the place of this one */
		if (goes_on)
			i++;
		else
			end_job(reaper, job);
	}
}

static long next_due(const struct reaper *reaper)
{
	long wait = MAX_SCHEDULE_TIMEOUT;
	unsigned int i;

	for (i = 0; i < reaper->nr_jobs; i++)
		wait = min(wait, (long)(reaper->jobs[i].due - jiffies));
	return max(wait, 1L);
}

/* If all places are taken, end jobs that only wait for an exit */
static void make_room(struct reaper *reaper)
{
	unsigned int i;

	if (!oom_handover_waiting(&handover))
		return;
	for (i = reaper->nr_jobs; i-- && reaper->nr_jobs == MAX_JOBS; ) {
		if (!reaper->jobs[i].reaped)
			continue;
		report_reaped(&reaper->jobs[i]);
		end_job(reaper, &reaper->jobs[i]);
	}
}

static void take_new(struct reaper *reaper)
{
	struct mm_struct *mm;

	make_room(reaper);
	while (reaper->nr_jobs < MAX_JOBS) {
		mm = oom_handover_take(&handover);
		if (!mm)
			break;
		add_job(reaper, mm);
		do_due_jobs(reaper);
	}
}

static int oom_reaper(void *data)
{
	struct reaper *reaper = data;

	set_freezable();

	while (true) {
		bool idle = !anything_new(reaper);

		wait_event_freezable_timeout(reaper_wait, anything_new(reaper),
					     next_due(reaper));
		if (idle)
			reaper->busy_since_ns = ktime_get_ns();
		take_new(reaper);
		do_due_jobs(reaper);
	}
	return 0;
}

/*
 * Use SCHED_FIFO, so that the reaper gets a CPU when all are busy.  By default
 * it has the highest priority, so that no spinning task can delay it.
 */
static void set_priority(struct task_struct *task, unsigned int priority)
{
	struct sched_param param = { .sched_priority = priority };

	sched_setscheduler_nocheck(task, priority ? SCHED_FIFO : SCHED_NORMAL,
				   &param);
}

static int start_reaper(unsigned int id)
{
	struct reaper *reaper = kvzalloc(sizeof(*reaper), GFP_KERNEL);
	struct task_struct *task;

	if (!reaper)
		return -ENOMEM;

	task = kthread_create(oom_reaper, reaper,
			      id ? "oom_reaper/%u" : "oom_reaper", id);
	if (IS_ERR(task)) {
		kvfree(reaper);
		return PTR_ERR(task);
	}
	reaper->task = task;
	set_priority(task, oom_reaper_priority.value);
	WRITE_ONCE(reapers[id], reaper);
	wake_up_process(task);
	return 0;
}

/**
 * oom_reaper_set_priority() - change the priority of all reaper threads
 * @priority: SCHED_FIFO priority, or 0 for SCHED_NORMAL
 *
 * Context: Process context.
 */
void oom_reaper_set_priority(unsigned int priority)
{
	unsigned int id;

	for (id = 0; id < OOM_REAPER_THREADS_MAX; id++) {
		if (reapers[id])
			set_priority(reapers[id]->task, priority);
	}
}

static int __init oom_reaper_init(void)
{
	unsigned int id;
	int err;

	oom_reap_wq = alloc_workqueue("oom_reaper", WQ_MEM_RECLAIM |
				      WQ_UNBOUND | WQ_HIGHPRI, 0);
	for (id = 0; id < oom_reaper_threads.value; id++) {
		err = start_reaper(id);
		if (err) {
			pr_err("unable to start thread %u: %d, continuing without\n",
			       id, err);
			break;
		}
	}
	return 0;
}
subsys_initcall(oom_reaper_init)
