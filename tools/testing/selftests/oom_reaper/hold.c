// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hold.h"
#include "probe.h"

#ifndef FOPEN_NOFLUSH
#define FOPEN_NOFLUSH	0x20
#endif

#define FILE_SIZE	HOLD_CHUNK
#define MAX_HELD	4096

/* What a file does; the kind is the first part of its name and of its inode */
enum kind {
	KIND_READ = 1,		/* direct I/O, READ is held */
	KIND_WRITE,		/* WRITE is held, opened read-only: direct I/O */
	KIND_FAULT,		/* READ is held, through the page cache */
	KIND_FAULT_LOCKED,	/* the same, but the first READ fails */
	KIND_CORE,		/* there once it is created, WRITE is held */
	KIND_DISK,		/* direct I/O, keeps what is written to it */
	NR_KINDS
};

struct hold_shared {
	struct {
		atomic_int held;
		atomic_int released;
		atomic_int failed;
		atomic_int created;
		atomic_int written[HOLD_PAGES];	/* first byte + 1 */
	} file[HOLD_FILES];
	atomic_int disk_ms;
	atomic_bool disk_fails;
};

struct request {
	__u64 unique;
	__u32 opcode;
	__u32 size;
	int file;
};

/* The server's own, no heap: it must work while memory is out */
static struct request held[MAX_HELD];
static int nr_held;
static char in[FUSE_MIN_READ_BUFFER + FILE_SIZE * 4];
static char zeroes[FILE_SIZE];
static char *disk;
static size_t disk_size;

static __u64 node_of(int kind, int file)
{
	return (__u64)kind * HOLD_FILES + file;
}

static int kind_of(__u64 node)
{
	return node / HOLD_FILES;
}

static int file_of(__u64 node)
{
	return node % HOLD_FILES;
}

static void name_of(struct hold *hold, int kind, int file, char *path,
		    size_t size)
{
	snprintf(path, size, "%s/%d.%d", hold->dir, kind, file);
}

static void reply(int dev, __u64 unique, int error, const void *data,
		  size_t len)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + len,
		.error = error,
		.unique = unique,
	};
	struct iovec iov[2] = {
		{ &out, sizeof(out) }, { (void *)data, len },
	};

	/* Fails when the request was interrupted before: nothing is lost */
	if (writev(dev, iov, len ? 2 : 1) < 0)
		return;
}

static void answer(int dev, const struct request *req)
{
	struct fuse_write_out written = { .size = req->size };

	if (req->opcode == FUSE_READ)
		reply(dev, req->unique, 0, zeroes,
		      req->size < FILE_SIZE ? req->size : FILE_SIZE);
	else
		reply(dev, req->unique, 0, &written, sizeof(written));
}

static void answer_released(struct hold_shared *shared, int dev)
{
	int i, kept = 0;

	for (i = 0; i < nr_held; i++) {
		int file = held[i].file;

		if (shared->file[file].released) {
			answer(dev, &held[i]);
			shared->file[file].held--;
		} else {
			held[kept++] = held[i];
		}
	}
	nr_held = kept;
}

static void hold_or_answer(struct hold_shared *shared, int dev,
			   const struct request *req)
{
	if (shared->file[req->file].released || nr_held == MAX_HELD) {
		answer(dev, req);
		return;
	}
	held[nr_held++] = *req;
	shared->file[req->file].held++;
}

static void fill_attr(struct fuse_attr *attr, __u64 node)
{
	memset(attr, 0, sizeof(*attr));
	attr->ino = node;
	attr->nlink = 1;
	attr->blksize = 4096;
	if (node == FUSE_ROOT_ID) {
		attr->mode = S_IFDIR | 0700;
		return;
	}
	attr->mode = S_IFREG | 0600;
	attr->size = FILE_SIZE;
	if (kind_of(node) == KIND_CORE)
		attr->size = 0;
	else if (kind_of(node) == KIND_DISK)
		attr->size = disk_size;
	attr->blocks = attr->size / 512;
}

static void fill_entry(struct fuse_entry_out *entry, __u64 node)
{
	memset(entry, 0, sizeof(*entry));
	entry->nodeid = node;
	entry->attr_valid = 3600;
	entry->entry_valid = kind_of(node) == KIND_CORE ? 0 : 3600;
	fill_attr(&entry->attr, node);
}

static __u64 node_by_name(const char *name)
{
	int kind, file;

	if (sscanf(name, "%d.%d", &kind, &file) != 2 || kind <= 0 ||
	    kind >= NR_KINDS || file < 0 || file >= HOLD_FILES)
		return 0;
	return node_of(kind, file);
}

