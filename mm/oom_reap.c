// SPDX-License-Identifier: GPL-2.0
/*
 * Reap the address space of a process that has been killed.
 *
 * The process may be stuck wherever it likes, and so may whoever holds its
 * mmap_lock.  A pass never waits for either.  It goes under mmap_lock if that
 * can be had for read at once, and otherwise under the VMAs' own locks:
 *
 *   against		under mmap_lock			under a VMA's lock
 *   exit_mmap()	MMF_OOM_SKIP is checked; the	mm_users is held, it
 *			page tables are freed under	has not begun
 *			mmap_lock for write, later
 *   munmap, mremap,	mmap_lock			they lock each VMA for
 *   mprotect, brk, ...					write before they touch
 *							or detach it
 *   fork()		mmap_lock			dup_mmap() does so, too
 *   khugepaged		mmap_lock			so does its collapse of
 *							anonymous memory; file
 *							tables it retracts under
 *							their lock and frees by
 *							RCU
 *   page faults	MMF_UNSTABLE and the page	likewise
 *			table lock
 *   mmu notifiers	registering takes mmap_lock	mm_take_all_locks()
 *			for write			write-locks each VMA
 *   another reaper,	the page table lock		likewise
 *   reclaim, migration
 *
 * exit_mmap() unmaps from the lowest address up, a pass goes from the highest
 * down, so that they meet once.
 */
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/rt.h>
#include <linux/sched/stat.h>
#include <linux/vmstat.h>

#include <asm/tlb.h>

#include <trace/events/oom.h>

#include "internal.h"
#include "oom_reap.h"

/*
 * How many bytes of a VMA are reaped before the pages are given back and others
 * get a chance.  Little at first, as somebody waits for just a page, then as
 * much as takes some milliseconds: a VMA may be full of pages, or span terabytes
 * and be empty.
 *
 * Multiples of what a page table maps, so that no huge page is split for it.
 */
#define REAP_CHUNK_MIN		PMD_SIZE
#define REAP_CHUNK_MAX		max(1UL << 30, PMD_SIZE)
#define REAP_CHUNK_NS		(5 * NSEC_PER_MSEC)

/*
 * A SCHED_FIFO thread lets the others on its CPU run for a millisecond each 20.
 * cond_resched() does nothing for them.  If they have been told of memory they
 * need not wait for that long: whoever has run out of it woke the reaper, most
 * likely on its own CPU.
 */
#define REAP_BURST_NS	(20 * NSEC_PER_MSEC)
#define REAP_TOLD_NS	NSEC_PER_MSEC
#define REAP_PAUSE_NS	NSEC_PER_MSEC

/* How many freed pages are worth waking those who wait for memory */
#define PROGRESS_MIN	64UL
#define PROGRESS_MAX	((256UL << 20) >> PAGE_SHIFT)

/* Whether to go on under the VMAs' locks if mmap_lock is held for write */
bool oom_reap_vma_locks = IS_ENABLED(CONFIG_PER_VMA_LOCK);

/*
 * Get hold of the address space: of mmap_lock, or of a reference to mm_users,
 * which keeps exit_mmap() from freeing page tables and VMAs.
 */
static bool reap_lock(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	if (!reap->mm_pinned && mmap_read_trylock(mm)) {
		reap->mmap_locked = true;
		return true;
	}
	if (reap->mm_pinned)
		return true;
	if (!IS_ENABLED(CONFIG_PER_VMA_LOCK) || !READ_ONCE(oom_reap_vma_locks))
		return false;

	reap->mm_pinned = mmget_not_zero(mm);
	reap->vma_locks |= reap->mm_pinned;
	return reap->mm_pinned;
}

static void reap_unlock(struct oom_reap *reap)
{
	if (reap->mmap_locked)
		mmap_read_unlock(reap->mm);
	/*
	 * The last reference would tear the address space down, and that may
	 * wait for anything.
	 */
	if (reap->mm_pinned)
		mmput_async(reap->mm);
	reap->mmap_locked = false;
	reap->mm_pinned = false;
}

/*
 * A range that ends within a huge page would split it.  That may wait for an
 * mmu notifier, and frees nothing: what is kept of the page keeps all of it.
 * The locks held keep khugepaged from making new ones.
 */
static bool within_huge_page(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd, pmdval;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ||
	    IS_ALIGNED(addr, PMD_SIZE))
		return false;

	pmd = mm_find_pmd(mm, addr);
	if (!pmd)
		return false;
	pmdval = pmdp_get_lockless(pmd);
	return !pmd_none(pmdval) &&
	       (pmd_trans_huge(pmdval) || is_swap_pmd(pmdval) ||
		pmd_devmap(pmdval));
}

