// SPDX-License-Identifier: GPL-2.0
/*
 * A victim is stuck in a write(), and the rest of the memory to be written is
 * reaped. Before the victim is released, another live process does something that
 * puts pages into an address space: collapses it into huge pages, answers for a
 * userfaultfd, writes to it, migrates it. The write() must put the victim's own
 * data into the file, or nothing: never zeroes, and never data of others.
 *
 * One test for each row of the table at check_stable_address_space() that user
 * space can arrange.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "locks.h"
#include "scene.h"
#include "swap.h"
#include "uffd.h"

#define THP		"/sys/kernel/mm/transparent_hugepage"
#define KSM		"/sys/kernel/mm/ksm"
#define FAULT_AROUND	"/sys/kernel/debug/fault_around_bytes"
#define TEST_MAP	PROBE_TEST_OOM "map"

#define PAGE		4096UL
#define SIZE		(2 * PROBE_MB)	/* of the memory in question: a huge page */
#define KEPT		(SIZE / 2)	/* where in it is a page that stays */
#define FIRST		(HOLD_CHUNK / (int)PAGE)	/* page of the file */

#define OWN		'v'	/* what the victim has written everywhere */
#define FOREIGN		'f'	/* what others have */

/* A lock that the victim holds, in memory that it shares with the test */
struct lock {
	struct robust_list node;
	atomic_uint word;
};

struct refill {
	struct scene scene;
	struct victim victim;
	struct lock *lock;
	char *mem;		/* @SIZE bytes, at this address in the victim */
	bool keep;		/* the reaper has to leave a page of it */
	bool swapped;		/* and that is swapped out by then */
	bool hole;		/* the last page was never there */
	int advice;		/* madvise() before it is filled, 0: none */
	int late_advice;	/* and after that */
	unsigned long uffd_mode; /* to register it with a userfaultfd, 0: no */
	int uffd;		/* the test's */
	int fd;			/* of the file that is mapped, -1: anonymous */
	struct swap swap;
	struct cgroup cgroup;
};

FIXTURE(refill)
{
	struct refill refill;
};

