// SPDX-License-Identifier: GPL-2.0
/*
 * Victims with every kind of memory, stuck when the OOM killer kills them.
 * What is theirs alone must be back within a second, swap space included.
 * What others share with them, and files, must stay what they were bit for
 * bit. Once let go they must exit without a complaint of the kernel's.
 *
 * Stock waits for two seconds before it looks at a victim, and never gets the
 * memory of one whose mmap_lock is held for write: it fails all these but the
 * guards.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "scene.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define THP		"/sys/kernel/mm/transparent_hugepage"
#define KSM		"/sys/kernel/mm/ksm"

#define OWN_MB		16	/* plain memory that each victim has besides */
#define MB		48	/* memory of the kind in question */
#define PAGE		4096UL

/* Flags of a victim's body; up from ASK they are for a relative of it */
enum { FIGURE, STOP, ASK, ANSWER };

/* The content of word @i of a memory that the test knows by @salt */
static __u64 pattern(size_t i, __u64 salt)
{
	return (i + salt) * 0x9e3779b97f4a7c15ULL;
}

static void fill(void *mem, size_t size, __u64 salt)
{
	__u64 *word = mem;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = pattern(i, salt);
}

/* Return: how many words are not what they were filled with */
static long differing(const void *mem, size_t size, __u64 salt)
{
	const __u64 *word = mem;
	long count = 0;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		count += word[i] != pattern(i, salt);
	return count;
}

/* The same for a file, read as anybody would. Return: -1 if it is too short */
static long differing_in(int fd, size_t size, __u64 salt)
{
	static __u64 buf[8192];
	size_t at, i, first;
	long count = 0;

	for (at = 0; at < size; at += sizeof(buf)) {
		if (pread(fd, buf, sizeof(buf), at) != sizeof(buf))
			return -1;
		first = at / sizeof(*buf);
		for (i = 0; i < ARRAY_SIZE(buf); i++)
			count += buf[i] != pattern(first + i, salt);
	}
	return count;
}

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
	fill(mem, size, salt);
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

FIXTURE_TEARDOWN(memory)
{
	hold_release_all(&self->stage.scene.hold);
	victim_stop(&self->stage.victim);
	unmount_disk(&self->stage);
	scene_stop(&self->stage.scene);
}

