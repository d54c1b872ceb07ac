// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that victims share with others: pages with their parents and children,
 * files, shared memory. It must not change by a bit, and the victim's private
 * memory must be back within a second.
 *
 * Stock waits for two seconds before it looks at a victim, and never gets the
 * memory of one whose mmap_lock is held for write: it fails all these tests
 * except the guards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "pattern.h"
#include "scene.h"

#define THP		"/sys/kernel/mm/transparent_hugepage"

#define OWN_MB		16	/* plain memory that each victim has as well */
#define MB		48	/* memory that is shared, or half of it */
#define PAGE		4096UL

/* Flags of a victim's body; up from ASK they are for a relative of it */
enum { FIGURE, STOP, ASK, ANSWER };

/* Return: the address, or NULL with errno set */
static char *map(size_t size, int flags, int fd)
{
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static char *map_anon(size_t size)
{
	return map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* A file that lies on a tmpfs. Return: the descriptor, or -errno */
static int make_file(size_t size, __u64 salt)
{
	int fd = memfd_create("oom_reaper", MFD_CLOEXEC);
	char *mem;

	if (fd < 0 || ftruncate(fd, size))
		return -errno;
	mem = map(size, MAP_SHARED, fd);
	if (!mem)
		return -errno;
	pattern_fill(mem, size, salt);
	munmap(mem, size);
	return fd;
}

/* What a test has set up */
struct stage {
	struct scene scene;
	struct victim victim;
	char mount[64];
	int loop;
};

FIXTURE(shared)
{
	struct stage stage;
};

FIXTURE_VARIANT(shared)
{
	enum victim_stuck stuck;
};

FIXTURE_VARIANT_ADD(shared, read)
{
	.stuck = VICTIM_READ,
};

/* The reaper has to go under the locks of the VMAs */
FIXTURE_VARIANT_ADD(shared, mmap_lock)
{
	.stuck = VICTIM_MMAP_WRITE,
};

FIXTURE_SETUP(shared)
{
	int err = scene_start(&self->stage.scene);

	self->stage.loop = -1;
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->stage.victim = (struct victim){
		.mb = OWN_MB,
		.stuck = variant->stuck,
		.hold = &self->stage.scene.hold,
	};
}

static void unmount_disk(struct stage *stage)
{
	if (*stage->mount) {
		umount2(stage->mount, MNT_DETACH);
		rmdir(stage->mount);
	}
	if (stage->loop >= 0) {
		ioctl(stage->loop, LOOP_CLR_FD);
		close(stage->loop);
	}
	*stage->mount = '\0';
	stage->loop = -1;
}

FIXTURE_TEARDOWN(shared)
{
	hold_release_all(&self->stage.scene.hold);
	victim_stop(&self->stage.victim);
	unmount_disk(&self->stage);
	scene_stop(&self->stage.scene);
}

static void start(struct __test_metadata *_metadata, struct stage *stage,
		  int (*body)(struct victim *victim), void *arg)
{
	stage->victim.body = body;
	stage->victim.arg = arg;
	ASSERT_EQ(0, victim_start(&stage->victim));
}

static void reap(struct __test_metadata *_metadata, struct stage *stage,
		 size_t mb)
{
	EXPECT_TRUE(scene_reap(&stage->scene, &stage->victim, mb));
}

/* Let the victim go, and look whether everything is in order then */
static void let_go(struct __test_metadata *_metadata, struct stage *stage)
{
	EXPECT_TRUE(scene_let_go(&stage->scene, &stage->victim));
}

/*
 * A child that has, copy-on-write, the memory of its parent; each time it is
 * asked it looks whether it is what it was.
 */
static void live_as_child(struct victim_shared *shared, const char *mem,
			  size_t size, __u64 salt)
{
	int asked = 0;

	probe_write("/proc/self/oom_score_adj", "-1000");
	alarm(60);
	while (!shared->flag[STOP] && !pattern_differing(mem, size, salt)) {
		shared->flag[ANSWER] = asked;
		do
			probe_sleep_ms(5);
		while (shared->flag[ASK] == asked && !shared->flag[STOP]);
		asked = shared->flag[ASK];
	}
	_exit(0);
}

static bool child_intact(struct victim *victim)
{
	int ask = ++victim->shared->flag[ASK];

	return probe_wait(victim->shared->flag[ANSWER] == ask, 5000);
}

static int have_child(struct victim *victim)
{
	char *mem = map_anon(MB * PROBE_MB);
	pid_t pid;

	if (!mem)
		return -errno;
	madvise(mem, MB * PROBE_MB, victim->huge ? MADV_HUGEPAGE :
						   MADV_NOHUGEPAGE);
	pattern_fill(mem, MB * PROBE_MB, 1);
	victim->shared->flag[ANSWER] = -1;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		live_as_child(victim->shared, mem, MB * PROBE_MB, 1);
	/* Half of it the parent writes again, and gets pages of its own */
	pattern_fill(mem, MB * PROBE_MB / 2, 2);
	return 0;
}

static void reap_parent(struct __test_metadata *_metadata,
			struct stage *stage)
{
	struct victim *victim = &stage->victim;

	victim->body = have_child;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_TRUE(child_intact(victim));
	/* The child must not give back what it got from the victim alone */
	reap(_metadata, stage, MB / 2);
	EXPECT_TRUE(child_intact(victim));
	let_go(_metadata, stage);
	EXPECT_TRUE(child_intact(victim));
	victim->shared->flag[STOP] = 1;
	probe_sleep_ms(50);
}

TEST_F(shared, shared_with_child)
{
	reap_parent(_metadata, &self->stage);
}

TEST_F(shared, huge_pages_shared_with_child)
{
	if (access(THP, F_OK))
		SKIP(return, "no transparent huge pages");
	self->stage.victim.huge = true;
	reap_parent(_metadata, &self->stage);
}

struct inherited {
	char *mem;
	size_t size;
};

static int be_child(struct victim *victim)
{
	struct inherited *inherited = victim->arg;

	/* Half of it becomes the child's own, the rest is read */
	pattern_fill(inherited->mem, inherited->size / 2, 2);
	victim->shared->flag[FIGURE] =
		pattern_differing(inherited->mem + inherited->size / 2,
				  inherited->size / 2, 1);
	return 0;
}

/* The test itself is the parent */
TEST_F(shared, shared_with_parent)
{
	struct inherited inherited = { .size = MB * PROBE_MB };

	inherited.mem = map_anon(inherited.size);
	ASSERT_NE(NULL, inherited.mem);
	pattern_fill(inherited.mem, inherited.size, 1);
	start(_metadata, &self->stage, be_child, &inherited);
	reap(_metadata, &self->stage, MB / 2);
	EXPECT_EQ(0, pattern_differing(inherited.mem, inherited.size, 1));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(0, pattern_differing(inherited.mem, inherited.size, 1));
	munmap(inherited.mem, inherited.size);
}

#define FILE_MB	24

/*
 * Three private mappings of a file: one is only read, one is written to (its
 * pages are the victim's own then), one has its file written to by write().
 */
static int map_file_privately(struct victim *victim)
{
	int fd = *(int *)victim->arg;
	size_t at, size = FILE_MB * PROBE_MB;
	static char buf[PAGE];
	char *mem[3];
	long sum = 0;
	int i;

	for (i = 0; i < 3; i++) {
		mem[i] = map(size, MAP_PRIVATE, fd);
		if (!mem[i])
			return -errno;
	}
	for (at = 0; at < size; at += PAGE) {
		sum += mem[0][at] + mem[2][at];
		mem[1][at] = 42;
	}
	for (at = 0; at < size / 2; at += PAGE) {
		pattern_fill(buf, PAGE, 3 + at / sizeof(__u64));
		if (pwrite(fd, buf, PAGE, at) != PAGE)
			return -errno;
	}
	for (at = 0; at < size; at += PAGE)
		sum += mem[0][at] + mem[2][at];
	victim->shared->flag[FIGURE] = sum;
	return 0;
}

static void check_file(struct __test_metadata *_metadata, int fd, bool fresh)
{
	size_t half = FILE_MB * PROBE_MB / 2;
	char *mem = map(2 * half, MAP_SHARED, fd);
	long written, rest;

	ASSERT_NE(NULL, mem);
	written = pattern_differing(mem, half, 3);
	rest = pattern_differing(mem + half, half, 4 + half / sizeof(__u64));
	scene_print("%s: %ld words written through differ, %ld of the rest",
		    fresh ? "on the disk" : "in memory", written, rest);
	EXPECT_EQ(0, written);
	EXPECT_EQ(0, rest);
	munmap(mem, 2 * half);
}

static void reap_file_mapper(struct __test_metadata *_metadata,
			     struct stage *stage, int fd)
{
	stage->victim.body = map_file_privately;
	stage->victim.arg = &fd;
	ASSERT_EQ(0, victim_start(&stage->victim));
	reap(_metadata, stage, OWN_MB + FILE_MB);
	check_file(_metadata, fd, false);
	let_go(_metadata, stage);
	check_file(_metadata, fd, false);
}

TEST_F(shared, private_file)
{
	int fd = make_file(FILE_MB * PROBE_MB, 4);

	ASSERT_LE(0, fd);
	reap_file_mapper(_metadata, &self->stage, fd);
	close(fd);
}

static int write_privately(struct victim *victim)
{
	struct inherited *inherited = victim->arg;

	memset(inherited->mem, 42, inherited->size);
	return 0;
}

/*
 * Whoever still reads from a victim's copy of a file gets the copy or an error.
 * Stock maps what is in the page cache instead: the file's own bytes.
 */
TEST_F(shared, private_file_read_later)
{
	struct inherited inherited = { .size = FILE_MB * PROBE_MB };
	int fd = make_file(inherited.size, 4), byte;
	long copies = 0, refused = 0, others = 0;
	size_t at;

	if (variant->stuck == VICTIM_MMAP_WRITE)
		SKIP(return, "with mmap_lock held nobody can read");
	ASSERT_LE(0, fd);
	inherited.mem = map(inherited.size, MAP_PRIVATE, fd);
	ASSERT_NE(NULL, inherited.mem);
	start(_metadata, &self->stage, write_privately, &inherited);
	EXPECT_EQ(42, probe_byte(self->stage.victim.pid, inherited.mem));
	reap(_metadata, &self->stage, OWN_MB + FILE_MB);
	/* More than one of a page: a byte of the file can be the same by chance */
	for (at = 0; at < inherited.size; at += PAGE / 2) {
		byte = probe_byte(self->stage.victim.pid, inherited.mem + at);
		copies += byte == 42;
		refused += byte < 0;
		others += byte >= 0 && byte != 42;
	}
	scene_print("%ld refused, %ld as the victim wrote them, %ld of the file",
		    refused, copies, others);
	EXPECT_EQ(0, others);
	EXPECT_LT(0, refused);
	let_go(_metadata, &self->stage);
	munmap(inherited.mem, inherited.size);
	close(fd);
}

/*
 * A process reads from the victim all the time. It gets what the victim has
 * written, or an error; after the first error at an address it always gets one.
 */
enum { READER_STOP, READER_READS, READER_FOREIGN, READER_BACK, READER_REFUSED };

static int read_remote(int fd, pid_t pid, char *addr, __u64 *buf)
{
	struct iovec local = { buf, PAGE }, remote = { addr, PAGE };

	if (fd >= 0)
		return pread(fd, buf, PAGE, (uintptr_t)addr) == (ssize_t)PAGE;
	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)PAGE;
}

static void read_all_the_time(struct victim *victim, char *mem,
			      atomic_int *figure, bool by_file)
{
	static bool refused[MB * PROBE_MB / PAGE];
	static __u64 buf[PAGE / sizeof(__u64)];
	size_t at, pages = MB * PROBE_MB / PAGE;
	char path[32];
	int fd = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%d/mem", victim->pid);
	if (by_file)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	while (!figure[READER_STOP]) {
		for (at = 0; at < pages; at++) {
			if (!read_remote(fd, victim->pid, mem + at * PAGE,
					 buf)) {
				figure[READER_REFUSED] += !refused[at];
				refused[at] = true;
				continue;
			}
			figure[READER_BACK] += refused[at];
			figure[READER_FOREIGN] +=
				!!pattern_differing(buf, PAGE,
					    5 + at * PAGE / sizeof(__u64));
		}
		figure[READER_READS]++;
	}
	_exit(0);
}

static int write_readable(struct victim *victim)
{
	struct inherited *inherited = victim->arg;

	madvise(inherited->mem, inherited->size, MADV_NOHUGEPAGE);
	pattern_fill(inherited->mem, inherited->size, 5);
	return 0;
}

static void read_while_reaped(struct __test_metadata *_metadata,
			      struct stage *stage, bool by_file)
{
	struct inherited inherited = { .size = MB * PROBE_MB };
	atomic_int *figure = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pages = MB * PROBE_MB / PAGE, reads;
	pid_t reader;

	ASSERT_NE(MAP_FAILED, (void *)figure);
	inherited.mem = map_anon(inherited.size);
	ASSERT_NE(NULL, inherited.mem);
	start(_metadata, stage, write_readable, &inherited);
	reader = fork();
	if (!reader)
		read_all_the_time(&stage->victim, inherited.mem, figure,
				  by_file);
	EXPECT_TRUE(probe_wait(figure[READER_READS] > 0, 10000));
	EXPECT_EQ(0, figure[READER_REFUSED]);
	EXPECT_LE(0, scene_kill(&stage->scene, OWN_MB + MB, 5000));
	reads = figure[READER_READS];
	EXPECT_TRUE(probe_wait(figure[READER_READS] > reads + 1, 10000));
	figure[READER_STOP] = 1;
	waitpid(reader, NULL, 0);
	scene_print("%d times %d pages read: %d were not the victim's",
		    figure[READER_READS], pages, figure[READER_FOREIGN]);
	scene_print("%d pages refused, %d of them could be read later",
		    figure[READER_REFUSED], figure[READER_BACK]);
	EXPECT_EQ(0, figure[READER_FOREIGN]);
	EXPECT_EQ(0, figure[READER_BACK]);
	EXPECT_EQ(pages, figure[READER_REFUSED]);
	let_go(_metadata, stage);
	munmap(inherited.mem, inherited.size);
	munmap((void *)figure, PAGE);
}

TEST_F(shared, guard_read_while_reaped)
{
	if (variant->stuck == VICTIM_MMAP_WRITE)
		SKIP(return, "with mmap_lock held nobody can read");
	read_while_reaped(_metadata, &self->stage, false);
}

TEST_F(shared, guard_read_while_reaped_by_file)
{
	if (variant->stuck == VICTIM_MMAP_WRITE)
		SKIP(return, "with mmap_lock held nobody can read");
	read_while_reaped(_metadata, &self->stage, true);
}

static bool run_mkfs(const char *path)
{
	static const char * const mkfs[] = {
		"mkfs.ext4 -q -F %s", "mke2fs -F %s",
	};
	char command[160];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mkfs); i++) {
		int len = snprintf(command, sizeof(command), mkfs[i], path);

		snprintf(command + len, sizeof(command) - len,
			 " >/dev/null 2>&1");
		if (!system(command))
			return true;
	}
	return false;
}

