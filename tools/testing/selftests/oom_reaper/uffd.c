// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"
#include "uffd.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif

bool uffd_possible(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int uffd_register(char *area, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range = { (uintptr_t)area, size },
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	size_t at;

	if (fd < 0)
		return -errno;
	/* To fill it needs no mmap_lock where there has been a page before */
	for (at = 0; at < size; at += 4096)
		area[at] = 1;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -errno;
	return fd;
}

int uffd_take(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), err;

	fd = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	err = errno;
	close(pidfd);
	return fd < 0 ? -err : fd;
}

int uffd_page(int fd, char *addr)
{
	static char buf[8192];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)addr,
		.src = ((uintptr_t)buf + 4095) & ~4095UL,
		.len = 4096,
	};

	return ioctl(fd, UFFDIO_COPY, &copy) ? -errno : 0;
}
