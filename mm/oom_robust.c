// SPDX-License-Identifier: GPL-2.0
/*
 * Keep the OOM reaper off the memory that robust futexes need.
 *
 * When a thread dies, exit_robust_list() walks its robust list and tells the
 * waiters of each futex on it that the owner is gone.  The list is usually in
 * anonymous memory, which is what the reaper frees.  If the reaper comes first,
 * the walk ends at a hole, and a task of another process waits forever.
 *
 * That matters only for a futex that another process can reach.  A victim
 * without a mapping of shared writable memory has none, whatever is on its
 * lists: futexes in private memory are used only by its own threads, and those
 * all die.  So nothing is read or kept for such a victim.
 *
 * For other victims the reaper walks the lists itself before it frees anything,
 * and keeps the pages that the dying thread's walk will need.  It must not
 * fault a page in, because that allocates and may block.  It looks for swapped
 * pages in the swap cache, and has them read into it if they are not there.
 *
 * If there is no list to walk, or all lists are empty, the threads skip them
 * when they exit, see exit_mm_release(): the head of each list may have been
 * reaped, and the walk would only cause a page fault.
 *
 * Everything that is read here was written by a user, perhaps a hostile one.
 * At most ROBUST_LIST_LIMIT entries of a list are followed and at most
 * LIST_BUDGET of all lists, at most OOM_KEEP_PAGES are kept, and addresses are
 * only ever looked up.
 *
 * Memory that was never touched reads as zeroes.  Once MMF_UNSTABLE is set, the
 * dying thread only gets a fault there.  A list that was in use does not lead
 * there.
 */
#include <kunit/visibility.h>

#include <linux/compat.h>
#include <linux/futex.h>
#include <linux/ktime.h>
#include <linux/mmu_context.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/vmstat.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "oom_robust.h"
#include "swap.h"

/*
 * How many heads and entries to follow for one address space.  Each costs a few
 * VMA lookups and a page table walk, so this takes some 30 ms of CPU time.
 */
#define LIST_BUDGET	32768U

/* How many entries, VMAs or threads to handle in one RCU read-side section */
#define RCU_BATCH	256

/* How many pages to read from swap at the same time */
#define MAX_FETCHES	8U

/* The lowest bit of a list pointer marks a priority-inheritance futex */
#define LIST_PI		1UL

/**
 * struct robust_walk - one walk over the lists of all threads that use an mm
 * @reap: the pass that it belongs to
 * @budget: how many more heads and entries may be followed
 * @batch: how many more before the RCU read-side section has to end
 * @found: a list is not empty, or it could not be read
 * @nr_swapped: number of entries of @swapped in use
 * @swapped: swap entries of pages that must be read first
 */
struct robust_walk {
	struct oom_reap *reap;
	unsigned int budget;
	int batch;
	bool found;
	unsigned int nr_swapped;
	swp_entry_t swapped[MAX_FETCHES];
};

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
VISIBLE_IF_KUNIT void oom_robust_fence(struct task_struct *t)
{
	if (task_call_func(t, is_running, NULL))
		smp_call_function_single(task_cpu(t), do_nothing, NULL, 1);
}

/*
 * A process counts as dying as soon as SIGNAL_GROUP_EXIT is set.  Its threads
 * are then sent SIGKILL one after the other in the same siglock critical
 * section, so taking siglock waits for that.  If there is no sighand any more,
 * the thread has taken siglock after that when it exited.
 */
static void wait_for_sigkill(struct task_struct *p)
{
	unsigned long flags;

	if (lock_task_sighand(p, &flags))
		unlock_task_sighand(p, &flags);
}

/* Read from the victim.  Record pages in swap, to have them read later */
static int read_user(struct robust_walk *walk, unsigned long addr, void *buf,
		     size_t len)
{
	swp_entry_t swapped;
	int err = oom_peek(walk->reap, addr, buf, len, &swapped);

	if (err != -ENODATA)
		return err;
	if (walk->nr_swapped < MAX_FETCHES)
		walk->swapped[walk->nr_swapped++] = swapped;
	return -EAGAIN;
}

/* Keeping a part of a huge page keeps all of it, so count all of it */
static void round_to_huge_page(struct oom_reap *reap, unsigned long addr,
			       unsigned long *start, unsigned long *end)
{
	struct vm_area_struct *vma = oom_reap_lock_vma(reap, addr);

	/* If it is locked for write, reaping will find out */
	if (IS_ERR(vma))
		return;
	if (oom_reap_huge_page_at(reap->mm, addr)) {
		addr = ALIGN_DOWN(addr, PMD_SIZE);
		*start = min(*start, addr);
		*end = max(*end, addr + PMD_SIZE);
	}
	oom_reap_unlock_vma(reap, vma);
}

