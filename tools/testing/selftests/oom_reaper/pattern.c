// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <unistd.h>

#include "pattern.h"

static __u64 buf[8192];

static __u64 pattern(size_t i, __u64 salt)
{
	return (i + salt) * 0x9e3779b97f4a7c15ULL;
}

void pattern_fill(void *mem, size_t size, __u64 salt)
{
	__u64 *word = mem;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = pattern(i, salt);
}

long pattern_differing(const void *mem, size_t size, __u64 salt)
{
	const __u64 *word = mem;
	long count = 0;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		count += word[i] != pattern(i, salt);
	return count;
}

int pattern_fill_file(int fd, size_t size, __u64 salt)
{
	size_t at;

	for (at = 0; at < size; at += sizeof(buf)) {
		pattern_fill(buf, sizeof(buf), salt + at / sizeof(*buf));
		if (pwrite(fd, buf, sizeof(buf), at) != sizeof(buf))
			return -errno;
	}
	return 0;
}

long pattern_differing_file(int fd, size_t size, __u64 salt)
{
	long count = 0;
	size_t at;

	for (at = 0; at < size; at += sizeof(buf)) {
		if (pread(fd, buf, sizeof(buf), at) != sizeof(buf))
			return -1;
		count += pattern_differing(buf, sizeof(buf),
					   salt + at / sizeof(*buf));
	}
	return count;
}
