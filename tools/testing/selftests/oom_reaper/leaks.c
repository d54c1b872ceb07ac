// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../kselftest.h"
#include "leaks.h"
#include "probe.h"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define OWNERS		"/sys/kernel/debug/page_owner_stacks/"

#define MAX_MISSING_KB	(8 * 1024)
#define SHOWN_OWNERS	3

/* Return: free memory in kB once all is at rest */
static long settle(void)
{
	static const char * const cache[] = {
		"mm_struct", "task_struct", "vm_area_struct", "anon_vma",
		"anon_vma_chain", "signal_cache", "filp",
	};
	char path[96];
	unsigned int i;

	probe_write("/proc/sys/vm/drop_caches", "3");
	/* Takes in the free pages of the CPUs */
	probe_write("/proc/sys/vm/compact_memory", "1");
	for (i = 0; i < ARRAY_SIZE(cache); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 cache[i]);
		probe_write(path, "1");
	}
	/* Swap space is memory that has only gone elsewhere */
	return probe_free_kb() + probe_meminfo_kb("SwapFree");
}

/* Return: how many objects are in use, -1 if that is not known */
static long slab_objects(const char *cache)
{
	char line[256];
	size_t len = strlen(cache);
	FILE *file = fopen("/proc/slabinfo", "re");
	long active = -1;

	if (!file)
		return -1;
	while (active < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, cache, len) && line[len] == ' ')
			active = strtol(line + len, NULL, 10);
	fclose(file);
	return active;
}

static long owned_before(const struct leaks *leaks, unsigned long stack)
{
	int i;

	for (i = 0; i < leaks->owners; i++)
		if (leaks->owner[i].stack == stack)
			return leaks->owner[i].pages;
	return LEAKS_PAGES;
}

/*
 * Page owner has a paragraph for each stack, and its number of pages in the last
 * line of it. With @before, prints those that have become more.
 */
static void read_owners(struct leaks *leaks, const struct leaks *before)
{
	FILE *file = fopen(OWNERS "show_stacks", "re");
	char line[256], text[4096];
	unsigned long hash = 5381;
	size_t len = 0;
	int shown = 0;

	if (leaks)
		leaks->owners = 0;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		const char *at;
		long pages;

		if (*line == '\n')
			continue;
		if (sscanf(line, "nr_base_pages: %ld", &pages) != 1) {
			for (at = line; *at; at++)
				hash = hash * 33 + *at;
			len += snprintf(text + len, sizeof(text) - len, "#  %s",
					line);
			if (len >= sizeof(text))
				len = sizeof(text) - 1;
			continue;
		}
		if (leaks && leaks->owners < LEAKS_OWNERS)
			leaks->owner[leaks->owners++] =
				(struct leaks_owner){ hash, pages };
		if (before && pages >= owned_before(before, hash) + LEAKS_PAGES &&
		    shown++ < SHOWN_OWNERS)
			ksft_print_msg("%ld pages more than before:\n%s",
				       pages - owned_before(before, hash), text);
		hash = 5381;
		len = 0;
	}
	fclose(file);
}

void leaks_begin(struct leaks *leaks)
{
	long free_kb;
	int i = 0;

	/* What is not referenced now is old news */
	if (!probe_write(KMEMLEAK, "scan"))
		probe_write(KMEMLEAK, "clear");
	/* Not before the memory of the boot has come back, or it could hide a leak */
	do {
		free_kb = settle();
		probe_sleep_ms(500);
		leaks->free_kb = settle();
	} while (leaks->free_kb > free_kb + 1024 && i++ < 20);
	leaks->mms = slab_objects("mm_struct");
	leaks->tasks = slab_objects("task_struct");
	probe_write(OWNERS "count_threshold", "256");
	read_owners(leaks, NULL);
}

bool leaks_none(const struct leaks *leaks)
{
	long free_kb, mms, tasks;
	bool same;

	probe_wait((free_kb = settle(),
		    mms = slab_objects("mm_struct"),
		    tasks = slab_objects("task_struct"),
		    same = free_kb >= leaks->free_kb - MAX_MISSING_KB &&
			   mms <= leaks->mms + 8 && tasks <= leaks->tasks + 16),
		   10000);
	ksft_print_msg("before: %ld kB free, %ld mm_struct, %ld task_struct\n",
		       leaks->free_kb, leaks->mms, leaks->tasks);
	ksft_print_msg("after: %ld kB free, %ld mm_struct, %ld task_struct\n",
		       free_kb, mms, tasks);
	if (!same)
		read_owners(NULL, leaks);
	return same;
}

int leaks_kmemleak(char *report, int size)
{
	int i, err;

	/*
	 * It reports nothing younger than five seconds, and what one scan sees
	 * can be on its way from here to there.
	 */
	for (i = 0; i < 3; i++) {
		probe_sleep_ms(6000);
		err = probe_write(KMEMLEAK, "scan");
		/* It gives up for good when it gets no memory for itself */
		if (err)
			return err;
		err = probe_read(KMEMLEAK, report, size);
		if (err <= 0)
			return err;
	}
	return 1;
}
