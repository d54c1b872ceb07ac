// SPDX-License-Identifier: GPL-2.0
/*
 * Reap the address space of a process that has been killed.
 *
 * The process may be stuck anywhere, and so may the holder of its mmap_lock.  A
 * pass never waits for either.  It takes mmap_lock if that is available for
 * read at once, and otherwise per-VMA locks:
 *
 *   against		under mmap_lock			under a VMA's lock
 *   exit_mmap()	it leaves an empty tree, and	mm_users is held, it
 *			frees the page tables under	has not begun
 *			mmap_lock for write
 *   munmap, mremap,	mmap_lock			they lock each VMA for
 *   mprotect, brk, ...					write before they touch
 *							or detach it
 *   fork()		mmap_lock			so does dup_mmap()
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
 * exit_mmap() unmaps from the lowest address up, and a pass goes from the
 * highest down, so they meet only once.
 */
#include <kunit/visibility.h>

#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/vmstat.h>

#include <asm/tlb.h>

#include <trace/events/oom.h>

#include "internal.h"
#include "oom_reap.h"
#include "oom_robust.h"

/* How many pages to free before waking the tasks that wait for memory */
#define PROGRESS_MIN	64UL
#define PROGRESS_MAX	((256UL << 20) >> PAGE_SHIFT)

/*
 * How many bytes of a VMA to reap before the pages are freed and other tasks
 * can run.  Start small, because the waiting task may need just one page, and
 * limit it to a few milliseconds' worth of small pages.  Empty parts cost
 * nothing, see skip_empty().
 *
 * Powers of two: a chunk either lies within what one page table maps, or is a
 * multiple of that.
 */
#define REAP_CHUNK_MIN		min(PROGRESS_MIN << PAGE_SHIFT, PMD_SIZE)
#define REAP_CHUNK_MAX		max_t(unsigned long, SZ_4M, PMD_SIZE)

/*
 * Zapping a range that ends within a huge page would split the page.  That may
 * block on an mmu notifier, and frees nothing: the part that is kept keeps the
 * whole page.
 */
static bool within_huge_page(struct mm_struct *mm, unsigned long addr)
{
	return !IS_ALIGNED(addr, PMD_SIZE) && oom_reap_huge_page_at(mm, addr);
}

/* Returns false if an mmu notifier would have to wait */
static bool reap_range(struct oom_reap *reap, struct vm_area_struct *vma,
		       unsigned long start, unsigned long end)
{
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

	/*
	 * Tell all users of get_user/copy_from_user etc... that the content
	 * is no longer stable.  No barrier is needed, because unmapping implies
	 * one, and a reader that accesses reaped memory takes a fault.  Do not
	 * set it before there is something to unmap, because reclaim skips an
	 * mm that has it.
	 */
	if (!mm_flags_test(MMF_UNSTABLE, reap->mm))
		mm_flags_set(MMF_UNSTABLE, reap->mm);

	from = start;
	to = end;
	while (oom_keep_gap(&reap->keep, &from, &to)) {
		unsigned long next = to;

		if (within_huge_page(reap->mm, from))
			from = ALIGN(from, PMD_SIZE);
		if (within_huge_page(reap->mm, to))
			to = ALIGN_DOWN(to, PMD_SIZE);
		if (from < to)
			reap->nr_pages += zap_range_for_reaping(&tlb, vma, from,
								to);
		from = next;
		to = end;
	}

	mmu_notifier_invalidate_range_end(&range);
	tlb_finish_mmu(&tlb);
	return true;
}

/*
 * Has exit_mmap() freed this address space?  It frees page tables with
 * mmap_lock held for write and leaves an empty tree, so reaping under mmap_lock
 * is safe in any case.  While mm_users is not zero it has not begun.
 */
static bool exit_mmap_done(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	return !atomic_read(&mm->mm_users) &&
	       (mm_flags_test(MMF_OOM_SKIP, mm) || mtree_empty(&mm->mm_mt));
}

