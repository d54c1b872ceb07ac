// SPDX-License-Identifier: GPL-2.0
/*
 * Victims with every kind of private memory, stuck when the OOM killer kills
 * them. The memory must be back within a second, swap space included. Once
 * released, they must exit without a complaint from the kernel. For memory that
 * they share with others, see shared.c.
 *
 * Stock waits for two seconds before it looks at a victim, and never gets the
 * memory of one whose mmap_lock is held for write: it fails all these tests
 * except the guards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/syscall.h>

#include "../kselftest_harness.h"
#include "pattern.h"
#include "scene.h"

#define THP		"/sys/kernel/mm/transparent_hugepage"
#define KSM		"/sys/kernel/mm/ksm"

#define OWN_MB		16	/* plain memory that each victim has as well */
#define MB		48	/* memory of the kind in question */
#define PAGE		4096UL

/* Flags of a victim's body */
enum { FIGURE };

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

/* The swap areas in use, and whether they have been taken out of use */
struct swaps {
	struct {
		char path[64];
		bool zram;
		bool off;
	} area[8];
	int nr;
};

static void find_swaps(struct swaps *swaps)
{
	char buf[4096], *line, *rest = buf;

	memset(swaps, 0, sizeof(*swaps));
	if (probe_read("/proc/swaps", buf, sizeof(buf)) <= 0)
		return;
	strtok_r(rest, "\n", &rest);
	while ((line = strtok_r(rest, "\n", &rest)) && swaps->nr < 8) {
		snprintf(swaps->area[swaps->nr].path,
			 sizeof(swaps->area[0].path), "%.*s",
			 (int)strcspn(line, " \t"), line);
		swaps->area[swaps->nr].zram = strstr(line, "/zram");
		swaps->nr++;
	}
}

/* Use either only zram or only the others. Return: whether there is one */
static bool use_swaps(struct swaps *swaps, bool zram)
{
	bool any = false;
	int i;

	find_swaps(swaps);
	for (i = 0; i < swaps->nr; i++) {
		if (swaps->area[i].zram == zram)
			any = true;
		else
			swaps->area[i].off = !swapoff(swaps->area[i].path);
	}
	return any;
}

static void restore_swaps(struct swaps *swaps)
{
	int i;

	for (i = 0; i < swaps->nr; i++)
		if (swaps->area[i].off)
			swapon(swaps->area[i].path, 0);
}

/* What a test has set up */
struct stage {
	struct scene scene;
	struct victim victim;
	struct swaps swaps;
};

FIXTURE(memory)
{
	struct stage stage;
};

FIXTURE_VARIANT(memory)
{
	enum victim_stuck stuck;
};

FIXTURE_VARIANT_ADD(memory, read)
{
	.stuck = VICTIM_READ,
};

/* The reaper has to go under the locks of the VMAs */
FIXTURE_VARIANT_ADD(memory, mmap_lock)
{
	.stuck = VICTIM_MMAP_WRITE,
};

