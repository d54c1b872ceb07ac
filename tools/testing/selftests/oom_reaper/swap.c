// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "probe.h"
#include "swap.h"

#define ZRAM_CONTROL	"/sys/class/zram-control"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define PAGEMAP_SWAPPED	62	/* bit number */

/* What mkswap writes: the header of version 1 at the start of the device */
static int make_swap(const char *device, size_t mb)
{
	static char page[4096];
	__u32 *info = (__u32 *)(page + 1024);
	int fd = open(device, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	memset(page, 0, sizeof(page));
	info[0] = 1;				/* version */
	info[1] = mb * PROBE_MB / 4096 - 1;	/* last page */
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	if (write(fd, page, sizeof(page)) != sizeof(page))
		err = -EIO;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int swap_start(struct swap *swap, size_t mb)
{
	char path[128], text[32];
	int err;

	memset(swap, 0, sizeof(*swap));
	swap->number = -1;
	err = probe_read(ZRAM_CONTROL "/hot_add", text, sizeof(text));
	if (err <= 0)
		return -ENODEV;
	swap->number = atoi(text);
	snprintf(swap->device, sizeof(swap->device), "/dev/zram%d",
		 swap->number);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize",
		 swap->number);
	snprintf(text, sizeof(text), "%zuM", mb);
	err = probe_write(path, text);
	if (!err && !probe_wait(!access(swap->device, F_OK), 2000))
		err = -ENOENT;
	if (!err)
		err = make_swap(swap->device, mb);
	if (!err && swapon(swap->device, 0))
		err = -errno;
	if (err) {
		swap_stop(swap);
		return err;
	}
	swap->on = true;
	return 0;
}

void swap_stop(struct swap *swap)
{
	char path[128], text[32];

	if (swap->on)
		swapoff(swap->device);
	if (swap->number >= 0) {
		snprintf(path, sizeof(path), "/sys/block/zram%d/reset",
			 swap->number);
		probe_write(path, "1");
		snprintf(text, sizeof(text), "%d", swap->number);
		probe_write(ZRAM_CONTROL "/hot_remove", text);
	}
	memset(swap, 0, sizeof(*swap));
	swap->number = -1;
}

bool swap_is_out(int pid, const void *addr)
{
	char path[64];
	__u64 entry = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pread(fd, &entry, sizeof(entry),
		  (uintptr_t)addr / 4096 * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> PAGEMAP_SWAPPED & 1;
}

bool swap_out(void *addr)
{
	void *page = (void *)((uintptr_t)addr & ~4095UL);

	return probe_wait((madvise(page, 4096, MADV_PAGEOUT),
			   swap_is_out(getpid(), addr)), 2000);
}
