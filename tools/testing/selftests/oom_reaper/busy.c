// SPDX-License-Identifier: GPL-2.0
/*
 * All CPUs are busy: the memory of a victim must be back within a second anyway.
 * On the other hand the reaper must not starve other tasks, however much it has to
 * reap.
 *
 * Stock waits for two seconds before it looks at a victim, and its reaper is
 * a normal thread that then has to wait for a CPU.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#define MAX_CPUS	64
#define MANY		200
#define SPIN_PRIORITY	50	/* less than the reaper's */
#define TEST_PRIORITY	60	/* the test has to see what happens */
#define PRINTK		"/proc/sys/kernel/printk"
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

#define POLITE_MS	200
#define POLITE_TRIES	3
#define CONTROL_MS	3000

static int set_fifo(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return sched_setscheduler(0, priority ? SCHED_FIFO : SCHED_OTHER,
				  &param);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

struct watch;

struct busy {
	struct scene scene;
	struct cgroup cgroup;
	struct victim victim;
	struct watch *watch;
	int cpus;
	pid_t spinner[MANY];
	int nr_spinners;
};

/* Return: 0 or -errno, -ENODEV without FUSE */
static int busy_start(struct busy *busy)
{
	int err;

	busy->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (busy->cpus > MAX_CPUS)
		return -E2BIG;
	err = scene_start(&busy->scene);
	if (err)
		return err;
	busy->victim.mb = SCENE_MB;
	busy->victim.stuck = VICTIM_READ;
	busy->victim.hold = &busy->scene.hold;
	return 0;
}

static void stop_spinners(struct busy *busy)
{
	int i;

	for (i = 0; i < busy->nr_spinners; i++)
		kill(busy->spinner[i], SIGKILL);
	for (i = 0; i < busy->nr_spinners; i++)
		waitpid(busy->spinner[i], NULL, 0);
	busy->nr_spinners = 0;
}

static void busy_stop(struct busy *busy)
{
	stop_spinners(busy);
	set_fifo(0);
	hold_release_all(&busy->scene.hold);
	victim_stop(&busy->victim);
	cgroup_remove(&busy->cgroup);
	scene_stop(&busy->scene);
}

/* CPUs that are busy */
FIXTURE(spin)
{
	struct busy busy;
};

FIXTURE_VARIANT(spin)
{
	int priority;
	int spinners;		/* 0: one for each CPU */
};

FIXTURE_VARIANT_ADD(spin, fifo) {
	.priority = SPIN_PRIORITY,
};

FIXTURE_VARIANT_ADD(spin, many) {
	.spinners = MANY,
};

FIXTURE_SETUP(spin)
{
	struct busy *busy = &self->busy;
	int err;

	if (cgroup_make(&busy->cgroup, "+memory"))
		SKIP(return, CGROUP_NO_MEMORY);
	err = busy_start(busy);
	if (err == -ENODEV || err == -E2BIG)
		SKIP(return, "no FUSE, or more than %d CPUs", MAX_CPUS);
	ASSERT_EQ(0, err);
	busy->victim.cgroup = busy->cgroup.procs;
}

FIXTURE_TEARDOWN(spin)
{
	busy_stop(&self->busy);
}

static pid_t start_spinner(int cpu, int priority)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(30);
	run_on(cpu);
	if (set_fifo(priority))
		_exit(1);
	for (;;)
		;
}

/*
 * SysRq-f leaves the killing to a kworker, which would have to wait for a CPU
 * as well: a group's limit has the OOM killer run at once.
 */
TEST_F_TIMEOUT(spin, spinners, 60)
{
	int i, back, nr = variant->spinners ?: self->busy.cpus;
	struct busy *busy = &self->busy;
	struct victim *victim = &busy->victim;
	long before;

	ASSERT_EQ(0, victim_start(victim));
	ASSERT_EQ(0, set_fifo(TEST_PRIORITY));
	for (i = 0; i < nr; i++)
		busy->spinner[busy->nr_spinners++] =
			start_spinner(i % busy->cpus, variant->priority);
	probe_sleep_ms(100);
	before = probe_free_kb();
	EXPECT_EQ(0, cgroup_squeeze(&busy->cgroup, 4));
	back = victim_memory_back(before, victim->mb, 1000);
	scene_print("back after %d ms: %ld of %zu MB", back,
		    (probe_free_kb() - before) / 1024, victim->mb);
	EXPECT_LE(0, back);
	stop_spinners(busy);
	set_fifo(0);
	EXPECT_TRUE(scene_let_go(&busy->scene, victim));
}