FIXTURE_SETUP(memory)
{
	int err = scene_start(&self->stage.scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->stage.victim = (struct victim){
		.mb = OWN_MB,
		.stuck = variant->stuck,
		.hold = &self->stage.scene.hold,
	};
}

FIXTURE_TEARDOWN(memory)
{
	hold_release_all(&self->stage.scene.hold);
	victim_stop(&self->stage.victim);
	restore_swaps(&self->stage.swaps);
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

static void reap_and_let_go(struct __test_metadata *_metadata,
			    struct stage *stage, size_t mb)
{
	reap(_metadata, stage, mb);
	let_go(_metadata, stage);
}

/* What /proc/self says about a memory of the caller, in kB */
static long rollup_kb(const char *name)
{
	static char buf[4096];
	char *at;

	if (probe_read("/proc/self/smaps_rollup", buf, sizeof(buf)) <= 0)
		return -1;
	at = strstr(buf, name);
	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

TEST_F(memory, anonymous)
{
	self->stage.victim.mb = SCENE_MB;
	start(_metadata, &self->stage, NULL, NULL);
	reap_and_let_go(_metadata, &self->stage, SCENE_MB);
}

static int report_huge(struct victim *victim)
{
	victim->shared->flag[FIGURE] = rollup_kb("AnonHugePages:");
	return 0;
}

TEST_F(memory, huge_pages)
{
	long split;

	self->stage.victim.mb = SCENE_MB;
	self->stage.victim.huge = true;
	if (access(THP, F_OK))
		SKIP(return, "no transparent huge pages");
	start(_metadata, &self->stage, report_huge, NULL);
	scene_print("%d kB in huge pages",
		    self->stage.victim.shared->flag[FIGURE]);
	ASSERT_LT(0, self->stage.victim.shared->flag[FIGURE]);
	split = probe_vmstat("thp_split_pmd");
	reap_and_let_go(_metadata, &self->stage, SCENE_MB);
	split = probe_vmstat("thp_split_pmd") - split;
	scene_print("%ld huge pages were split", split);
	EXPECT_EQ(0, split);
}

/* Half of each huge page is gone already, or has other rights */
static int split_huge(struct victim *victim)
{
	size_t at, half = PROBE_MB;

	for (at = 0; at < victim->mb * PROBE_MB; at += 4 * half) {
		munmap(victim->mem + at, half);
		mprotect(victim->mem + at + 2 * half, half, PROT_READ);
	}
	return 0;
}

TEST_F(memory, huge_pages_split)
{
	self->stage.victim.mb = SCENE_MB;
	self->stage.victim.huge = true;
	if (access(THP, F_OK))
		SKIP(return, "no transparent huge pages");
	start(_metadata, &self->stage, split_huge, NULL);
	/* A huge page goes when the last of it goes: all that is left must */
	reap_and_let_go(_metadata, &self->stage, SCENE_MB * 3 / 4);
}

static int touch_huge(struct victim *victim)
{
	char *mem = map_anon(MB * PROBE_MB);
	size_t at;

	if (!mem)
		return -errno;
	if (madvise(mem, MB * PROBE_MB, MADV_HUGEPAGE))
		return -errno;
	for (at = 0; at < MB * PROBE_MB; at += PAGE)
		mem[at] = 1;
	return 0;
}

TEST_F(memory, middle_sized_pages)
{
	char count[64] = "0";
	long before;

	if (setting_change(THP "/hugepages-2048kB/enabled", "never") ||
	    setting_change(THP "/hugepages-64kB/enabled", "always"))
		SKIP(return, "no transparent huge pages of several sizes");
	probe_read(THP "/hugepages-64kB/stats/anon_fault_alloc", count,
		   sizeof(count));
	before = atol(count);
	start(_metadata, &self->stage, touch_huge, NULL);
	probe_read(THP "/hugepages-64kB/stats/anon_fault_alloc", count,
		   sizeof(count));
	scene_print("%ld pages of 64 kB", atol(count) - before);
	EXPECT_LT(MB * 16 * 9 / 10, atol(count) - before);
	reap_and_let_go(_metadata, &self->stage, OWN_MB + MB);
}

static int page_out(struct victim *victim)
{
	char *mem = map_anon(MB * PROBE_MB);
	long long until = probe_now_ns() + probe_limit(20000) * 1000000LL;

	if (!mem)
		return -errno;
	/* Hard to compress, so that zram has to spend memory on it */
	pattern_fill(mem, MB * PROBE_MB, getpid());
	do {
		madvise(mem, MB * PROBE_MB, MADV_PAGEOUT);
		victim->shared->flag[FIGURE] = rollup_kb("Swap:");
	} while (victim->shared->flag[FIGURE] < (int)(MB * 1024 * 9 / 10) &&
		 probe_now_ns() < until);
	return 0;
}

static long zram_used_kb(void)
{
	char buf[256], *end = buf;
	int i;
	long value = 0;

	if (probe_read("/sys/block/zram0/mm_stat", buf, sizeof(buf)) <= 0)
		return -1;
	/* The third figure: mem_used_total */
	for (i = 0; i < 3; i++)
		value = strtol(end, &end, 10);
	return value / 1024;
}

static void reap_swapped(struct __test_metadata *_metadata,
			 struct stage *stage, bool zram)
{
	long before, used_before = zram_used_kb(), after, used;
	struct victim *victim = &stage->victim;
	long want = MB * 1024 * 9 / 10;
	bool back;

	victim->body = page_out;
	ASSERT_EQ(0, victim_start(victim));
	ASSERT_LT(want, victim->shared->flag[FIGURE]);
	before = probe_meminfo_kb("SwapFree");

	/* Its other memory, and with zram the memory that zram needed */
	EXPECT_LE(0, scene_kill(&stage->scene, OWN_MB, 1000));
	back = probe_wait(probe_meminfo_kb("SwapFree") - before >= want, 1000);
	after = probe_meminfo_kb("SwapFree");
	used = zram_used_kb();
	scene_print("%d kB swapped out, %ld kB of swap space back",
		    victim->shared->flag[FIGURE], after - before);
	EXPECT_TRUE(back);
	if (zram) {
		scene_print("zram: %ld kB used before, %ld kB after",
			    used_before, used);
		EXPECT_GT(used_before + MB * 1024 * 2 / 10, used);
	}
	EXPECT_TRUE(victim_reaped(&stage->scene.log, victim->pid, 1000));
	EXPECT_FALSE(victim_given_up(&stage->scene.log, victim->pid));
	let_go(_metadata, stage);
}

TEST_F_TIMEOUT(memory, swapped_to_disk, 60)
{
	if (!use_swaps(&self->stage.swaps, false))
		SKIP(return, "no swap disk");
	reap_swapped(_metadata, &self->stage, false);
}

TEST_F_TIMEOUT(memory, swapped_to_zram, 60)
{
	if (!use_swaps(&self->stage.swaps, true))
		SKIP(return, "no swap on zram");
	reap_swapped(_metadata, &self->stage, true);
}

static int lock_memory(struct victim *victim)
{
	if (mlock(victim->mem, victim->mb * PROBE_MB))
		return -errno;
	victim->shared->flag[FIGURE] = probe_status(getpid(), "VmLck");
	return 0;
}

TEST_F(memory, mlocked)
{
	long locked;

	self->stage.victim.mb = SCENE_MB;
	start(_metadata, &self->stage, lock_memory, NULL);
	reap(_metadata, &self->stage, SCENE_MB);
	locked = probe_meminfo_kb("Mlocked");
	scene_print("%d kB locked, then %ld kB of all",
		    self->stage.victim.shared->flag[FIGURE], locked);
	EXPECT_LE(SCENE_MB * 1024, self->stage.victim.shared->flag[FIGURE]);
	let_go(_metadata, &self->stage);
}

static long ksm_pages(const char *name)
{
	char path[64], buf[32];

	snprintf(path, sizeof(path), KSM "/%s", name);
	if (probe_read(path, buf, sizeof(buf)) <= 0)
		return -1;
	return atol(buf);
}

#define KSM_MB		32
#define KSM_PAGES	((int)(KSM_MB * PROBE_MB / PAGE))
#define KSM_SALT	7

/* Sixteen different pages, over and over */
static void fill_alike(char *mem, size_t size)
{
	size_t at;

	for (at = 0; at < size; at += 16 * PAGE)
		pattern_fill(mem + at, 16 * PAGE, KSM_SALT);
}

static int merge(struct victim *victim)
{
	char *mem = map_anon(KSM_MB * PROBE_MB);

	if (!mem)
		return -errno;
	madvise(mem, KSM_MB * PROBE_MB, MADV_NOHUGEPAGE);
	fill_alike(mem, KSM_MB * PROBE_MB);
	if (madvise(mem, KSM_MB * PROBE_MB, MADV_MERGEABLE))
		return -errno;
	/* Now: ksmd wants mmap_lock */
	probe_wait(ksm_pages("pages_sharing") >= KSM_PAGES * 9 / 10, 30000);
	victim->shared->flag[FIGURE] = ksm_pages("pages_sharing");
	return 0;
}

/* The test has the same pages, they are merged with those of the victim */
TEST_F_TIMEOUT(memory, merged, 60)
{
	size_t at, size = PROBE_MB;
	long wrong = 0, rss;
	char *mine;
	bool back;

	if (setting_change(KSM "/pages_to_scan", "20000") ||
	    setting_change(KSM "/sleep_millisecs", "10") ||
	    setting_change(KSM "/run", "1"))
		SKIP(return, "no KSM");
	mine = map_anon(size);
	ASSERT_NE(NULL, mine);
	madvise(mine, size, MADV_NOHUGEPAGE);
	fill_alike(mine, size);
	ASSERT_EQ(0, madvise(mine, size, MADV_MERGEABLE));

	start(_metadata, &self->stage, merge, NULL);
	EXPECT_LE(KSM_PAGES * 9 / 10, self->stage.victim.shared->flag[FIGURE]);
	reap(_metadata, &self->stage, OWN_MB);
	back = probe_wait(probe_status_any(self->stage.victim.pid, "RssAnon") <
			  KSM_MB * 1024 / 10, 1000);
	rss = probe_status_any(self->stage.victim.pid, "RssAnon");
	scene_print("%d of %d pages shared, RssAnon %ld kB when reaped",
		    self->stage.victim.shared->flag[FIGURE], KSM_PAGES, rss);
	EXPECT_TRUE(back);
	for (at = 0; at < size; at += 16 * PAGE)
		wrong += pattern_differing(mine + at, 16 * PAGE, KSM_SALT);
	EXPECT_EQ(0, wrong);
	let_go(_metadata, &self->stage);
	for (at = 0; at < size; at += 16 * PAGE)
		wrong += pattern_differing(mine + at, 16 * PAGE, KSM_SALT);
	EXPECT_EQ(0, wrong);
	munmap(mine, size);
}

#define HUGETLB_MB	16

static int map_hugetlb(struct victim *victim)
{
	size_t size = HUGETLB_MB * PROBE_MB;
	char *private = map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
			    -1);
	char *shared = map(size, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1);

	if (!private || !shared)
		return -errno;
	pattern_fill(private, size, 1);
	pattern_fill(shared, size, 1);
	return 0;
}

/* They are useless to tasks that wait for memory, and come back at the end */
TEST_F(memory, hugetlb)
{
	long free, held, after;

	if (setting_change("/proc/sys/vm/nr_hugepages", "16"))
		SKIP(return, "no hugetlb");
	free = probe_meminfo_kb("HugePages_Free");
	if (free < HUGETLB_MB)
		SKIP(return, "only %ld huge pages to be had", free);
	start(_metadata, &self->stage, map_hugetlb, NULL);
	held = probe_meminfo_kb("HugePages_Free");
	EXPECT_EQ(free - HUGETLB_MB, held);
	reap(_metadata, &self->stage, OWN_MB);
	let_go(_metadata, &self->stage);
	probe_wait(probe_meminfo_kb("HugePages_Free") == free, 1000);
	after = probe_meminfo_kb("HugePages_Free");
	scene_print("huge pages: %ld free, then %ld, at last %ld", free, held,
		    after);
	EXPECT_EQ(free, after);
}

static void *touch_missing(void *page)
{
	return (void *)(long)__atomic_load_n((char *)page, __ATOMIC_RELAXED);
}

/* Half of it there and write-protected, half missing, one thread waits */
static int register_memory(struct victim *victim)
{
	size_t at, size = MB * PROBE_MB;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { 0 };
	struct uffdio_writeprotect protect = { 0 };
	char *mem = map_anon(size);
	pthread_t thread;
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || !mem)
		return -errno;
	madvise(mem, size, MADV_NOHUGEPAGE);
	for (at = 0; at < size / 2; at += PAGE)
		mem[at] = 1;
	if (ioctl(fd, UFFDIO_API, &api))
		return -errno;
	reg.range.start = (uintptr_t)mem;
	reg.range.len = size;
	reg.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
	if (ioctl(fd, UFFDIO_REGISTER, &reg)) {
		reg.mode = UFFDIO_REGISTER_MODE_MISSING;
		if (ioctl(fd, UFFDIO_REGISTER, &reg))
			return -errno;
	} else {
		protect.range.start = (uintptr_t)mem;
		protect.range.len = size / 2;
		protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
		if (ioctl(fd, UFFDIO_WRITEPROTECT, &protect))
			return -errno;
	}
	return -pthread_create(&thread, NULL, touch_missing, mem + size / 2);
}

TEST_F(memory, userfaultfd)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	close(fd);
	start(_metadata, &self->stage, register_memory, NULL);
	reap_and_let_go(_metadata, &self->stage, OWN_MB + MB / 2);
}

