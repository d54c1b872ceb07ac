// SPDX-License-Identifier: GPL-2.0
/*
 * Every CPU has something to do that nobody gets in the way of: the memory of
 * a victim must be back within a second all the same. On the other hand the
 * reaper must not get in everybody's way, however much there is to reap.
 *
 * Stock waits for two seconds before it looks at a victim, and its reaper is
 * an ordinary thread, that then has to wait for a CPU.
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

FIXTURE(busy)
{
	struct scene scene;
	struct cgroup top;
	struct cgroup cgroup;
	struct victim victim;
	int cpus;
	pid_t spinner[MANY];
	int nr_spinners;
	pid_t squeezer;
	char runtime[32];
	char printk[64];
};

FIXTURE_SETUP(busy)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (self->cpus > MAX_CPUS)
		SKIP(return, "more than %d CPUs", MAX_CPUS);
	self->victim.mb = SCENE_MB;
	self->victim.stuck = VICTIM_READ;
	self->victim.hold = &self->scene.hold;
	err = cgroup_make(&self->top, "+memory");
	if (!err) {
		ASSERT_EQ(0, cgroup_make_child(&self->cgroup, &self->top, 0));
		self->victim.cgroup = self->cgroup.procs;
	}
}

static void stop_spinners(pid_t *spinner, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		kill(spinner[i], SIGKILL);
	for (i = 0; i < nr; i++)
		waitpid(spinner[i], NULL, 0);
}

FIXTURE_TEARDOWN(busy)
{
	stop_spinners(self->spinner, self->nr_spinners);
	set_fifo(0);
	if (*self->runtime)
		probe_write(RT_RUNTIME, self->runtime);
	if (*self->printk)
		probe_write(PRINTK, self->printk);
	hold_release_all(&self->scene.hold);
	victim_stop(&self->victim);
	if (self->squeezer > 0)
		cgroup_squeezed(self->squeezer, 0);
	if (*self->cgroup.dir)
		cgroup_remove(&self->cgroup);
	if (*self->top.dir)
		cgroup_remove(&self->top);
	scene_stop(&self->scene);
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
static void kill_busy(struct __test_metadata *_metadata, struct scene *scene,
		      struct cgroup *cgroup, struct victim *victim,
		      pid_t *squeezer)
{
	const char *complaint;
	long before;
	int back;

	probe_sleep_ms(100);
	before = probe_free_kb();
	*squeezer = cgroup_squeeze(cgroup, 4);
	back = victim_memory_back(before, victim->mb, 1000);
	scene_print("back after %d ms: %ld of %zu MB", back,
		    (probe_free_kb() - before) / 1024, victim->mb);
	EXPECT_LT(0, *squeezer);
	EXPECT_LE(0, back);
	complaint = probe_complaint(&scene->log);
	EXPECT_EQ(NULL, complaint)
		TH_LOG("the kernel complains: %s", complaint);
}

TEST_F(busy, fifo_spinners)
{
	int cpu;

	if (!*self->cgroup.dir)
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_EQ(0, victim_start(&self->victim));
	ASSERT_EQ(0, set_fifo(TEST_PRIORITY));
	for (cpu = 0; cpu < self->cpus; cpu++)
		self->spinner[self->nr_spinners++] =
			start_spinner(cpu, SPIN_PRIORITY);
	kill_busy(_metadata, &self->scene, &self->cgroup, &self->victim,
		  &self->squeezer);
	stop_spinners(self->spinner, self->nr_spinners);
	self->nr_spinners = 0;
	set_fifo(0);

	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	EXPECT_TRUE(victim_killed(&self->victim));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

TEST_F_TIMEOUT(busy, many_spinners, 60)
{
	int i;

	if (!*self->cgroup.dir)
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_EQ(0, victim_start(&self->victim));
	ASSERT_EQ(0, set_fifo(TEST_PRIORITY));
	for (i = 0; i < MANY; i++)
		self->spinner[self->nr_spinners++] =
			start_spinner(i % self->cpus, 0);
	kill_busy(_metadata, &self->scene, &self->cgroup, &self->victim,
		  &self->squeezer);
	stop_spinners(self->spinner, self->nr_spinners);
	self->nr_spinners = 0;
	set_fifo(0);

	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	EXPECT_TRUE(victim_killed(&self->victim));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
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

static pid_t start_watcher(struct watch *watch, int cpu, int priority)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(200);
	run_on(cpu);
	if (set_fifo(priority))
		_exit(1);
	/* A SCHED_FIFO task lets others run when there is nothing to watch */
	watch_cpu(watch, cpu, priority ? 1000 : 0);
	return 0;
}

