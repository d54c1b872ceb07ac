// SPDX-License-Identifier: GPL-2.0
/*
 * Counters in /proc/vmstat, trace events and lines of the log tell what has
 * happened, all of it and nothing else. Stock has only the line of the log,
 * and the trace events without the figures: what is not there is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "locks.h"
#include "scene.h"
#include "uffd.h"

#define EVENTS	"oom:wake_reaper oom:start_task_reaping "		\
		"oom:finish_task_reaping oom:skip_task_reaping "	\
		"oom:give_up_task_reaping oom:futex_keep_reaping "	\
		"oom:futex_wait_reaping"

enum counter {
	REAPED,
	PAGES,
	VMA_LOCKS,
	BACKLOGGED,
	GAVE_UP,
	FUTEX_KEPT,
	FUTEX_WAITS,
	NR_COUNTERS
};

static const char * const names[NR_COUNTERS] = {
	[REAPED] = "oom_reaper_reaped",
	[PAGES] = "oom_reaper_pages",
	[VMA_LOCKS] = "oom_reaper_vma_locks",
	[BACKLOGGED] = "oom_reaper_backlogged",
	[GAVE_UP] = "oom_reaper_gave_up",
	[FUTEX_KEPT] = "oom_reaper_futex_kept",
	[FUTEX_WAITS] = "oom_reaper_futex_waits",
};

struct account {
	struct scene scene;
	struct victim victim;
	struct probe_text trace;
	struct cgroup cgroup;
	long before[NR_COUNTERS];
	long change[NR_COUNTERS];
};

FIXTURE(account)
{
	struct account account;
};

FIXTURE_SETUP(account)
{
	struct account *account = &self->account;
	int err = scene_start(&account->scene);

	account->trace.fd = -1;
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	if (probe_vmstat(names[REAPED]) < 0)
		SKIP(return, "no counters in /proc/vmstat");
	ASSERT_EQ(0, probe_trace_open(&account->trace, EVENTS));
	account->victim.mb = SCENE_MB;
	account->victim.hold = &account->scene.hold;
	account->victim.stuck = VICTIM_READ;
}

FIXTURE_TEARDOWN(account)
{
	struct account *account = &self->account;

	if (account->victim.pid) {
		hold_release_all(&account->scene.hold);
		victim_stop(&account->victim);
	}
	cgroup_remove(&account->cgroup);
	probe_text_close(&account->trace);
	scene_stop(&account->scene);
}

static void count_from_here(struct account *account)
{
	int i;

	for (i = 0; i < NR_COUNTERS; i++)
		account->before[i] = probe_vmstat(names[i]);
}

static void count_until_here(struct account *account)
{
	int i;

	for (i = 0; i < NR_COUNTERS; i++) {
		account->change[i] = probe_vmstat(names[i]) -
				     account->before[i];
		scene_print("%s: +%ld", names[i], account->change[i]);
	}
}

/* Total reaped of @pid according to the events, or of all processes if 0 */
static long traced_pages(struct probe_text *trace, int pid)
{
	char what[64];
	long pages = 0;
	char *at;

	probe_count(trace, "finish");
	snprintf(what, sizeof(what), "finish_task_reaping: pid=%d ", pid);
	if (!pid)
		*strchr(what, '=') = '\0';
	for (at = trace->buf; at && (at = strstr(at, what)); at++)
		pages += probe_field(at, "pages");
	return pages;
}

static void kill_it(struct __test_metadata *_metadata, struct account *account,
		    int ms)
{
	int back;

	ASSERT_EQ(0, victim_start(&account->victim));
	count_from_here(account);
	back = scene_kill(&account->scene, account->victim.mb, ms);
	if (ms)
		EXPECT_LE(0, back);
	/* The counters come last of all */
	probe_wait(probe_vmstat(names[REAPED]) > account->before[REAPED] ||
		   probe_vmstat(names[GAVE_UP]) > account->before[GAVE_UP],
		   2000);
	probe_sleep_ms(50);
	count_until_here(account);
}

