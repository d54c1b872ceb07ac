// SPDX-License-Identifier: GPL-2.0
/*
 * The ranges of a dying address space that the OOM reaper keeps.
 *
 * The table has a fixed size because the reaper must not allocate.  The number
 * of pages is limited because pages that are kept are not freed.  If a range
 * does not fit, the table refuses it and the caller decides what to do.
 */
#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "oom_keep.h"

/**
 * oom_keep_init() - prepare a table
 * @keep: the table
 * @range: array for the ranges, or NULL to use the small one in @keep
 * @max: number of ranges that fit into @range
 */
void oom_keep_init(struct oom_keep *keep, struct oom_keep_range *range,
		   unsigned int max)
{
	keep->range = range ?: keep->inline_range;
	keep->max = range ? max : OOM_KEEP_INLINE;
	oom_keep_reset(keep);
}

/**
 * oom_keep_reset() - forget all ranges
 * @keep: the table
 */
void oom_keep_reset(struct oom_keep *keep)
{
	keep->nr = 0;
	keep->nr_pages = 0;
}

/* The index of the first range that ends above @addr, or the number of ranges */
static unsigned int first_above(const struct oom_keep *keep, unsigned long addr)
{
	unsigned int low = 0, high = keep->nr;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (keep->range[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static unsigned long range_pages(unsigned long start, unsigned long end)
{
	return (end - start) >> PAGE_SHIFT;
}

/**
 * oom_keep_add() - keep the pages of a range of addresses
 * @keep: the table
 * @start: the first address
 * @end: the first address after the range; an empty range is not added
 *
 * Return: false if the range does not fit; the table is then unchanged.
 */
bool oom_keep_add(struct oom_keep *keep, unsigned long start,
		  unsigned long end)
{
	unsigned long nr_pages = keep->nr_pages;
	unsigned int at, last;

	if (end <= start)
		return true;

	start = ALIGN_DOWN(start, PAGE_SIZE);
	/* Rounding up would overflow at the top of the address space */
	end = end > ALIGN_DOWN(ULONG_MAX, PAGE_SIZE) ? ULONG_MAX :
		PAGE_ALIGN(end);

	/* Ranges [at, last) overlap or touch the new one */
	at = start ? first_above(keep, start - 1) : 0;
	for (last = at; last < keep->nr; last++) {
		const struct oom_keep_range *r = &keep->range[last];

		if (r->start > end)
			break;
		nr_pages -= range_pages(r->start, r->end);
		start = min(start, r->start);
		end = max(end, r->end);
	}

	nr_pages += range_pages(start, end);
	if (nr_pages > OOM_KEEP_PAGES || (at == last && keep->nr == keep->max))
		return false;

	if (last - at != 1)
		memmove(&keep->range[at + 1], &keep->range[last],
			(keep->nr - last) * sizeof(keep->range[0]));
	keep->range[at].start = start;
	keep->range[at].end = end;
	keep->nr += 1 - (last - at);
	keep->nr_pages = nr_pages;
	return true;
}

/**
 * oom_keep_gap() - find the part of a range of addresses that is not kept
 * @keep: the table
 * @start: in: start of the range; out: start of the first gap in it
 * @end: in: end of the range; out: end of the first gap in it
 *
 * Return: false if all of the range is kept.
 */
bool oom_keep_gap(const struct oom_keep *keep, unsigned long *start,
		  unsigned long *end)
{
	unsigned int i;

	for (i = first_above(keep, *start); i < keep->nr; i++) {
		if (keep->range[i].start > *start) {
			*end = min(*end, keep->range[i].start);
			break;
		}
		*start = keep->range[i].end;
	}
	return *start < *end;
}
