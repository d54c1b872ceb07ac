/* SPDX-License-Identifier: GPL-2.0 */
/* Memory whose every byte is known */
#ifndef OOM_REAPER_PATTERN_H
#define OOM_REAPER_PATTERN_H

#include <stddef.h>
#include <linux/types.h>

/*
 * Each @salt is another pattern. That of a part which begins at word N of a
 * memory is the whole one's with @salt + N.
 */
void pattern_fill(void *mem, size_t size, __u64 salt);
/* Return: how many words are not what they were filled with */
long pattern_differing(const void *mem, size_t size, __u64 salt);

/* The same for a file. Return: 0 or -errno; -1 if it is too short */
int pattern_fill_file(int fd, size_t size, __u64 salt);
long pattern_differing_file(int fd, size_t size, __u64 salt);

#endif