/* No other task touches it before the victim does: it has its own page table */
static char *map_aligned(int flags, int fd)
{
	char *room = mmap(NULL, 2 * SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *mem;

	if (room == MAP_FAILED)
		return NULL;
	mem = (char *)(((uintptr_t)room + SIZE - 1) & -SIZE);
	mem = mmap(mem, SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

static int map_anon(struct refill *refill)
{
	refill->mem = map_aligned(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	return refill->mem ? 0 : -errno;
}

/* A file on a tmpfs full of FOREIGN bytes */
static int map_file(struct refill *refill, int flags)
{
	static char page[PAGE];
	size_t at;

	memset(page, FOREIGN, sizeof(page));
	refill->fd = memfd_create("oom_reaper", MFD_CLOEXEC);
	if (refill->fd < 0)
		return -errno;
	for (at = 0; at < SIZE; at += PAGE)
		if (pwrite(refill->fd, page, PAGE, at) != (ssize_t)PAGE)
			return -errno;
	refill->mem = map_aligned(flags, refill->fd);
	return refill->mem ? 0 : -errno;
}

/* Return: 0 or -errno, -ENODEV without FUSE */
static int refill_start(struct refill *refill)
{
	int err = scene_start(&refill->scene);

	refill->fd = -1;
	refill->uffd = -1;
	refill->swap.number = -1;
	if (err)
		return err;
	refill->lock = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (refill->lock == MAP_FAILED)
		return -errno;
	refill->victim = (struct victim){
		.mb = 16,
		.stuck = VICTIM_WRITE,
		.hold = &refill->scene.hold,
		.next_len = PAGE,
		.arg = refill,
	};
	return 0;
}

static void refill_stop(struct refill *refill)
{
	hold_release_all(&refill->scene.hold);
	victim_stop(&refill->victim);
	if (refill->uffd >= 0)
		close(refill->uffd);
	if (refill->fd >= 0)
		close(refill->fd);
	swap_stop(&refill->swap);
	cgroup_remove(&refill->cgroup);
	scene_stop(&refill->scene);
}

FIXTURE_SETUP(refill)
{
	int err = refill_start(&self->refill);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(refill)
{
	refill_stop(&self->refill);
}

/* The list begins in the middle of the memory, what is on it is shared */
static int hold_lock(struct refill *refill)
{
	struct robust_list_head *head = (void *)(refill->mem + KEPT);
	struct lock *lock = refill->lock;
	int err = locks_register_one(head, &lock->node, &lock->word);

	if (err)
		return err;
	return !refill->swapped || swap_out(head) ? 0 : -EAGAIN;
}

enum { UFFD };	/* flag: the userfaultfd of the victim */

static int register_memory(struct victim *victim, struct refill *refill)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)refill->mem, SIZE },
		.mode = refill->uffd_mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (refill->uffd_mode & UFFDIO_REGISTER_MODE_MINOR)
		api.features = UFFD_FEATURE_MINOR_SHMEM;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -errno;
	victim->shared->flag[UFFD] = fd;
	return 0;
}

static int fill_memory(struct victim *victim)
{
	struct refill *refill = victim->arg;
	int err = 0;

	if (refill->advice &&
	    madvise(refill->mem, SIZE, refill->advice))
		return -errno;
	memset(refill->mem, OWN, SIZE - (refill->hole ? PAGE : 0));
	if (refill->late_advice &&
	    madvise(refill->mem, SIZE, refill->late_advice))
		return -errno;
	victim->next = refill->mem;
	if (refill->keep)
		err = hold_lock(refill);
	if (!err && refill->uffd_mode)
		err = register_memory(victim, refill);
	return err;
}

/* A victim that is stuck */
static void start(struct __test_metadata *_metadata, struct refill *refill)
{
	struct victim *victim = &refill->victim;

	victim->body = fill_memory;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_EQ(OWN, probe_byte(victim->pid, refill->mem));
	if (!refill->uffd_mode)
		return;
	refill->uffd = uffd_take(victim->pid, victim->shared->flag[UFFD]);
	ASSERT_LE(0, refill->uffd);
}

static void kill_and_wait(struct __test_metadata *_metadata,
			  struct refill *refill)
{
	struct victim *victim = &refill->victim;
	struct scene *scene = &refill->scene;

	ASSERT_EQ(0, victim_sysrq());
	/* Stock waits for two seconds: late is not the question here */
	ASSERT_TRUE(victim_reaped(&scene->log, victim->pid, 10000));
	ASSERT_FALSE(victim_gone(victim, 0));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

static void reap(struct __test_metadata *_metadata, struct refill *refill)
{
	start(_metadata, refill);
	kill_and_wait(_metadata, refill);
}

/* Whether this kernel keeps what robust futexes need */
static bool keeps(struct refill *refill)
{
	return refill->keep && probe_param("enabled") >= 0;
}

/* Pages of the memory that can be read, and hold what the victim never wrote */
static long foreign_pages(struct __test_metadata *_metadata,
			  struct refill *refill)
{
	long count = 0, own = 0;
	size_t at;
	int byte;

	for (at = 0; at < SIZE; at += PAGE) {
		/* In the middle: at the start of one page is the list's head */
		byte = probe_byte(refill->victim.pid, refill->mem + at + PAGE / 2);
		own += byte == OWN;
		count += byte >= 0 && byte != OWN;
	}
	scene_print("of %lu pages %ld are as they were, %ld filled with something else",
		    SIZE / PAGE, own, count);
	if (keeps(refill))
		EXPECT_LT(0, own);
	return count;
}

/* Let it go. Return: the byte that the write() found, -1 for none */
static int let_go(struct __test_metadata *_metadata, struct refill *refill)
{
	struct scene *scene = &refill->scene;
	int byte;

	EXPECT_TRUE(scene_let_go(scene, &refill->victim));
	/* The part before it got through */
	EXPECT_EQ(0, hold_written(&scene->hold, refill->victim.file, FIRST - 1));
	byte = hold_written(&scene->hold, refill->victim.file, FIRST);
	if (byte < 0)
		scene_print("the write() ended there");
	else
		scene_print("the write() put %#x into the file", byte);
	return byte;
}

/* What must hold whatever has been done to the victim meanwhile */
static void nothing_foreign(struct __test_metadata *_metadata,
			    struct refill *refill)
{
	EXPECT_EQ(0, foreign_pages(_metadata, refill));
	EXPECT_EQ(-1, let_go(_metadata, refill));
	if (keeps(refill))
		EXPECT_NE(0U, refill->lock->word & FUTEX_OWNER_DIED);
}

static const char *result(long ret)
{
	return ret < 0 ? strerror(errno) : "done";
}

static long collapse(struct refill *refill)
{
	long ret = probe_madvise(refill->victim.pid, refill->mem, SIZE,
				 MADV_COLLAPSE);

	scene_print("process_madvise(MADV_COLLAPSE): %s", result(ret));
	return ret;
}

/* Faults */

static void write_goes_on(struct __test_metadata *_metadata,
			  struct refill *refill)
{
	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);
	nothing_foreign(_metadata, refill);
}

TEST_F(refill, guard_anonymous)
{
	write_goes_on(_metadata, &self->refill);
}

TEST_F(refill, guard_huge_page)
{
	self->refill.advice = MADV_HUGEPAGE;
	write_goes_on(_metadata, &self->refill);
}

/* Fault-around: stock maps the neighbours of a page without a look */
TEST_F(refill, private_file)
{
	ASSERT_EQ(0, map_file(&self->refill, MAP_PRIVATE));
	reap(_metadata, &self->refill);
	nothing_foreign(_metadata, &self->refill);
}

/* Without fault-around the fault for the page itself has to check */
TEST_F(refill, guard_private_file_alone)
{
	struct refill *refill = &self->refill;

	if (setting_change(FAULT_AROUND, "4096"))
		SKIP(return, "no " FAULT_AROUND);
	ASSERT_EQ(0, map_file(refill, MAP_PRIVATE));
	reap(_metadata, refill);
	nothing_foreign(_metadata, refill);
}

/* A page that no process has copied is still a page of the file */
TEST_F(refill, guard_shared_file)
{
	ASSERT_EQ(0, map_file(&self->refill, MAP_SHARED));
	reap(_metadata, &self->refill);
	EXPECT_EQ(0, foreign_pages(_metadata, &self->refill));
	/* Not even with the entries gone: the fault may bring them back */
	madvise(self->refill.mem, SIZE, MADV_DONTNEED);
	EXPECT_EQ(OWN, let_go(_metadata, &self->refill));
}

TEST_F(refill, guard_hugetlb)
{
	if (setting_change("/proc/sys/vm/nr_hugepages", "2"))
		SKIP(return, "no hugetlb");
	if (probe_meminfo_kb("HugePages_Free") < 1)
		SKIP(return, "no huge page is free");
	self->refill.mem = map_aligned(MAP_PRIVATE | MAP_ANONYMOUS |
				       MAP_HUGETLB, -1);
	ASSERT_NE(NULL, self->refill.mem);
	reap(_metadata, &self->refill);
	EXPECT_EQ(0, foreign_pages(_metadata, &self->refill));
	EXPECT_EQ(OWN, let_go(_metadata, &self->refill));
}

/* A fault handler that sets the entry itself, as that of DAX does */
TEST_F(refill, private_device)
{
	struct refill *refill = &self->refill;

	if (!probe_test_oom(TEST_MAP))
		SKIP(return, "no module test_oom with a file to map");
	refill->fd = open(TEST_MAP, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, refill->fd);
	refill->mem = map_aligned(MAP_PRIVATE, refill->fd);
	ASSERT_NE(NULL, refill->mem);
	reap(_metadata, refill);
	nothing_foreign(_metadata, refill);
}

/* Huge pages made of small ones */

/* Only next to a page that is left there is something to collapse */
TEST_F(refill, madvise_collapse)
{
	struct refill *refill = &self->refill;

	refill->keep = true;
	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);
	EXPECT_GT(0, collapse(refill));
	nothing_foreign(_metadata, refill);
}

static long khugepaged_scans(void)
{
	char text[32] = "";

	probe_read(THP "/khugepaged/full_scans", text, sizeof(text));
	return atol(text);
}

TEST_F(refill, khugepaged)
{
	struct refill *refill = &self->refill;
	char *other;
	long scans;

	if (setting_change(THP "/khugepaged/scan_sleep_millisecs", "0") ||
	    setting_change(THP "/khugepaged/pages_to_scan", "100000"))
		SKIP(return, "no transparent huge pages");
	/* Known to khugepaged, as is whoever it forks, but not to be scanned yet */
	other = map_aligned(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_NE(NULL, other);
	memset(other, OWN, PAGE);
	ASSERT_EQ(0, madvise(other, SIZE, MADV_HUGEPAGE));
	ASSERT_EQ(0, setting_change(THP "/enabled", "never"));
	refill->late_advice = MADV_HUGEPAGE;
	refill->keep = true;
	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);

	scans = khugepaged_scans();
	ASSERT_EQ(0, probe_write(THP "/enabled", "madvise"));
	EXPECT_TRUE(probe_wait(khugepaged_scans() >= scans + 3, 10000));
	scene_print("khugepaged scanned everything %ld times",
		    khugepaged_scans() - scans);
	nothing_foreign(_metadata, refill);
}

/* The file becomes a huge page, and that is mapped in place of the copies */
TEST_F(refill, madvise_collapse_file)
{
	struct refill *refill = &self->refill;

	ASSERT_EQ(0, map_file(refill, MAP_PRIVATE));
	reap(_metadata, refill);
	EXPECT_GT(0, collapse(refill));
	nothing_foreign(_metadata, refill);
}

/* The monitor of a userfaultfd lives */

static long uffd_copy(struct refill *refill, size_t at)
{
	static char room[2 * PAGE];
	uintptr_t page = ((uintptr_t)room + PAGE - 1) & -PAGE;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)refill->mem + at,
		.src = page,
		.len = PAGE,
	};

	memset((void *)page, FOREIGN, PAGE);
	return ioctl(refill->uffd, UFFDIO_COPY, &copy);
}

