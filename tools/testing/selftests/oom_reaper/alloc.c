// SPDX-License-Identifier: GPL-2.0
/*
 * How allocations fare when memory has run out: how long they wait, what the
 * waiting costs, which one is served first, which ones may fail.
 *
 * The module test_oom allocates the pages, in the context of processes that are
 * exempt from OOM kills. Without the module all tests are skipped.
 *
 * Stock waits for two seconds for the victim and uses all CPUs to do so: it
 * fails waiting_costs, livelock, killer_first, and the latencies except those of
 * GFP_NOFS, which depend on the order of arrival. The guards pass on both.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "glutton.h"
#include "scene.h"

#define TEST_OOM	PROBE_TEST_OOM "alloc"
#define SYSCTL		"/proc/sys/vm/"
#define NEEDS_MODULE	"no module test_oom"
#define NEEDS_LITTLE	"too much memory to use it up"

#define NR_EATERS	64
#define PAGE_KB		(getpagesize() / 1024)

/* A process that allocates */
struct eater {
	pid_t pid;
	int slow_ms;		/* at each priority of direct reclaim, 0: not */
	char request[64];
	struct eater_shared {
		atomic_int stage;
		atomic_int error;		/* of the request, positive */
		atomic_long failed;
		atomic_llong worst_ns;
		atomic_long wakeups;
		atomic_long cpu_us;
		atomic_long easy_cpu_us;
		atomic_llong took_ns;
		atomic_llong done_ns;
	} *shared;
};

enum { EATER_BORN, EATER_READY, EATER_GO, EATER_DONE };

static long sysctl(const char *name)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), SYSCTL "%s", name);
	return probe_read(path, text, sizeof(text)) > 0 ? atol(text) : -1;
}

static int sysctl_set(const char *name, long value)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), SYSCTL "%s", name);
	snprintf(text, sizeof(text), "%ld", value);
	return setting_change(path, text);
}

static bool request(int fd, const char *text)
{
	return write(fd, text, strlen(text)) > 0;
}

static int open_test(void)
{
	return open(TEST_OOM, O_RDWR | O_CLOEXEC);
}

static long cpu_us(const struct rusage *usage)
{
	return usage->ru_stime.tv_sec * 1000000L + usage->ru_stime.tv_usec;
}

static void eat(struct eater *eater, long easy_pages)
{
	struct eater_shared *shared = eater->shared;
	struct rusage before, after;
	char line[256] = "";
	long long from;
	int fd = open_test();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "eater");
	if (easy_pages) {
		snprintf(line, sizeof(line), "kernel 0 %ld", easy_pages);
		getrusage(RUSAGE_SELF, &before);
		if (!request(open_test(), line))
			shared->error = errno;
		getrusage(RUSAGE_SELF, &after);
		shared->easy_cpu_us = cpu_us(&after) - cpu_us(&before);
	}
	if (eater->slow_ms) {
		snprintf(line, sizeof(line), "slow %d", eater->slow_ms);
		if (!request(fd, line))
			shared->error = errno;
	}
	/* What this takes is there when there is no memory left */
	if (read(fd, line, sizeof(line) - 1) <= 0)
		shared->error = errno;
	shared->stage = EATER_READY;
	while (shared->stage < EATER_GO)
		usleep(1000);
	getrusage(RUSAGE_SELF, &before);
	from = probe_now_ns();
	if (!request(fd, eater->request))
		shared->error = errno;
	getrusage(RUSAGE_SELF, &after);
	shared->done_ns = probe_now_ns();
	shared->took_ns = shared->done_ns - from;
	shared->wakeups = after.ru_nvcsw - before.ru_nvcsw;
	shared->cpu_us = cpu_us(&after) - cpu_us(&before);
	memset(line, 0, sizeof(line));
	lseek(fd, 0, SEEK_SET);
	if (read(fd, line, sizeof(line) - 1) > 0) {
		shared->failed = probe_field(line, "failed");
		shared->worst_ns = probe_field(line, "worst_ns");
	}
	shared->stage = EATER_DONE;
	/* Hold it until killed */
	for (;;)
		pause();
}

/*
 * It takes @easy_pages, which are available, and then waits for eater_go().
 * Return: 0 or -errno
 */