/*
 * Let other tasks run, let writers take mmap_lock, and let the victim exit.
 * mm_users is held no longer than necessary, because whoever drops the last
 * reference has to tear down the address space.
 * @told: tasks that wait for memory have just been woken
 *
 * Returns false if the address space is no longer available.
 */
static bool reap_relax(struct oom_reap *reap, bool told)
{
	/* The task that waits for memory is most likely on this CPU */
	u64 after_ns = told ? 0 : OOM_REAP_BURST_NS;

	if (!oom_reap_pause_due(reap, after_ns) && reap->mmap_locked &&
	    !mmap_lock_is_contended(reap->mm)) {
		cond_resched();
		return true;
	}

	oom_reap_unlock_mm(reap);
	oom_reap_pause(reap, after_ns);
	return oom_reap_lock_mm(reap) && !exit_mmap_done(reap);
}

/*
 * Find the last VMA that starts below @limit, its start, and its last address
 * below @limit.  Without mmap_lock the VMA may be freed at any time: use it
 * only to tell that there is one, and let reap_step() look it up again.
 */
static struct vm_area_struct *prev_mapped(struct mm_struct *mm,
					  unsigned long limit,
					  unsigned long *start,
					  unsigned long *last)
{
	MA_STATE(mas, &mm->mm_mt, limit - 1, limit - 1);
	struct vm_area_struct *vma;

	rcu_read_lock();
	vma = mas_find_rev(&mas, 0);
	rcu_read_unlock();

	*start = mas.index;
	*last = min(mas.last, limit - 1);
	return vma;
}

/*
 * Find the lowest address from which nothing is mapped up to @last, according
 * to one entry of an upper level of the page table.  Returns @last + 1 if
 * something may be mapped at @last.
 */
static unsigned long empty_from(struct mm_struct *mm, unsigned long last)
{
	pgd_t *pgd = pgd_offset(mm, last);
	p4d_t *p4d;
	pud_t *pud, pudval;

	if (pgd_none(pgdp_get(pgd)))
		return last & PGDIR_MASK;
	p4d = p4d_offset(pgd, last);
	if (p4d_none(p4dp_get(p4d)))
		return last & P4D_MASK;
	pud = pud_offset(p4d, last);
	pudval = pudp_get(pud);
	if (pud_none(pudval))
		return last & PUD_MASK;
	if (!pud_present(pudval) || pud_leaf(pudval))
		return last + 1;
	if (pmd_none(pmdp_get_lockless(pmd_offset(pud, last))))
		return last & PMD_MASK;
	return last + 1;
}

/*
 * Like empty_from(), for many entries: a VMA may span terabytes and be almost
 * empty.  The VMA starts at @start and is locked, so its page tables stay.
 */
static unsigned long skip_empty(struct mm_struct *mm, unsigned long start,
				unsigned long last)
{
	unsigned long from, end = last + 1;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PMD && end > start; i++) {
		from = empty_from(mm, end - 1);
		if (from >= end)
			break;
		end = from;
	}
	return max(start, end);
}

/* Was a VMA never written to, like the guard area of a stack? */
static bool never_written(const struct vm_area_struct *vma)
{
	return vma_is_anonymous((struct vm_area_struct *)vma) &&
	       !READ_ONCE(vma->anon_vma);
}