static long uffd_zeropage(struct refill *refill, size_t at)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)refill->mem + at, PAGE },
	};

	return ioctl(refill->uffd, UFFDIO_ZEROPAGE, &zero);
}

static long uffd_continue(struct refill *refill, size_t at)
{
	struct uffdio_continue cont = {
		.range = { (uintptr_t)refill->mem + at, PAGE },
	};

	return ioctl(refill->uffd, UFFDIO_CONTINUE, &cont);
}

FIXTURE(uffd)
{
	struct refill refill;
};

FIXTURE_VARIANT(uffd)
{
	const char *name;
	unsigned long mode;
	bool file;		/* a private mapping of one */
	long (*answer)(struct refill *refill, size_t at);
};

FIXTURE_VARIANT_ADD(uffd, copy) {
	.name = "UFFDIO_COPY", .answer = uffd_copy,
	.mode = UFFDIO_REGISTER_MODE_MISSING,
};

FIXTURE_VARIANT_ADD(uffd, copy_file) {
	.name = "UFFDIO_COPY", .answer = uffd_copy,
	.mode = UFFDIO_REGISTER_MODE_MISSING, .file = true,
};

FIXTURE_VARIANT_ADD(uffd, zeropage) {
	.name = "UFFDIO_ZEROPAGE", .answer = uffd_zeropage,
	.mode = UFFDIO_REGISTER_MODE_MISSING,
};