/* Half of the pages cannot be accessed any more, and are still there */
static int protect_memory(struct victim *victim)
{
	size_t at, size = MB * PROBE_MB;
	char *mem = map_anon(size);

	if (!mem)
		return -errno;
	madvise(mem, size, MADV_NOHUGEPAGE);
	for (at = 0; at < size; at += PAGE)
		mem[at] = 1;
	if (mprotect(mem, size / 2, PROT_NONE))
		return -errno;
	/* Guard pages in between */
	for (at = size / 2; at < size; at += PROBE_MB)
		if (mprotect(mem + at, PAGE, PROT_NONE))
			return -errno;
	return 0;
}

TEST_F(memory, protected)
{
	start(_metadata, &self->stage, protect_memory, NULL);
	reap_and_let_go(_metadata, &self->stage, OWN_MB + MB);
}

#define TERABYTE	(1024 * 1024 * PROBE_MB)
#define TERABYTES	16

/* A page each four gigabytes, and the rest of the memory at the end */
static int map_terabytes(struct victim *victim)
{
	size_t at, size = MB * PROBE_MB;
	int i;

	for (i = 0; i < TERABYTES; i++) {
		char *mem = map(TERABYTE, MAP_PRIVATE | MAP_ANONYMOUS |
				MAP_NORESERVE, -1);

		if (!mem)
			return -errno;
		madvise(mem, TERABYTE, MADV_NOHUGEPAGE);
		for (at = 0; at < TERABYTE; at += TERABYTE / 256)
			mem[at] = 1;
		for (at = 0; at < size / TERABYTES; at += PAGE)
			mem[TERABYTE / 2 + at] = 1;
	}
	return 0;
}

