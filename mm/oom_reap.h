/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reap the address space of a process that has been killed
 */
#ifndef __MM_OOM_REAP_H
#define __MM_OOM_REAP_H

#include "oom_access.h"

/**
 * enum oom_reap_result - how a pass over an address space ended
 * @OOM_REAP_DONE: nothing is left in it that could be reaped
 * @OOM_REAP_GONE: exit_mmap() has freed it already
 * @OOM_REAP_AGAIN: something was left because of a lock or an mmu notifier
 * @OOM_REAP_FUTEX: nothing was reaped, because a robust list in it cannot be
 *	read yet, or is too long
 */
enum oom_reap_result {
	OOM_REAP_DONE,
	OOM_REAP_GONE,
	OOM_REAP_AGAIN,
	OOM_REAP_FUTEX,
};

enum oom_reap_result oom_reap_mm(struct oom_reap *reap);

#if IS_ENABLED(CONFIG_KUNIT)
bool oom_reap_tell_progress(struct oom_reap *reap);
#endif

#endif /* __MM_OOM_REAP_H */
