/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holding a task still, from user space alone: a FUSE server that reads a
 * request and does not answer it. Once the server has read the request, not
 * even SIGKILL moves the task that waits for the answer.
 *
 * Each place to be stuck in is a file of the mount, known by its number. What
 * was held is answered on hold_release(), and on hold_stop() at the latest;
 * should the test die, its server dies with it and the kernel ends the waits.
 */
#ifndef OOM_REAPER_HOLD_H
#define OOM_REAPER_HOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HOLD_FILES	1024
#define HOLD_CHUNK	65536	/* a write() is held after so many bytes */
#define HOLD_PAGES	32	/* of a file that are remembered */

struct hold_shared;

struct hold {
	pid_t server;
	int kick;			/* eventfd: look at the releases */
	char dir[64];
	struct hold_shared *shared;
	char *disk;			/* content of the disk, NULL: none */
	size_t disk_size;
};

/* Return: 0 or -errno, -ENODEV without FUSE */
int hold_start(struct hold *hold);
void hold_stop(struct hold *hold);

/*
 * The same with a file of @mb megabytes that keeps what is written to it, for a
 * loop device. It is as fast as the machine and never fails, until it is told
 * otherwise.
 */
int hold_start_disk(struct hold *hold, size_t mb);
void hold_disk_path(struct hold *hold, char *path, size_t size);
/* From now on a read takes @ms milliseconds, and fails with EIO if @fails */
void hold_disk_reads(struct hold *hold, int ms, bool fails);

/* Wait until @count requests on @file are held */
bool hold_wait(struct hold *hold, int file, int count, int ms);
/* Answer what is held on @file, and from now on at once */
void hold_release(struct hold *hold, int file);
void hold_release_all(struct hold *hold);

/*
 * To be called by the task that is to be stuck. They return only after a
 * release, and -errno when it did not come to that.
 */

/* D state in read(), nothing held */
int hold_in_read(struct hold *hold, int file);
/*
 * D state in write(), nothing held, HOLD_CHUNK bytes of something else have
 * been copied. When it is released it goes on with @next, and hold_written()
 * tells what of that got through.
 */
int hold_in_write(struct hold *hold, int file, const void *next, size_t len);
/* D state in mmap(), this mm's mmap_lock held for write */
int hold_in_mmap(struct hold *hold, int file);
/* The same, and the VMA that has @page in it write-locked; the page is lost */
int hold_in_mmap_over(struct hold *hold, int file, char *page);
/* D state in a page fault, this mm's mmap_lock held for read */
int hold_in_fault(struct hold *hold, int file);

/*
 * The first byte of a page that was written by hold_in_write(), counted from the
 * start of the file. Return: -1 if it did not come to that
 */
int hold_written(struct hold *hold, int file, int page);

/* These return at once */

/*
 * A word of private memory: the first to touch it sleeps in D state in its
 * page fault, with mmap_lock held for read if @locked. NULL on failure.
 */
atomic_int *hold_word(struct hold *hold, int file, bool locked);
/* An asynchronous read: exit_aio() will wait for it. Return: 0 or -errno */
int hold_aio(struct hold *hold, int file);
/* Path of a file whose creator sleeps in its first write() */
void hold_core_path(struct hold *hold, int file, char *path, size_t size);

#endif