/*
 * Do not add memory that is not reaped anyway to the table: the locks that
 * matter are in shared memory, and there may be thousands of them.
 */
static int keep_user(struct robust_walk *walk, unsigned long addr, size_t len)
{
	struct oom_reap *reap = walk->reap;
	unsigned long last, start, end;

	addr &= mm_untag_mask(reap->mm);
	last = addr + len - 1;
	if (last < addr)
		return 0;
	if (!oom_reapable_at(reap->mm, addr) &&
	    !oom_reapable_at(reap->mm, last))
		return 0;

	start = addr;
	end = last + 1;
	round_to_huge_page(reap, addr, &start, &end);
	round_to_huge_page(reap, last, &start, &end);
	return oom_keep_add(&reap->keep, start, end) ? 0 : -E2BIG;
}

/**
 * struct robust_head - the head of a robust list, native or compat
 * @addr: its address
 * @size: its size in bytes
 * @next: the first entry, with the LIST_PI bit
 * @pending: the entry that was being added or removed, with the LIST_PI bit
 * @futex_offset: from an entry to its futex word, in bytes
 * @compat: pointers have 32 bits
 */
struct robust_head {
	unsigned long addr;
	size_t size;
	unsigned long next;
	unsigned long pending;
	unsigned long futex_offset;
	bool compat;
};

static int read_head(struct robust_walk *walk, struct robust_head *head)
{
	struct robust_list_head native;
	int err;

#ifdef CONFIG_COMPAT
	if (head->compat) {
		struct compat_robust_list_head compat;

		head->size = sizeof(compat);
		err = read_user(walk, head->addr, &compat, sizeof(compat));
		if (err)
			return err;
		head->next = compat.list.next;
		head->pending = compat.list_op_pending;
		head->futex_offset = compat.futex_offset;
		return 0;
	}
#endif
	head->size = sizeof(native);
	err = read_user(walk, head->addr, &native, sizeof(native));
	if (err)
		return err;
	head->next = (unsigned long)native.list.next;
	head->pending = (unsigned long)native.list_op_pending;
	head->futex_offset = native.futex_offset;
	return 0;
}

static int read_next(struct robust_walk *walk, const struct robust_head *head,
		     unsigned long entry, unsigned long *next)
{
	u32 compat;
	int err;

	if (!head->compat)
		return read_user(walk, entry, next, sizeof(*next));

	err = read_user(walk, entry, &compat, sizeof(compat));
	*next = compat;
	return err;
}

static int keep_word(struct robust_walk *walk, const struct robust_head *head,
		     unsigned long entry)
{
	unsigned long word = entry + head->futex_offset;

	return keep_user(walk, head->compat ? (u32)word : word, sizeof(u32));
}

/*
 * Keep what the walk of one list will need.  This must match
 * exit_robust_list() and compat_exit_robust_list().
 */
static int keep_list(struct robust_walk *walk, unsigned long addr, bool compat)
{
	struct robust_head head = { .addr = addr, .compat = compat };
	unsigned int limit = ROBUST_LIST_LIMIT;
	size_t entry_size = compat ? sizeof(u32) : sizeof(unsigned long);
	unsigned long entry, next;
	int err, full;

	err = read_head(walk, &head);
	/* Nothing is mapped: the victim's own walk ends here, too */
	if (err == -EFAULT)
		return 0;

	entry = head.next & ~LIST_PI;
	if (!err && entry == addr && !head.pending)
		return 0;

	walk->found = true;
	/* Keep a page even if it cannot be read: it may be needed */
	full = keep_user(walk, addr, head.size);
	if (err)
		return err;
	if (head.pending && !full)
		full = keep_word(walk, &head, head.pending & ~LIST_PI);

	while (entry != addr && !full) {
		if (!walk->budget)
			return -E2BIG;
		walk->budget--;
		walk->batch--;

		full = keep_word(walk, &head, entry);
		err = read_next(walk, &head, entry, &next);
		if (err == -EFAULT)
			break;
		full = full ?: keep_user(walk, entry, entry_size);
		if (err)
			return err;
		entry = next & ~LIST_PI;
		if (!--limit)
			break;
	}
	return full;
}

static int keep_thread(struct robust_walk *walk, struct task_struct *t)
{
	unsigned long addr;
	int err = 0;

	/*
	 * The thread may be in exit_robust_list() right now.  It needs the list
	 * until it has finished and clears the pointer.
	 */
	addr = (unsigned long)futex_robust_list(t);
	if (addr)
		err = keep_list(walk, addr, false);
#ifdef CONFIG_COMPAT
	addr = (unsigned long)futex_compat_robust_list(t);
	if (addr && !err)
		err = keep_list(walk, addr, true);
#endif
	return err;
}