static __u32 open_flags(__u64 node, __u32 flags)
{
	int kind = kind_of(node);

	if (kind == KIND_READ || kind == KIND_DISK ||
	    (kind == KIND_WRITE && (flags & O_ACCMODE) == O_RDONLY))
		return FOPEN_DIRECT_IO | FOPEN_NOFLUSH;
	return FOPEN_KEEP_CACHE | FOPEN_NOFLUSH;
}

static void serve_init(int dev, __u64 unique, const void *arg)
{
	const struct fuse_init_in *init = arg;
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.flags = FUSE_ASYNC_READ | FUSE_ASYNC_DIO | FUSE_BIG_WRITES,
		/* No readahead: a page fault reads its one page itself */
		.max_readahead = 0,
		.max_background = 512,
		.congestion_threshold = 512,
		.max_write = FILE_SIZE,
		.time_gran = 1,
	};

	if (init->minor < out.minor)
		out.minor = init->minor;
	reply(dev, unique, 0, &out, sizeof(out));
}

static void serve_lookup(struct hold_shared *shared, int dev, __u64 unique,
			 const char *name)
{
	__u64 node = node_by_name(name);
	struct fuse_entry_out entry;

	if (!node || (kind_of(node) == KIND_CORE &&
		      !shared->file[file_of(node)].created)) {
		reply(dev, unique, -ENOENT, NULL, 0);
		return;
	}
	fill_entry(&entry, node);
	reply(dev, unique, 0, &entry, sizeof(entry));
}

static void serve_create(struct hold_shared *shared, int dev, __u64 unique,
			 const char *name)
{
	__u64 node = node_by_name(name);
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;

	if (!node) {
		reply(dev, unique, -EACCES, NULL, 0);
		return;
	}
	memset(&out, 0, sizeof(out));
	fill_entry(&out.entry, node);
	out.open.open_flags = FOPEN_NOFLUSH;
	shared->file[file_of(node)].created = 1;
	reply(dev, unique, 0, &out, sizeof(out));
}

static bool on_disk(__u64 offset, __u32 size)
{
	return offset <= disk_size && size <= disk_size - offset;
}

static void read_disk(struct hold_shared *shared, int dev, __u64 unique,
		      const struct fuse_read_in *arg)
{
	if (shared->disk_ms)
		probe_sleep_ms(shared->disk_ms);
	if (shared->disk_fails || !on_disk(arg->offset, arg->size))
		reply(dev, unique, -EIO, NULL, 0);
	else
		reply(dev, unique, 0, disk + arg->offset, arg->size);
}

static void serve_read(struct hold_shared *shared, int dev, __u64 unique,
		       __u64 node, const struct fuse_read_in *arg)
{
	struct request req = { unique, FUSE_READ, arg->size, file_of(node) };
	int kind = kind_of(node);

	if (kind == KIND_DISK) {
		read_disk(shared, dev, unique, arg);
		return;
	}
	/*
	 * A page fault drops mmap_lock to read, and comes back to see what it
	 * got. When the first READ has failed it reads a second time, and then
	 * it keeps the lock.
	 */
	if (kind == KIND_FAULT_LOCKED && !shared->file[req.file].failed) {
		shared->file[req.file].failed = 1;
		reply(dev, unique, -EIO, NULL, 0);
	} else if (kind == KIND_READ || kind == KIND_FAULT ||
		   kind == KIND_FAULT_LOCKED) {
		hold_or_answer(shared, dev, &req);
	} else {
		answer(dev, &req);
	}
}

static void serve_write(struct hold_shared *shared, int dev, __u64 unique,
			__u64 node, const struct fuse_write_in *arg)
{
	struct request req = { unique, FUSE_WRITE, arg->size, file_of(node) };
	const unsigned char *data = (const void *)(arg + 1);
	__u32 at;

	if (kind_of(node) == KIND_DISK) {
		if (on_disk(arg->offset, arg->size)) {
			memcpy(disk + arg->offset, arg + 1, arg->size);
			answer(dev, &req);
		} else {
			reply(dev, unique, -EIO, NULL, 0);
		}
		return;
	}
	for (at = 0; at < arg->size; at += 4096) {
		__u64 page = (arg->offset + at) / 4096;

		if (page < HOLD_PAGES)
			shared->file[req.file].written[page] = data[at] + 1;
	}
	hold_or_answer(shared, dev, &req);
}