#define NEEDS_SPEED	"takes minutes on a slow kernel"

TEST_F(memory, terabytes)
{
	if (probe_slow())
		SKIP(return, NEEDS_SPEED);
	start(_metadata, &self->stage, map_terabytes, NULL);
	reap_and_let_go(_metadata, &self->stage, OWN_MB + MB);
}

#define VMAS	60000

static int map_vmas(struct victim *victim)
{
	char *mem = map_anon(VMAS * PAGE);
	size_t i;

	if (!mem)
		return -errno;
	madvise(mem, VMAS * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < VMAS; i += 2)
		if (mprotect(mem + i * PAGE, PAGE, PROT_READ))
			return -errno;
	for (i = 1; i < VMAS; i += 4)
		mem[i * PAGE] = 1;
	return 0;
}

TEST_F_TIMEOUT(memory, many_vmas, 120)
{
	if (probe_slow())
		SKIP(return, NEEDS_SPEED);
	ASSERT_EQ(0, setting_change("/proc/sys/vm/max_map_count", "70000"));
	start(_metadata, &self->stage, map_vmas, NULL);
	reap_and_let_go(_metadata, &self->stage,
			OWN_MB + VMAS / 4 * PAGE / PROBE_MB);
}

#define STACK_MB	200

/* From a thread, so that the owner of the stack can be stuck meanwhile */
static void *grow_stack(void *arg)
{
	struct victim *victim = arg;
	char *stack = victim->mem;	/* of the main thread */
	size_t size;

	for (size = 0; size < STACK_MB * PROBE_MB; size += PAGE) {
		__atomic_store_n(stack - size, 1, __ATOMIC_RELAXED);
		victim->shared->flag[FIGURE] = size / 1024;
		if (!(size % (16 * PAGE)))
			usleep(100);
	}
	for (;;)
		pause();
	return NULL;
}

static int have_stack_grown(struct victim *victim)
{
	struct rlimit limit = { STACK_MB * PROBE_MB * 2,
				STACK_MB * PROBE_MB * 2 };
	struct victim *copy = malloc(sizeof(*copy));
	pthread_t thread;

	if (!copy || setrlimit(RLIMIT_STACK, &limit))
		return -errno;
	*copy = *victim;
	copy->mem = __builtin_frame_address(0);
	return -pthread_create(&thread, NULL, grow_stack, copy);
}

TEST_F(memory, growing_stack)
{
	int before;

	self->stage.victim.mb = SCENE_MB;
	start(_metadata, &self->stage, have_stack_grown, NULL);
	before = self->stage.victim.shared->flag[FIGURE];
	reap(_metadata, &self->stage, SCENE_MB);
	scene_print("the stack had %d kB, and %d kB when it was killed",
		    before, self->stage.victim.shared->flag[FIGURE]);
	EXPECT_GT((int)(STACK_MB * 1024 - 4),
		  self->stage.victim.shared->flag[FIGURE]);
	let_go(_metadata, &self->stage);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