FIXTURE_VARIANT_ADD(uffd, continue) {
	.name = "UFFDIO_CONTINUE", .answer = uffd_continue,
	.mode = UFFDIO_REGISTER_MODE_MINOR, .file = true,
};

FIXTURE_SETUP(uffd)
{
	int err;

	if (!uffd_possible())
		SKIP(return, "no userfaultfd");
	err = refill_start(&self->refill);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->refill.uffd_mode = variant->mode;
}

FIXTURE_TEARDOWN(uffd)
{
	refill_stop(&self->refill);
}

/* Answer for all pages: the process counts as gone */
TEST_F(uffd, uffd_answer)
{
	struct refill *refill = &self->refill;
	long filled = 0;
	int err = 0;
	size_t at;

	ASSERT_EQ(0, variant->file ? map_file(refill, MAP_PRIVATE) :
				     map_anon(refill));
	reap(_metadata, refill);
	for (at = 0; at < SIZE; at += PAGE) {
		if (!variant->answer(refill, at))
			filled++;
		else
			err = errno;
	}
	scene_print("%s filled %ld pages, last error: %s", variant->name,
		    filled, strerror(err));
	EXPECT_EQ(0, filled);
	EXPECT_EQ(ESRCH, err);
	nothing_foreign(_metadata, refill);
}