static void serve_one(struct hold_shared *shared, int dev)
{
	struct fuse_in_header *head = (void *)in;
	struct fuse_attr_out attr = { .attr_valid = 3600 };
	struct fuse_open_out opened = { 0 };
	void *arg = head + 1;

	if (read(dev, in, sizeof(in)) < (ssize_t)sizeof(*head))
		return;

	switch (head->opcode) {
	case FUSE_INIT:
		serve_init(dev, head->unique, arg);
		break;
	case FUSE_LOOKUP:
		serve_lookup(shared, dev, head->unique, arg);
		break;
	case FUSE_CREATE:
		serve_create(shared, dev, head->unique,
			     (char *)arg + sizeof(struct fuse_create_in));
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		fill_attr(&attr.attr, head->nodeid);
		reply(dev, head->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		opened.open_flags =
			open_flags(head->nodeid,
				   ((struct fuse_open_in *)arg)->flags);
		reply(dev, head->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_OPENDIR:
		reply(dev, head->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		serve_read(shared, dev, head->unique, head->nodeid, arg);
		break;
	case FUSE_WRITE:
		serve_write(shared, dev, head->unique, head->nodeid, arg);
		break;
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_UNLINK:
		reply(dev, head->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(dev, head->unique, -EOPNOTSUPP, NULL, 0);
	}
}

static void serve(struct hold *hold, int dev)
{
	struct pollfd fds[2] = {
		{ .fd = dev, .events = POLLIN },
		{ .fd = hold->kick, .events = POLLIN },
	};
	struct sched_param param = { .sched_priority = 97 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "hold_server");
	disk = hold->disk;
	disk_size = hold->disk_size;
	/* Best effort: the server must get its turn among spinners and hogs */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	sched_setscheduler(0, SCHED_FIFO, &param);

	for (;;) {
		__u64 kicks;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents & (POLLERR | POLLHUP))
			_exit(0);
		if (fds[1].revents &&
		    read(hold->kick, &kicks, sizeof(kicks)) > 0)
			answer_released(hold->shared, dev);
		if (fds[0].revents)
			serve_one(hold->shared, dev);
	}
}

/*
 * Dirty pages of a FUSE mount have a tight limit of their own, and then it is
 * the flusher that writes the one page of hold_in_mmap(), too early.
 */
static void lift_dirty_limit(struct hold *hold)
{
	char path[96];
	struct stat st;

	if (stat(hold->dir, &st))
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/strict_limit",
		 major(st.st_dev), minor(st.st_dev));
	probe_write(path, "0");
}

int hold_start(struct hold *hold)
{
	return hold_start_disk(hold, 0);
}

int hold_start_disk(struct hold *hold, size_t mb)
{
	char options[128];
	int dev, err;

	memset(hold, 0, sizeof(*hold));
	hold->kick = -1;
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (dev < 0)
		return -ENODEV;

	hold->shared = mmap(NULL, sizeof(*hold->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hold->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mb) {
		hold->disk_size = mb * PROBE_MB;
		hold->disk = mmap(NULL, hold->disk_size, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	snprintf(hold->dir, sizeof(hold->dir), "/tmp/oom_reaper.XXXXXX");
	if (hold->shared == MAP_FAILED || hold->disk == MAP_FAILED ||
	    hold->kick < 0)
		goto fail;
	mkdir("/tmp", 01777);
	if (!mkdtemp(hold->dir)) {
		*hold->dir = '\0';
		goto fail;
	}
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40700,user_id=0,group_id=0", dev);
	if (mount("oom_reaper", hold->dir, "fuse", MS_NOSUID | MS_NODEV,
		  options))
		goto fail;

	hold->server = fork();
	if (hold->server < 0)
		goto fail;
	if (!hold->server)
		serve(hold, dev);
	/* Only the server has it: when it is gone all waits end */
	close(dev);
	lift_dirty_limit(hold);
	return 0;

fail:
	err = -errno;
	close(dev);
	hold_stop(hold);
	return err;
}

void hold_stop(struct hold *hold)
{
	if (hold->server > 0) {
		hold_release_all(hold);
		kill(hold->server, SIGKILL);
		waitpid(hold->server, NULL, 0);
	}
	if (*hold->dir) {
		umount2(hold->dir, MNT_DETACH);
		rmdir(hold->dir);
	}
	if (hold->kick >= 0)
		close(hold->kick);
	if (hold->shared && hold->shared != MAP_FAILED)
		munmap(hold->shared, sizeof(*hold->shared));
	if (hold->disk && hold->disk != MAP_FAILED)
		munmap(hold->disk, hold->disk_size);
	memset(hold, 0, sizeof(*hold));
	hold->kick = -1;
}

bool hold_wait(struct hold *hold, int file, int count, int ms)
{
	return probe_wait(hold->shared->file[file].held >= count, ms);
}

static void kick(struct hold *hold)
{
	__u64 one = 1;

	if (write(hold->kick, &one, sizeof(one)) < 0)
		perror("hold: eventfd");
}

void hold_release(struct hold *hold, int file)
{
	hold->shared->file[file].released = 1;
	kick(hold);
}

void hold_release_all(struct hold *hold)
{
	int file;

	for (file = 0; file < HOLD_FILES; file++)
		hold->shared->file[file].released = 1;
	kick(hold);
}

static int open_file(struct hold *hold, int kind, int file, int flags)
{
	char path[128];
	int fd;

	name_of(hold, kind, file, path, sizeof(path));
	fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int hold_in_read(struct hold *hold, int file)
{
	int fd = open_file(hold, KIND_READ, file, O_RDONLY);
	char byte;
	int err;

	if (fd < 0)
		return fd;
	err = read(fd, &byte, 1) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/*
 * A task that has been killed withdraws a request that the server has not read
 * yet: to get the rest of a write() the server has to read it first. On the same
 * CPU it does, because it is woken before the task waits.
 */
static void run_beside_server(struct hold *hold)
{
	int cpu = sched_getcpu();
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu < 0 ? 0 : cpu, &cpus);
	if (sched_setaffinity(hold->server, sizeof(cpus), &cpus) ||
	    sched_setaffinity(0, sizeof(cpus), &cpus))
		perror("hold: sched_setaffinity");
}

int hold_in_write(struct hold *hold, int file, const void *next, size_t len)
{
	struct iovec iov[2] = {
		{ zeroes, HOLD_CHUNK }, { (void *)next, len },
	};
	int fd = open_file(hold, KIND_CORE, file, O_WRONLY | O_CREAT);
	int err;

	if (fd < 0)
		return fd;
	run_beside_server(hold);
	err = writev(fd, iov, 2) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int hold_written(struct hold *hold, int file, int page)
{
	return hold->shared->file[file].written[page] - 1;
}

static int stuck_in_mmap(struct hold *hold, int file, char *at)
{
	int cached = open_file(hold, KIND_WRITE, file, O_RDWR);
	int direct = open_file(hold, KIND_WRITE, file, O_RDONLY);
	char *page, *other;

	if (cached < 0 || direct < 0)
		return cached < 0 ? cached : direct;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, cached, 0);
	if (page == MAP_FAILED)
		return -errno;
	*page = 1;
	/*
	 * fuse_file_mmap() of a direct I/O file throws the cached pages out,
	 * writes the dirty one back first and waits for the server.
	 */
	other = mmap(at, 4096, PROT_READ, MAP_PRIVATE | (at ? MAP_FIXED : 0),
		     direct, 0);
	if (other == MAP_FAILED)
		return -errno;
	munmap(other, 4096);
	munmap(page, 4096);
	close(cached);
	close(direct);
	return 0;
}

int hold_in_mmap(struct hold *hold, int file)
{
	return stuck_in_mmap(hold, file, NULL);
}

int hold_in_mmap_over(struct hold *hold, int file, char *page)
{
	return stuck_in_mmap(hold, file, page);
}

atomic_int *hold_word(struct hold *hold, int file, bool locked)
{
	int kind = locked ? KIND_FAULT_LOCKED : KIND_FAULT;
	int fd = open_file(hold, kind, file, O_RDWR);
	void *page;

	if (fd < 0)
		return NULL;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

int hold_in_fault(struct hold *hold, int file)
{
	atomic_int *word = hold_word(hold, file, true);

	if (!word)
		return -errno;
	*word = 1;
	return 0;
}

int hold_aio(struct hold *hold, int file)
{
	int fd = open_file(hold, KIND_READ, file, O_RDONLY | O_DIRECT);
	/* Direct I/O wants it aligned, and it must outlive this function */
	void *buf = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = fd,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = 4096,
	}, *list = &cb;
	aio_context_t ctx = 0;

	if (fd < 0)
		return fd;
	if (buf == MAP_FAILED || syscall(SYS_io_setup, 1, &ctx) ||
	    syscall(SYS_io_submit, ctx, 1, &list) != 1)
		return -errno;
	return 0;
}

void hold_core_path(struct hold *hold, int file, char *path, size_t size)
{
	name_of(hold, KIND_CORE, file, path, size);
}

void hold_disk_path(struct hold *hold, char *path, size_t size)
{
	name_of(hold, KIND_DISK, 0, path, size);
}

void hold_disk_reads(struct hold *hold, int ms, bool fails)
{
	hold->shared->disk_ms = ms;
	hold->shared->disk_fails = fails;
}
