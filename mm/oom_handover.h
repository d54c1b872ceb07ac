/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Handover of victims from the OOM killer to the reaper
 */
#ifndef __MM_OOM_HANDOVER_H
#define __MM_OOM_HANDOVER_H

#include <linux/llist.h>
#include <linux/spinlock.h>

struct mm_struct;

/**
 * struct oom_handover - mms on their way to the reaper
 * @slot: one mm
 * @backlog: mms that arrived while the slot was taken, newest first
 * @lock: serialises threads that take from the backlog, protects @oldest
 * @oldest: mms that were taken off the backlog, oldest first
 */
struct oom_handover {
	struct mm_struct *slot;
	struct llist_head backlog;
	spinlock_t lock;	/* protects @oldest */
	struct llist_node *oldest;
};

bool oom_handover_give(struct oom_handover *handover, struct mm_struct *mm);
struct mm_struct *oom_handover_take(struct oom_handover *handover);
bool oom_handover_waiting(const struct oom_handover *handover);

#endif /* __MM_OOM_HANDOVER_H */