/* Pages: what it has written, and a little for stacks, libraries and so on */
static void right_pages(struct __test_metadata *_metadata,
			struct account *account)
{
	long written = account->victim.mb * (PROBE_MB / 4096);

	EXPECT_LE(written, account->change[PAGES]);
	EXPECT_GE(written + written / 10, account->change[PAGES]);
	EXPECT_EQ(account->change[PAGES],
		  traced_pages(&account->trace, account->victim.pid));
}

/* The C library registers a list for each thread: here is a thread without one */
static int no_robust_list(struct victim *victim)
{
	return locks_register(NULL);
}

TEST_F(account, read)
{
	struct account *account = &self->account;
	int pid;

	account->victim.body = no_robust_list;
	kill_it(_metadata, account, 1000);
	pid = account->victim.pid;
	EXPECT_EQ(1, account->change[REAPED]);
	EXPECT_EQ(0, account->change[VMA_LOCKS]);
	EXPECT_EQ(0, account->change[BACKLOGGED]);
	EXPECT_EQ(0, account->change[GAVE_UP]);
	EXPECT_EQ(0, account->change[FUTEX_KEPT]);
	EXPECT_EQ(0, account->change[FUTEX_WAITS]);
	right_pages(_metadata, account);
	EXPECT_EQ(1, probe_count(&account->trace,
				 "wake_reaper: pid=%d backlogged=0", pid));
	EXPECT_EQ(1, probe_count(&account->trace,
				 "start_task_reaping: pid=%d", pid));
	EXPECT_EQ(1, probe_count(&account->trace,
				 "finish_task_reaping: pid=%d", pid));
	EXPECT_EQ(0, probe_count(&account->trace, "skip_task_reaping"));
	EXPECT_EQ(0, probe_count(&account->trace, "give_up_task_reaping"));
	EXPECT_EQ(0, probe_count(&account->trace, "path=vma_locks"));
}

TEST_F(account, mmap_lock_write)
{
	struct account *account = &self->account;

	account->victim.stuck = VICTIM_MMAP_WRITE;
	kill_it(_metadata, account, 1000);
	EXPECT_EQ(1, account->change[REAPED]);
	EXPECT_EQ(1, account->change[VMA_LOCKS]);
	EXPECT_EQ(0, account->change[GAVE_UP]);
	right_pages(_metadata, account);
	EXPECT_LE(1, probe_count(&account->trace, "path=vma_locks"));
	EXPECT_EQ(0, probe_count(&account->trace, "path=mmap_lock"));
}

static int one_lock(struct victim *victim)
{
	static atomic_uint word;
	static struct robust_list_head head;
	static struct robust_list node;

	return locks_register_one(&head, &node, &word);
}

TEST_F(account, futex_kept)
{
	struct account *account = &self->account;
	const char *line;

	account->victim.body = one_lock;
	kill_it(_metadata, account, 1000);
	line = probe_find(&account->trace, 0, "futex_keep_reaping: pid=%d",
			  account->victim.pid);
	scene_print("%s", line ? line : "no event");
	EXPECT_EQ(1, account->change[REAPED]);
	EXPECT_EQ(1, account->change[FUTEX_KEPT]);
	ASSERT_NE(NULL, line);
	EXPECT_LE(1, probe_field(line, "pages"));
	EXPECT_GE(8, probe_field(line, "pages"));
}

/* With no way to get at it: the log, the counter and the event say so */
TEST_F(account, gave_up)
{
	struct account *account = &self->account;
	const char *line;
	int pid;

	ASSERT_EQ(0, setting_param("vma_locks", "N"));
	ASSERT_EQ(0, setting_param("attempts", "3"));
	account->victim.stuck = VICTIM_MMAP_WRITE;
	kill_it(_metadata, account, 0);
	pid = account->victim.pid;
	EXPECT_EQ(0, account->change[REAPED]);
	EXPECT_EQ(1, account->change[GAVE_UP]);
	EXPECT_EQ(0, account->change[PAGES]);
	EXPECT_EQ(3, probe_count(&account->trace, "skip_task_reaping: pid=%d",
				 pid));
	line = probe_find(&account->trace, 0, "give_up_task_reaping: pid=%d",
			  pid);
	scene_print("%s", line ? line : "no event");
	ASSERT_NE(NULL, line);
	EXPECT_EQ(3, probe_field(line, "attempts"));
	EXPECT_TRUE(victim_given_up(&account->scene.log, pid));
	EXPECT_FALSE(victim_reaped(&account->scene.log, pid, 0));
}