static long worst_ms(struct watch *watch, int cpus)
{
	long worst = 0;
	int cpu;

	for (cpu = 0; cpu < cpus; cpu++)
		if (watch->worst_ns[cpu] / 1000000 > worst)
			worst = watch->worst_ns[cpu] / 1000000;
	return worst;
}

/*
 * Return: the longest time that a watcher was off its CPU, in ms; in @control
 * the same while nothing happened
 */
static long kill_watched(struct __test_metadata *_metadata, struct scene *scene,
			 struct watch *watch, int cpus, size_t mb, int try,
			 long *control)
{
	struct victim victim = {
		.mb = mb, .stuck = VICTIM_READ, .hold = &scene->hold,
		.file = try,
	};
	pid_t watcher[MAX_CPUS];
	long before, worst;
	int cpu, back;

	memset(watch, 0, sizeof(*watch));
	if (victim_start(&victim))
		return -1;
	for (cpu = 0; cpu < cpus; cpu++)
		watcher[cpu] = start_watcher(watch, cpu, 0);
	set_fifo(TEST_PRIORITY);
	/* What the host does to them by itself */
	watch_begin(watch);
	probe_sleep_ms(CONTROL_MS);
	watch_end(watch, 0, cpus);
	*control = worst_ms(watch, cpus);
	before = probe_free_kb();
	watch_begin(watch);
	victim_sysrq();
	back = victim_memory_back(before, mb, 20000);
	watch_end(watch, 0, cpus);
	set_fifo(0);
	stop_spinners(watcher, cpus);
	worst = worst_ms(watch, cpus);
	scene_print("%zu MB back after %d ms", mb, back);
	scene_print("an ordinary task waited up to %ld ms for its CPU, up to %ld ms before",
		    worst, *control);
	EXPECT_LE(0, back);
	hold_release(&scene->hold, try);
	EXPECT_TRUE(victim_gone(&victim, 5000));
	victim_stop(&victim);
	return worst;
}

/*
 * Several tries: on a virtual machine it may have been the host that took a
 * CPU away. An ordinary thread like stock's reaper is as polite as any.
 */
TEST_F_TIMEOUT(busy, guard_polite, 240)
{
	struct watch *watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long mb = probe_meminfo_kb("MemAvailable") / 1024 * 6 / 10;
	long worst = -1, least = -1, control = 0, most_control = 0;
	int try;

	ASSERT_NE(MAP_FAILED, watch);
	mb = probe_env("OOM_REAPER_POLITE_MB", mb);
	/* A serial console keeps its CPU for as long as the report takes */
	probe_read(PRINTK, self->printk, sizeof(self->printk));
	probe_write(PRINTK, "1");
	for (try = 0; try < POLITE_TRIES; try++) {
		worst = kill_watched(_metadata, &self->scene, watch,
				     self->cpus, mb, try, &control);
		if (worst >= 0 && (least < 0 || worst < least))
			least = worst;
		if (2 * control > most_control)
			most_control = 2 * control;
		if (least >= 0 && least < POLITE_MS)
			break;
	}
	EXPECT_LE(0, least);
	/* On a host that takes that much there is no telling who it was */
	if (most_control < probe_limit(POLITE_MS))
		most_control = probe_limit(POLITE_MS);
	EXPECT_GT(most_control, least);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	munmap(watch, sizeof(*watch));
}

/*
 * A SCHED_FIFO task of lower priority on the reaper's own CPU, which does not
 * sleep: how long it has to wait at a time. The victim has memory that is used
 * sparsely above memory that is full: what the reaper learns from the one about
 * how much it can do at once must not make it slow in the other.
 */
