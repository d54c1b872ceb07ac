/* SPDX-License-Identifier: GPL-2.0 */
/* Swap space of a test's own, on whatever kind of storage */
#ifndef OOM_REAPER_SWAP_H
#define OOM_REAPER_SWAP_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

#include "hold.h"

enum swap_kind {
	SWAP_ZRAM,
	SWAP_ZSWAP,		/* compressed, before a slow disk */
	SWAP_DISK,		/* a loop device */
	SWAP_SLOW_DISK,		/* each read takes SWAP_SLOW_MS */
	SWAP_VIRTIO,		/* what is in use already, on a disk */
};

#define SWAP_SLOW_MS	40

struct swap {
	enum swap_kind kind;
	char device[64];
	int number;		/* of the zram device */
	int loop;		/* open loop device */
	struct hold disk;	/* what it is on */
	bool on;
	bool zswap;		/* was off */
};

/*
 * On zram, or another kind of storage, before any other swap space.
 * Return: 0 or -errno, -ENODEV where there is none of that
 */
int swap_start(struct swap *swap, size_t mb);
int swap_start_on(struct swap *swap, enum swap_kind kind, size_t mb);
void swap_stop(struct swap *swap);

/* From now on reading from the disk fails, until swap_stop() */
void swap_fail(struct swap *swap);

/*
 * Have the page at @addr of the calling process swapped out, so that it is in
 * memory no longer, not in the swap cache either. Return: done?
 */
bool swap_out(void *addr);
/* Is it out? */
bool swap_is_out(void *addr);
/* Is the page at @addr of a process in swap, and perhaps in its cache, too? */
bool swap_has_page_of(pid_t pid, const void *addr);
/*
 * Have all private memory of another process swapped out, but @rest_kb.
 * Return: done?
 */
bool swap_out_process(pid_t pid, long rest_kb);

#endif
