// SPDX-License-Identifier: GPL-2.0
/*
 * The ranges of a dying address space that the OOM reaper leaves alone.
 *
 * A table of a fixed size, because a victim of the OOM killer is no time to
 * allocate.  When it is full it loses precision, never a range: all ranges are
 * rounded out to coarser and coarser granules until enough of them have merged.
 */
#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "oom_reap.h"

/**
 * oom_keep_init() - prepare a table
 * @keep: the table
 * @range: room for its ranges, or NULL to do with the few that it has built in
 * @max: how many ranges there is room for in @range
 *
 * Context: any.
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
 *
 * Context: any.
 */
void oom_keep_reset(struct oom_keep *keep)
{
	keep->nr = 0;
	keep->granule = PAGE_SIZE;
}

static unsigned long round_out(const struct oom_keep *keep, unsigned long addr)
{
	unsigned long end = ALIGN(addr, keep->granule);

	/* The top of the address space is the one end that does not round */
	return end < addr ? ULONG_MAX : end;
}

/* The first range that ends behind @addr, or the number of ranges */
static unsigned int first_behind(const struct oom_keep *keep,
				 unsigned long addr)
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

/* Double the granule until at most half of the table is in use */
static void coarsen(struct oom_keep *keep)
{
	while (keep->nr > keep->max / 2) {
		unsigned int from, to = 0;

		keep->granule <<= 1;
		for (from = 0; from < keep->nr; from++) {
			struct oom_keep_range r = keep->range[from];

			r.start = ALIGN_DOWN(r.start, keep->granule);
			r.end = round_out(keep, r.end);
			if (to && keep->range[to - 1].end >= r.start)
				keep->range[to - 1].end = r.end;
			else
				keep->range[to++] = r;
		}
		keep->nr = to;
	}
}

/**
 * oom_keep_add() - keep a range of addresses
 * @keep: the table
 * @start: the first address
 * @end: the first address behind it; nothing is kept if it is not above @start
 *
 * Context: any.
 */
void oom_keep_add(struct oom_keep *keep, unsigned long start,
		  unsigned long end)
{
	unsigned int at, last;

	if (end <= start)
		return;

	if (keep->nr == keep->max)
		coarsen(keep);

	start = ALIGN_DOWN(start, keep->granule);
	end = round_out(keep, end);

	/* [at, last) are the ranges that overlap the new one, or touch it */
	at = start ? first_behind(keep, start - 1) : 0;
	for (last = at; last < keep->nr; last++) {
		if (keep->range[last].start > end)
			break;
		start = min(start, keep->range[last].start);
		end = max(end, keep->range[last].end);
	}

	if (last - at != 1)
		memmove(&keep->range[at + 1], &keep->range[last],
			(keep->nr - last) * sizeof(keep->range[0]));
	keep->range[at].start = start;
	keep->range[at].end = end;
	keep->nr += 1 - (last - at);
}

/**
 * oom_keep_has_room() - can another page be kept, and nothing more for it?
 * @keep: the table
 *
 * For what is better kept than reaped, but is not worth to have anything rounded
 * out.
 *
 * Context: any.
 * Return: false if the table is full, or ranges are rounded out already.
 */
bool oom_keep_has_room(const struct oom_keep *keep)
{
	return keep->nr < keep->max && keep->granule == PAGE_SIZE;
}

/**
 * oom_keep_gap() - find what need not be kept of a range of addresses
 * @keep: the table
 * @start: in: where to look from; out: where the first such part begins
 * @end: in: where to look to; out: where that part ends
 *
 * Context: any.
 * Return: false if all of the range is kept.
 */
bool oom_keep_gap(const struct oom_keep *keep, unsigned long *start,
		  unsigned long *end)
{
	unsigned int i;

	for (i = first_behind(keep, *start); i < keep->nr; i++) {
		if (keep->range[i].start > *start) {
			*end = min(*end, keep->range[i].start);
			break;
		}
		*start = keep->range[i].end;
	}
	return *start < *end;
}

/**
 * oom_keep_pages() - how much is kept
 * @keep: the table
 *
 * Context: any.
 * Return: the number of pages in all ranges.
 */
unsigned long oom_keep_pages(const struct oom_keep *keep)
{
	unsigned long nr_pages = 0;
	unsigned int i;

	for (i = 0; i < keep->nr; i++)
		nr_pages += (keep->range[i].end - keep->range[i].start) >>
			    PAGE_SHIFT;
	return nr_pages;
}