/* A task that already waits for a page must not wait forever */
TEST_F(refill, uffd_waiter)
{
	struct refill *refill = &self->refill;
	struct victim *victim = &refill->victim;
	bool ended;
	pid_t pid;

	if (!uffd_possible())
		SKIP(return, "no userfaultfd");
	refill->uffd_mode = UFFDIO_REGISTER_MODE_MISSING;
	refill->hole = true;
	ASSERT_EQ(0, map_anon(refill));
	start(_metadata, refill);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(probe_byte(victim->pid, refill->mem + SIZE - PAGE) < 0);
	}
	probe_sleep_ms(200);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill_and_wait(_metadata, refill);
	EXPECT_EQ(-1, uffd_copy(refill, SIZE - PAGE));
	ended = probe_wait(waitpid(pid, NULL, WNOHANG) == pid, 5000);
	scene_print("who waited for the page %s", ended ? "ended" : "waits on");
	EXPECT_TRUE(ended);
	if (!ended) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	nothing_foreign(_metadata, refill);
}

/* A shared mapping has lost nothing, and its monitor continues */
TEST_F(refill, guard_uffd_shared)
{
	struct refill *refill = &self->refill;

	if (!uffd_possible())
		SKIP(return, "no userfaultfd");
	refill->uffd_mode = UFFDIO_REGISTER_MODE_MISSING;
	ASSERT_EQ(0, map_file(refill, MAP_SHARED));
	reap(_metadata, refill);
	/* A hole, of which the victim's entry goes as well */
	ASSERT_EQ(0, fallocate(refill->fd, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 0, PAGE));
	EXPECT_EQ(0, uffd_copy(refill, 0));
	EXPECT_EQ(FOREIGN, let_go(_metadata, refill));
}

/* Others write to it */

static void write_remote(struct __test_metadata *_metadata,
			 struct refill *refill)
{
	static char page[PAGE];
	struct iovec local = { page, PAGE }, remote = { refill->mem, PAGE };
	ssize_t ret;

