// SPDX-License-Identifier: GPL-2.0
/*
 * How the mm of an OOM victim gets from the OOM killer to the reaper.
 *
 * The OOM killer holds locks by then, and the system has no memory, so that
 * giving neither waits nor allocates.  Who may do what without a lock:
 *
 *		give			take
 *   slot	anybody, by		the one thread that looks after it,
 *		cmpxchg(NULL -> mm)	by storing NULL
 *   backlog	anybody, llist_add()	any thread, under @lock
 *
 * A victim that comes while the slot is taken goes on the backlog, so that none
 * is lost.
 */
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/spinlock.h>

#include "oom_reap.h"

/**
 * oom_handover_give() - hand over an mm
 * @handover: where to
 * @mm: the mm; not to be given again before it has been taken
 *
 * Context: any.
 * Return: true if it has to wait for others.
 */
bool oom_handover_give(struct oom_handover *handover, struct mm_struct *mm)
{
	if (!cmpxchg(&handover->slot, NULL, mm))
		return false;

	llist_add(&mm->oom_reaper_node, &handover->backlog);
	return true;
}

/**
 * oom_handover_peek() - what is in the slot
 * @handover: where to look
 *
 * It stays there, until oom_handover_clear().
 *
 * Context: the thread that looks after the slot.
 * Return: the mm or NULL.
 */
struct mm_struct *oom_handover_peek(const struct oom_handover *handover)
{
	return READ_ONCE(handover->slot);
}

/**
 * oom_handover_clear() - make room for the next
 * @handover: where
 *
 * Context: the thread that looks after the slot.
 */
void oom_handover_clear(struct oom_handover *handover)
{
	/* After all that was done with the mm; pairs with the cmpxchg() */
	smp_store_release(&handover->slot, NULL);
}

/**
 * oom_handover_take() - take what has waited longest off the backlog
 * @handover: where
 *
 * Context: process context.
 * Return: the mm or NULL.
 */
struct mm_struct *oom_handover_take(struct oom_handover *handover)
{
	struct llist_node *node;

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
 * oom_handover_waiting() - is there anything on the backlog?
 * @handover: where
 *
 * Context: any.
 * Return: true if there was a moment ago.
 */
bool oom_handover_waiting(const struct oom_handover *handover)
{
	return !llist_empty(&handover->backlog) || READ_ONCE(handover->oldest);
}
