/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ranges of an address space that the OOM reaper keeps
 */
#ifndef __MM_OOM_KEEP_H
#define __MM_OOM_KEEP_H

#include <linux/mm.h>
#include <linux/sizes.h>

/**
 * struct oom_keep_range - a range of addresses that stays mapped
 * @start: first address, page aligned
 * @end: first address after the range, page aligned
 */
struct oom_keep_range {
	unsigned long start;
	unsigned long end;
};

/* Enough for a thread that holds a lock or two, without an allocation */
#define OOM_KEEP_INLINE		8

/*
 * The maximum number of pages of a victim to keep.  It allows for every entry
 * of a robust list of maximum length on a page of its own, or some huge pages.
 */
#define OOM_KEEP_PAGES		(max_t(unsigned long, SZ_16M, PMD_SIZE) >> \
				 PAGE_SHIFT)

/**
 * struct oom_keep - the ranges of an address space that must not be reaped
 * @range: sorted by address; ranges neither overlap nor touch
 * @nr: number of ranges in use
 * @max: number of ranges that fit
 * @nr_pages: number of pages in all ranges
 * @inline_range: used if the caller has no memory for more
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