#define LATE_MS		"3000"		/* the victim has exited by then */

/* The reaper comes when the victim has exited: nothing was reaped */
TEST_F(account, exited)
{
	struct account *account = &self->account;
	struct victim *victim = &account->victim;

	ASSERT_EQ(0, setting_param("delay_ms", LATE_MS));
	victim->stuck = VICTIM_FREE;
	ASSERT_EQ(0, victim_start(victim));
	count_from_here(account);
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_gone(victim, 2500));
	EXPECT_NE(NULL, probe_find(&account->trace, 10000,
				   "start_task_reaping: pid=%d", victim->pid));
	probe_sleep_ms(100);
	count_until_here(account);
	EXPECT_EQ(0, account->change[REAPED]);
	EXPECT_EQ(0, account->change[PAGES]);
	EXPECT_EQ(0, account->change[GAVE_UP]);
	EXPECT_FALSE(victim_reaped(&account->scene.log, victim->pid, 0));
}

#define MAP		PROBE_TEST_OOM "map"
#define CLOSE_MS	PROBE_TEST_OOM "close_ms"
#define CLOSING_MB	16

/* Shared memory, for which the OOM killer waits, and what is slow to unmap */
static int map_slow_to_close(struct victim *victim)
{
	int fd = open(MAP, O_RDWR | O_CLOEXEC);
	char *mem = mmap(NULL, CLOSING_MB * PROBE_MB, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || mem == MAP_FAILED)
		return -errno;
	memset(mem, 1, CLOSING_MB * PROBE_MB);
	mem = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	return mem == MAP_FAILED ? -errno : 0;
}

/*
 * exit_mmap() holds mmap_lock for write when the reaper comes. That is no reason
 * to give up: the victim is not stuck, it exits.
 */
TEST_F(account, exit_mmap_at_work)
{
	struct account *account = &self->account;
	struct victim *victim = &account->victim;

	if (!probe_test_oom(CLOSE_MS))
		SKIP(return, "no module test_oom with a file that is slow to unmap");
	ASSERT_EQ(0, setting_param("attempts", "1"));
	ASSERT_EQ(0, setting_param("delay_ms", "1000"));
	ASSERT_EQ(0, setting_change(CLOSE_MS, "2500"));
	victim->mb = CLOSING_MB;
	victim->stuck = VICTIM_FREE;
	victim->body = map_slow_to_close;
	ASSERT_EQ(0, victim_start(victim));
	count_from_here(account);
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_NE(NULL, probe_find(&account->trace, 10000,
				   "skip_task_reaping: pid=%d", victim->pid));
	EXPECT_FALSE(victim_gone(victim, 200));
	EXPECT_TRUE(victim_gone(victim, 10000));
	count_until_here(account);
	EXPECT_EQ(0, account->change[REAPED]);
	EXPECT_EQ(0, account->change[GAVE_UP]);
	EXPECT_FALSE(victim_given_up(&account->scene.log, victim->pid));
}

#define LOCKED_MB	4
#define REFILLED_MB	1

enum { UFFD };			/* flag: descriptor in the victim */

/* At the same addresses in the victim as here */
static char *refilled;

