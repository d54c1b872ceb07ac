// SPDX-License-Identifier: GPL-2.0
/*
 * How the mm of an OOM victim gets from the OOM killer to the reaper.
 *
 * The OOM killer holds locks at that time, and the system has no memory, so
 * handing over neither waits nor allocates.  Who may do what without a lock:
 *
 *		give			take
 *   slot	anybody, by		any reaper thread, by
 *		cmpxchg(NULL -> mm)	xchg(NULL)
 *   backlog	anybody, llist_add()	any reaper thread, under @lock
 *
 * A victim that comes while the slot is taken goes on the backlog, so that none
 * is lost.
 */
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>

#include "oom_handover.h"

/**
 * oom_handover_give() - hand over an mm
 * @handover: where to
 * @mm: the mm; not to be given again before it has been taken
 *
 * Context: Any.  Neither sleeps nor allocates.
 * Return: true if it went on the backlog.
 */
bool oom_handover_give(struct oom_handover *handover, struct mm_struct *mm)
{
	if (!cmpxchg(&handover->slot, NULL, mm))
		return false;

	llist_add(&mm->oom_reaper_node, &handover->backlog);
	return true;
}

/**
 * oom_handover_take() - take an mm that was handed over
 * @handover: where from
 *
 * The mm in the slot comes first, then the backlog, oldest first, so
 * one that was given later may be taken earlier.
 *
 * Context: Process context.
 * Return: the mm, or NULL if there is none.
 */
struct mm_struct *oom_handover_take(struct oom_handover *handover)
{
	struct mm_struct *mm = xchg(&handover->slot, NULL);
	struct llist_node *node;

	if (mm)
		return mm;

	spin_lock(&handover->lock);
	node = handover->oldest;
	if (!node)
		node = llist_reverse_order(llist_del_all(&handover->backlog));
	if (node)
		WRITE_ONCE(handover->oldest, node->next);
	spin_unlock(&handover->lock);

	return node ? llist_entry(node, struct mm_struct, oom_reaper_node) :
		      NULL;
}

/**
 * oom_handover_waiting() - does an mm wait to be taken?
 * @handover: where to look
 *
 * Context: Any.
 * Return: true if one did a moment ago.
 */
bool oom_handover_waiting(const struct oom_handover *handover)
{
	return READ_ONCE(handover->slot) || !llist_empty(&handover->backlog) ||
	       READ_ONCE(handover->oldest);
}
