/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keeping the memory that robust futexes need, and reading a victim's memory
 */
#ifndef __MM_OOM_ROBUST_H
#define __MM_OOM_ROBUST_H

#include <linux/mm.h>

#include "oom_access.h"

int oom_peek(struct oom_reap *reap, unsigned long addr, void *buf, size_t len,
	     swp_entry_t *swapped);

#ifdef CONFIG_FUTEX
int oom_robust_keep(struct oom_reap *reap);

#if IS_ENABLED(CONFIG_KUNIT)
void oom_robust_fence(struct task_struct *t);
#endif
#else
static inline int oom_robust_keep(struct oom_reap *reap)
{
	return 0;
}
#endif

#endif /* __MM_OOM_ROBUST_H */