static int lock_a_vma(struct victim *victim)
{
	/* With rights of its own, so that it is not merged with other memory */
	char *mem = mmap(NULL, LOCKED_MB * PROBE_MB,
			 PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = uffd_register(refilled, REFILLED_MB * PROBE_MB);

	if (mem == MAP_FAILED || fd < 0)
		return -errno;
	memset(mem, 1, LOCKED_MB * PROBE_MB);
	victim->locked = mem;
	victim->shared->flag[UFFD] = fd;
	return 0;
}

/* The number before @what in @line, -1 if that is not there */
static long number_before(const char *line, const char *what)
{
	const char *at = line ? strstr(line, what) : NULL;

	while (at && at > line && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return at ? strtol(at, NULL, 10) : -1;
}

/*
 * All of it but one VMA, and a page that comes back once, so that there are
 * attempts between two that free something. The figures must be of one and the
 * same number of attempts.
 */
TEST_F(account, gave_up_figures)
{
	struct account *account = &self->account;
	struct victim *victim = &account->victim;
	long attempts, freed, traced;
	const char *line;
	long before;
	int fd;

	if (!uffd_possible())
		SKIP(return, "no userfaultfd");
	refilled = mmap(NULL, REFILLED_MB * PROBE_MB, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, refilled);
	/* The last of the pauses are long enough to get a page in */
	ASSERT_EQ(0, setting_param("attempts", "10"));
	victim->stuck = VICTIM_MMAP_WRITE;
	victim->body = lock_a_vma;
	ASSERT_EQ(0, victim_start(victim));
	fd = uffd_take(victim->pid, victim->shared->flag[UFFD]);
	ASSERT_LE(0, fd);
	count_from_here(account);
	before = probe_free_kb();
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_LE(0, victim_memory_back(before, victim->mb, 2000));
	probe_sleep_ms(20);
	scene_print("refilled: %s", strerror(-uffd_page(fd, refilled)));
	close(fd);
	line = probe_find(&account->scene.log, 5000,
			  "oom_reaper: unable to reap pid:%d (", victim->pid);
	scene_print("%s", line ? line : "not given up");
	ASSERT_NE(NULL, line);
	count_until_here(account);
	freed = number_before(line, "kB freed");
	attempts = number_before(line, " passes");
	traced = probe_count(&account->trace, "start_task_reaping: pid=%d",
			     victim->pid) +
		 probe_count(&account->trace, "skip_task_reaping: pid=%d",
			     victim->pid);
	scene_print("%ld attempts traced, %ld kB freed in them", traced,
		    traced_pages(&account->trace, victim->pid) * 4);
	EXPECT_EQ(traced, attempts);
	EXPECT_EQ(traced_pages(&account->trace, victim->pid) * 4, freed);
	EXPECT_LE((long)victim->mb * 1024, freed);
	EXPECT_EQ(0, account->change[REAPED]);
	EXPECT_EQ(1, account->change[GAVE_UP]);
	munmap(refilled, REFILLED_MB * PROBE_MB);
}

/*
 * Many at once: each is handed over once, some of them while another is being
 * looked at, and the sums are right.
 */
#define MANY	24

TEST_F(account, backlogged)
{
	struct account *account = &self->account;
	struct victim victim[MANY] = { 0 };
	struct cgroup *cgroup = &account->cgroup;
	int i, woken;

	if (cgroup_make(cgroup, "+memory"))
		SKIP(return, CGROUP_NO_MEMORY);
	EXPECT_EQ(0, cgroup_write(cgroup, "memory.oom.group", "1"));
	for (i = 0; i < MANY; i++) {
		victim[i].mb = 8;
		victim[i].stuck = VICTIM_READ;
		victim[i].hold = &account->scene.hold;
		victim[i].file = i;
		victim[i].cgroup = cgroup->procs;
		ASSERT_EQ(0, victim_start(&victim[i]));
	}
	count_from_here(account);
	ASSERT_EQ(0, cgroup_squeeze(cgroup, 1));
	probe_wait(probe_vmstat(names[REAPED]) - account->before[REAPED] >=
		   MANY, 3000);
	probe_sleep_ms(50);
	count_until_here(account);

	woken = probe_count(&account->trace, "wake_reaper: pid=");
	scene_print("%d handed over", woken);
	EXPECT_EQ(MANY, woken);
	EXPECT_EQ(MANY, account->change[REAPED]);
	EXPECT_EQ(0, account->change[GAVE_UP]);
	EXPECT_LT(0, account->change[BACKLOGGED]);
	EXPECT_EQ(account->change[BACKLOGGED],
		  probe_count(&account->trace, "backlogged=1"));
	EXPECT_LE(MANY * 8L * 256, account->change[PAGES]);
	EXPECT_EQ(account->change[PAGES], traced_pages(&account->trace, 0));

	hold_release_all(&account->scene.hold);
	for (i = 0; i < MANY; i++)
		victim_stop(&victim[i]);
}

/* People's monitoring greps for it */
FIXTURE(log)
{
	struct scene scene;
};

FIXTURE_SETUP(log)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
}

FIXTURE_TEARDOWN(log)
{
	scene_stop(&self->scene);
}

/*
 * The reaper may have been over it by then.  Its threads must not have memory
 * allocated for their robust lists and clear_child_tid, only to free it again.
 */
static void check_exit_faults(struct __test_metadata *_metadata,
			      struct victim *victim)
{
	long faults;

	ASSERT_EQ(0, victim_start(victim));
	/* It may be about to unmap what it shares with this process */
	probe_sleep_ms(200);
	faults = probe_vmstat("pgfault");
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_gone(victim, 5000));
	faults = probe_vmstat("pgfault") - faults;
	scene_print("%ld page faults until %d threads had exited", faults,
		    victim->threads);
	EXPECT_GT(victim->threads / 10, faults);
	victim_stop(victim);
}

