// SPDX-License-Identifier: GPL-2.0
/*
 * Keep the OOM reaper off the memory that robust futexes need.
 *
 * A thread that dies walks its robust list (exit_robust_list()) and tells the
 * waiters of each futex on it that the owner is gone.  The list lies in user
 * memory, as a rule in just the anonymous memory that the reaper is after.
 * If the reaper is first, the walk ends at a hole, and somebody in another
 * process waits for ever.
 *
 * So the reaper walks the lists itself, before it frees anything, and leaves
 * the pages that the walk of the dying thread will come by.  It must not fault
 * a page in: that allocates, and waits.  A page that is not there to be read
 * ends the walk, and the caller has to wait for the threads to exit.
 *
 * Everything that is read here was written by a user, and perhaps by one who
 * would like to see what happens.  A list costs at most ROBUST_LIST_LIMIT
 * entries, all lists together at most LIST_BUDGET, and an address is never
 * used for more than to look it up.
 *
 * Memory that was mapped, but never touched, reads as what a fault would find.
 * The dying thread gets no more than a fault there, once MMF_UNSTABLE is set.
 * No list that was in use leads there.
 */
#include <linux/compat.h>
#include <linux/futex.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/mmu_context.h>
#include <linux/oom.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/secretmem.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "internal.h"
#include "oom_reap.h"

/*
 * How many heads and entries to follow for one address space.  Some look-ups
 * of a VMA and a page table walk each, so that this is some 30 ms of a CPU.
 */
#define LIST_BUDGET	32768U

/* How much of what is not on any list may stay */
#define IDLE_PAGES	(SZ_2M >> PAGE_SHIFT)

/* The lowest bit of a list pointer tells a priority-inheritance futex */
#define LIST_PI		1UL

static void do_nothing(void *unused)
{
}

static int is_running(struct task_struct *t, void *unused)
{
	return task_curr(t);
}

/*
 * Make sure that a thread will not execute another instruction in user mode,
 * where it could still take a lock and put it on its list.
 *
 * SIGKILL is pending, but a CPU that runs the thread in user mode may not have
 * noticed yet.  Once it has taken an interrupt it has: it looks at
 * TIF_SIGPENDING on its way back.  A thread that is not running now passes
 * there before it runs: task_call_func() looks under the lock of its runqueue,
 * so that a thread that is scheduled in later sees TIF_SIGPENDING.
 */
static void fence_thread(struct task_struct *t)
{
	if (task_call_func(t, is_running, NULL))
		smp_call_function_single(task_cpu(t), do_nothing, NULL, 1);
}

static void fence_process(struct task_struct *p)
{
	struct task_struct *t;
	unsigned long flags;

	/*
	 * A process counts as dying from the moment that SIGNAL_GROUP_EXIT is
	 * set.  Its threads are sent SIGKILL one after the other then, in the
	 * same section of siglock.
	 */
	if (lock_task_sighand(p, &flags))
		unlock_task_sighand(p, &flags);

	for_each_thread(p, t)
		fence_thread(t);
}

/* Copy from an anonymous page that is mapped by a page table entry */
static int read_pte(struct vm_area_struct *vma, pmd_t *pmd, unsigned long addr,
		    void *buf, size_t len)
{
	struct page *page;
	spinlock_t *ptl;	/* keeps the page mapped */
	pte_t *ptep, pte;
	int err = -EAGAIN;

	ptep = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!ptep)
		return -EAGAIN;
	__acquire(ptl);

	pte = ptep_get(ptep);
	if (pte_none(pte)) {
		err = -ENOENT;
	} else if (pte_present(pte)) {
		page = vm_normal_page(vma, addr, pte);
		if (page && is_page_hwpoison(page)) {
			err = -EAGAIN;
		} else if (page) {
			memcpy_from_page(buf, page, offset_in_page(addr), len);
			err = 0;
		} else if (is_zero_pfn(pte_pfn(pte))) {
			memset(buf, 0, len);
			err = 0;
		}
	}
	pte_unmap_unlock(ptep, ptl);
	return err;
}