/* Returns false if an mmu notifier would have to wait */
static bool reap_range(struct oom_reap *reap, struct vm_area_struct *vma,
		       unsigned long start, unsigned long end)
{
	struct zap_details details = {
		.even_cows = true,
		.ignore_dirty = true,
		.zap_flags = ZAP_FLAG_DROP_MARKER,
	};
	struct mmu_notifier_range range;
	struct mmu_gather tlb;
	unsigned long from, to;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, reap->mm, start,
				end);
	tlb_gather_mmu(&tlb, reap->mm);
	if (mmu_notifier_invalidate_range_start_nonblock(&range)) {
		tlb_finish_mmu(&tlb);
		return false;
	}

	from = start;
	to = end;
	while (oom_keep_gap(&reap->keep, &from, &to)) {
		unsigned long behind = to;

		if (within_huge_page(reap->mm, from))
			from = ALIGN(from, PMD_SIZE);
		if (within_huge_page(reap->mm, to))
			to = ALIGN_DOWN(to, PMD_SIZE);
		if (from < to)
			unmap_page_range(&tlb, vma, from, to, &details);
		from = behind;
		to = end;
	}

	mmu_notifier_invalidate_range_end(&range);
	tlb_finish_mmu(&tlb);
	reap->nr_pages += details.nr_anon;
	return true;
}

/*
 * exit_mmap() frees page tables with mmap_lock held for write, and leaves an
 * empty tree, so that under mmap_lock there is no going wrong.  If it has set
 * MMF_OOM_SKIP there is nothing left to do even before that.  With users left,
 * or a reference to mm_users held, it has not begun, and it was somebody else
 * who lost interest in the mm.
 */
static bool exit_mmap_done(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	return !atomic_read(&mm->mm_users) &&
	       (test_bit(MMF_OOM_SKIP, &mm->flags) || mtree_empty(&mm->mm_mt));
}

/*
 * Let others run, and writers of mmap_lock in.
 * @told: those who wait for memory have been told of some
 *
 * Returns false if the address space is not to be had any more.
 */
static bool reap_relax(struct oom_reap *reap, bool told)
{
	bool contended = reap->mmap_locked && mmap_lock_is_contended(reap->mm);
	u64 busy_ns = ktime_get_ns() - reap->busy_since_ns;
	bool pause = rt_task(current) && !single_task_running() &&
		     busy_ns >= (told ? REAP_TOLD_NS : REAP_BURST_NS);
	ktime_t pause_ns = REAP_PAUSE_NS;

	cond_resched();
	if (!contended && !pause)
		return true;

	if (reap->mmap_locked) {
		mmap_read_unlock(reap->mm);
		reap->mmap_locked = false;
	}
	if (pause) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule_hrtimeout(&pause_ns, HRTIMER_MODE_REL);
		reap->busy_since_ns = ktime_get_ns();
	}
	return reap_lock(reap) && !exit_mmap_done(reap);
}

/*
 * Has a VMA no page of its own, like the guard of a stack, or what was reserved
 * and never used?  The page of a fault that is under way may be missed.  It goes
 * when the victim exits.
 */
static bool never_written(struct vm_area_struct *vma)
{
	return vma_is_anonymous(vma) && !READ_ONCE(vma->anon_vma);
}

/*
 * Find the last address below @limit that is mapped, and where its VMA starts.
 * Without a lock on the VMA: whether it may be reaped does not change, and if it
 * is written for the first time now that does not matter.
 */
static bool prev_mapped(struct mm_struct *mm, unsigned long limit,
			unsigned long *start, unsigned long *last,
			bool *reapable)
{
	MA_STATE(mas, &mm->mm_mt, limit - 1, limit - 1);
	struct vm_area_struct *vma;

	rcu_read_lock();
	vma = mas_find_rev(&mas, 0);
	*reapable = vma && oom_reapable_vma(vma) && !never_written(vma);
	rcu_read_unlock();

	*start = mas.index;
	*last = min(mas.last, limit - 1);
	return vma;
}