#define SPARSE_AREA	0x10000000000UL
#define SPARSE_SIZE	(64UL << 30)
#define SPARSE_TRIES	8
#define SPARSE_MS	60	/* three times what it claims */
#define CLEAN_MS	30	/* what the host may take in a try that counts */

static pid_t reaper_pid(void)
{
	char path[64], comm[32];
	pid_t pid;

	for (pid = 2; pid < 1000; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (probe_read(path, comm, sizeof(comm)) > 0 &&
		    !strcmp(comm, "oom_reaper\n"))
			return pid;
	}
	return -1;
}

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

static long kill_sparse(struct __test_metadata *_metadata, struct scene *scene,
			struct watch *watch, int cpu, long mb, int try,
			long *control)
{
	struct victim victim = {
		.mb = 1, .stuck = VICTIM_READ, .hold = &scene->hold,
		.file = try, .body = map_sparse, .arg = &mb,
	};
	pid_t watcher;
	long before, worst;
	int back;

	memset(watch, 0, sizeof(*watch));
	if (victim_start(&victim))
		return -1;
	run_on(!cpu);
	watcher = start_watcher(watch, cpu, SPIN_PRIORITY);
	set_fifo(TEST_PRIORITY);
	watch_begin(watch);
	probe_sleep_ms(500);
	watch_end(watch, cpu, cpu + 1);
	*control = watch->worst_ns[cpu] / 1000000;
	probe_sleep_ms(50);
	before = probe_free_kb();
	watch_begin(watch);
	victim_sysrq();
	back = victim_memory_back(before, mb, 10000);
	watch_end(watch, cpu, cpu + 1);
	set_fifo(0);
	stop_spinners(&watcher, 1);
	worst = watch->worst_ns[cpu] / 1000000;
	scene_print("%ld MB back after %d ms; the task waited up to %ld ms, up to %ld ms before",
		    mb, back, worst, *control);
	EXPECT_LE(0, back);
	hold_release(&scene->hold, try);
	EXPECT_TRUE(victim_gone(&victim, 5000));
	victim_stop(&victim);
	return worst;
}

TEST_F_TIMEOUT(busy, polite_sparse, 240)
{
	struct watch *watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long mb = probe_meminfo_kb("MemAvailable") / 1024 * 6 / 10;
	long worst, least = -1, control = 0;
	pid_t reaper = reaper_pid();
	cpu_set_t all, one;
	int try;

	ASSERT_NE(MAP_FAILED, watch);
	if (self->cpus < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_LT(0, reaper);
	if (sched_getscheduler(reaper) != SCHED_FIFO)
		SKIP(return, "an ordinary thread waits for this task");
	mb = probe_env("OOM_REAPER_POLITE_MB", mb);
	sched_getaffinity(reaper, sizeof(all), &all);
	CPU_ZERO(&one);
	CPU_SET(1, &one);
	ASSERT_EQ(0, sched_setaffinity(reaper, sizeof(one), &one));
	/* Throttled, the task would wait for nothing */
	probe_read(RT_RUNTIME, self->runtime, sizeof(self->runtime));
	probe_read(PRINTK, self->printk, sizeof(self->printk));
	probe_write(RT_RUNTIME, "-1");
	probe_write(PRINTK, "1");
	for (try = 0; try < SPARSE_TRIES; try++) {
		worst = kill_sparse(_metadata, &self->scene, watch, 1, mb, try,
				    &control);
		/* A host that takes a CPU away tells nothing of the reaper */
		if (worst < 0 || control > probe_limit(CLEAN_MS))
			continue;
		if (least < 0 || worst < least)
			least = worst;
		if (least < probe_limit(SPARSE_MS))
			break;
	}
	sched_setaffinity(reaper, sizeof(all), &all);
	if (least < 0)
		SKIP(return, "the host is too busy");
	scene_print("%ld ms at best, the limit is %d ms", least,
		    probe_limit(SPARSE_MS));
	EXPECT_GT(probe_limit(SPARSE_MS), least);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
	munmap(watch, sizeof(*watch));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