TEST_F(log, guard_exit_faults)
{
	struct victim victim = {
		.mb = SCENE_MB, .threads = 300, .alone = true,
	};

	check_exit_faults(_metadata, &victim);
}

TEST_F(log, guard_exit_faults_shared)
{
	struct victim victim = { .mb = SCENE_MB, .threads = 300 };

	check_exit_faults(_metadata, &victim);
}

TEST_F(log, guard_reaped)
{
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ,
		.hold = &self->scene.hold,
	};
	long anon = -1, file = -1, shmem = -1;
	const char *line;
	char comm[32] = "";
	int pid = -1, fields;

	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(0, victim_sysrq());
	line = probe_find(&self->scene.log, 5000,
			  "oom_reaper: reaped process %d (", victim.pid);
	scene_print("%s", line ? line : "no line");
	ASSERT_NE(NULL, line);
	line = strstr(line, "oom_reaper:");
	fields = sscanf(line,
			"oom_reaper: reaped process %d (%31[^)]), now anon-rss:%ldkB, file-rss:%ldkB, shmem-rss:%ldkB",
			&pid, comm, &anon, &file, &shmem);
	EXPECT_EQ(5, fields);
	EXPECT_EQ(victim.pid, pid);
	EXPECT_STREQ("victim", comm);
	/* What is left of it: not much */
	EXPECT_GE((long)victim.mb * 1024 / 10, anon);
	EXPECT_LE(0, anon);
	EXPECT_LE(0, file);
	EXPECT_LE(0, shmem);
	/* Once, whatever the number of attempts */
	probe_sleep_ms(200);
	EXPECT_EQ(1, probe_count(&self->scene.log, "reaped process %d (",
				 victim.pid));
	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&victim, 5000));
	victim_stop(&victim);
}

/* What a parent is told of the memory of a child that was reaped */
TEST_F(log, maxrss)
{
	struct victim victim = {
		.mb = SCENE_MB, .stuck = VICTIM_READ,
		.hold = &self->scene.hold,
	};
	struct rusage usage;

	ASSERT_EQ(0, victim_start(&victim));
	EXPECT_EQ(0, victim_sysrq());
	EXPECT_TRUE(victim_reaped(&self->scene.log, victim.pid, 5000));
	EXPECT_TRUE(scene_let_go(&self->scene, &victim));
	ASSERT_EQ(0, getrusage(RUSAGE_CHILDREN, &usage));
	scene_print("ru_maxrss is %ld kB, it had %zu MB", usage.ru_maxrss,
		    victim.mb);
	EXPECT_LE((long)victim.mb * 1024, usage.ru_maxrss);
	victim_stop(&victim);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
