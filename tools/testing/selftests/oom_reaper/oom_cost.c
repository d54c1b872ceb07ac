// SPDX-License-Identifier: GPL-2.0
/*
 * What the OOM reaper must not make dearer: page faults, unmapping, fork and
 * exit, the page allocator, memory cgroups, while no OOM is in sight. Kills
 * nobody but its own children, and judges nothing: prints one line
 * "RESULT scenario=cost key=value ...", in nanoseconds for one page, allocation
 * or process.
 *
 * Each figure is the least of many rounds, after one that is not counted: most
 * rounds are shorter than a timer tick, so the least one has none in it. In an
 * emulator that counts instructions a nanosecond is one instruction.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "probe.h"
#include "setting.h"
#include "victim.h"

#define PAGES		512
#define PAGE_BYTES	4096
#define AREA		(PAGES * PAGE_BYTES)	/* a huge page */
#define EXIT_MB		16
#define STACK_BYTES	16384
#define TEST_OOM	PROBE_TEST_OOM "alloc"
#define THP		"/sys/kernel/mm/transparent_hugepage/enabled"

#define FAIL(what) \
	ksft_exit_fail_msg("oom_cost: %s: %s\n", what, strerror(errno))

/* What one round of several paths took, and the least of all rounds */
#define MAX_FIGURES	8

static struct figure {
	const char *name;
	double ns;
} figure[MAX_FIGURES];

static int nr_figures;
static bool warm;

static void took(const char *name, long long since_ns, double count)
{
	double ns = (probe_now_ns() - since_ns) / count;
	int i;

	for (i = 0; i < nr_figures && strcmp(figure[i].name, name); i++)
		;
	if (i == nr_figures) {
		if (i == MAX_FIGURES)
			abort();
		figure[nr_figures++] = (struct figure) { name, -1 };
	}
	if (warm && (figure[i].ns < 0 || ns < figure[i].ns))
		figure[i].ns = ns;
}

/*
 * Each round finds the allocator's lists at another length, so that the least
 * figure does not depend on what ran before.
 */
#define BALLAST_STEP	37

static void measure(void (*round)(void), int rounds)
{
	char *ballast = victim_map(AREA, false);
	int i, at;

	if (!ballast || madvise(ballast, AREA, MADV_DONTFORK))
		FAIL("mmap");
	nr_figures = 0;
	for (i = 0; i <= rounds; i++) {
		warm = i > 0;
		for (at = 0; at < i * BALLAST_STEP % PAGES; at++)
			ballast[at * PAGE_BYTES] = 1;
		round();
		madvise(ballast, AREA, MADV_DONTNEED);
	}
	munmap(ballast, AREA);
	for (i = 0; i < nr_figures; i++)
		printf(" %s=%.1f", figure[i].name, figure[i].ns);
}

static void touch(char *mem, size_t step)
{
	size_t at;

	for (at = 0; at < AREA; at += step)
		mem[at] = 1;
}

static atomic_char seen;

static void look(const char *mem)
{
	char sum = 0;
	size_t at;

	for (at = 0; at < AREA; at += PAGE_BYTES)
		sum += mem[at];
	seen = sum;
}

static char *map_private(bool huge)
{
	char *mem = victim_map(AREA, huge);

	if (!mem)
		FAIL("mmap");
	return mem;
}

static void unmap(char *mem)
{
	if (munmap(mem, AREA))
		FAIL("munmap");
}

static void small_pages(void)
{
	char *mem = map_private(false);
	long long ns = probe_now_ns();

	touch(mem, PAGE_BYTES);
	took("fault", ns, PAGES);
	ns = probe_now_ns();
	madvise(mem, AREA, MADV_DONTNEED);
	took("dontneed", ns, PAGES);
	touch(mem, PAGE_BYTES);
	ns = probe_now_ns();
	unmap(mem);
	took("munmap", ns, PAGES);
}

