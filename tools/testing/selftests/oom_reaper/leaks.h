/* SPDX-License-Identifier: GPL-2.0 */
/* What a test leaks in the kernel: memory, mms, tasks */
#ifndef LEAKS_H
#define LEAKS_H

#include <stdbool.h>

/* Allocations with these stacks hold a megabyte or more */
#define LEAKS_OWNERS	256
#define LEAKS_PAGES	256

struct leaks_owner {
	unsigned long stack;	/* hash */
	long pages;
};

struct leaks {
	long free_kb;		/* and free swap space */
	long mms, tasks;	/* -1: not known */
	struct leaks_owner owner[LEAKS_OWNERS];
	int owners;
};

/**
 * leaks_begin() - note what is in use now
 * @leaks: where to
 */
void leaks_begin(struct leaks *leaks);

/**
 * leaks_none() - is no more in use than was, within 8 MB and a few processes?
 * @leaks: from leaks_begin()
 *
 * Waits until that is so, for ten seconds. Prints the figures, and what page
 * owner (boot with page_owner=on) knows of memory that has not come back.
 */
bool leaks_none(const struct leaks *leaks);

/**
 * leaks_kmemleak() - what the kernel itself takes for leaked
 * @report: out: its first finding
 * @size: room in @report
 *
 * Return: 1 if there are leaks, 0 if not, a negative error if it does not know.
 */
int leaks_kmemleak(char *report, int size);

#endif