/* Tasks that have a CPU to themselves, and notice when they do not */
struct watch {
	atomic_llong on_ns;		/* since then, 0: off */
	atomic_llong worst_ns[MAX_CPUS];
	atomic_int rounds[MAX_CPUS];	/* how often they have been on and off */
};

static long long note_wait(struct watch *watch, int cpu, long long last)
{
	long long now = probe_now_ns();

	if (now - last > watch->worst_ns[cpu])
		watch->worst_ns[cpu] = now - last;
	return now;
}

static void watch_cpu(struct watch *watch, int cpu, int idle_us)
{
	long long last;

	for (;;) {
		/* From when it was told to, though it may be late itself */
		while (!(last = watch->on_ns))
			if (idle_us)
				usleep(idle_us);
		while (watch->on_ns)
			last = note_wait(watch, cpu, last);
		/* It may have been off the CPU when it was told to stop */
		note_wait(watch, cpu, last);
		watch->rounds[cpu]++;
	}
}

static void watch_begin(struct watch *watch)
{
	memset(watch, 0, sizeof(*watch));
	watch->on_ns = probe_now_ns();
}

/* Of the CPUs from @first to before @end */
static void watch_end(struct watch *watch, int first, int end)
{
	long long all = probe_now_ns() - watch->on_ns;
	int cpu;

	watch->on_ns = 0;
	for (cpu = first; cpu < end; cpu++)
		if (!probe_wait(watch->rounds[cpu], 2000))
			watch->worst_ns[cpu] = all;
}