/* Copy from what the page tables of a private mapping map at @addr */
static int read_mapped(struct vm_area_struct *vma, unsigned long addr,
		       void *buf, size_t len)
{
	pmd_t *pmd = mm_find_pmd(vma->vm_mm, addr);
	spinlock_t *ptl;	/* keeps the huge page mapped */
	int err = -EAGAIN;

	if (!pmd || pmd_none(pmdp_get_lockless(pmd)))
		return -ENOENT;

	ptl = pmd_trans_huge_lock(pmd, vma);
	if (!ptl)
		return read_pte(vma, pmd, addr, buf, len);
	__acquire(ptl);

	if (pmd_present(*pmd) && !pmd_devmap(*pmd)) {
		struct page *page = pmd_page(*pmd);

		page += (addr & ~PMD_MASK) >> PAGE_SHIFT;
		if (!is_page_hwpoison(page)) {
			memcpy_from_page(buf, page, offset_in_page(addr), len);
			err = 0;
		}
	}
	spin_unlock(ptl);
	return err;
}

/* Copy from the page cache of the file that is mapped at @addr */
static int read_file(struct vm_area_struct *vma, unsigned long addr,
		     void *buf, size_t len)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	pgoff_t index = linear_page_index(vma, addr);
	struct folio *folio;
	struct page *page;
	int err = -EAGAIN;

	folio = filemap_get_folio(mapping, index);
	if (IS_ERR(folio))
		return -EAGAIN;

	page = folio_file_page(folio, index);
	if (folio_test_uptodate(folio) && folio_contains(folio, index) &&
	    !is_page_hwpoison(page)) {
		memcpy_from_page(buf, page, offset_in_page(addr), len);
		err = 0;
	}
	folio_put(folio);
	return err;
}

/*
 * Copy from a VMA that somebody holds locked for write: fork() does for all
 * that it has copied, however long the rest takes.  Let the MMU look the address
 * up.  That is less than the above can do, it does not see a page whose accessed
 * bit it would have to set first, or one that waits for a NUMA hinting fault.
 * It is not for tasks that have an mm of their own.
 */
static int read_borrowed(struct mm_struct *mm, unsigned long addr, void *buf,
			 size_t len)
{
	long err;

	if (!(current->flags & PF_KTHREAD))
		return -EAGAIN;

	kthread_use_mm(mm);
	err = copy_from_user_nofault(buf, (void __user *)addr, len);
	kthread_unuse_mm(mm);
	return err ? -EAGAIN : 0;
}

/*
 * Copy what the victim has at @addr, without faulting it in.  No more than to
 * the end of the page.
 *
 * Return: 0, or -EFAULT if there is nothing, so that the victim cannot read it
 * either, or -EAGAIN if there is something that cannot be read now.
 */
static int read_page(struct oom_reap *reap, unsigned long addr, void *buf,
		     size_t len)
{
	struct vm_area_struct *vma;
	int err;

	addr &= mm_untag_mask(reap->mm);
	vma = oom_reap_lock_vma(reap, addr);
	if (vma == ERR_PTR(-EAGAIN))
		return read_borrowed(reap->mm, addr, buf, len);
	if (IS_ERR(vma))
		return PTR_ERR(vma);

	/* Not even the kernel has secret memory mapped */
	if ((vma->vm_flags & VM_PFNMAP) || vma_is_secretmem(vma))
		err = -EAGAIN;
	else if (vma->vm_file && (vma->vm_flags & VM_SHARED))
		err = read_file(vma, addr, buf, len);
	else if (is_vm_hugetlb_page(vma))
		err = -EAGAIN;
	else
		err = read_mapped(vma, addr, buf, len);

	if (err == -ENOENT && vma->vm_file) {
		err = read_file(vma, addr, buf, len);
	} else if (err == -ENOENT) {
		/* Anonymous memory that was never touched */
		memset(buf, 0, len);
		err = 0;
	}
	oom_reap_unlock_vma(reap, vma);
	return err;
}

static int read_user(struct oom_reap *reap, unsigned long addr, void *buf,
		     size_t len)
{
	while (len) {
		size_t part = min_t(size_t, len,
				    PAGE_SIZE - offset_in_page(addr));
		int err = read_page(reap, addr, buf, part);

		if (err)
			return err;
		addr += part;
		buf += part;
		len -= part;
	}
	return 0;
}

/*
 * What is not reaped anyway takes no place in the table: the locks that matter
 * lie in shared memory, and there may be thousands.
 */