/* An ext4 file system on a loop device on a file. Return: NULL or why not */
static const char *mount_disk(struct stage *stage, int image)
{
	char path[64];
	int control, number;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return "no loop devices";
	number = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	stage->loop = open(path, O_RDWR | O_CLOEXEC);
	if (stage->loop < 0)
		return "no loop device";
	if (ftruncate(image, (FILE_MB + 24) * PROBE_MB) ||
	    ioctl(stage->loop, LOOP_SET_FD, image))
		return "no loop device for the file";
	if (!run_mkfs(path))
		return "no mkfs.ext4 or mke2fs";
	/* What is open for writing cannot be mounted */
	close(stage->loop);
	stage->loop = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(stage->mount, sizeof(stage->mount), "/tmp/oom_reaper.fs.XXXXXX");
	if (!mkdtemp(stage->mount) || mount(path, stage->mount, "ext4", 0, NULL))
		return "no ext4";
	return NULL;
}

static int open_on_disk(struct stage *stage)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", stage->mount);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* What the file holds, after nothing but the disk remembers it */
static int reopen_on_disk(struct stage *stage, int fd)
{
	char path[64] = "";
	struct stat st;
	int i;

	if (fstat(stage->loop, &st))
		return -errno;
	snprintf(path, sizeof(path), "/dev/loop%u", minor(st.st_rdev));
	close(fd);
	/* The victim's last reference may be in a delayed fput() */
	for (i = 0; umount(stage->mount); i++) {
		if (i == 100)
			return -errno;
		probe_sleep_ms(20);
	}
	if (mount(path, stage->mount, "ext4", 0, NULL))
		return -errno;
	return open_on_disk(stage);
}