/*
 * Is the mm used only by threads of the victim?  Then there is no need to walk
 * all processes.
 *
 * As mm_users is read first, threads that exit meanwhile can make it look as if
 * there were another user, but never the other way round.  No thread is
 * created, see oom_robust_keep().
 */
static bool used_by_victim_alone(struct oom_reap *reap)
{
	int nr_users = atomic_read(&reap->mm->mm_users) - reap->mm_pinned;
	struct task_struct *t;

	/* Pairs with the barrier in exit_mm(), between ->mm and mmput() */
	smp_rmb();
	for_each_thread(reap->victim, t)
		nr_users -= READ_ONCE(t->mm) == reap->mm;
	return nr_users <= 0;
}

static bool uses_mm(struct task_struct *p, struct mm_struct *mm)
{
	return !(p->flags & PF_KTHREAD) && process_shares_mm(p, mm);
}

/*
 * Does this mm have memory in which a task of another mm could wait for a
 * futex?  Without mmap_lock, one walk can miss a VMA that mremap() moves.  As
 * mremap() links the new VMA before it unlinks the old one, a second walk in
 * the other direction finds it.
 */
static bool has_shared_memory(struct oom_reap *reap)
{
	MA_STATE(mas, &reap->mm->mm_mt, 0, 0);
	int directions = reap->mmap_locked ? 1 : 2;
	int direction, batch = RCU_BATCH;
	struct vm_area_struct *vma;
	bool found = false;

	rcu_read_lock();
	for (direction = 0; direction < directions && !found; direction++) {
		mas_set(&mas, direction ? ULONG_MAX : 0);
		while (!found) {
			vma = direction ? mas_find_rev(&mas, 0) :
					  mas_find(&mas, ULONG_MAX);
			if (!vma)
				break;
			found = READ_ONCE(vma->vm_flags) & VM_SHARED;
			/* Not locked: it may have been freed and reused */
			if (!found && !reap->mmap_locked)
				found = mtree_load(mas.tree, mas.index) != vma;
			if (!--batch) {
				mas_pause(&mas);
				rcu_read_unlock();
				cond_resched();
				rcu_read_lock();
				batch = RCU_BATCH;
			}
		}
		if (reap->mmap_locked)
			break;
	}
	rcu_read_unlock();
	return found;
}

/*
 * End the RCU read-side section, and let other tasks run.  Returns false if the
 * thread has exited meanwhile, so that the walk cannot continue from it.
 */
static bool end_rcu_batch(struct robust_walk *walk, struct task_struct *p,
			  struct task_struct *t)
{
	bool alive;

	walk->batch = RCU_BATCH;
	get_task_struct(p);
	get_task_struct(t);
	rcu_read_unlock();
	oom_reap_pause(walk->reap, OOM_REAP_BURST_NS);
	rcu_read_lock();
	/*
	 * The next thread is found through @t.  If that is alive its process
	 * has a leader, which for_each_process() needs, although the victim
	 * itself may be a thread that is gone.
	 */
	alive = pid_alive(t);
	put_task_struct(t);
	put_task_struct(p);
	return alive;
}

/*
 * Threads that pass exit_mm() meanwhile no longer need their lists, and no
 * thread is created, see oom_robust_keep().
 *
 * Returns -ESTALE if the walk cannot continue with the next process.
 */
static int keep_process(struct robust_walk *walk, struct task_struct *p)
{
	struct task_struct *t;
	int err, ret = 0;

	for_each_thread(p, t) {
		if (READ_ONCE(t->mm) != walk->reap->mm)
			continue;
		if (!walk->budget)
			return -E2BIG;
		walk->budget--;

		oom_robust_fence(t);
		/* See everything that it wrote before the interrupt */
		smp_mb();
		err = keep_thread(walk, t);
		if (err && ret != -E2BIG)
			ret = err;
		if (--walk->batch <= 0 && !end_rcu_batch(walk, p, t))
			return -ESTALE;
	}
	return ret;
}

static int keep_lists(struct robust_walk *walk, bool alone)
{
	struct task_struct *p;
	int err, ret = 0;

	walk->budget = LIST_BUDGET;
	walk->batch = RCU_BATCH;
	walk->found = false;
	walk->nr_swapped = 0;
	oom_keep_reset(&walk->reap->keep);

	rcu_read_lock();
	if (alone) {
		ret = keep_process(walk, walk->reap->victim);
		goto out;
	}
	for_each_process(p) {
		if (!uses_mm(p, walk->reap->mm))
			continue;
		err = keep_process(walk, p);
		if (err && ret != -E2BIG)
			ret = err;
		if (err == -ESTALE)
			break;
	}
out:
	rcu_read_unlock();
	return ret == -ESTALE ? -EAGAIN : ret;
}