static int eater_start_full(struct eater *eater, long easy_pages,
			    const char *gfp, int order, long count)
{
	snprintf(eater->request, sizeof(eater->request), "%s %d %ld", gfp,
		 order, count);
	eater->shared = mmap(NULL, sizeof(*eater->shared),
			     PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (eater->shared == MAP_FAILED)
		return -errno;
	fflush(stdout);
	eater->pid = fork();
	if (!eater->pid)
		eat(eater, easy_pages);
	if (eater->pid < 0) {
		int err = -errno;

		eater->pid = 0;
		munmap(eater->shared, sizeof(*eater->shared));
		return err;
	}
	if (!probe_wait(eater->shared->stage == EATER_READY, 5000))
		return -ETIMEDOUT;
	return -eater->shared->error;
}

static int eater_start(struct eater *eater, const char *gfp, int order,
		       long count)
{
	return eater_start_full(eater, 0, gfp, order, count);
}

static void eater_go(struct eater *eater)
{
	eater->shared->stage = EATER_GO;
}

/* Whether it has got what it asked for, or was told that there is none */
static bool eater_done(struct eater *eater, int ms)
{
	return probe_wait(eater->shared->stage == EATER_DONE, ms) &&
	       !eater->shared->error;
}

/* Whether it still waits after that time */
static bool eater_waits(struct eater *eater, int ms)
{
	probe_sleep_ms(ms);
	return eater->shared->stage == EATER_GO;
}

static void eater_stop(struct eater *eater)
{
	if (eater->pid <= 0)
		return;
	kill(eater->pid, SIGKILL);
	waitpid(eater->pid, NULL, 0);
	munmap(eater->shared, sizeof(*eater->shared));
	memset(eater, 0, sizeof(*eater));
}

struct alloc {
	struct scene scene;
	struct victim victim[8];
	struct eater eater[NR_EATERS];
};

FIXTURE(alloc)
{
	struct alloc alloc;
};

FIXTURE_SETUP(alloc)
{
	struct alloc *alloc = &self->alloc;
	int i, err;

	if (!probe_test_oom(TEST_OOM))
		SKIP(return, NEEDS_MODULE);
	if (!glutton_possible())
		SKIP(return, NEEDS_LITTLE);
	err = scene_start(&alloc->scene);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	for (i = 0; i < 8; i++) {
		alloc->victim[i].mb = SCENE_MB;
		alloc->victim[i].stuck = VICTIM_READ;
		alloc->victim[i].hold = &alloc->scene.hold;
		alloc->victim[i].file = i;
	}
	probe_write("/proc/sys/vm/drop_caches", "3");
	/* Raises the watermarks by tens of megabytes at times */
	sysctl_set("watermark_boost_factor", 0);
}

FIXTURE_TEARDOWN(alloc)
{
	struct alloc *alloc = &self->alloc;
	int i;

	for (i = 0; i < NR_EATERS; i++)
		eater_stop(&alloc->eater[i]);
	hold_release_all(&alloc->scene.hold);
	for (i = 0; i < 8; i++)
		victim_stop(&alloc->victim[i]);
	scene_stop(&alloc->scene);
}

/*
 * For when there is no memory left: a file that is open, and was read before,
 * needs none. Return: MemFree in kB, -1 if it cannot be read
 */
static long free_kb_of(int meminfo)
{
	char text[256] = "";
	char *at;

	if (pread(meminfo, text, sizeof(text) - 1, 0) <= 0)
		return -1;
	at = strstr(text, "MemFree:");
	return at ? atol(at + strlen("MemFree:")) : -1;
}

#define STEADY_KB	512
#define STEADY_MS	300
#define EASY_LEFT_MB	40	/* some cannot be used up */

static bool steady(int meminfo)
{
	long before = free_kb_of(meminfo);

	probe_sleep_ms(STEADY_MS);
	return labs(before - free_kb_of(meminfo)) < STEADY_KB;
}

/*
 * An eater that holds most of the memory, and on eater_go() takes the rest but
 * @left_kb, which can be negative: it then wants so much more than there is.
 */
static int eater_start_big(struct eater *eater, const char *gfp, long left_kb)
{
	long easy_kb = probe_free_kb() - EASY_LEFT_MB * 1024 -
		       sysctl("min_free_kbytes");

	return eater_start_full(eater, easy_kb / PAGE_KB, gfp, 0,
				(probe_free_kb() - easy_kb - left_kb) / PAGE_KB);
}

/* Let it take all. Return: whether it waits for more */
static bool use_up(struct eater *eater, int meminfo)
{
	eater_go(eater);
	return probe_wait(steady(meminfo), 60000) && eater_waits(eater, 0);
}

static int open_meminfo(void)
{
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	/* Its buffer and this function's memory */
	free_kb_of(fd);
	return fd;
}

/* Text that is no request, and requests for what must not be asked for */
TEST_F(alloc, guard_requests)
{
	static const char * const bad[] = {
		" ", "kernel", "kernel 0", "kernel 0 0", "kernel 0 -1",
		"kernel 0 1048577", "kernel 64 1", "kernel -1 1", "kernel x 1",
		"kernel 0 x", "kernel 0 1 1", "kernel+ 0 1", "+kernel 0 1",
		"dma 0 1", "0xcc0 0 1", "kernel+nofail 2 1", "nowait+nofail 0 1",
		"kernel+nofail+noretry 0 1", "nofail 0 1", "slow", "slow x",
		"slow 0", "slow 1001", "deaf", "deaf 0", "deaf 1001",
		"dying", "dying kernel",
	};
	char line[256] = "", big[200];
	int fd = open_test();
	size_t i;

	ASSERT_LE(0, fd);
	memset(big, 'k', sizeof(big));
	EXPECT_EQ(-1, write(fd, big, sizeof(big)));
	EXPECT_EQ(EINVAL, errno);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, write(fd, bad[i], strlen(bad[i])))
			TH_LOG("accepted: %s", bad[i]);
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(4, write(fd, "free", 4));
	EXPECT_EQ(6, write(fd, "slow 1", 6));
	EXPECT_EQ(6, write(fd, "slow 2", 6));
	EXPECT_EQ(13, write(fd, "kernel 3 100\n", 13));
	EXPECT_EQ(-1, write(fd, "kernel 0 1", 10));
	EXPECT_EQ(EBUSY, errno);
	lseek(fd, 0, SEEK_SET);
	EXPECT_LT(0, read(fd, line, sizeof(line) - 1));
	EXPECT_EQ(3, probe_field(line, "order"));
	EXPECT_EQ(100, probe_field(line, "count"));
	EXPECT_EQ(0, probe_field(line, "failed"));
	EXPECT_EQ(5, write(fd, "free\n", 5));
	lseek(fd, 0, SEEK_SET);
	memset(line, 0, sizeof(line));
	EXPECT_LT(0, read(fd, line, sizeof(line) - 1));
	EXPECT_EQ(0, probe_field(line, "count"));
	close(fd);
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/*
 * A victim is stuck, two processes want its memory: one for which the OOM
 * killer kills, and the one that is tested. Nothing may fail with the defaults.
 */
static void latency(struct __test_metadata *_metadata, struct alloc *alloc,
		    const char *gfp, int order)
{
	struct scene *scene = &alloc->scene;
	struct victim *victim = alloc->victim;
	struct eater *eater = alloc->eater;
	bool alone;
	long pages;

	ASSERT_EQ(0, victim_start(victim));
	pages = (probe_free_kb() / 2 + 4 * 1024) / PAGE_KB;
	ASSERT_EQ(0, eater_start(&eater[0], "kernel", 0, pages));
	ASSERT_EQ(0, eater_start(&eater[1], gfp, order, pages >> order));
	eater_go(&eater[0]);
	eater_go(&eater[1]);
	EXPECT_TRUE(eater_done(&eater[0], 10000));
	alone = !eater_done(&eater[1], 3000);
	if (alone) {
		/* If the other eater has enough, these trigger no OOM kill */
		EXPECT_TRUE(strncmp(gfp, "nofs", 4) == 0);
		EXPECT_EQ(0, victim_sysrq());
	}
	EXPECT_TRUE(eater_done(&eater[1], 10000));
	scene_print("%s, order %d: %ld failed, worst %lld ms%s", gfp, order,
		    eater[1].shared->failed,
		    eater[1].shared->worst_ns / 1000000,
		    alone ? ", SysRq-f" : "");
	scene_print("the other one: %ld failed, worst %lld ms",
		    eater[0].shared->failed,
		    eater[0].shared->worst_ns / 1000000);
	EXPECT_EQ(0, eater[0].shared->failed);
	EXPECT_EQ(0, eater[1].shared->failed);
	EXPECT_GT(probe_limit(1000), eater[0].shared->worst_ns / 1000000);
	if (!alone)
		EXPECT_GT(probe_limit(1000),
			  eater[1].shared->worst_ns / 1000000);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_TRUE(scene_quiet(scene));
}

TEST_F(alloc, kernel)
{
	latency(_metadata, &self->alloc, "kernel", 0);
}

TEST_F(alloc, kernel_order_3)
{
	latency(_metadata, &self->alloc, "kernel+comp", 3);
}

TEST_F(alloc, nofs)
{
	latency(_metadata, &self->alloc, "nofs", 0);
}

TEST_F(alloc, nofs_order_3)
{
	latency(_metadata, &self->alloc, "nofs+comp", 3);
}

TEST_F(alloc, nofail)
{
	latency(_metadata, &self->alloc, "kernel+nofail", 0);
}

TEST_F(alloc, nofs_nofail)
{
	latency(_metadata, &self->alloc, "nofs+nofail", 0);
}

#define FLIGHT_MS	2000	/* how long stock leaves a victim alone */
#define VICTIM_MB	160

/*
 * All wait for one victim, which is as long in flight on ours as on stock.
 * Stock has them look for memory and for a victim on each tick.
 */
TEST_F_TIMEOUT(alloc, waiting_costs, 120)
{
	long pages, easy, all_easy = 0, easy_us = 0, us = 0, wakeups = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct eater *eater = self->alloc.eater;
	int i, waited = 0;

	setting_param("delay_ms", "2000");
	self->alloc.victim[0].mb = VICTIM_MB;
	ASSERT_EQ(0, victim_start(&self->alloc.victim[0]));
	pages = (EASY_LEFT_MB + VICTIM_MB - 32) * 1024 / PAGE_KB;
	for (i = 0; i < NR_EATERS; i++) {
		easy = probe_free_kb() - EASY_LEFT_MB * 1024;
		easy = easy < 0 ? 0 : easy / PAGE_KB / (NR_EATERS - i);
		ASSERT_EQ(0, eater_start_full(&eater[i], easy, "kernel", 0,
					      pages / NR_EATERS));
		all_easy += easy;
	}
	for (i = 0; i < NR_EATERS; i++)
		eater_go(&eater[i]);
	for (i = 0; i < NR_EATERS; i++) {
		EXPECT_TRUE(eater_done(&eater[i], 20000));
		EXPECT_EQ(0, eater[i].shared->failed);
		waited += eater[i].shared->took_ns >
			  FLIGHT_MS / 4 * 1000000LL;
		wakeups += eater[i].shared->wakeups;
		us += eater[i].shared->cpu_us;
		easy_us += eater[i].shared->easy_cpu_us;
	}
	/* What it takes to allocate is no cost of waiting */
	easy_us = easy_us * pages / (all_easy ?: 1);
	scene_print("%d of %d waited: %ld wakeups, %ld ms of CPU time, and %ld to allocate",
		    waited, NR_EATERS, wakeups, (us - easy_us) / 1000,
		    easy_us / 1000);
	/* Else it shows nothing */
	EXPECT_LT(NR_EATERS / 2, waited);
	EXPECT_GT(16 * NR_EATERS, wakeups);
	/* Stock uses all there is; reclaim comes before any wait */
	EXPECT_GT(cpus * probe_limit(FLIGHT_MS * 3 / 4), (us - easy_us) / 1000);
	EXPECT_EQ(1, probe_count(&self->alloc.scene.log, "Killed process"));
	EXPECT_TRUE(bystander_intact(&self->alloc.scene.bystander));
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/*
 * The victim waits for the lock of a file, its holder for memory, and what the
 * holder would wait for in the end is the victim.
 */
static int write_locked(struct victim *victim)
{
	char byte = 1;

	victim->shared->stage = VICTIM_READY;
	while (!victim->shared->flag[0])
		probe_sleep_ms(1);
	/* pwrite() takes the lock of the inode */
	while (pwrite(*(int *)victim->arg, &byte, 1, 0) == 1)
		;
	return 0;
}

/* A long write holds the lock all the time */
#define WRITE_MB	16

static void fill(int fd, size_t mb, atomic_llong *worst_ns)
{
	static char buf[PROBE_MB];
	struct iovec iov[WRITE_MB];
	size_t i, nr;

	for (i = 0; i < WRITE_MB; i++)
		iov[i] = (struct iovec){ buf, sizeof(buf) };
	while (mb) {
		long long from = probe_now_ns();

		nr = mb < WRITE_MB ? mb : WRITE_MB;
		if (writev(fd, iov, nr) != (ssize_t)(nr * PROBE_MB))
			_exit(1);
		if (probe_now_ns() - from > *worst_ns)
			*worst_ns = probe_now_ns() - from;
		mb -= nr;
	}
	_exit(0);
}

TEST_F_TIMEOUT(alloc, livelock, 60)
{
	struct victim *victim = &self->alloc.victim[0];
	int fd = memfd_create("filled", MFD_CLOEXEC);
	atomic_llong *worst_ns;
	int status = -1;
	size_t mb;
	pid_t pid;

	ASSERT_LE(0, fd);
	worst_ns = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, worst_ns);
	victim->body = write_locked;
	victim->arg = &fd;
	victim->stuck = VICTIM_FREE;
	victim->threads = 16;
	ASSERT_EQ(0, victim_start(victim));
	/* All of it cannot be used, the victim's memory makes up for that */
	mb = probe_free_kb() / 1024;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill(fd, mb, worst_ns);
	}
	ASSERT_LT(0, pid);
	victim->shared->flag[0] = 1;
	if (!probe_wait(waitpid(pid, &status, WNOHANG) == pid, 30000)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	scene_print("worst write %lld ms, bystander %s", *worst_ns / 1000000,
		    bystander_alive(&self->alloc.scene.bystander) ?
		    "alive" : "killed");
	EXPECT_EQ(0, status);
	EXPECT_GT(probe_limit(1000), *worst_ns / 1000000);
	EXPECT_TRUE(bystander_intact(&self->alloc.scene.bystander));
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(victim_killed(victim));
	close(fd);
	munmap(worst_ns, 4096);
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/* So many pages a commit of a journal may take */
#define NR_NOFAIL	200

/*
 * The victim may need a lock that the allocating task holds, so allocations with
 * __GFP_NOFAIL must not each wait for it.
 */
static void nofail_in_flight(struct __test_metadata *_metadata,
			     struct alloc *alloc, const char *gfp)
{
	struct scene *scene = &alloc->scene;
	struct victim *victim = alloc->victim;
	struct eater *eater = alloc->eater;
	int meminfo = open_meminfo();

	setting_param("enabled", "0");
	setting_param("victim_timeout_ms", "0");
	ASSERT_EQ(0, victim_start(victim));
	ASSERT_EQ(0, eater_start_big(&eater[0], "nofs", -4096));
	ASSERT_EQ(0, eater_start(&eater[1], gfp, 0, NR_NOFAIL));
	ASSERT_EQ(0, victim_sysrq());
	ASSERT_TRUE(use_up(&eater[0], meminfo));
	eater_go(&eater[1]);
	EXPECT_TRUE(eater_done(&eater[1], 30000));
	/* The test may need memory from here on, and wait for the victim */
	hold_release(&scene->hold, victim->file);
	scene_print("%d pages of %s: %lld ms, worst %lld ms, %ld wakeups",
		    NR_NOFAIL, gfp, eater[1].shared->took_ns / 1000000,
		    eater[1].shared->worst_ns / 1000000,
		    eater[1].shared->wakeups);
	/* How long it takes without a sleep is up to the machine */
	EXPECT_GT(NR_NOFAIL / 10, eater[1].shared->wakeups);
	EXPECT_EQ(0, eater[1].shared->failed);
	EXPECT_TRUE(eater_done(&eater[0], 10000));
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	close(meminfo);
	EXPECT_TRUE(scene_quiet(scene));
}

TEST_F_TIMEOUT(alloc, guard_nofail_in_flight, 120)
{
	nofail_in_flight(_metadata, &self->alloc, "kernel+nofail");
}

TEST_F_TIMEOUT(alloc, guard_nofs_nofail_in_flight, 120)
{
	nofail_in_flight(_metadata, &self->alloc, "nofs+nofail");
}

/* The sum of a field over all zones in /proc/zoneinfo, in kB; -1: not there */
static long zoneinfo_kb(const char *name)
{
	static char text[65536];
	char field[32];
	long pages = -1;
	char *at;

	snprintf(field, sizeof(field), " %s ", name);
	if (probe_read("/proc/zoneinfo", text, sizeof(text)) <= 0)
		return -1;
	for (at = text; (at = strstr(at, field)); at++)
		pages = (pages < 0 ? 0 : pages) + atol(at + strlen(field));
	return pages < 0 ? -1 : pages * PAGE_KB;
}

/*
 * What is left below the reserves for victims is for reclaim: to get at that
 * __GFP_NOFAIL waits once, and then not again for each page.
 */
TEST_F_TIMEOUT(alloc, guard_nofail_last_pages, 120)
{
	struct victim *victim = &self->alloc.victim[0];
	struct eater *eater = self->alloc.eater;
	int meminfo = open_meminfo();
	const long min_kb = 3072, pages = min_kb * 7 / 8 / PAGE_KB;
	long left_kb, wakeups, failed;
	long long took_ms, worst_ms;

	ASSERT_EQ(0, sysctl_set("min_free_kbytes", min_kb));
	setting_param("enabled", "0");
	setting_param("victim_timeout_ms", "0");
	ASSERT_EQ(0, victim_start(victim));
	ASSERT_EQ(0, eater_start_big(&eater[0], "nofs", -4096));
	ASSERT_EQ(0, eater_start(&eater[1], "kernel+nofail", 0, pages));
	ASSERT_EQ(0, victim_sysrq());
	ASSERT_TRUE(use_up(&eater[0], meminfo));
	eater_go(&eater[1]);
	EXPECT_TRUE(eater_done(&eater[1], 60000));
	left_kb = free_kb_of(meminfo);
	hold_release(&self->alloc.scene.hold, victim->file);
	took_ms = eater[1].shared->took_ns / 1000000;
	worst_ms = eater[1].shared->worst_ns / 1000000;
	wakeups = eater[1].shared->wakeups;
	failed = eater[1].shared->failed;
	eater_stop(&eater[1]);
	scene_print("%ld of %ld kB below the watermark: %lld ms, worst %lld ms",
		    pages * PAGE_KB, min_kb, took_ms, worst_ms);
	scene_print("%ld wakeups, %ld kB left", wakeups, left_kb);
	/* How long it takes without a sleep is up to the machine */
	EXPECT_GT(pages / 10, wakeups);
	EXPECT_EQ(0, failed);
	EXPECT_TRUE(eater_done(&eater[0], 10000));
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(bystander_intact(&self->alloc.scene.bystander));
	close(meminfo);
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/*
 * A victim gives its memory back while a task reclaims that waits for it: the
 * task must not have another process killed. The memory is less than the high
 * watermark, where the last attempt before a kill looks for it.
 */
TEST_F_TIMEOUT(alloc, guard_progress_in_reclaim, 180)
{
	struct eater *eater = self->alloc.eater;
	int round, meminfo = open_meminfo();

	setting_param("enabled", "0");
	setting_param("victim_timeout_ms", "0");
	sysctl_set("watermark_scale_factor", 1000);
	for (round = 0; round < 5; round++) {
		struct victim *victim = &self->alloc.victim[round];

		ASSERT_EQ(0, victim_start(victim));
		/* A pass takes a third of a second */
		eater->slow_ms = 20;
		ASSERT_EQ(0, eater_start_big(eater, "kernel", -8192));
		ASSERT_EQ(0, victim_sysrq());
		ASSERT_TRUE(use_up(eater, meminfo));
		/* Up to 17 passes go by before it gets to the OOM killer */
		probe_sleep_ms(8000 + round * 60);
		hold_release(&self->alloc.scene.hold, victim->file);
		EXPECT_TRUE(eater_done(eater, 20000));
		EXPECT_EQ(0, eater->shared->failed);
		EXPECT_TRUE(victim_gone(victim, 5000));
		scene_print("waited %lld ms, %ld wakeups, %d killed for %d victims",
			    eater->shared->worst_ns / 1000000,
			    eater->shared->wakeups,
			    probe_count(&self->alloc.scene.log, "Killed process"),
			    round + 1);
		eater_stop(eater);
	}
	close(meminfo);
	EXPECT_EQ(5, probe_count(&self->alloc.scene.log, "Killed process"));
	EXPECT_TRUE(bystander_intact(&self->alloc.scene.bystander));
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/*
 * A victim that gives nothing back, and another task that takes all memory that
 * anybody may use: the allocation that triggered the kill is served from
 * reserves. Stock has it wait for the victim.
 */
TEST_F_TIMEOUT(alloc, killer_first, 90)
{
	struct victim *victim = &self->alloc.victim[0];
	struct eater *eater = self->alloc.eater;
	int meminfo = open_meminfo();

	setting_param("enabled", "0");
	ASSERT_EQ(0, victim_start(victim));
	ASSERT_EQ(0, eater_start_big(&eater[0], "nofs", -4096));
	ASSERT_EQ(0, eater_start(&eater[1], "kernel", 0, 1));
	ASSERT_TRUE(use_up(&eater[0], meminfo));
	eater_go(&eater[1]);
	EXPECT_TRUE(eater_done(&eater[1], 1000));
	EXPECT_TRUE(eater_waits(&eater[0], 0));
	hold_release(&self->alloc.scene.hold, victim->file);
	EXPECT_TRUE(victim_gone(victim, 5000));
	EXPECT_TRUE(victim_killed(victim));
	EXPECT_TRUE(eater_done(&eater[0], 10000));
	EXPECT_TRUE(eater_done(&eater[1], 10000));
	scene_print("served after %lld ms",
		    eater[1].shared->worst_ns / 1000000);
	EXPECT_EQ(1, probe_count(&self->alloc.scene.log, "Killed process"));
	EXPECT_TRUE(bystander_intact(&self->alloc.scene.bystander));
	close(meminfo);
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/* Nothing is reserved beyond what min_free_kbytes says */
TEST_F(alloc, guard_watermark)
{
	long min_kb = zoneinfo_kb("min");

	if (probe_meminfo_kb("HighTotal") > 0)
		SKIP(return, "HighMem has a watermark of its own");
	scene_print("min watermarks %ld kB, min_free_kbytes %ld", min_kb,
		    sysctl("min_free_kbytes"));
	EXPECT_LT(0, min_kb);
	/* A zone for movable memory has one of its own, even if it is empty */
	EXPECT_GE(sysctl("min_free_kbytes") + 256, min_kb);
}

TEST_F_TIMEOUT(alloc, fail_nofs, 150)
{
	struct eater *eater = self->alloc.eater;
	long pages;

	if (sysctl("oom_fail_nofs") < 0)
		SKIP(return, "no sysctl \"oom_fail_nofs\"");
	EXPECT_EQ(0, sysctl("oom_fail_nofs"));
	EXPECT_EQ(-EINVAL, sysctl_set("oom_fail_nofs", 2));
	EXPECT_EQ(0, sysctl_set("oom_fail_nofs", 1));
	/* For what the test itself needs then */
	self->alloc.victim[0].stuck = VICTIM_FREE;
	ASSERT_EQ(0, victim_start(&self->alloc.victim[0]));
	/* Some of it cannot be used, and each failure takes milliseconds */
	pages = (probe_free_kb() - 16 * 1024) / PAGE_KB;
	ASSERT_EQ(0, eater_start(eater, "nofs", 0, pages));
	eater_go(eater);
	EXPECT_TRUE(eater_done(eater, 90000));
	scene_print("%ld of %ld failed, worst %lld ms", eater->shared->failed,
		    pages, eater->shared->worst_ns / 1000000);
	EXPECT_LT(0, eater->shared->failed);
	eater_stop(eater);

	/* But not what must not fail */
	ASSERT_EQ(0, victim_start(&self->alloc.victim[1]));
	pages = probe_free_kb() / PAGE_KB + 256;
	ASSERT_EQ(0, eater_start(eater, "nofs+nofail", 0, pages));
	eater_go(eater);
	if (!eater_done(eater, 3000))
		EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(eater_done(eater, 10000));
	EXPECT_EQ(0, eater->shared->failed);
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/* If no task triggers a kill they loop, as they always have */
TEST_F(alloc, guard_nofs_does_not_fail)
{
	struct eater *eater = self->alloc.eater;
	long pages;

	ASSERT_EQ(0, victim_start(&self->alloc.victim[0]));
	pages = probe_free_kb() / PAGE_KB + 1024;
	ASSERT_EQ(0, eater_start(eater, "nofs", 0, pages));
	eater_go(eater);
	/* Unless somebody else needs memory now */
	if (!eater_done(eater, 3000))
		EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(eater_done(eater, 10000));
	scene_print("%ld of %ld failed, worst %lld ms", eater->shared->failed,
		    pages, eater->shared->worst_ns / 1000000);
	EXPECT_EQ(0, eater->shared->failed);
}

/* The memory does not come back: allocations that may fail do, after the wait */
TEST_F_TIMEOUT(alloc, fail_order, 60)
{
	struct eater *eater = self->alloc.eater;
	long pages;

	if (sysctl("oom_fail_order") < 0)
		SKIP(return, "no sysctl \"oom_fail_order\"");
	EXPECT_EQ(4, sysctl("oom_fail_order"));
	EXPECT_EQ(-EINVAL, sysctl_set("oom_fail_order", 5));
	EXPECT_EQ(-EINVAL, sysctl_set("oom_fail_order", -1));
	EXPECT_EQ(0, sysctl_set("oom_fail_order", 2));
	setting_param("enabled", "0");
	setting_param("victim_timeout_ms", "7000");
	ASSERT_EQ(0, victim_start(&self->alloc.victim[0]));
	/* For what else is allocated then */
	self->alloc.victim[1].oom_score_adj = 900;
	self->alloc.victim[1].stuck = VICTIM_FREE;
	ASSERT_EQ(0, victim_start(&self->alloc.victim[1]));
	pages = probe_free_kb() / PAGE_KB;
	ASSERT_EQ(0, eater_start(eater, "kernel+comp", 2, pages / 4 + 1));
	eater_go(eater);
	EXPECT_TRUE(eater_done(eater, 20000));
	scene_print("%ld of %ld failed, worst %lld ms", eater->shared->failed,
		    pages / 4 + 1, eater->shared->worst_ns / 1000000);
	EXPECT_LT(0, eater->shared->failed);
	/* Not before a victim has had its time */
	EXPECT_LT(6500, eater->shared->worst_ns / 1000000);
	EXPECT_LE(1, probe_count(&self->alloc.scene.log, "Killed process"));
	EXPECT_TRUE(bystander_intact(&self->alloc.scene.bystander));
	EXPECT_TRUE(scene_quiet(&self->alloc.scene));
}

/*
 * A task waits for a victim. Meanwhile a second one is killed, and the first one
 * exits without freeing enough: the task then waits for the second one.
 */
TEST_F_TIMEOUT(alloc, fail_order_two_victims, 90)
{
	struct alloc *alloc = &self->alloc;
	struct victim *first = &alloc->victim[0], *second = &alloc->victim[1];
	struct probe_text *log = &alloc->scene.log;
	/* The test must not need memory later: see free_kb_of() */
	int meminfo = open_meminfo();
	int trigger = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	struct eater *eater = alloc->eater;
	bool waits;

	if (sysctl_set("oom_fail_order", 2))
		SKIP(return, "no sysctl \"oom_fail_order\"");
	setting_param("enabled", "0");
	setting_param("victim_timeout_ms", "0");
	first->mb = 4;
	second->oom_score_adj = 600;
	ASSERT_EQ(0, victim_start(first));
	ASSERT_EQ(0, victim_start(second));
	ASSERT_EQ(0, eater_start(eater, "kernel+comp", 2,
				 (probe_free_kb() + 16 * 1024) / PAGE_KB / 4));
	EXPECT_TRUE(use_up(eater, meminfo));
	EXPECT_EQ(1, write(trigger, "f", 1));
	EXPECT_TRUE(eater_waits(eater, 500));
	hold_release(&alloc->scene.hold, first->file);
	EXPECT_TRUE(victim_gone(first, 5000));
	waits = eater_waits(eater, 1000);
	hold_release(&alloc->scene.hold, second->file);
	EXPECT_TRUE(victim_gone(second, 5000));
	EXPECT_TRUE(eater_done(eater, 20000));
	close(trigger);
	close(meminfo);
	scene_print("with the first one gone it %s; %ld failed",
		    waits ? "waits for the second" : "does not wait",
		    eater->shared->failed);
	EXPECT_TRUE(waits);
	EXPECT_EQ(0, eater->shared->failed);
	EXPECT_EQ(2, victims_picked(log, alloc->victim, 2));
	EXPECT_TRUE(bystander_intact(&alloc->scene.bystander));
	EXPECT_TRUE(scene_quiet(&alloc->scene));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
