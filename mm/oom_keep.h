/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ranges of an address space that the OOM reaper leaves alone
 */
#ifndef __MM_OOM_KEEP_H
#define __MM_OOM_KEEP_H

#include <linux/mm.h>
#include <linux/sizes.h>

/**
 * struct oom_keep_range - a range of addresses that stays mapped
 * @start: first address, page aligned
 * @end: first address after it, page aligned
 */
struct oom_keep_range {
	unsigned long start;
	unsigned long end;
};

/* Enough for a thread that holds a lock or two, without an allocation */
#define OOM_KEEP_INLINE		8

/*
 * How many pages of a victim may be kept: every entry of a robust list of the
 * maximum length on a page of its own, or some huge pages.
 */
#define OOM_KEEP_PAGES		(max_t(unsigned long, SZ_16M, PMD_SIZE) >> \
				 PAGE_SHIFT)

/**
 * struct oom_keep - the ranges of an address space that are not to be reaped
 * @range: sorted by address; they neither overlap nor touch
 * @nr: how many are in use
 * @max: how many fit
 * @nr_pages: how many pages they have
 * @inline_range: used if there is no memory for more
 */
struct oom_keep {
	struct oom_keep_range *range;
	unsigned int nr;
	unsigned int max;
	unsigned long nr_pages;
	struct oom_keep_range inline_range[OOM_KEEP_INLINE];
};

void oom_keep_init(struct oom_keep *keep, struct oom_keep_range *range,
		   unsigned int max);
void oom_keep_reset(struct oom_keep *keep);
bool oom_keep_add(struct oom_keep *keep, unsigned long start,
		  unsigned long end);
bool oom_keep_gap(const struct oom_keep *keep, unsigned long *start,
		  unsigned long *end);

#endif /* __MM_OOM_KEEP_H */