/*
 * A page that is being read from swap, by a work item: the reaper must not wait
 * for it, as even zram may have to read it from a disk.
 */
struct fetch {
	struct work_struct work;
	swp_entry_t entry;
	bool reserves;
	atomic_t busy;
};

/* If a disk does not answer, all of these stay busy and lists stay unread */
static struct fetch fetches[MAX_FETCHES];
static DECLARE_WAIT_QUEUE_HEAD(fetch_wait);

static void do_fetch(struct work_struct *work)
{
	struct fetch *fetch = container_of(work, struct fetch, work);

	swap_fetch(fetch->entry, fetch->reserves);
	atomic_set_release(&fetch->busy, 0);
	wake_up(&fetch_wait);
}

static bool being_fetched(const struct robust_walk *walk)
{
	unsigned int i, j;

	for (i = 0; i < MAX_FETCHES; i++) {
		if (!atomic_read_acquire(&fetches[i].busy))
			continue;
		for (j = 0; j < walk->nr_swapped; j++) {
			if (fetches[i].entry.val == walk->swapped[j].val)
				return true;
		}
	}
	return false;
}

/* @reserves: may take a page from the memory reserves */
static void start_fetch(swp_entry_t entry, bool reserves)
{
	unsigned int i;

	for (i = 0; i < MAX_FETCHES; i++) {
		if (atomic_read(&fetches[i].busy) &&
		    fetches[i].entry.val == entry.val)
			return;
	}
	for (i = 0; i < MAX_FETCHES; i++) {
		if (atomic_cmpxchg(&fetches[i].busy, 0, 1))
			continue;
		count_vm_event(OOM_REAPER_FUTEX_SWAPIN);
		fetches[i].entry = entry;
		fetches[i].reserves = reserves;
		INIT_WORK(&fetches[i].work, do_fetch);
		queue_work(oom_reap_wq ?: system_unbound_wq, &fetches[i].work);
		return;
	}
}

/*
 * Start to read the pages that were recorded.  If all of their devices are
 * memory, wait for a few milliseconds.  Returns true if they have been read.
 */
static bool fetch_swapped(const struct robust_walk *walk)
{
	bool reserves = mm_flags_test(MMF_OOM_VICTIM, walk->reap->mm);
	bool sync = true;
	unsigned int i;

	for (i = 0; i < walk->nr_swapped; i++) {
		sync &= swap_is_synchronous(walk->swapped[i]);
		start_fetch(walk->swapped[i], reserves);
	}
	return sync && wait_event_timeout(fetch_wait, !being_fetched(walk),
					  msecs_to_jiffies(5));
}

/**
 * oom_robust_keep() - keep what the robust futexes of an mm's threads need
 * @reap: the pass; what is found is added to its table of ranges to keep
 *
 * Every process that uses the mm must have been sent SIGKILL or be exiting.
 *
 * No thread is created meanwhile: copy_process() fails if SIGKILL is pending.
 * A kthread that borrows the mm has no list.
 *
 * A shared mapping that is created meanwhile does not matter: with SIGKILL
 * pending, its creator does not return to user mode, where it could use it.
 *
 * Context: Process context; mmap_lock is held for read, or a reference to
 * mm_users.  Waits for other CPUs to take an interrupt, and for a few
 * milliseconds for swap devices that are memory.
 * Return: 0, or -EAGAIN if a part of a list is not in memory yet, or -EIO if it
 * cannot be read, or -E2BIG if there is more than may be kept or followed.  In
 * any case the table has what could be read.
 */
int oom_robust_keep(struct oom_reap *reap)
{
	u64 until_ns = ktime_get_ns() + 4 * OOM_REAP_BURST_NS;
	struct robust_walk walk = { .reap = reap };
	struct task_struct *p;
	bool alone;
	int err;

	rcu_read_lock();
	/* First, so that no thread that is being created is missed below */
	wait_for_sigkill(reap->victim);
	alone = used_by_victim_alone(reap);
	if (!alone) {
		for_each_process(p) {
			if (uses_mm(p, reap->mm))
				wait_for_sigkill(p);
		}
	}
	rcu_read_unlock();

	oom_keep_reset(&reap->keep);
	if (!has_shared_memory(reap)) {
		WRITE_ONCE(reap->mm->oom_no_locks, true);
		return 0;
	}

	/* Each iteration gets one page further along a list that is in swap */
	do {
		err = keep_lists(&walk, alone);
	} while (err && walk.nr_swapped && fetch_swapped(&walk) &&
		 ktime_get_ns() < until_ns);
	if (!err && !walk.found)
		WRITE_ONCE(reap->mm->oom_no_locks, true);
	return err;
}