static void keep_user(struct oom_reap *reap, unsigned long addr, size_t len)
{
	unsigned long last;

	addr &= mm_untag_mask(reap->mm);
	last = addr + len - 1;
	if (last < addr)
		return;
	if (oom_reapable_at(reap->mm, addr) ||
	    oom_reapable_at(reap->mm, last))
		oom_keep_add(&reap->keep, addr, last + 1);
}

/**
 * struct robust_head - the head of a robust list, native or compat
 * @addr: where it lies
 * @size: its size in bytes
 * @next: the first entry, with the LIST_PI bit
 * @pending: the entry that was being added or removed, with the LIST_PI bit
 * @futex_offset: from an entry to its futex word, in bytes
 * @compat: pointers are of 32 bits
 */
struct robust_head {
	unsigned long addr;
	size_t size;
	unsigned long next;
	unsigned long pending;
	unsigned long futex_offset;
	bool compat;
};

static int read_head(struct oom_reap *reap, struct robust_head *head)
{
	struct robust_list_head native;
	int err;

#ifdef CONFIG_COMPAT
	if (head->compat) {
		struct compat_robust_list_head compat;

		head->size = sizeof(compat);
		err = read_user(reap, head->addr, &compat, sizeof(compat));
		if (err)
			return err;
		head->next = compat.list.next;
		head->pending = compat.list_op_pending;
		head->futex_offset = compat.futex_offset;
		return 0;
	}
#endif
	head->size = sizeof(native);
	err = read_user(reap, head->addr, &native, sizeof(native));
	if (err)
		return err;
	head->next = (unsigned long)native.list.next;
	head->pending = (unsigned long)native.list_op_pending;
	head->futex_offset = native.futex_offset;
	return 0;
}

static int read_next(struct oom_reap *reap, const struct robust_head *head,
		     unsigned long entry, unsigned long *next)
{
	u32 compat;
	int err;

	if (!head->compat)
		return read_user(reap, entry, next, sizeof(*next));

	err = read_user(reap, entry, &compat, sizeof(compat));
	*next = compat;
	return err;
}

static void keep_word(struct oom_reap *reap, const struct robust_head *head,
		      unsigned long entry)
{
	unsigned long word = entry + head->futex_offset;

	keep_user(reap, head->compat ? (u32)word : word, sizeof(u32));
}

/*
 * Keep what the walk of one list will need: exit_robust_list() and
 * compat_exit_robust_list() are what this has to agree with.
 */
static int keep_list(struct oom_reap *reap, unsigned long addr, bool compat,
		     unsigned int *budget)
{
	struct robust_head head = { .addr = addr, .compat = compat };
	unsigned int limit = ROBUST_LIST_LIMIT;
	size_t entry_size = compat ? sizeof(u32) : sizeof(unsigned long);
	unsigned long entry, next;
	int err;

	err = read_head(reap, &head);
	/* Nothing there: the victim's own walk ends here, too */
	if (err == -EFAULT)
		return 0;

	entry = head.next & ~LIST_PI;
	if (!err && entry == addr && !head.pending)
		return 0;

	/* What cannot be read may be needed all the same */
	keep_user(reap, addr, head.size);
	if (err)
		return err;
	if (head.pending)
		keep_word(reap, &head, head.pending & ~LIST_PI);

	while (entry != addr) {
		if (!*budget)
			return -E2BIG;
		--*budget;

		keep_word(reap, &head, entry);
		err = read_next(reap, &head, entry, &next);
		if (err == -EFAULT)
			break;
		keep_user(reap, entry, entry_size);
		if (err)
			return err;
		entry = next & ~LIST_PI;
		if (!--limit)
			break;
	}
	return 0;
}

static int keep_thread(struct oom_reap *reap, struct task_struct *t,
		       unsigned int *budget)
{
	unsigned long addr;
	int err = 0;

	if (!*budget)
		return -E2BIG;
	--*budget;

	/*
	 * The thread may be in exit_robust_list() this moment.  It clears the
	 * pointer when it has finished, until then it needs the list.
	 */
	addr = (unsigned long)READ_ONCE(t->robust_list);
	if (addr)
		err = keep_list(reap, addr, false, budget);
#ifdef CONFIG_COMPAT
	addr = (unsigned long)READ_ONCE(t->compat_robust_list);
	if (addr && !err)
		err = keep_list(reap, addr, true, budget);
#endif
	return err;
}