TEST_F_TIMEOUT(shared, private_file_on_disk, 60)
{
	int image = memfd_create("oom_reaper.disk", MFD_CLOEXEC);
	const char *lacking = mount_disk(&self->stage, image);
	int fd;

	if (lacking)
		SKIP(return, "%s", lacking);
	fd = open_on_disk(&self->stage);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pattern_fill_file(fd, FILE_MB * PROBE_MB, 4));
	ASSERT_EQ(0, fsync(fd));
	reap_file_mapper(_metadata, &self->stage, fd);
	fd = reopen_on_disk(&self->stage, fd);
	ASSERT_LE(0, fd);
	check_file(_metadata, fd, true);
	close(fd);
	close(image);
}

static int map_file_shared(struct victim *victim)
{
	size_t size = FILE_MB * PROBE_MB;
	char *mem = map(size, MAP_SHARED, *(int *)victim->arg);

	if (!mem)
		return -errno;
	/* The upper half is dirty only in the page tables of the victim */
	pattern_fill(mem + size / 2, size / 2, 3 + size / 2 / sizeof(__u64));
	return 0;
}

static void reap_sharer(struct __test_metadata *_metadata,
			struct stage *stage, int fd)
{
	size_t size = FILE_MB * PROBE_MB;
	long file, shmem, file_after, shmem_after;

