// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/types.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probe.h"
#include "swap.h"

#define ZRAM_CONTROL	"/sys/class/zram-control"
#define ZSWAP_ENABLED	"/sys/module/zswap/parameters/enabled"

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

static int start_zram(struct swap *swap, size_t mb)
{
	char path[128], text[32];
	int err;

	err = probe_read(ZRAM_CONTROL "/hot_add", text, sizeof(text));
	if (err <= 0)
		return -ENODEV;
	swap->number = atoi(text);
	snprintf(swap->device, sizeof(swap->device), "/dev/zram%d",
		 swap->number);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize",
		 swap->number);
	snprintf(text, sizeof(text), "%zuM", mb);
	return probe_write(path, text);
}

static int start_loop(struct swap *swap, size_t mb)
{
	char path[128];
	int control, number, file, err;

	err = hold_start_disk(&swap->disk, mb);
	if (err)
		return err;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -ENODEV;
	number = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(swap->device, sizeof(swap->device), "/dev/loop%d", number);
	swap->loop = open(swap->device, O_RDWR | O_CLOEXEC);
	if (swap->loop < 0)
		return -ENODEV;
	hold_disk_path(&swap->disk, path, sizeof(path));
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return -errno;
	err = ioctl(swap->loop, LOOP_SET_FD, file) ? -errno : 0;
	close(file);
	return err;
}

static int start_zswap(struct swap *swap)
{
	char text[8];

	if (probe_read(ZSWAP_ENABLED, text, sizeof(text)) <= 0)
		return -ENODEV;
	if (*text == 'Y')
		return 0;
	swap->zswap = true;
	return probe_write(ZSWAP_ENABLED, "Y");
}

/* The area on a disk that has been in use from the beginning */
static int find_virtio(void)
{
	char buf[4096];

	if (probe_read("/proc/swaps", buf, sizeof(buf)) <= 0 ||
	    !strstr(buf, "/dev/vd"))
		return -ENODEV;
	return 0;
}

int swap_start_on(struct swap *swap, enum swap_kind kind, size_t mb)
{
	int err = 0;

	memset(swap, 0, sizeof(*swap));
	swap->kind = kind;
	swap->number = -1;
	swap->loop = -1;
	if (kind == SWAP_VIRTIO)
		return find_virtio();

	if (kind == SWAP_ZRAM)
		err = start_zram(swap, mb);
	else
		err = start_loop(swap, mb);
	if (!err && !probe_wait(!access(swap->device, F_OK), 2000))
		err = -ENOENT;
	if (!err)
		err = make_swap(swap->device, mb);
	if (!err && kind == SWAP_ZSWAP)
		err = start_zswap(swap);
	if (!err && swapon(swap->device, SWAP_FLAG_PREFER | 100))
		err = -errno;
	if (err) {
		swap_stop(swap);
		return err;
	}
	swap->on = true;
	if (kind == SWAP_ZSWAP || kind == SWAP_SLOW_DISK)
		hold_disk_reads(&swap->disk, SWAP_SLOW_MS, false);
	return 0;
}

int swap_start(struct swap *swap, size_t mb)
{
	return swap_start_on(swap, SWAP_ZRAM, mb);
}

void swap_fail(struct swap *swap)
{
	hold_disk_reads(&swap->disk, 0, true);
}

void swap_stop(struct swap *swap)
{
	char path[128], text[32];

	if (swap->disk.server)
		hold_disk_reads(&swap->disk, 0, false);
	if (swap->on)
		swapoff(swap->device);
	if (swap->zswap)
		probe_write(ZSWAP_ENABLED, "N");
	if (swap->loop > 0) {
		ioctl(swap->loop, LOOP_CLR_FD);
		close(swap->loop);
	}
	if (swap->disk.server)
		hold_stop(&swap->disk);
	if (*swap->device && swap->number >= 0) {
		snprintf(path, sizeof(path), "/sys/block/zram%d/reset",
			 swap->number);
		probe_write(path, "1");
		snprintf(text, sizeof(text), "%d", swap->number);
		probe_write(ZRAM_CONTROL "/hot_remove", text);
	}
	memset(swap, 0, sizeof(*swap));
	swap->number = -1;
	swap->loop = -1;
}

bool swap_has_page_of(pid_t pid, const void *addr)
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

bool swap_is_out(void *addr)
{
	void *page = (void *)((uintptr_t)addr & ~4095UL);
	unsigned char cached = 1;

	/* Of a page that is swapped out it tells of the swap cache */
	return swap_has_page_of(getpid(), page) &&
	       !mincore(page, 4096, &cached) && !(cached & 1);
}

bool swap_out(void *addr)
{
	atomic_char *page = (void *)((uintptr_t)addr & ~4095UL);

	/*
	 * What has been written to a disk stays in the swap cache. It goes when
	 * it is found there, unchanged, the next time.
	 */
	return probe_wait((atomic_load(page),
			   madvise((void *)page, 4096, MADV_PAGEOUT),
			   swap_is_out((void *)page)), 5000);
}

static void page_out_mappings(pid_t pid, int pidfd)
{
	unsigned long start, end;
	char path[64], line[512], flags[8];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		struct iovec vec;

		if (sscanf(line, "%lx-%lx %7s", &start, &end, flags) != 3 ||
		    flags[1] != 'w' || flags[3] != 'p')
			continue;
		vec.iov_base = (void *)start;
		vec.iov_len = end - start;
		syscall(SYS_process_madvise, pidfd, &vec, 1, MADV_PAGEOUT, 0);
	}
	if (maps)
		fclose(maps);
}

bool swap_out_process(pid_t pid, long rest_kb)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	bool done;

	if (pidfd < 0)
		return false;
	done = probe_wait((page_out_mappings(pid, pidfd),
			   probe_status(pid, "RssAnon") <= rest_kb), 20000);
	close(pidfd);
	return done;
}
