/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the OOM reaper locks an address space for a pass
 */
#ifndef __MM_OOM_ACCESS_H
#define __MM_OOM_ACCESS_H

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/time64.h>

#include "oom_keep.h"

struct workqueue_struct;

/**
 * struct oom_reap - one pass over the address space of a process
 * @mm: the address space; the caller holds a reference to its mm_count
 * @victim: a process that used it
 * @ignore_unreadable: reap even if a robust list cannot be read
 * @busy_since_ns: when this task last let other tasks run
 * @keep: the ranges to keep for exit_robust_list()
 * @nr_pages: out: number of anonymous pages unmapped
 * @vma_locks: out: mmap_lock was not available, per-VMA locks were used
 * @unread: out: why a robust list could not be read (-errno), or 0
 * @mmap_locked: mmap_lock is held for read
 * @mm_pinned: a reference to mm_users is held
 * @incomplete: something had to be left for another pass
 * @nr_told: value of @nr_pages when waiters were last woken
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
 * A SCHED_FIFO thread lets other tasks on its CPU run for one millisecond after
 * five, because cond_resched() does not help them.
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
bool oom_reap_huge_page_at(struct mm_struct *mm, unsigned long addr);

#endif /* __MM_OOM_ACCESS_H */