	stage->victim.body = map_file_shared;
	stage->victim.arg = &fd;
	ASSERT_EQ(0, victim_start(&stage->victim));
	EXPECT_EQ(0, pattern_differing_file(fd, size, 3));
	file = probe_status_any(stage->victim.pid, "RssFile");
	shmem = probe_status_any(stage->victim.pid, "RssShmem");
	reap(_metadata, stage, OWN_MB);
	file_after = probe_status_any(stage->victim.pid, "RssFile");
	shmem_after = probe_status_any(stage->victim.pid, "RssShmem");
	scene_print("RssFile %ld kB before, %ld kB after, RssShmem %ld and %ld kB",
		    file, file_after, shmem, shmem_after);
	/*
	 * The upper half, but for what each CPU has not told yet; of RssFile the
	 * program and its libraries go
	 */
	EXPECT_LE((long)size / 2 / 1024 - 1024, file_after + shmem_after);
	EXPECT_EQ(0, pattern_differing_file(fd, size, 3));
}

TEST_F_TIMEOUT(shared, shared_file_on_disk, 60)
{
	size_t size = FILE_MB * PROBE_MB;
	int image = memfd_create("oom_reaper.disk", MFD_CLOEXEC);
	const char *lacking = mount_disk(&self->stage, image);
	int fd;

	if (lacking)
		SKIP(return, "%s", lacking);
	fd = open_on_disk(&self->stage);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pattern_fill_file(fd, size / 2, 3));
	ASSERT_EQ(0, ftruncate(fd, size));
	ASSERT_EQ(0, fsync(fd));
	reap_sharer(_metadata, &self->stage, fd);
	/* Write back while the victim still has it mapped */
	EXPECT_EQ(0, fsync(fd));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(0, pattern_differing_file(fd, size, 3));
	fd = reopen_on_disk(&self->stage, fd);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, pattern_differing_file(fd, size, 3));
	close(fd);
	close(image);
}