static void huge_pages(void)
{
	char *all = mmap(NULL, 2 * AREA, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *mem = (char *)(((unsigned long)all + AREA - 1) & -AREA);
	long long ns;

	if (all == MAP_FAILED || madvise(all, 2 * AREA, MADV_HUGEPAGE))
		FAIL("huge pages");
	ns = probe_now_ns();
	touch(mem, AREA);
	took("huge_fault", ns, 1);
	ns = probe_now_ns();
	madvise(mem, AREA, MADV_DONTNEED);
	took("huge_dontneed", ns, 1);
	touch(mem, AREA);
	ns = probe_now_ns();
	munmap(all, 2 * AREA);
	took("huge_munmap", ns, 1);
}

/* Pages that fork() left shared, written to by the parent */
static void cow_pages(void)
{
	char *mem = map_private(false);
	long long ns;
	pid_t pid;

	touch(mem, PAGE_BYTES);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	probe_sleep_ms(1);
	ns = probe_now_ns();
	touch(mem, PAGE_BYTES);
	took("cow", ns, PAGES);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unmap(mem);
}

/* A file in memory: mapped private and read, written to; cut off while mapped */
static void file_pages(void)
{
	int fd = memfd_create("oom_cost", MFD_CLOEXEC);
	char *mem, *shared;
	long long ns;

	if (fd < 0 || ftruncate(fd, AREA))
		FAIL("memfd");
	shared = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mem = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (shared == MAP_FAILED || mem == MAP_FAILED)
		FAIL("mmap of a file");
	ns = probe_now_ns();
	touch(shared, PAGE_BYTES);
	took("shared_fault", ns, PAGES);
	ns = probe_now_ns();
	look(mem);
	took("file_read", ns, PAGES);
	ns = probe_now_ns();
	madvise(mem, AREA, MADV_DONTNEED);
	took("file_dontneed", ns, PAGES);
	ns = probe_now_ns();
	touch(mem, PAGE_BYTES);
	took("file_cow", ns, PAGES);
	ns = probe_now_ns();
	if (ftruncate(fd, 0))
		FAIL("ftruncate");
	took("truncate", ns, PAGES);
	unmap(mem);
	unmap(shared);
	close(fd);
}

static void forks(void)
{
	long long ns = probe_now_ns();
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		FAIL("fork");
	took("fork", ns, 1);
}

static void *nothing(void *arg)
{
	return arg;
}

static void threads(void)
{
	long long ns = probe_now_ns();
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) ||
	    pthread_join(thread, NULL))
		FAIL("thread");
	took("thread", ns, 1);
}

/* From a SIGKILL until the parent knows that the process is gone */
static void exit_of(const char *name, int more_threads, bool huge)
{
	struct victim victim = {
		.mb = EXIT_MB, .huge = huge, .threads = more_threads,
	};
	long long ns;

	if (victim_start(&victim))
		FAIL("no process that is to exit");
	/* All its threads sleep by then */
	probe_sleep_ms(5);
	ns = probe_now_ns();
	kill(victim.pid, SIGKILL);
	waitpid(victim.pid, &victim.status, 0);
	took(name, ns, 1);
	victim.gone = true;
	victim_stop(&victim);
}

static void exits(void)
{
	exit_of("exit", 0, false);
	exit_of("exit_64", 63, false);
	exit_of("exit_huge", 0, true);
	exit_of("exit_huge_64", 63, true);
}

static int module = -1;

static void request(const char *text)
{
	if (write(module, text, strlen(text)) < 0)
		FAIL(text);
}

/* Allocations and what frees them again, one after the other and all at once */
static void allocations(void)
{
	static const struct {
		const char *name, *request;
	} loop[] = {
		{ "alloc_0", "loop kernel 0 512" },
		{ "alloc_3", "loop kernel+comp 3 512" },
		{ "alloc_9", "loop kernel+comp 9 512" },
		{ "alloc_account", "loop kernel+account 0 512" },
	};
	long long ns;
	size_t i;

	for (i = 0; i < sizeof(loop) / sizeof(*loop); i++) {
		ns = probe_now_ns();
		request(loop[i].request);
		took(loop[i].name, ns, 512);
	}
	ns = probe_now_ns();
	request("kernel 0 1024");
	took("hold_0", ns, 1024);
	ns = probe_now_ns();
	request("free");
	took("free_0", ns, 1024);
}

static void memcg_pages(void)
{
	char *mem = map_private(false);
	long long ns = probe_now_ns();

	touch(mem, PAGE_BYTES);
	took("memcg_fault", ns, PAGES);
	ns = probe_now_ns();
	unmap(mem);
	took("memcg_munmap", ns, PAGES);
	if (module >= 0) {
		ns = probe_now_ns();
		request("loop kernel+account 0 512");
		took("memcg_account", ns, 512);
	}
}

static struct cgroup group, child;

/* What a charge costs, below a limit that is not reached */
static void in_a_group(void)
{
	cgroup_write(&group, "memory.max", "256M");
	if (cgroup_make_child(&child, &group, 1))
		return;
	cgroup_write(&child, "memory.max", "128M");
	if (!probe_write(child.procs, "0")) {
		measure(memcg_pages, 32);
		/* A group that has controllers has no processes */
		snprintf(child.procs, sizeof(child.procs), "%s/cgroup.procs",
			 group.mount);
		probe_write(child.procs, "0");
	}
	cgroup_remove(&child);
}

int main(int argc, char **argv)
{
	if (geteuid())
		ksft_exit_skip("needs root\n");
	/* "never" on machines of up to 512 MB */
	setting_change(THP, "madvise");
	if (!probe_test_oom(TEST_OOM))
		fprintf(stderr, "# no module test_oom\n");
	module = open(TEST_OOM, O_RDWR | O_CLOEXEC);

	/* The first one makes every process pay for accounting, if little */
	if (cgroup_make_parent(&group, "+memory"))
		fprintf(stderr, "# no memory cgroups\n");

	printf("RESULT scenario=cost");
	measure(small_pages, 32);
	measure(huge_pages, 32);
	measure(cow_pages, 32);
	measure(file_pages, 32);
	measure(forks, 256);
	measure(threads, 256);
	measure(exits, 8);
	if (module >= 0)
		measure(allocations, 32);
	if (cgroup_there(&group))
		in_a_group();
	printf("\n");
	cgroup_remove(&group);
	return 0;
}