static void start_watcher(struct busy *busy, int cpu, int priority)
{
	pid_t pid = fork();

	if (pid) {
		busy->spinner[busy->nr_spinners++] = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(200);
	run_on(cpu);
	if (set_fifo(priority))
		_exit(1);
	/* A SCHED_FIFO task lets others run when there is nothing to watch */
	watch_cpu(busy->watch, cpu, priority ? 1000 : 0);
}

static long worst_ms(struct watch *watch, int first, int end)
{
	long worst = 0;
	int cpu;

	for (cpu = first; cpu < end; cpu++)
		if (watch->worst_ns[cpu] / 1000000 > worst)
			worst = watch->worst_ns[cpu] / 1000000;
	return worst;
}

/* The reaper must not starve other tasks */
struct polite {
	struct busy busy;
	pid_t reaper;
	cpu_set_t cpus;		/* of the reaper */
	/* What is watched: the CPUs from @first to before @end */
	int first;
	int end;
	int priority;		/* of the watchers */
	long mb;		/* of the victim */
	long control_ms;	/* the longest wait while nothing happened */
};

FIXTURE(polite)
{
	struct polite polite;
};

FIXTURE_SETUP(polite)
{
	struct polite *polite = &self->polite;
	struct busy *busy = &polite->busy;
	int err;

	polite->reaper = probe_task("oom_reaper");
	sched_getaffinity(polite->reaper, sizeof(polite->cpus), &polite->cpus);
	err = busy_start(busy);
	if (err == -ENODEV || err == -E2BIG)
		SKIP(return, "no FUSE, or more than %d CPUs", MAX_CPUS);
	ASSERT_EQ(0, err);
	busy->watch = mmap(NULL, sizeof(*busy->watch), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, busy->watch);
	/* A serial console keeps its CPU for as long as the report takes */
	setting_change(PRINTK, "1");
	polite->end = busy->cpus;
	polite->mb = probe_env("OOM_REAPER_POLITE_MB",
			       probe_meminfo_kb("MemAvailable") / 1024 * 6 / 10);
}

FIXTURE_TEARDOWN(polite)
{
	struct polite *polite = &self->polite;

	sched_setaffinity(polite->reaper, sizeof(polite->cpus), &polite->cpus);
	busy_stop(&polite->busy);
	munmap(polite->busy.watch, sizeof(*polite->busy.watch));
}

/*
 * Watch the CPUs while the victim is reaped. Return: the longest time that a
 * watcher was off its CPU, in ms
 */
static long kill_watched(struct __test_metadata *_metadata,
			 struct polite *polite)
{
	int cpu, back, first = polite->first, end = polite->end;
	struct busy *busy = &polite->busy;
	struct victim *victim = &busy->victim;
	struct watch *watch = busy->watch;
	long before, worst;

	memset(watch, 0, sizeof(*watch));
	if (victim_start(victim))
		return -1;
	for (cpu = first; cpu < end; cpu++)
		start_watcher(busy, cpu, polite->priority);
	set_fifo(TEST_PRIORITY);
	/* How much the host alone delays them */
	watch_begin(watch);
	probe_sleep_ms(polite->priority ? CONTROL_MS / 6 : CONTROL_MS);
	watch_end(watch, first, end);
	polite->control_ms = worst_ms(watch, first, end);
	probe_sleep_ms(50);
	before = probe_free_kb();
	watch_begin(watch);
	victim_sysrq();
	back = victim_memory_back(before, polite->mb, 20000);
	watch_end(watch, first, end);
	set_fifo(0);
	stop_spinners(busy);
	worst = worst_ms(watch, first, end);
	scene_print("%ld MB back after %d ms", polite->mb, back);
	scene_print("a task waited up to %ld ms for its CPU, up to %ld ms before",
		    worst, polite->control_ms);
	EXPECT_LE(0, back);
	EXPECT_TRUE(scene_let_go(&busy->scene, victim));
	victim_stop(victim);
	victim->file++;
	return worst;
}

/*
 * Several tries: on a virtual machine it may have been the host that took a
 * CPU away. An ordinary thread like stock's reaper is as polite as any.
 */
TEST_F_TIMEOUT(polite, guard_polite, 240)
{
	struct polite *polite = &self->polite;
	long worst, least = -1, most_control = 0;
	int try;

	polite->busy.victim.mb = polite->mb;
	for (try = 0; try < POLITE_TRIES; try++) {
		worst = kill_watched(_metadata, polite);
		if (worst >= 0 && (least < 0 || worst < least))
			least = worst;
		if (2 * polite->control_ms > most_control)
			most_control = 2 * polite->control_ms;
		if (least >= 0 && least < POLITE_MS)
			break;
	}
	EXPECT_LE(0, least);
	/* If the host takes that much time, the cause cannot be told apart */
	if (most_control < probe_limit(POLITE_MS))
		most_control = probe_limit(POLITE_MS);
	EXPECT_GT(most_control, least);
}

/*
 * A SCHED_FIFO task of lower priority on the reaper's own CPU, which does not
 * sleep: how long it has to wait at a time. The victim has memory that is used
 * sparsely above memory that is full: what the reaper learns from the one about
 * how much it can do at once must not make it slow in the other.
 */
#define SPARSE_AREA	0x10000000000UL
#define SPARSE_SIZE	(64UL << 30)
#define SPARSE_CPU	1
#define SPARSE_TRIES	8
#define SPARSE_MS	60	/* three times what it claims */
#define CLEAN_MS	30	/* what the host may take in a try that counts */

static int map_sparse(struct victim *victim)
{
	size_t at, mb = *(long *)victim->arg;
	/* The full part is within the largest step that there can be */
	char *mem = mmap((void *)SPARSE_AREA, SPARSE_SIZE,
			 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			 MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	madvise(mem, SPARSE_SIZE, MADV_NOHUGEPAGE);
	for (at = 0; at < mb * PROBE_MB; at += 4096)
		mem[at] = 1;
	for (at = 1UL << 30; at < SPARSE_SIZE; at += 1UL << 30)
		mem[at] = 1;
	return 0;
}

TEST_F_TIMEOUT(polite, polite_sparse, 240)
{
	struct polite *polite = &self->polite;
	struct busy *busy = &polite->busy;
	long worst, least = -1;
	cpu_set_t one;
	int try;

	if (busy->cpus < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_LT(0, polite->reaper);
	if (sched_getscheduler(polite->reaper) != SCHED_FIFO)
		SKIP(return, "an ordinary thread waits for this task");
	CPU_ZERO(&one);
	CPU_SET(SPARSE_CPU, &one);
	ASSERT_EQ(0, sched_setaffinity(polite->reaper, sizeof(one), &one));
	run_on(!SPARSE_CPU);
	/* Throttled, the task would wait for nothing */
	setting_change(RT_RUNTIME, "-1");
	busy->victim.mb = 1;
	busy->victim.body = map_sparse;
	busy->victim.arg = &polite->mb;
	polite->first = SPARSE_CPU;
	polite->end = SPARSE_CPU + 1;
	polite->priority = SPIN_PRIORITY;
	for (try = 0; try < SPARSE_TRIES; try++) {
		worst = kill_watched(_metadata, polite);
		/* A host that takes a CPU away tells nothing of the reaper */
		if (worst < 0 || polite->control_ms > probe_limit(CLEAN_MS))
			continue;
		if (least < 0 || worst < least)
			least = worst;
		if (least < probe_limit(SPARSE_MS))
			break;
	}
	if (least < 0)
		SKIP(return, "the host is too busy");
	scene_print("%ld ms at best, the limit is %d ms", least,
		    probe_limit(SPARSE_MS));
	EXPECT_GT(probe_limit(SPARSE_MS), least);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
