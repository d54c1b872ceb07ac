/* SPDX-License-Identifier: GPL-2.0 */
/* Swap space of a test's own, on zram */
#ifndef OOM_REAPER_SWAP_H
#define OOM_REAPER_SWAP_H

#include <stdbool.h>
#include <stddef.h>

struct swap {
	char device[64];
	int number;
	bool on;
};

/* Return: 0 or -errno, -ENODEV without zram */
int swap_start(struct swap *swap, size_t mb);
void swap_stop(struct swap *swap);

/* Is the page at @addr of the process @pid swapped out? */
bool swap_is_out(int pid, const void *addr);

/* Have the page at @addr of the calling process swapped out. Return: done? */
bool swap_out(void *addr);

#endif
