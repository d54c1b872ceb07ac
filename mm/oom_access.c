// SPDX-License-Identifier: GPL-2.0
/*
 * How the OOM reaper gets hold of an address space, and of a VMA in it, without
 * waiting for anybody.  What the locks protect from is in a table in oom_reap.c.
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

/* How long the others on the CPU of a real-time thread may run */
#define PAUSE_NS	NSEC_PER_MSEC

/* Whether to go on under the VMAs' locks if mmap_lock is held for write */
bool oom_reap_vma_locks = IS_ENABLED(CONFIG_PER_VMA_LOCK);

/* With a rescuer, for what the reaper must not wait for itself */
struct workqueue_struct *oom_reap_wq;

static void unpin(struct mm_struct *mm)
{
	atomic_dec(&mm->oom_pins);
	/* For the condition that the waiter looks at */
	smp_mb__after_atomic();
	wake_up_var(&mm->oom_pins);
}

/**
 * oom_reap_lock_mm() - get hold of an address space, without waiting for it
 * @reap: the pass
 *
 * Of mmap_lock, or of a reference to mm_users, which keeps exit_mmap() from
 * freeing page tables and VMAs.
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

	/* In this order: a user who leaves sees the pin, or was the last one */
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
 * The victim has dropped its last reference while the reaper held one.  Its files
 * are to be closed before the OOM killer hears that this was all, and before the
 * victim is seen to be gone, see exit_oom_mm().
 */
static void put_last_user(struct work_struct *work)
{
	struct mm_struct *mm = container_of(work, struct mm_struct,
					    async_put_work);

	mmput(mm);
	flush_delayed_fput();
	/* Another one may have got hold of it meanwhile, and does it then */
	if (!atomic_read(&mm->mm_users) && mm_flags_test(MMF_OOM_VICTIM, mm))
		oom_victim_done(mm);
	unpin(mm);
	mmdrop(mm);
}

/**
 * oom_reap_unlock_mm() - let go of what oom_reap_lock_mm() got hold of
 * @reap: the pass
 */
void oom_reap_unlock_mm(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	if (reap->mmap_locked)
		mmap_read_unlock(mm);
	/*
	 * The last reference tears the address space down, which may wait for
	 * anything.
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
 * oom_reap_pause_due() - should a pass let others on its CPU run?
 * @reap: the pass
 * @after_ns: after how long without a pause, in nanoseconds
 *
 * Return: true if a real-time thread has been busy for so long, and others wait.
 */
bool oom_reap_pause_due(const struct oom_reap *reap, u64 after_ns)
{
	return rt_task(current) && !single_task_running() &&
	       ktime_get_ns() - reap->busy_since_ns >= after_ns;
}

/**
 * oom_reap_pause() - let others run
 * @reap: the pass; a real-time thread sleeps if it has been busy for long
 * @after_ns: for how long, in nanoseconds
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
 * oom_reap_lock_vma() - find a VMA, and keep it as it is
 * @reap: the pass
 * @addr: an address in the VMA
 *
 * Context: @reap holds mmap_lock or mm_users.  Does not wait.
 * Return: the VMA, to be given back with oom_reap_unlock_vma(), or
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
 * oom_reap_unlock_vma() - give back what oom_reap_lock_vma() returned
 * @reap: the pass
 * @vma: the VMA
 */
void oom_reap_unlock_vma(struct oom_reap *reap, struct vm_area_struct *vma)
{
	if (!reap->mmap_locked)
		vma_end_read(vma);
}

/**
 * oom_reapable_vma() - does reaping a VMA free memory, and harm nobody?
 * @vma: the VMA; what this looks at never changes while it exists
 *
 * The pages of a shared mapping are not the victim's own.  Huge pages of
 * hugetlb come from a pool that nobody else can allocate from, and the pages of
 * a VM_PFNMAP belong to a driver.
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
 * The VMA may be locked for write.  Under RCU alone it may also have been freed
 * and reused for another mapping after it was found.  If it is still in the tree
 * after it has been looked at, it was the right one.
 *
 * Return: true if a VMA that may be reaped is there.
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
		/* Look at the VMA before looking it up again */
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
 * The locks keep khugepaged from making new ones.
 *
 * Return: true if it is, or if an entry for a huge page that is not present is.
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
