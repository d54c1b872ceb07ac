/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How victims get from the OOM killer to the reaper
 */
#ifndef __MM_OOM_HANDOVER_H
#define __MM_OOM_HANDOVER_H

#include <linux/llist.h>
#include <linux/spinlock.h>

struct mm_struct;

/**
 * struct oom_handover - mms on their way to the reaper
 * @slot: one mm
 * @backlog: those that came while the slot was taken, the last first
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
struct mm_struct *oom_handover_take(struct oom_handover *handover);
bool oom_handover_waiting(const struct oom_handover *handover);

#endif /* __MM_OOM_HANDOVER_H */