/* Reap one chunk below @last + 1.  Returns the end of the next one. */
static unsigned long reap_step(struct oom_reap *reap,
			       struct vm_area_struct *vma, unsigned long start,
			       unsigned long last, unsigned long *chunk)
{
	unsigned long empty;

	if (!reap->mmap_locked)
		vma = oom_reap_lock_vma(reap, last);
	/* The end of the VMA was unmapped, but perhaps not all of it */
	if (vma == ERR_PTR(-EFAULT))
		return ALIGN_DOWN(last, PAGE_SIZE);
	if (IS_ERR(vma)) {
		if (oom_reapable_at(reap->mm, last))
			reap->incomplete = true;
		return start;
	}

	/* It may have changed before it was locked */
	start = vma->vm_start;
	if (!oom_reapable_vma(vma) || never_written(vma))
		goto unlock;

	empty = skip_empty(reap->mm, start, last);
	if (empty <= last) {
		start = empty;
		goto unlock;
	}

	start = max(start, ALIGN_DOWN(last, *chunk));
	/* A part of a huge page would not be reaped, see reap_range() */
	if (within_huge_page(reap->mm, start))
		start = ALIGN_DOWN(start, PMD_SIZE);
	if (!reap_range(reap, vma, start, last + 1))
		reap->incomplete = true;
	if (last + 1 - start >= *chunk)
		*chunk = min(*chunk * 2, REAP_CHUNK_MAX);
unlock:
	oom_reap_unlock_vma(reap, vma);
	return start;
}

/*
 * Wake the tasks that wait for memory after the first batch, and then each time
 * the total has quadrupled: each time the reaper may have to sleep, to let them
 * run.
 */
VISIBLE_IF_KUNIT bool oom_reap_tell_progress(struct oom_reap *reap)
{
	unsigned long nr_new = reap->nr_pages - reap->nr_told;

	if (nr_new < clamp(3 * reap->nr_told, PROGRESS_MIN, PROGRESS_MAX))
		return false;
	reap->nr_told = reap->nr_pages;
	oom_gave_memory();
	return true;
}

/* Reap what can be reaped, from the highest address down */
static void reap_vmas(struct oom_reap *reap)
{
	unsigned long limit = ULONG_MAX, chunk = REAP_CHUNK_MIN;
	struct vm_area_struct *vma;
	unsigned long start, last;

	while (limit) {
		vma = prev_mapped(reap->mm, limit, &start, &last);
		if (!vma)
			break;
		limit = reap_step(reap, vma, start, last, &chunk);
		if (!reap_relax(reap, oom_reap_tell_progress(reap))) {
			reap->incomplete = true;
			return;
		}
	}
}

static enum oom_reap_result reap_locked(struct oom_reap *reap)
{
	struct mm_struct *mm = reap->mm;

	if (exit_mmap_done(reap))
		return OOM_REAP_GONE;

	reap->unread = oom_robust_keep(reap);
	if (reap->unread && !reap->ignore_unreadable)
		return OOM_REAP_FUTEX;

	/* wait4() and accounting read it after the memory is gone */
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
 * Frees anonymous memory and private copies of file pages, except for the pages
 * that the robust futexes of the mm's threads need.  Does not touch shared
 * memory.
 *
 * Context: Process context, no locks held.  Sleeps only to let other tasks run,
 * or for a few milliseconds while a list is read from swap.  Does not allocate,
 * and only tries to take sleeping locks.
 * Return: how far it got, see &enum oom_reap_result.
 */
enum oom_reap_result oom_reap_mm(struct oom_reap *reap)
{
	int pid = task_pid_nr(reap->victim);
	u64 start_ns = ktime_get_ns();
	enum oom_reap_result result;

	reap->nr_pages = 0;
	reap->nr_told = 0;
	reap->vma_locks = false;
	reap->unread = 0;
	reap->incomplete = false;
	oom_keep_reset(&reap->keep);

	if (!oom_reap_lock_mm(reap)) {
		trace_skip_task_reaping(pid);
		return exit_mmap_done(reap) ? OOM_REAP_GONE : OOM_REAP_AGAIN;
	}

	trace_start_task_reaping(pid);
	result = reap_locked(reap);
	oom_reap_unlock_mm(reap);
	if (reap->nr_pages != reap->nr_told)
		oom_gave_memory();

	if (reap->keep.nr &&
	    (result == OOM_REAP_DONE || result == OOM_REAP_AGAIN))
		trace_futex_keep_reaping(pid, reap->keep.nr_pages);
	trace_finish_task_reaping(pid, reap->nr_pages, ktime_get_ns() - start_ns,
				  reap->vma_locks);
	count_vm_events(OOM_REAPER_PAGES, reap->nr_pages);
	return result;
}
