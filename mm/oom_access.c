// SPDX-License-Identifier: GPL-2.0
/*
 * How the OOM reaper locks an address space, and a VMA in it, without blocking.
 * The table in oom_reap.c shows what the locks protect against.
 */
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/rt.h>
#include <linux/sched/stat.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "oom_access.h"

/* How long a real-time thread lets other tasks on its CPU run */
#define PAUSE_NS	NSEC_PER_MSEC

/* Use per-VMA locks if mmap_lock is held for write */
bool oom_reap_vma_locks = IS_ENABLED(CONFIG_PER_VMA_LOCK);

/* For work that may block, which the reaper must not do.  Has a rescuer. */
struct workqueue_struct *oom_reap_wq;

static void unpin(struct mm_struct *mm)
{
	atomic_dec(&mm->oom_pins);
	/* wake_up_var() needs a barrier after the change of the condition */
	smp_mb__after_atomic();
	wake_up_var(&mm->oom_pins);
}

/**
 * oom_reap_lock_mm() - lock an address space, without blocking
 * @reap: the pass
 *
 * Takes mmap_lock for read or, failing that, a reference to mm_users, which
 * keeps exit_mmap() from freeing page tables and VMAs.
 *
 * Return: false if neither is available now.
 */
bool oom_reap_lock_mm(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	if (mmap_read_trylock(mm)) {
		reap->mmap_locked = true;
		return true;
	}
	if (!IS_ENABLED(CONFIG_PER_VMA_LOCK) || !READ_ONCE(oom_reap_vma_locks))
		return false;

	/*
	 * Pin first: a user that drops its reference then sees the pin, or its
	 * reference was the last one and mmget_not_zero() fails.
	 */
	atomic_inc(&mm->oom_pins);
	/* Pairs with the barrier in pins_may_be_last() */
	smp_mb__after_atomic();
	reap->mm_pinned = mmget_not_zero(mm);
	if (!reap->mm_pinned)
		unpin(mm);
	reap->vma_locks |= reap->mm_pinned;
	return reap->mm_pinned;
}

/*
 * The victim has dropped its last reference while the reaper held one.  Close
 * its files before MMF_OOM_SKIP is set, and before unpin() lets the victim go
 * on exiting, see exit_oom_mm().
 */
static void put_last_user(struct work_struct *work)
{
	struct mm_struct *mm = container_of(work, struct mm_struct,
					    async_put_work);

	mmput(mm);
	flush_delayed_fput();
	/* If another reaper has taken a reference since, leave it to that */
	if (!atomic_read(&mm->mm_users) && mm_flags_test(MMF_OOM_VICTIM, mm))
		oom_victim_done(mm);
	unpin(mm);
	mmdrop(mm);
}

/**
 * oom_reap_unlock_mm() - release what oom_reap_lock_mm() has taken
 * @reap: the pass
 */
void oom_reap_unlock_mm(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	if (reap->mmap_locked)
		mmap_read_unlock(mm);
	/*
	 * Dropping the last reference tears down the address space, which may
	 * block on anything.  Leave that to a work item.
	 */
	if (reap->mm_pinned && atomic_add_unless(&mm->mm_users, -1, 1)) {
		unpin(mm);
	} else if (reap->mm_pinned) {
		mmgrab(mm);
		INIT_WORK(&mm->async_put_work, put_last_user);
		queue_work(oom_reap_wq ?: system_wq, &mm->async_put_work);
	}
	reap->mmap_locked = false;
	reap->mm_pinned = false;
}

/**
 * oom_reap_pause_due() - should a pass let other tasks on its CPU run?
 * @reap: the pass
 * @after_ns: longest time without a pause, in nanoseconds
 *
 * Return: true if this is a real-time thread that has run for @after_ns or
 * longer, and other tasks wait for the CPU.
 */
bool oom_reap_pause_due(const struct oom_reap *reap, u64 after_ns)
{
	return rt_task(current) && !single_task_running() &&
	       ktime_get_ns() - reap->busy_since_ns >= after_ns;
}

/**
 * oom_reap_pause() - let other tasks run
 * @reap: the pass
 * @after_ns: a real-time thread sleeps if it has run for this long, in ns
 *
 * Context: Process context.  May sleep.
 */
void oom_reap_pause(struct oom_reap *reap, u64 after_ns)
{
	ktime_t pause_ns = PAUSE_NS;

	cond_resched();
	if (!oom_reap_pause_due(reap, after_ns))
		return;

	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_hrtimeout(&pause_ns, HRTIMER_MODE_REL);
	reap->busy_since_ns = ktime_get_ns();
}

/**
 * oom_reap_lock_vma() - find a VMA and lock it, without blocking
 * @reap: the pass
 * @addr: an address in the VMA
 *
 * Context: @reap holds mmap_lock or mm_users.  Does not wait.
 * Return: the VMA, to be unlocked with oom_reap_unlock_vma(), or
 * ERR_PTR(-EFAULT) if there is none at @addr, or ERR_PTR(-EAGAIN) if it is
 * locked for write.
 */
struct vm_area_struct *oom_reap_lock_vma(struct oom_reap *reap,
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
 * oom_reap_unlock_vma() - unlock a VMA that oom_reap_lock_vma() returned
 * @reap: the pass
 * @vma: the VMA
 */
void oom_reap_unlock_vma(struct oom_reap *reap, struct vm_area_struct *vma)
{
	if (!reap->mmap_locked)
		vma_end_read(vma);
}

/**
 * oom_reapable_vma() - is it safe and useful to reap a VMA?
 * @vma: the VMA; the flags that this tests never change while the VMA exists
 *
 * The pages of a shared mapping do not belong to the victim alone.  hugetlb
 * pages return to a pool that other allocations cannot use, and the pages of a
 * VM_PFNMAP mapping belong to a driver.
 *
 * Return: true if it may be reaped.
 */
bool oom_reapable_vma(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_HUGETLB | VM_PFNMAP))
		return false;
	return vma_is_anonymous((struct vm_area_struct *)vma) ||
	       !(vma->vm_flags & VM_SHARED);
}

/**
 * oom_reapable_at() - can the memory at an address be reaped?
 * @mm: the address space; the caller holds mmap_lock or mm_users
 * @addr: the address
 *
 * The VMA may be locked for write, so this does not lock it.  Under RCU alone
 * it may be freed and reused for another mapping after it was found.  If it is
 * still in the tree after its flags were read, it was the right one.
 *
 * Return: true if there is a VMA at @addr that may be reaped.
 */
bool oom_reapable_at(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma, *again;
	bool reapable;

	rcu_read_lock();
	again = mtree_load(&mm->mm_mt, addr);
	do {
		vma = again;
		reapable = vma && oom_reapable_vma(vma);
		/* Read the flags before looking the VMA up again */
		smp_rmb();
		again = mtree_load(&mm->mm_mt, addr);
	} while (again != vma);
	rcu_read_unlock();
	return reapable;
}

/**
 * oom_reap_huge_page_at() - is a huge page mapped at an address?
 * @mm: the address space
 * @addr: the address; its VMA is locked, or mmap_lock is held
 *
 * The locks keep khugepaged from creating huge pages.
 *
 * Return: true if one is mapped, or if there is a non-present huge entry, for
 * example a migration entry.
 */
bool oom_reap_huge_page_at(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd, pmdval;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		return false;

	pmd = mm_find_pmd(mm, addr);
	if (!pmd)
		return false;
	pmdval = pmdp_get_lockless(pmd);
	return !pmd_none(pmdval) && (!pmd_present(pmdval) || pmd_leaf(pmdval));
}