/* What stays of a larger folio keeps all of it */
static bool is_small_page(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd = mm_find_pmd(vma->vm_mm, addr);
	struct page *page = NULL;
	spinlock_t *ptl;	/* keeps the page mapped */
	bool small = false;
	pte_t *ptep, pte;

	if (!pmd)
		return false;
	ptep = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
	if (!ptep)
		return false;
	__acquire(ptl);

	pte = ptep_get(ptep);
	if (pte_present(pte))
		page = vm_normal_page(vma, addr, pte);
	if (page)
		small = !folio_test_large(page_folio(page));
	pte_unmap_unlock(ptep, ptl);
	return small;
}

static bool keep_idle_head(struct oom_reap *reap, unsigned long addr)
{
	struct vm_area_struct *vma;
	bool kept;

	addr &= mm_untag_mask(reap->mm);
	vma = oom_reap_lock_vma(reap, addr);
	if (IS_ERR(vma))
		return false;
	kept = oom_reapable_vma(vma) && is_small_page(vma, addr);
	if (kept)
		oom_keep_add(&reap->keep, addr, addr + 1);
	oom_reap_unlock_vma(reap, vma);
	return kept;
}

/*
 * A thread that holds no lock looks at the head of its list all the same, and
 * then writes to clear_child_tid, on the same page as a rule.  Two faults, one
 * of which allocates, cost more than that page, and at the worst of times.
 */
static void keep_idle_heads(struct oom_reap *reap, unsigned int budget)
{
	unsigned int nr = 0;
	struct task_struct *p, *t;
	unsigned long addr;

	for_each_process(p) {
		if ((p->flags & PF_KTHREAD) || !process_shares_mm(p, reap->mm))
			continue;
		for_each_thread(p, t) {
			addr = (unsigned long)READ_ONCE(t->robust_list);
#ifdef CONFIG_COMPAT
			if (!addr)
				addr = (unsigned long)
					READ_ONCE(t->compat_robust_list);
#endif
			if (!addr || READ_ONCE(t->mm) != reap->mm)
				continue;
			if (!budget-- || nr == IDLE_PAGES ||
			    !oom_keep_has_room(&reap->keep))
				return;
			nr += keep_idle_head(reap, addr);
		}
	}
}

/**
 * oom_robust_keep() - keep what the robust futexes of an mm's threads need
 * @reap: the pass; what is found is added to its table of ranges to keep, and
 *	its @nr_kept says how much that is
 *
 * Every process that uses the mm must have been sent SIGKILL or be exiting.
 *
 * Threads that are born meanwhile do not matter: copy_process() gives up when
 * SIGKILL is pending.  A thread that leaves exit_mm() meanwhile has done with
 * its list.  A kthread that borrows the mm has none.
 *
 * Context: Process context; mmap_lock is held for read, or a reference to
 * mm_users.  Waits for other CPUs to take an interrupt, does not sleep.
 * Return: 0, or -EAGAIN if there is a list that cannot be followed to its end,
 * because a part of it is swapped out, say, or -E2BIG if there are more entries
 * than there is time for.  What could be read is in the table then.
 */
int oom_robust_keep(struct oom_reap *reap)
{
	unsigned int budget = LIST_BUDGET;
	struct task_struct *p, *t;
	int err, ret = 0;

	rcu_read_lock();
	for_each_process(p) {
		if (!(p->flags & PF_KTHREAD) && process_shares_mm(p, reap->mm))
			fence_process(p);
	}
	/* What the threads wrote before the interrupt is to be seen from here */
	smp_mb();

	for_each_process(p) {
		if ((p->flags & PF_KTHREAD) || !process_shares_mm(p, reap->mm))
			continue;
		for_each_thread(p, t) {
			if (READ_ONCE(t->mm) != reap->mm)
				continue;
			err = keep_thread(reap, t, &budget);
			if (err && ret != -E2BIG)
				ret = err;
		}
	}
	reap->nr_kept = oom_keep_pages(&reap->keep);
	if (!ret || reap->ignore_unreadable)
		keep_idle_heads(reap, budget);
	rcu_read_unlock();
	return ret;
}
