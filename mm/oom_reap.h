/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the OOM reaper share:
 *
 *   oom_handover.c  how victims get from the OOM killer to the reaper
 *   oom_access.c    how a pass gets hold of an address space
 *   oom_keep.c      which ranges of it are not to be reaped
 *   oom_peek.c      reads its memory without faulting it in
 *   oom_robust.c    which of them the robust futexes of its threads need
 *   oom_reap.c      reaps one address space, once
 *   oom_reaper.c    the threads: which victims they have, and when they try again
 */
#ifndef __MM_OOM_REAP_H
#define __MM_OOM_REAP_H

#include <linux/err.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/time64.h>

struct workqueue_struct;

/**
 * struct oom_handover - mms on their way to the reaper
 * @slot: one mm
 * @backlog: those that came while the slot was taken, the last first
 * @lock: serialises those who take from the backlog, protects @oldest
 * @oldest: taken off the backlog and put into order
 */
struct oom_handover {
	struct mm_struct *slot;
	struct llist_head backlog;
	spinlock_t lock;	/* see above */
	struct llist_node *oldest;
};

bool oom_handover_give(struct oom_handover *handover, struct mm_struct *mm);
struct mm_struct *oom_handover_take(struct oom_handover *handover);
bool oom_handover_waiting(const struct oom_handover *handover);

/**
 * struct oom_keep_range - a range of addresses that stays mapped
 * @start: first address, page aligned
 * @end: first address after it, page aligned
 */
struct oom_keep_range {
	unsigned long start;
	unsigned long end;
};

/* Enough for a thread that holds a lock or two, without an allocation */
#define OOM_KEEP_INLINE		8

/*
 * How many pages of a victim may be kept: every entry of a robust list of the
 * maximum length on a page of its own, or some huge pages.
 */
#define OOM_KEEP_PAGES		(max_t(unsigned long, SZ_16M, PMD_SIZE) >> \
				 PAGE_SHIFT)

/**
 * struct oom_keep - the ranges of an address space that are not to be reaped
 * @range: sorted by address; they neither overlap nor touch
 * @nr: how many are in use
 * @max: how many fit
 * @nr_pages: how many pages they have
 * @inline_range: used if there is no memory for more
 */
struct oom_keep {
	struct oom_keep_range *range;
	unsigned int nr;
	unsigned int max;
	unsigned long nr_pages;
	struct oom_keep_range inline_range[OOM_KEEP_INLINE];
};

void oom_keep_init(struct oom_keep *keep, struct oom_keep_range *range,
		   unsigned int max);
void oom_keep_reset(struct oom_keep *keep);
bool oom_keep_add(struct oom_keep *keep, unsigned long start,
		  unsigned long end);
bool oom_keep_gap(const struct oom_keep *keep, unsigned long *start,
		  unsigned long *end);

/**
 * enum oom_reap_result - how a pass over an address space ended
 * @OOM_REAP_DONE: nothing is left in it that could be reaped
 * @OOM_REAP_GONE: exit_mmap() had freed it before
 * @OOM_REAP_AGAIN: a lock or an mmu notifier was in the way of some of it
 * @OOM_REAP_FUTEX: nothing was reaped, because a robust list that lies in it
 *	cannot be read yet, or is too long
 */
enum oom_reap_result {
	OOM_REAP_DONE,
	OOM_REAP_GONE,
	OOM_REAP_AGAIN,
	OOM_REAP_FUTEX,
};

/**
 * struct oom_reap - one pass over the address space of a process
 * @mm: the address space; the caller holds a reference to its mm_count
 * @victim: a process that used it
 * @ignore_unreadable: reap even if a robust list cannot be read
 * @busy_since_ns: when this task last let others run
 * @keep: what is left for exit_robust_list()
 * @nr_pages: out: anonymous pages unmapped
 * @vma_locks: out: mmap_lock was not available, the VMAs' own locks were used
 * @unread: out: why a robust list could not be read, 0 or -errno
 * @mmap_locked: mmap_lock is held for read
 * @mm_pinned: a reference to mm_users is held
 * @incomplete: something had to be left for another pass
 * @nr_told: @nr_pages when those who wait for memory were last told of it
 */
struct oom_reap {
	struct mm_struct *mm;
	struct task_struct *victim;
	bool ignore_unreadable;
	u64 busy_since_ns;
	struct oom_keep keep;

	unsigned long nr_pages;
	bool vma_locks;
	int unread;

	bool mmap_locked;
	bool mm_pinned;
	bool incomplete;
	unsigned long nr_told;
};

extern bool oom_reap_vma_locks;
extern struct workqueue_struct *oom_reap_wq;

/*
 * A SCHED_FIFO thread lets the others on its CPU run for a millisecond after
 * each five: cond_resched() does nothing for them.
 */
#define OOM_REAP_BURST_NS	(5 * NSEC_PER_MSEC)

bool oom_reap_lock_mm(struct oom_reap *reap);
void oom_reap_unlock_mm(struct oom_reap *reap);
bool oom_reap_pause_due(const struct oom_reap *reap, u64 after_ns);
void oom_reap_pause(struct oom_reap *reap, u64 after_ns);
struct vm_area_struct *oom_reap_lock_vma(struct oom_reap *reap,
					 unsigned long addr);
void oom_reap_unlock_vma(struct oom_reap *reap, struct vm_area_struct *vma);
bool oom_reapable_vma(const struct vm_area_struct *vma);
bool oom_reapable_at(struct mm_struct *mm, unsigned long addr);
bool oom_reap_huge_page_at(struct mm_struct *mm, unsigned long addr);

int oom_peek(struct oom_reap *reap, unsigned long addr, void *buf, size_t len,
	     swp_entry_t *swapped);

enum oom_reap_result oom_reap_mm(struct oom_reap *reap);

/**
 * struct oom_reaper_param - a number that can be set within limits
 * @value: what it is
 * @min: the least it can be
 * @max: the most it can be
 * @apply: puts a new value into effect, if there is more to it
 */
struct oom_reaper_param {
	unsigned int value;
	unsigned int min;
	unsigned int max;
	void (*apply)(void);
};

struct kernel_param;

unsigned long oom_reaper_futex_grace(void);
int oom_reaper_param_set(const char *val, const struct kernel_param *kp);
unsigned int oom_reaper_pause_ms(unsigned int failed, unsigned int limit_ms);

#ifdef CONFIG_FUTEX
int oom_robust_keep(struct oom_reap *reap);
#else
static inline int oom_robust_keep(struct oom_reap *reap)
{
	return 0;
}
#endif

#if IS_ENABLED(CONFIG_KUNIT)
void oom_robust_fence(struct task_struct *t);
bool oom_reap_tell_progress(struct oom_reap *reap);
#endif

#endif /* __MM_OOM_REAP_H */