/* With swap the pages are thrown out and read back in, too */
TEST_F_TIMEOUT(shared, shmem, 60)
{
	size_t size = FILE_MB * PROBE_MB;
	int fd = make_file(size / 2, 3);
	char *mem;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, size));
	reap_sharer(_metadata, &self->stage, fd);
	mem = map(size, MAP_SHARED, fd);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, pattern_differing(mem, size, 3));
	madvise(mem, size, MADV_PAGEOUT);
	EXPECT_EQ(0, pattern_differing(mem, size, 3));
	let_go(_metadata, &self->stage);
	madvise(mem, size, MADV_PAGEOUT);
	EXPECT_EQ(0, pattern_differing(mem, size, 3));
	EXPECT_EQ(0, pattern_differing_file(fd, size, 3));
	munmap(mem, size);
	close(fd);
}

static int map_secret(struct victim *victim)
{
	char *mem = map(4 * PROBE_MB, MAP_SHARED, *(int *)victim->arg);

	if (!mem)
		return -errno;
	pattern_fill(mem + 2 * PROBE_MB, 2 * PROBE_MB, 1);
	return 0;
}

/* The test maps the same, and finds in it what both have written */
TEST_F(shared, secret)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC);
	char *mem;

	if (fd < 0)
		SKIP(return, "no memfd_secret()");
	ASSERT_EQ(0, ftruncate(fd, 4 * PROBE_MB));
	mem = map(4 * PROBE_MB, MAP_SHARED, fd);
	if (!mem)
		SKIP(return, "no secret memory: %s", strerror(errno));
	pattern_fill(mem, 2 * PROBE_MB, 1);
	start(_metadata, &self->stage, map_secret, &fd);
	reap(_metadata, &self->stage, OWN_MB);
	EXPECT_EQ(0, pattern_differing(mem, 2 * PROBE_MB, 1));
	EXPECT_EQ(0, pattern_differing(mem + 2 * PROBE_MB, 2 * PROBE_MB, 1));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(0, pattern_differing(mem, 2 * PROBE_MB, 1));
	EXPECT_EQ(0, pattern_differing(mem + 2 * PROBE_MB, 2 * PROBE_MB, 1));
	munmap(mem, 4 * PROBE_MB);
	close(fd);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