/* The victim is there: kill it, and wait until @mb megabytes are back */
static void reap(struct __test_metadata *_metadata, struct stage *stage,
		 size_t mb)
{
	struct scene *scene = &stage->scene;

	EXPECT_LE(0, scene_kill(scene, mb, 1000));
	EXPECT_TRUE(victim_reaped(&scene->log, stage->victim.pid, 1000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_FALSE(victim_given_up(&scene->log, stage->victim.pid));
	EXPECT_FALSE(victim_gone(&stage->victim, 0));
}

/* Let the victim go, and look whether everything is in order then */
static void let_go(struct __test_metadata *_metadata,
		   struct stage *stage)
{
	struct scene *scene = &stage->scene;
	const char *complaint;

	hold_release_all(&scene->hold);
	EXPECT_TRUE(victim_gone(&stage->victim, 5000));
	EXPECT_TRUE(victim_killed(&stage->victim));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	/* The mm may go a little later: the reaper may be the last with it */
	probe_sleep_ms(100);
	complaint = probe_complaint(&scene->log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

static void reap_and_let_go(struct __test_metadata *_metadata,
			    struct stage *stage, size_t mb)
{
	reap(_metadata, stage, mb);
	let_go(_metadata, stage);
}

static void start(struct __test_metadata *_metadata, struct stage *stage,
		  int (*body)(struct victim *victim), void *arg)
{
	stage->victim.body = body;
	stage->victim.arg = arg;
	ASSERT_EQ(0, victim_start(&stage->victim));
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

/*
 * A figure of the status of the process, or of any of its threads: the first
 * one may be gone before the others, and it then says nothing.
 */
static long status_kb(pid_t pid, const char *name)
{
	char path[64];
	struct dirent *entry;
	long kb = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (kb < 0 && (entry = readdir(dir))) {
		if (atoi(entry->d_name))
			kb = probe_status(atoi(entry->d_name), name);
	}
	closedir(dir);
	return kb;
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

	if (scene_set(&self->stage.scene, THP "/hugepages-2048kB/enabled", "never") ||
	    scene_set(&self->stage.scene, THP "/hugepages-64kB/enabled", "always"))
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

static int page_out(struct victim *victim)
{
	char *mem = map_anon(MB * PROBE_MB);
	long long until = probe_now_ns() + probe_limit(20000) * 1000000LL;

	if (!mem)
		return -errno;
	/* Hard to compress, so that zram has to spend memory on it */
	fill(mem, MB * PROBE_MB, getpid());
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

	/* What it has besides, and in the case of zram what zram needed */
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
	struct swaps swaps;
	bool have = use_swaps(&swaps, false);

	if (have)
		reap_swapped(_metadata, &self->stage, false);
	restore_swaps(&swaps);
	if (!have)
		SKIP(return, "no swap disk");
}

TEST_F_TIMEOUT(memory, swapped_to_zram, 60)
{
	struct swaps swaps;
	bool have = use_swaps(&swaps, true);

	if (have)
		reap_swapped(_metadata, &self->stage, true);
	restore_swaps(&swaps);
	if (!have)
		SKIP(return, "no swap on zram");
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
		fill(mem + at, 16 * PAGE, KSM_SALT);
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

	if (scene_set(&self->stage.scene, KSM "/pages_to_scan", "20000") ||
	    scene_set(&self->stage.scene, KSM "/sleep_millisecs", "10") ||
	    scene_set(&self->stage.scene, KSM "/run", "1"))
		SKIP(return, "no KSM");
	mine = map_anon(size);
	ASSERT_NE(NULL, mine);
	madvise(mine, size, MADV_NOHUGEPAGE);
	fill_alike(mine, size);
	ASSERT_EQ(0, madvise(mine, size, MADV_MERGEABLE));

	start(_metadata, &self->stage, merge, NULL);
	EXPECT_LE(KSM_PAGES * 9 / 10, self->stage.victim.shared->flag[FIGURE]);
	reap(_metadata, &self->stage, OWN_MB);
	back = probe_wait(status_kb(self->stage.victim.pid, "RssAnon") <
			  KSM_MB * 1024 / 10, 1000);
	rss = status_kb(self->stage.victim.pid, "RssAnon");
	scene_print("%d of %d pages shared, RssAnon %ld kB when reaped",
		    self->stage.victim.shared->flag[FIGURE], KSM_PAGES, rss);
	EXPECT_TRUE(back);
	for (at = 0; at < size; at += 16 * PAGE)
		wrong += differing(mine + at, 16 * PAGE, KSM_SALT);
	EXPECT_EQ(0, wrong);
	let_go(_metadata, &self->stage);
	for (at = 0; at < size; at += 16 * PAGE)
		wrong += differing(mine + at, 16 * PAGE, KSM_SALT);
	EXPECT_EQ(0, wrong);
	munmap(mine, size);
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
	while (!shared->flag[STOP] && !differing(mem, size, salt)) {
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
	fill(mem, MB * PROBE_MB, 1);
	victim->shared->flag[ANSWER] = -1;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		live_as_child(victim->shared, mem, MB * PROBE_MB, 1);
	/* Half of it the parent writes again, and gets pages of its own */
	fill(mem, MB * PROBE_MB / 2, 2);
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

TEST_F(memory, shared_with_child)
{
	reap_parent(_metadata, &self->stage);
}

TEST_F(memory, huge_pages_shared_with_child)
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
	fill(inherited->mem, inherited->size / 2, 2);
	victim->shared->flag[FIGURE] =
		differing(inherited->mem + inherited->size / 2,
			  inherited->size / 2, 1);
	return 0;
}

/* The test itself is the parent */
TEST_F(memory, shared_with_parent)
{
	struct inherited inherited = { .size = MB * PROBE_MB };

	inherited.mem = map_anon(inherited.size);
	ASSERT_NE(NULL, inherited.mem);
	fill(inherited.mem, inherited.size, 1);
	start(_metadata, &self->stage, be_child, &inherited);
	reap(_metadata, &self->stage, MB / 2);
	EXPECT_EQ(0, differing(inherited.mem, inherited.size, 1));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(0, differing(inherited.mem, inherited.size, 1));
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
		fill(buf, PAGE, 3 + at / sizeof(__u64));
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
	written = differing(mem, half, 3);
	rest = differing(mem + half, half, 4 + half / sizeof(__u64));
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

TEST_F(memory, private_file)
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
TEST_F(memory, private_file_read_later)
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
 * Somebody reads from the victim all the time. What he gets is what the victim
 * has written, or an error, and once there was an error at an address there is
 * one from then on.
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
				!!differing(buf, PAGE,
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
	fill(inherited->mem, inherited->size, 5);
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

TEST_F(memory, guard_read_while_reaped)
{
	if (variant->stuck == VICTIM_MMAP_WRITE)
		SKIP(return, "with mmap_lock held nobody can read");
	read_while_reaped(_metadata, &self->stage, false);
}

TEST_F(memory, guard_read_while_reaped_by_file)
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

static int fill_file(int fd, size_t size, __u64 salt)
{
	static __u64 buf[8192];
	size_t at;

	for (at = 0; at < size; at += sizeof(buf)) {
		fill(buf, sizeof(buf), salt + at / sizeof(*buf));
		if (pwrite(fd, buf, sizeof(buf), at) != sizeof(buf))
			return -errno;
	}
	return 0;
}

TEST_F_TIMEOUT(memory, private_file_on_disk, 60)
{
	int image = memfd_create("oom_reaper.disk", MFD_CLOEXEC);
	const char *lacking = mount_disk(&self->stage, image);
	int fd;

	if (lacking)
		SKIP(return, "%s", lacking);
	fd = open_on_disk(&self->stage);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fill_file(fd, FILE_MB * PROBE_MB, 4));
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
	fill(mem + size / 2, size / 2, 3 + size / 2 / sizeof(__u64));
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
	EXPECT_EQ(0, differing_in(fd, size, 3));
	file = status_kb(stage->victim.pid, "RssFile");
	shmem = status_kb(stage->victim.pid, "RssShmem");
	reap(_metadata, stage, OWN_MB);
	file_after = status_kb(stage->victim.pid, "RssFile");
	shmem_after = status_kb(stage->victim.pid, "RssShmem");
	scene_print("RssFile %ld kB before, %ld kB after, RssShmem %ld and %ld kB",
		    file, file_after, shmem, shmem_after);
	/*
	 * The upper half, but for what each CPU has not told yet; of RssFile the
	 * program and its libraries go
	 */
	EXPECT_LE((long)size / 2 / 1024 - 1024, file_after + shmem_after);
	EXPECT_EQ(0, differing_in(fd, size, 3));
}

TEST_F_TIMEOUT(memory, shared_file_on_disk, 60)
{
	size_t size = FILE_MB * PROBE_MB;
	int image = memfd_create("oom_reaper.disk", MFD_CLOEXEC);
	const char *lacking = mount_disk(&self->stage, image);
	int fd;

	if (lacking)
		SKIP(return, "%s", lacking);
	fd = open_on_disk(&self->stage);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fill_file(fd, size / 2, 3));
	ASSERT_EQ(0, ftruncate(fd, size));
	ASSERT_EQ(0, fsync(fd));
	reap_sharer(_metadata, &self->stage, fd);
	/* Write back while the victim still has it mapped */
	EXPECT_EQ(0, fsync(fd));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(0, differing_in(fd, size, 3));
	fd = reopen_on_disk(&self->stage, fd);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, differing_in(fd, size, 3));
	close(fd);
	close(image);
}

/* With swap the pages are thrown out and read back in, too */
TEST_F_TIMEOUT(memory, shmem, 60)
{
	size_t size = FILE_MB * PROBE_MB;
	int fd = make_file(size / 2, 3);
	char *mem;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, size));
	reap_sharer(_metadata, &self->stage, fd);
	mem = map(size, MAP_SHARED, fd);
	ASSERT_NE(NULL, mem);
	EXPECT_EQ(0, differing(mem, size, 3));
	madvise(mem, size, MADV_PAGEOUT);
	EXPECT_EQ(0, differing(mem, size, 3));
	let_go(_metadata, &self->stage);
	madvise(mem, size, MADV_PAGEOUT);
	EXPECT_EQ(0, differing(mem, size, 3));
	EXPECT_EQ(0, differing_in(fd, size, 3));
	munmap(mem, size);
	close(fd);
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
	fill(private, size, 1);
	fill(shared, size, 1);
	return 0;
}

/* They are of no use to those who wait for memory, and come back at the end */
TEST_F(memory, hugetlb)
{
	long free, held, after;

	if (scene_set(&self->stage.scene, "/proc/sys/vm/nr_hugepages", "16"))
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

static int map_secret(struct victim *victim)
{
	char *mem = map(4 * PROBE_MB, MAP_SHARED, *(int *)victim->arg);

	if (!mem)
		return -errno;
	fill(mem + 2 * PROBE_MB, 2 * PROBE_MB, 1);
	return 0;
}

/* The test maps the same, and finds in it what both have written */
TEST_F(memory, secret)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC);
	char *mem;

	if (fd < 0)
		SKIP(return, "no memfd_secret()");
	ASSERT_EQ(0, ftruncate(fd, 4 * PROBE_MB));
	mem = map(4 * PROBE_MB, MAP_SHARED, fd);
	if (!mem)
		SKIP(return, "no secret memory: %s", strerror(errno));
	fill(mem, 2 * PROBE_MB, 1);
	start(_metadata, &self->stage, map_secret, &fd);
	reap(_metadata, &self->stage, OWN_MB);
	EXPECT_EQ(0, differing(mem, 2 * PROBE_MB, 1));
	EXPECT_EQ(0, differing(mem + 2 * PROBE_MB, 2 * PROBE_MB, 1));
	let_go(_metadata, &self->stage);
	EXPECT_EQ(0, differing(mem, 2 * PROBE_MB, 1));
	EXPECT_EQ(0, differing(mem + 2 * PROBE_MB, 2 * PROBE_MB, 1));
	munmap(mem, 4 * PROBE_MB);
	close(fd);
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
	ASSERT_EQ(0, scene_set(&self->stage.scene, "/proc/sys/vm/max_map_count", "70000"));
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