/* Returns where the next step has to end */
static unsigned long reap_step(struct oom_reap *reap, unsigned long start,
			       unsigned long last, unsigned long *chunk)
{
	struct vm_area_struct *vma;
	u64 start_ns;

	vma = oom_reap_lock_vma(reap, last);
	/* Somebody has unmapped the end of it, and perhaps not all */
	if (vma == ERR_PTR(-EFAULT))
		return last;
	if (IS_ERR(vma)) {
		reap->incomplete = true;
		return start;
	}

	/* It may have become another one before it was locked */
	start = max(vma->vm_start, ALIGN_DOWN(last, *chunk));
	if (oom_reapable_vma(vma)) {
		start_ns = ktime_get_ns();
		if (!reap_range(reap, vma, start, last + 1))
			reap->incomplete = true;
		/* What is less than a chunk does not tell how long one takes */
		if (ktime_get_ns() - start_ns > REAP_CHUNK_NS)
			*chunk = max(*chunk / 2, REAP_CHUNK_MIN);
		else if (last + 1 - start == *chunk)
			*chunk = min(*chunk * 2, REAP_CHUNK_MAX);
	}
	oom_reap_unlock_vma(reap, vma);
	return start;
}

/*
 * Tell those who wait for memory of the first batch, and then each time as much
 * again has been freed.
 */
static bool tell_progress(struct oom_reap *reap)
{
	unsigned long nr_new = reap->nr_pages - reap->nr_told;

	if (nr_new < clamp(reap->nr_told, PROGRESS_MIN, PROGRESS_MAX))
		return false;
	reap->nr_told = reap->nr_pages;
	oom_gave_memory();
	return true;
}

/* Reap what can be reaped, from the highest address down */
static void reap_vmas(struct oom_reap *reap)
{
	unsigned long limit = ULONG_MAX, chunk = REAP_CHUNK_MIN;
	unsigned long start, last;
	bool reapable;

	while (limit && prev_mapped(reap->mm, limit, &start, &last, &reapable)) {
		limit = reapable ? reap_step(reap, start, last, &chunk) : start;
		if (!reap_relax(reap, tell_progress(reap))) {
			reap->incomplete = true;
			return;
		}
	}
}

static enum oom_reap_result reap_locked(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;
	int err;

	if (exit_mmap_done(reap))
		return OOM_REAP_GONE;

	oom_keep_reset(&reap->keep);
	err = oom_robust_keep(reap);
	if (err && !reap->ignore_unreadable)
		return err == -E2BIG ? OOM_REAP_FUTEX_LONG : OOM_REAP_FUTEX;

	/*
	 * Tell all users of get_user/copy_from_user etc... that the content
	 * is no longer stable.  No barrier is needed, because unmapping implies
	 * one, and a reader that stumbles over what was reaped takes a fault.
	 */
	set_bit(MMF_UNSTABLE, &mm->flags);
	/* For wait4() and accounting, which look later than this */
	update_hiwater_rss(mm);
	reap_vmas(reap);

	return reap->incomplete ? OOM_REAP_AGAIN : OOM_REAP_DONE;
}

/**
 * oom_reap_mm() - free the memory of an address space, as far as possible now
 * @reap: what to reap, how, and the results
 *
 * All processes that use the mm must have been sent SIGKILL, or be exiting.
 *
 * Anonymous memory and private mappings of files go, but for what the robust
 * futexes of the mm's threads need.  Shared memory is not touched.
 *
 * Context: Process context, no locks held.  Sleeps for no other reason than to
 * let others run, allocates nothing but GFP_NOWAIT, takes sleeping locks only
 * by trylock.
 * Return: how far it got, see &enum oom_reap_result.
 */
enum oom_reap_result oom_reap_mm(struct oom_reap *reap)
{
	int pid = task_pid_nr(reap->victim);
	u64 start_ns = ktime_get_ns();
	enum oom_reap_result result;

	reap->nr_pages = 0;
	reap->nr_told = 0;
	reap->nr_kept = 0;
	reap->vma_locks = false;
	reap->incomplete = false;

	if (!reap_lock(reap)) {
		trace_skip_task_reaping(pid);
		return exit_mmap_done(reap) ? OOM_REAP_GONE : OOM_REAP_AGAIN;
	}

	trace_start_task_reaping(pid);
	result = reap_locked(reap);
	reap_unlock(reap);
	if (reap->nr_pages != reap->nr_told)
		oom_gave_memory();

	if (reap->nr_kept &&
	    (result == OOM_REAP_DONE || result == OOM_REAP_AGAIN))
		trace_futex_keep_reaping(pid, reap->nr_kept);
	trace_finish_task_reaping(pid, reap->nr_pages, ktime_get_ns() - start_ns,
				  reap->vma_locks);
	count_vm_events(OOM_REAPER_PAGES, reap->nr_pages);
	return result;
}
