/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the OOM reaper share:
 *
 *   oom_handover.c  how victims get from the OOM killer to the reaper
 *   oom_keep.c      which ranges of an address space are not to be reaped
 *   oom_robust.c    what of it the robust futexes of its threads need
 *   oom_reap.c      reaps one address space, once
 *   oom_reaper.c    the threads: what they look after, and when they try again
 */
#ifndef __MM_OOM_REAP_H
#define __MM_OOM_REAP_H

#include <linux/err.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

/**
 * struct oom_handover - mms on their way to the reaper
 * @slot: one mm
 * @backlog: those that found the slot taken, the last first
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
struct mm_struct *oom_handover_peek(const struct oom_handover *handover);
void oom_handover_clear(struct oom_handover *handover);
struct mm_struct *oom_handover_take(struct oom_handover *handover);
bool oom_handover_waiting(const struct oom_handover *handover);

/**
 * struct oom_keep_range - a range of addresses that stays mapped
 * @start: first address, rounded down to the granule of the table
 * @end: first address behind it, rounded up to the granule of the table
 */
struct oom_keep_range {
	unsigned long start;
	unsigned long end;
};

/* Enough for a thread that holds a lock or two, without an allocation */
#define OOM_KEEP_INLINE		8

/**
 * struct oom_keep - the ranges of an address space that are not to be reaped
 * @range: sorted by address; they neither overlap nor touch
 * @nr: how many are in use
 * @max: how many there is room for
 * @granule: ranges are rounded out to multiples of this many bytes
 * @inline_range: room for some when there is no memory for more
 */
struct oom_keep {
	struct oom_keep_range *range;
	unsigned int nr;
	unsigned int max;
	unsigned long granule;
	struct oom_keep_range inline_range[OOM_KEEP_INLINE];
};

void oom_keep_init(struct oom_keep *keep, struct oom_keep_range *range,
		   unsigned int max);
void oom_keep_reset(struct oom_keep *keep);
void oom_keep_add(struct oom_keep *keep, unsigned long start,
		  unsigned long end);
bool oom_keep_has_room(const struct oom_keep *keep);
bool oom_keep_gap(const struct oom_keep *keep, unsigned long *start,
		  unsigned long *end);
unsigned long oom_keep_pages(const struct oom_keep *keep);

/**
 * enum oom_reap_result - how a pass over an address space ended
 * @OOM_REAP_DONE: there is nothing left in it that could be reaped
 * @OOM_REAP_GONE: exit_mmap() had freed it before
 * @OOM_REAP_AGAIN: a lock or an mmu notifier was in the way of some of it
 * @OOM_REAP_FUTEX: nothing was reaped, because a robust list that lies in it
 *	cannot be read now
 * @OOM_REAP_FUTEX_LONG: nothing was reaped, because the robust lists are longer
 *	than there is time for
 */
enum oom_reap_result {
	OOM_REAP_DONE,
	OOM_REAP_GONE,
	OOM_REAP_AGAIN,
	OOM_REAP_FUTEX,
	OOM_REAP_FUTEX_LONG,
};

/**
 * struct oom_reap - one pass over the address space of a process
 * @mm: the address space; the caller holds a reference to its mm_count
 * @victim: a process that used it, for the trace
 * @ignore_unreadable: reap even if a robust list cannot be read
 * @busy_since_ns: when this task last let others run
 * @keep: what is left for exit_robust_list()
 * @nr_pages: out: anonymous pages unmapped
 * @nr_kept: out: pages that were left for robust futexes
 * @vma_locks: out: mmap_lock was not to be had, the VMAs' own locks were used
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
	unsigned long nr_kept;
	bool vma_locks;

	bool mmap_locked;
	bool mm_pinned;
	bool incomplete;
	unsigned long nr_told;
};

extern bool oom_reap_vma_locks;

enum oom_reap_result oom_reap_mm(struct oom_reap *reap);

/**
 * oom_reap_lock_vma() - find a VMA, and keep it as it is
 * @reap: the pass
 * @addr: an address in the VMA
 *
 * Context: @reap holds mmap_lock or mm_users.  Does not wait.
 * Return: the VMA, to be given back with oom_reap_unlock_vma(), or
 * ERR_PTR(-EFAULT) if there is none at @addr, or ERR_PTR(-EAGAIN) if somebody
 * has it locked for write.
 */
static inline struct vm_area_struct *oom_reap_lock_vma(struct oom_reap *reap,
						       unsigned long addr)
{
	struct mm_struct *mm = reap->mm;
	struct vm_area_struct *vma;

	if (reap->mmap_locked) {
		vma = vma_lookup(mm, addr);
		return vma ?: ERR_PTR(-EFAULT);
	}

	vma = lock_vma_under_rcu(mm, addr);
	if (vma)
		return vma;
	return ERR_PTR(mtree_load(&mm->mm_mt, addr) ? -EAGAIN : -EFAULT);
}

/**
 * oom_reap_unlock_vma() - give back what oom_reap_lock_vma() returned
 * @reap: the pass
 * @vma: the VMA
 *
 * Context: any.
 */
static inline void oom_reap_unlock_vma(struct oom_reap *reap,
				       struct vm_area_struct *vma)
{
	if (!reap->mmap_locked)
		vma_end_read(vma);
}

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
	int (*apply)(void);
};

struct kernel_param;

int oom_reaper_param_set(const char *val, const struct kernel_param *kp);
unsigned int oom_reaper_pause_ms(unsigned int failed, unsigned int limit_ms);

/**
 * oom_reapable_vma() - does reaping a VMA free memory, and harm nobody?
 * @vma: the VMA; what is asked about it never changes while it exists
 *
 * The pages of a shared mapping are not the victim's own.  Huge pages of
 * hugetlb come from a pool that nobody else can allocate from, and what lies
 * behind a VM_PFNMAP is not ours to free.
 *
 * Return: true if it may be reaped.
 */
static inline bool oom_reapable_vma(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_HUGETLB | VM_PFNMAP))
		return false;
	return vma_is_anonymous((struct vm_area_struct *)vma) ||
	       !(vma->vm_flags & VM_SHARED);
}

/**
 * oom_reapable_at() - is there anything to reap at an address?
 * @mm: the address space; the caller holds mmap_lock or mm_users
 * @addr: the address
 *
 * The VMA may be locked for write by somebody else, but what is asked about it
 * does not change, and RCU (or mmap_lock) keeps it in existence.
 *
 * Context: any.
 * Return: true if a VMA that may be reaped lies there.
 */
static inline bool oom_reapable_at(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;
	bool reapable;

	rcu_read_lock();
	vma = mtree_load(&mm->mm_mt, addr);
	reapable = vma && oom_reapable_vma(vma);
	rcu_read_unlock();
	return reapable;
}

#ifdef CONFIG_FUTEX
int oom_robust_keep(struct oom_reap *reap);
#else
static inline int oom_robust_keep(struct oom_reap *reap)
{
	return 0;
}
#endif

#endif /* __MM_OOM_REAP_H */