	memset(page, FOREIGN, sizeof(page));
	ret = process_vm_writev(refill->victim.pid, &local, 1, &remote, 1, 0);
	scene_print("process_vm_writev(): %s", result(ret));
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(refill, guard_process_vm_writev)
{
	ASSERT_EQ(0, map_anon(&self->refill));
	reap(_metadata, &self->refill);
	write_remote(_metadata, &self->refill);
	nothing_foreign(_metadata, &self->refill);
}

TEST_F(refill, guard_process_vm_writev_file)
{
	ASSERT_EQ(0, map_file(&self->refill, MAP_PRIVATE));
	reap(_metadata, &self->refill);
	write_remote(_metadata, &self->refill);
	/* What the write() finds is the question of private_file */
	let_go(_metadata, &self->refill);
}

/* As ptrace() does it: by force */
TEST_F(refill, guard_proc_mem)
{
	struct refill *refill = &self->refill;
	char path[64], byte = FOREIGN;
	ssize_t ret;
	int fd;

	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);
	snprintf(path, sizeof(path), "/proc/%d/mem", refill->victim.pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ret = pwrite(fd, &byte, 1, (uintptr_t)refill->mem);
	scene_print("/proc/PID/mem: %s", result(ret));
	EXPECT_EQ(-1, ret);
	close(fd);
	nothing_foreign(_metadata, refill);
}

/* Entries that are replaced: they have to be there */

static long ksm_scans(void)
{
	char text[32] = "";

	probe_read(KSM "/full_scans", text, sizeof(text));
	return atol(text);
}

TEST_F(refill, guard_ksm)
{
	struct refill *refill = &self->refill;
	char *alike;
	long scans;

	if (setting_change(KSM "/pages_to_scan", "20000") ||
	    setting_change(KSM "/sleep_millisecs", "10"))
		SKIP(return, "no KSM");
	refill->advice = MADV_MERGEABLE;
	refill->keep = true;
	ASSERT_EQ(0, map_anon(refill));
	alike = map_aligned(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_NE(NULL, alike);
	memset(alike, OWN, SIZE);
	ASSERT_EQ(0, madvise(alike, SIZE, MADV_MERGEABLE));
	ASSERT_EQ(0, setting_change(KSM "/run", "1"));
	probe_wait(ksm_scans() >= 3, 20000);
	reap(_metadata, refill);
	scans = ksm_scans();
	EXPECT_TRUE(probe_wait(ksm_scans() >= scans + 2, 20000));
	scene_print("%ld scans after it was reaped", ksm_scans() - scans);
	nothing_foreign(_metadata, refill);
}

TEST_F(refill, guard_move_pages)
{
	static void *page[SIZE / PAGE];
	static int node[SIZE / PAGE], status[SIZE / PAGE];
	struct refill *refill = &self->refill;
	int i, to, moved = 0, target = 1;
	long ret = 0;

	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "needs two NUMA nodes");
	refill->keep = true;
	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);
	/* There and back: one of it is a move */
	for (to = 0; to < 2; to++, target = !target) {
		for (i = 0; i < (int)(SIZE / PAGE); i++) {
			page[i] = refill->mem + i * PAGE;
			node[i] = target;
		}
		ret = syscall(SYS_move_pages, refill->victim.pid, SIZE / PAGE,
			      page, node, status, MPOL_MF_MOVE_ALL);
		for (i = 0; i < (int)(SIZE / PAGE); i++)
			moved += status[i] == target;
	}
	scene_print("move_pages(): %s, %d pages are there or moved",
		    result(ret), moved);
	nothing_foreign(_metadata, refill);
}

static int swap_off(const char *device)
{
	pid_t pid = fork();
	int status = -1;
	bool gone;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(swapoff(device) ? 1 : 0);
	}
	gone = probe_wait(waitpid(pid, &status, WNOHANG) == pid, 5000);
	if (!gone) {
		/* It looks for signals */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -ETIMEDOUT;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

/*
 * A page that the reaper left, in swap: swapoff has to find it, and to leave
 * the rest alone.
 */
TEST_F(refill, swapoff)
{
	struct refill *refill = &self->refill;
	long long from;
	int err;

	err = swap_start(&refill->swap, 64);
	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	refill->keep = true;
	refill->swapped = true;
	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);
	from = probe_now_ns();
	err = swap_off(refill->swap.device);
	scene_print("swapoff: %s after %lld ms", strerror(-err),
		    (probe_now_ns() - from) / 1000000);
	EXPECT_EQ(0, err);
	nothing_foreign(_metadata, refill);
}

/*
 * And the other way: what the reaper left may stay for as long as the victim is
 * stuck. Reclaim must be able to swap it out.
 */
TEST_F(refill, reclaim)
{
	struct refill *refill = &self->refill;
	char *kept;
	bool out;
	int err;

	refill->keep = true;
	err = swap_start(&refill->swap, 64);
	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	if (!keeps(refill))
		SKIP(return, "this kernel keeps no page");
	if (cgroup_make(&refill->cgroup, "+memory"))
		SKIP(return, CGROUP_NO_MEMORY);
	refill->victim.cgroup = refill->cgroup.procs;
	ASSERT_EQ(0, map_anon(refill));
	reap(_metadata, refill);
	kept = refill->mem + KEPT;
	/* Not while the reaper might come back for it */
	out = probe_wait((cgroup_write(&refill->cgroup, "memory.reclaim", "16M"),
			  swap_has_page_of(refill->victim.pid, kept)), 5000);
	scene_print("the page that was kept is %sswapped out", out ? "" : "not ");
	EXPECT_TRUE(out);
	nothing_foreign(_metadata, refill);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
