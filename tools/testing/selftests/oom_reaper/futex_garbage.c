// SPDX-License-Identifier: GPL-2.0
/*
 * Robust lists that lead into the void. What the kernel would do for the good
 * lock that comes first it must still do, and nothing may happen to the kernel.
 *
 * Stock waits two seconds before it looks at a victim, reaps the lists with the
 * rest, and loses the lock.
 *
 * Built a second time with -m32, for lists in the format of 32-bit programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "locks.h"
#include "scene.h"

enum garbage {
	GARBAGE_CYCLE,
	GARBAGE_LONG,
	GARBAGE_NULL,
	GARBAGE_WILD,
	GARBAGE_UNALIGNED,
	GARBAGE_KERNEL,
	GARBAGE_UNMAPPED,
	GARBAGE_SHARED,
	GARBAGE_FILE,
	GARBAGE_NO_ACCESS,
	GARBAGE_UNTOUCHED,
	GARBAGE_ZEROES,
	GARBAGE_SECRET,
	GARBAGE_OFFSET,
	GARBAGE_PENDING,
	GARBAGE_HEAD,
};

#define GARBAGE_NODES	3000

FIXTURE(garbage)
{
	struct locks locks;
};

FIXTURE_VARIANT(garbage)
{
	enum garbage garbage;
	int words;		/* that are marked anyway */
};

FIXTURE_VARIANT_ADD(garbage, cycle) {
	.garbage = GARBAGE_CYCLE, .words = 1,
};

/* ROBUST_LIST_LIMIT is 2048: the kernel stops there */
FIXTURE_VARIANT_ADD(garbage, long) {
	.garbage = GARBAGE_LONG, .words = 2048,
};

FIXTURE_VARIANT_ADD(garbage, null) {
	.garbage = GARBAGE_NULL, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, wild) {
	.garbage = GARBAGE_WILD, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, unaligned) {
	.garbage = GARBAGE_UNALIGNED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, kernel) {
	.garbage = GARBAGE_KERNEL, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, unmapped) {
	.garbage = GARBAGE_UNMAPPED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, shared) {
	.garbage = GARBAGE_SHARED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, file) {
	.garbage = GARBAGE_FILE, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, no_access) {
	.garbage = GARBAGE_NO_ACCESS, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, untouched) {
	.garbage = GARBAGE_UNTOUCHED, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, zeroes) {
	.garbage = GARBAGE_ZEROES, .words = 1,
};

/* Nobody but its owner can read that: reaped when futex_grace_ms is over */
FIXTURE_VARIANT_ADD(garbage, secret) {
	.garbage = GARBAGE_SECRET, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, offset) {
	.garbage = GARBAGE_OFFSET, .words = 0,
};

FIXTURE_VARIANT_ADD(garbage, pending) {
	.garbage = GARBAGE_PENDING, .words = 1,
};

FIXTURE_VARIANT_ADD(garbage, head) {
	.garbage = GARBAGE_HEAD, .words = 0,
};

FIXTURE_SETUP(garbage)
{
	int err = locks_start(&self->locks);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(garbage)
{
	locks_stop(&self->locks);
}

static enum garbage garbage;

/* A page that can be read now, and may not be there later */
static void *some_page(int prot, int flags, int fd)
{
	char *page = mmap(NULL, 4096, prot, flags, fd, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (prot & PROT_WRITE)
		memset(page, 0x5a, 4096);
	else
		atomic_load((atomic_char *)page);
	return page;
}

/* Return: -1 where there is none */
static int secret_file(void)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC);

	return fd >= 0 && !ftruncate(fd, 4096) ? fd : -1;
}

static void *bad_pointer(struct locks *locks)
{
	char *page;
	int fd;

	switch (garbage) {
	case GARBAGE_CYCLE:
		return locks_node(locks, 0);
	case GARBAGE_UNALIGNED:
		return (char *)locks_node(locks, 1) + 2;
	case GARBAGE_KERNEL:
		/* The direct map, or the last page but one */
		return (void *)(sizeof(void *) == 8 ?
				(uintptr_t)0xffff888000000000ULL :
				(uintptr_t)-8192);
	case GARBAGE_UNMAPPED:
		page = some_page(PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1);
		munmap(page, 4096);
		return page;
	case GARBAGE_NO_ACCESS:
		page = some_page(PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1);
		mprotect(page, 4096, PROT_NONE);
		return page;
	case GARBAGE_UNTOUCHED:
		return mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	case GARBAGE_ZEROES:
		return some_page(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	case GARBAGE_SECRET:
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			    secret_file(), 0);
		memset(page, 0, 4096);
		return page;
	case GARBAGE_SHARED:
		return locks->shared->words + LOCKS_WORDS_SIZE - 4096;
	case GARBAGE_FILE:
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		return some_page(PROT_READ, MAP_PRIVATE, fd);
	case GARBAGE_WILD:
	case GARBAGE_PENDING:
		return (void *)(uintptr_t)0x0dead0beef00c0d8ULL;
	default:
		return NULL;
	}
}

/* A good lock, and what comes after it */
static int hold_garbage(struct victim *victim)
{
	struct locks *locks = victim->arg;
	struct robust_list_head *head = locks_head(locks);
	int err;

	locks->words = garbage == GARBAGE_LONG ? GARBAGE_NODES : 1;
	err = locks_make_list(locks, head);
	if (err)
		return err;
	switch (garbage) {
	case GARBAGE_LONG:
		break;
	case GARBAGE_OFFSET:
		head->futex_offset = LONG_MIN + 0x123;
		break;
	case GARBAGE_PENDING:
		head->list_op_pending = bad_pointer(locks);
		break;
	case GARBAGE_HEAD:
		garbage = GARBAGE_KERNEL;
		return locks_register(bad_pointer(locks));
	default:
		locks_node(locks, 0)->next = bad_pointer(locks);
	}
	return 0;
}

TEST_F(garbage, list)
{
	struct locks *locks = &self->locks;

	garbage = variant->garbage;
	if (garbage == GARBAGE_SECRET) {
		int fd = secret_file();

		if (fd < 0)
			SKIP(return, "no secret memory");
		close(fd);
		/* Else the second that reaping may take would not do */
		setting_param("futex_grace_ms", "300");
	}
	locks->words = variant->words;
	locks->victim.body = hold_garbage;
	ASSERT_EQ(0, victim_start(&locks->victim));
	EXPECT_TRUE(locks_kill_and_release(locks));
	EXPECT_EQ(0, locks_lost(locks));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
