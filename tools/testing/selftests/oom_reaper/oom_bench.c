// SPDX-License-Identifier: GPL-2.0
/*
 * How fast a killed process's memory comes back, and what others suffer until
 * then. Measures only: prints one line "RESULT scenario=NAME key=value ..." and
 * "SAMPLE scenario=NAME t_ms=... free_kb=... hog_kb=..." lines, and judges
 * nothing.
 *
 * Times are counted from the kill as the kernel log has it; a figure of -1 says
 * that it did not happen within the limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bystander.h"
#include "cgroup.h"
#include "glutton.h"
#include "hold.h"
#include "locks.h"
#include "probe.h"
#include "victim.h"

#define LIMIT_MS		10000
#define FINE_NS			200000
#define COARSE_NS		5000000
#define SAMPLE_NS		10000000
#define MAX_SAMPLES		3000
#define BYSTANDERS		3

#define SYSLOG_ACTION_CONSOLE_LEVEL	8

static const char *scenario;

/* The options, all of them numbers, and what they are when not given */
static struct option {
	const char *name;
	long value;
} options[] = {
	{ "mb", 96 },		/* the victim's memory */
	{ "victims", 8 },	/* burst: how many */
	{ "threads", 1 },	/* the victim's threads */
	{ "thp", 0 },		/* by huge pages */
	{ "shared", 0 },	/* natural: it has a shared mapping */
	{ "hold_ms", 3000 },	/* mrelease: for how long the lock is held */
	{ "bystander_mb", 32 },
	{ "samples", 1 },	/* print SAMPLE lines */
	{ "parts", 0 },		/* hog: what its longest wait is made of */
};

static long option(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (!strcmp(options[i].name, name))
			return options[i].value;
	abort();
}

static void parse(char *text)
{
	char *value = strchr(text, '=');
	size_t i;

	for (i = 0; value && i < sizeof(options) / sizeof(*options); i++) {
		if (!strncmp(options[i].name, text, value - text) &&
		    !options[i].name[value - text]) {
			options[i].value = strtol(value + 1, NULL, 0);
			return;
		}
	}
	ksft_exit_fail_msg("oom_bench: unknown option %s\n", text);
}

/*
 * The sampler looks at free memory every 0.2 ms while it is to find out when
 * that is back, above everything but the reaper in priority, and else no more
 * often than it needs to keep what it sees every 10 ms: it takes a CPU's time.
 */
static struct {
	pthread_t thread;
	atomic_bool stop;
	atomic_long want_kb;		/* 0: nothing wanted yet */
	atomic_llong back_ns;	/* when it first was there */
	long long start_ns;
	int count;
	struct {
		long long ns;
		long free_kb;
		long hog_kb;
	} sample[MAX_SAMPLES];
} sampler;

static struct glutton hog;

static void real_time(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		fprintf(stderr, "# no SCHED_FIFO: %s\n", strerror(errno));
}

static void *sample(void *arg)
{
	struct timespec fine = { 0, FINE_NS }, coarse = { 0, COARSE_NS };
	long long next = 0;

	real_time(98);
	while (!sampler.stop) {
		long long now = probe_now_ns();
		long free_kb = probe_free_kb();

		if (sampler.want_kb && !sampler.back_ns &&
		    free_kb >= sampler.want_kb)
			sampler.back_ns = now;
		if (now >= next && sampler.count < MAX_SAMPLES) {
			sampler.sample[sampler.count].ns = now;
			sampler.sample[sampler.count].free_kb = free_kb;
			sampler.sample[sampler.count].hog_kb =
				hog.shared ? hog.shared->kb : 0;
			sampler.count++;
			next = now + SAMPLE_NS;
		}
		nanosleep(sampler.want_kb && !sampler.back_ns ? &fine : &coarse,
			  NULL);
	}
	return arg;
}

static void sampler_start(long want_kb)
{
	sampler.start_ns = probe_now_ns();
	sampler.want_kb = want_kb;
	if (pthread_create(&sampler.thread, NULL, sample, NULL))
		ksft_exit_fail_msg("oom_bench: no sampler thread\n");
}

static void sampler_stop(long long zero_ns)
{
	int i;

	sampler.stop = true;
	pthread_join(sampler.thread, NULL);
	for (i = 0; option("samples") && i < sampler.count; i++)
		printf("SAMPLE scenario=%s t_ms=%.1f free_kb=%ld hog_kb=%ld\n",
		       scenario, (sampler.sample[i].ns - zero_ns) / 1e6,
		       sampler.sample[i].free_kb, sampler.sample[i].hog_kb);
}

static struct probe_text log_text;
static long long log_offset_ns;

/* The time of a line of the log: "priority,number,microseconds,..." */
static long long line_ns(const char *line)
{
	long long us;

	if (!line || sscanf(line, "%*d,%*d,%lld", &us) != 1)
		return -1;
	return us * 1000 + log_offset_ns;
}

static void log_start(void)
{
	long long now;

	if (probe_log_open(&log_text))
		ksft_exit_fail_msg("oom_bench: no /dev/kmsg\n");
	now = probe_now_ns();
	probe_write("/dev/kmsg", "oom_bench: clock\n");
	log_offset_ns = now - line_ns(probe_find(&log_text, 1000,
						 "oom_bench: clock"));
}

static long long kill_ns(pid_t pid, int ms)
{
	return line_ns(probe_find(&log_text, ms, "Killed process %d (", pid));
}

static double ms_between(long long from, long long to)
{
	return from > 0 && to > 0 ? (to - from) / 1e6 : -1;
}

/* The line with the results, bit by bit */
static void result_begin(size_t mb)
{
	printf("RESULT scenario=%s mb=%zu", scenario, mb);
}

static void result_number(const char *key, long value)
{
	printf(" %s=%ld", key, value);
}

static void result_figure(const char *key, double value)
{
	printf(" %s=%.3f", key, value);
}

static void result_end(void)
{
	printf("\n");
}

static struct hold hold;

static void start(struct victim *victim)
{
	if (victim_start(victim))
		ksft_exit_fail_msg("oom_bench: no victim\n");
}

static void need_hold(void)
{
	int err = hold_start(&hold);

	if (err)
		ksft_exit_fail_msg("oom_bench: no FUSE: %s\n", strerror(-err));
}

/* Per-CPU lists and the like come to rest */
static long settled_free_kb(void)
{
	probe_sleep_ms(300);
	return probe_free_kb();
}

static long most_of(size_t mb)
{
	return mb * 1024 * 9 / 10;
}

static void spin(int seconds)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	real_time(50);
	alarm(seconds);
	for (;;)
		;
}

/* One stuck victim, SysRq-f, no other process */
static void one_victim(enum victim_stuck stuck, bool spinners)
{
	struct victim victim = {
		.mb = option("mb"), .huge = option("thp"),
		.threads = option("threads") - 1,
		.stuck = stuck, .hold = &hold,
	};
	long before, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long long sysrq_ns, killed_ns, reaped_ns;
	pid_t spinner[256];
	long i;

	need_hold();
	start(&victim);
	before = settled_free_kb();
	real_time(97);
	for (i = 0; spinners && i < cpus && i < 256; i++) {
		spinner[i] = fork();
		if (!spinner[i])
			spin(15);
	}
	sampler_start(before + most_of(victim.mb));
	probe_sleep_ms(100);
	sysrq_ns = probe_now_ns();
	victim_sysrq();
	killed_ns = kill_ns(victim.pid, LIMIT_MS);
	probe_wait(sampler.back_ns, LIMIT_MS);
	probe_sleep_ms(200);
	reaped_ns = line_ns(probe_find(&log_text, 0, "reaped process %d (",
				       victim.pid));
	for (i = 0; spinners && i < cpus && i < 256; i++) {
		kill(spinner[i], SIGKILL);
		waitpid(spinner[i], NULL, 0);
	}
	sampler_stop(killed_ns);
	result_begin(victim.mb);
	result_figure("back_ms", ms_between(killed_ns, sampler.back_ns));
	result_number("reaped", reaped_ns > 0);
	result_figure("reaped_ms", ms_between(killed_ns, reaped_ns));
	result_number("gave_up", victim_given_up(&log_text, victim.pid));
	result_figure("sysrq_ms", ms_between(sysrq_ns, killed_ns));
	result_end();
	hold_release_all(&hold);
	victim_stop(&victim);
}

static void dstate(void)
{
	one_victim(VICTIM_READ, false);
}

static void mmap_lock(void)
{
	one_victim(VICTIM_MMAP_WRITE, false);
}

static void spinners(void)
{
	one_victim(VICTIM_READ, true);
}

/*
 * How much of the longest page fault came after the kill. The fault may have
 * begun later, to wait for another kill, or have ended before.
 */
static double worst_after_ms(const struct glutton_shared *took,
			     long long killed_ns)
{
	long long after_ns = took->worst_end_ns - killed_ns;

	if (killed_ns < 0)
		return -1;
	if (after_ns > took->worst_ns)
		after_ns = took->worst_ns;
	return after_ns < 0 ? 0 : after_ns / 1e6;
}

/*
 * The hog's page fault with the kill, cut up by trace events: reclaim until the
 * kill; the choice of the victim and the report; from the kill to the handover,
 * from there to the reaper's start, until the hog runs, until it has its page.  A
 * kernel that polls until then writes more events than the buffer has room for:
 * only the parts up to the kill are to be seen there.
 */
#define PARTS_EVENTS	"oom:mark_victim oom:wake_reaper oom:start_task_reaping " \
			"vmscan:mm_vmscan_direct_reclaim_begin " \
			"vmscan:mm_vmscan_direct_reclaim_end " \
			"sched:sched_switch"

static struct probe_text parts_trace;

static void parts_file(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", parts_trace.instance, file);
	if (probe_write(path, text))
		ksft_exit_fail_msg("oom_bench: cannot write %s\n", path);
}

static void parts_start(void)
{
	if (probe_trace_open(&parts_trace, PARTS_EVENTS))
		ksft_exit_fail_msg("oom_bench: no trace events\n");
	parts_file("trace_clock", "mono");
	parts_file("options/overwrite", "0");
	parts_file("events/sched/sched_switch/filter", "next_comm == \"hog\"");
}

/* "hog-57      [000] .....     6.135495: mark_victim: pid=55 ..." */
static double event_ms(const char *line, const char *event)
{
	const char *at = strstr(line, event);
	double seconds;

	if (!at || at - line < 20 || strncmp(at - 2, ": ", 2))
		return -1;
	for (at -= 3; at > line && *at != ' '; at--)
		;
	return sscanf(at, "%lf", &seconds) == 1 ? seconds * 1e3 : -1;
}

static void result_parts(pid_t hog_pid, pid_t victim_pid,
			 const struct glutton_wait *wait)
{
	double from_ms = wait->begin_ns / 1e6, to_ms = wait->end_ns / 1e6;
	double ms, reclaim_ms = 0, begun_ms = 0, reclaimed_ms = from_ms;
	double kill_ms = 0, handover_ms = 0, start_ms = 0, runs_ms = 0;
	char victim[32], by_hog[32], *line, *rest;
	int reclaims = 0;

	snprintf(victim, sizeof(victim), " pid=%d", victim_pid);
	snprintf(by_hog, sizeof(by_hog), "hog-%d ", hog_pid);
	/* Takes over what is there */
	probe_count(&parts_trace, "hog");
	if (!parts_trace.buf)
		return;
	for (line = strtok_r(parts_trace.buf, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		ms = event_ms(line, "mm_vmscan_direct_reclaim_begin");
		if (ms >= from_ms && strstr(line, by_hog))
			begun_ms = ms;
		ms = event_ms(line, "mm_vmscan_direct_reclaim_end");
		if (ms >= from_ms && !kill_ms && begun_ms &&
		    strstr(line, by_hog)) {
			reclaim_ms += ms - begun_ms;
			reclaimed_ms = ms;
			reclaims++;
		}
		ms = event_ms(line, "mark_victim");
		if (ms >= from_ms && strstr(line, victim))
			kill_ms = ms;
		ms = event_ms(line, "wake_reaper");
		if (ms >= from_ms && kill_ms && strstr(line, victim))
			handover_ms = ms;
		ms = event_ms(line, "start_task_reaping");
		if (ms >= from_ms && !start_ms && strstr(line, victim))
			start_ms = ms;
		/* With one CPU it may not have come to sleep: no wake-up */
		ms = event_ms(line, "sched_switch");
		if (start_ms && !runs_ms && ms >= start_ms && ms <= to_ms)
			runs_ms = ms;
	}
	probe_text_close(&parts_trace);

	result_number("reclaims", reclaims);
	result_figure("part_reclaim_ms", reclaim_ms);
	if (!kill_ms)
		return;
	result_figure("part_report_ms", kill_ms - reclaimed_ms);
	if (!handover_ms || !start_ms || !runs_ms)
		return;
	result_figure("part_handover_ms", handover_ms - kill_ms);
	result_figure("part_start_ms", start_ms - handover_ms);
	result_figure("part_reap_ms", runs_ms - start_ms);
	result_figure("part_page_ms", to_ms - runs_ms);
	result_figure("kill_to_run_ms", runs_ms - kill_ms);
}

static void hogged(enum victim_stuck stuck)
{
	struct victim victim = {
		.mb = option("mb"), .stuck = stuck, .hold = &hold,
	};
	struct bystander bystander[BYSTANDERS];
	int i, killed = 0, spoilt = 0, given_up;
	long long hog_ns, killed_ns;
	const struct glutton_wait *wait;
	struct glutton_shared took;
	pid_t hog_pid;
	bool served;

	need_hold();
	for (i = 0; i < BYSTANDERS; i++)
		if (bystander_start(&bystander[i], option("bystander_mb"), 1,
				    500))
			ksft_exit_fail_msg("oom_bench: no bystander\n");
	start(&victim);
	probe_sleep_ms(300);
	real_time(97);
	if (option("samples"))
		sampler_start(0);
	if (option("parts"))
		parts_start();
	hog_ns = probe_now_ns();
	if (glutton_start_above(&hog, victim.mb / 2))
		ksft_exit_fail_msg("oom_bench: no hog\n");
	hog_pid = hog.pid;
	killed_ns = kill_ns(victim.pid, 2 * LIMIT_MS);
	served = glutton_served(&hog, 2 * LIMIT_MS);
	probe_sleep_ms(200);
	took = *hog.shared;
	if (option("samples"))
		sampler_stop(killed_ns);
	/* The bystanders need some memory to answer */
	glutton_stop(&hog);
	given_up = victim_given_up(&log_text, victim.pid);
	for (i = 0; i < BYSTANDERS; i++) {
		if (!bystander_alive(&bystander[i]))
			killed++;
		else if (!bystander_intact(&bystander[i]))
			spoilt++;
		bystander_stop(&bystander[i]);
	}
	/* Not the longest one, if the reaper has the hog's CPU later on */
	wait = glutton_waited(&took, killed_ns);
	result_begin(victim.mb);
	result_figure("worst_stall_ms", served ? took.worst_ns / 1e6 : -1);
	result_figure("after_kill_ms",
		      served ? worst_after_ms(&took, killed_ns) : -1);
	result_figure("kill_stall_ms",
		      wait ? (wait->end_ns - wait->begin_ns) / 1e6 : -1);
	result_figure("kill_to_page_ms",
		      wait ? (wait->end_ns - killed_ns) / 1e6 : -1);
	result_figure("stalled_ms", took.stalled_ns / 1e6);
	result_number("served", served);
	result_number("bystanders_killed", killed);
	result_number("bystanders_spoilt", spoilt);
	result_number("gave_up", given_up);
	result_figure("kill_ms", ms_between(hog_ns, killed_ns));
	result_number("hog_mb", took.kb / 1024);
	if (option("parts") && wait)
		result_parts(hog_pid, victim.pid, wait);
	result_end();
	hold_release_all(&hold);
	victim_stop(&victim);
}

static void hog_dstate(void)
{
	hogged(VICTIM_READ);
}

static void hog_mmap_lock(void)
{
	hogged(VICTIM_MMAP_WRITE);
}

/* Several at once, one SysRq-f each */
static void burst(void)
{
	int i, n = option("victims"), reaped = 0, killed = 0, decoys = 0;
	struct victim *victim = calloc(n, sizeof(*victim));
	size_t each = option("mb") / n ? option("mb") / n : 1;
	struct bystander decoy[BYSTANDERS];
	long long first_ns = -1, ns;
	long before;

	need_hold();
	/* For the SysRq-f that finds no other victim */
	for (i = 0; i < BYSTANDERS; i++)
		if (bystander_start(&decoy[i], 1, 0, 500))
			ksft_exit_fail_msg("oom_bench: no bystander\n");
	for (i = 0; i < n; i++) {
		victim[i].mb = each;
		victim[i].stuck = VICTIM_READ;
		victim[i].hold = &hold;
		victim[i].file = i;
		start(&victim[i]);
	}
	before = settled_free_kb();
	real_time(97);
	sampler_start(before + most_of(each * n));
	for (i = 0; i < n; i++) {
		victim_sysrq();
		probe_sleep_ms(50);
	}
	probe_wait(sampler.back_ns, LIMIT_MS);
	probe_sleep_ms(200);
	for (i = 0; i < n; i++) {
		ns = kill_ns(victim[i].pid, 0);
		if (ns > 0)
			killed++;
		if (ns > 0 && (first_ns < 0 || ns < first_ns))
			first_ns = ns;
		if (victim_reaped(&log_text, victim[i].pid, 0))
			reaped++;
	}
	sampler_stop(first_ns);
	for (i = 0; i < BYSTANDERS; i++) {
		decoys += !bystander_alive(&decoy[i]);
		bystander_stop(&decoy[i]);
	}
	result_begin(each * n);
	result_number("victims", n);
	result_figure("back_ms", ms_between(first_ns, sampler.back_ns));
	result_number("killed", killed);
	result_number("reaped", reaped);
	result_number("bystanders_killed", decoys);
	result_end();
	hold_release_all(&hold);
	for (i = 0; i < n; i++)
		victim_stop(&victim[i]);
}

static int take_lock(struct victim *victim)
{
	return -pthread_mutex_lock(victim->arg);
}

/* The victim's robust mutex, and a process that waits for it */
static void futex(void)
{
	struct {
		pthread_mutex_t mutex;
		atomic_int told;	/* result of the lock, -1: none yet */
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct victim victim = {
		.mb = option("mb"), .stuck = VICTIM_READ, .hold = &hold,
		.body = take_lock, .arg = &shared->mutex,
	};
	long long killed_ns, released_ns;
	double told_ms = -1;
	long before;
	pid_t pid;

	locks_init_mutex(&shared->mutex, false);
	shared->told = -1;

	need_hold();
	start(&victim);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		shared->told = pthread_mutex_lock(&shared->mutex);
		_exit(0);
	}
	before = settled_free_kb();
	real_time(97);
	sampler_start(before + most_of(victim.mb));
	victim_sysrq();
	killed_ns = kill_ns(victim.pid, LIMIT_MS);
	probe_wait(sampler.back_ns, LIMIT_MS);
	/* Before its last pages have gone it could still tell */
	victim_reaped(&log_text, victim.pid, 1000);
	released_ns = probe_now_ns();
	hold_release_all(&hold);
	if (probe_wait(shared->told >= 0, 3000))
		told_ms = ms_between(released_ns, probe_now_ns());
	sampler_stop(killed_ns);
	result_begin(victim.mb);
	result_figure("back_ms", ms_between(killed_ns, sampler.back_ns));
	result_number("waiter_told", shared->told >= 0);
	result_number("owner_died", shared->told == EOWNERDEAD);
	result_figure("told_ms", told_ms);
	result_end();
	victim_stop(&victim);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct {
	int pidfd;
	int result;
	atomic_llong end_ns;
} call;

static void *call_mrelease(void *arg)
{
	call.result = syscall(SYS_process_mrelease, call.pidfd, 0) ? errno : 0;
	call.end_ns = probe_now_ns();
	return arg;
}

/* How long process_mrelease() takes while mmap_lock is held */
static void mrelease(void)
{
	struct victim victim = {
		.mb = option("mb"), .stuck = VICTIM_MMAP_WRITE, .hold = &hold,
	};
	long long begin_ns;
	pthread_t thread;
	long before;

	need_hold();
	start(&victim);
	call.pidfd = syscall(SYS_pidfd_open, victim.pid, 0);
	before = settled_free_kb();
	real_time(97);
	sampler_start(before + most_of(victim.mb));
	kill(victim.pid, SIGKILL);
	begin_ns = probe_now_ns();
	if (pthread_create(&thread, NULL, call_mrelease, NULL))
		ksft_exit_fail_msg("oom_bench: no thread\n");
	probe_wait(call.end_ns && sampler.back_ns, option("hold_ms"));
	hold_release_all(&hold);
	pthread_join(thread, NULL);
	probe_wait(sampler.back_ns, LIMIT_MS);
	sampler_stop(begin_ns);
	result_begin(victim.mb);
	result_number("hold_ms", option("hold_ms"));
	result_figure("call_ms", ms_between(begin_ns, call.end_ns));
	result_number("errno", call.result);
	result_figure("back_ms", ms_between(begin_ns, sampler.back_ns));
	result_end();
	victim_stop(&victim);
}

/* A victim that nothing holds: must not pay for being reaped early */
static void natural(void)
{
	struct victim first = {
		.mb = 4, .huge = option("thp"),
		.threads = option("threads") - 1, .alone = true,
	};
	struct victim victim = {
		.mb = option("mb"), .huge = option("thp"),
		.threads = option("threads") - 1,
		.alone = !option("shared"),
	};
	long long killed_ns, gone_ns;
	long before, huge_mb;

	/*
	 * An emulator translates code that runs for the first time, which takes
	 * as long as the exit of the victim.
	 */
	start(&first);
	if (victim_sysrq() || !victim_gone(&first, LIMIT_MS))
		ksft_exit_fail_msg("oom_bench: the first victim stays\n");
	victim_stop(&first);

	start(&victim);
	huge_mb = probe_meminfo_kb("AnonHugePages") / 1024;
	before = settled_free_kb();
	real_time(97);
	sampler_start(before + most_of(victim.mb));
	probe_sleep_ms(100);
	victim_sysrq();
	gone_ns = waitpid(victim.pid, &victim.status, 0) == victim.pid ?
		  probe_now_ns() : -1;
	victim.gone = true;
	probe_wait(sampler.back_ns, LIMIT_MS);
	killed_ns = kill_ns(victim.pid, 1000);
	sampler_stop(killed_ns);
	result_begin(victim.mb);
	result_number("threads", option("threads"));
	result_number("thp", option("thp"));
	result_number("huge_mb", huge_mb);
	result_figure("back_ms", ms_between(killed_ns, sampler.back_ns));
	result_figure("gone_ms", ms_between(killed_ns, gone_ns));
	result_end();
	victim_stop(&victim);
}

/* Outgrows its memory cgroup, and can exit by itself. Return: fork to gone */
static double outgrow(const struct cgroup *group)
{
	long long begin_ns = probe_now_ns();
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (!probe_write("/proc/self/oom_score_adj", "0") &&
		    !probe_write(group->procs, "0"))
			victim_alloc(2 * option("mb") * PROBE_MB,
				     option("thp"));
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid ||
	    !WIFSIGNALED(status))
		return -1;
	return ms_between(begin_ns, probe_now_ns());
}

static void memcg_kill(void)
{
	struct cgroup parent, group;
	double gone_ms;
	char limit[32];

	if (cgroup_make_parent(&parent, "+memory") ||
	    cgroup_make_child(&group, &parent, 1))
		ksft_exit_fail_msg("oom_bench: no memory cgroup\n");
	snprintf(limit, sizeof(limit), "%ldM", option("mb"));
	cgroup_write(&group, "memory.max", limit);
	cgroup_write(&group, "memory.swap.max", "0");
	/* As in natural(): the first one is not counted */
	outgrow(&group);
	gone_ms = outgrow(&group);
	cgroup_remove(&group);
	cgroup_remove(&parent);
	result_begin(option("mb"));
	result_figure("gone_ms", gone_ms);
	result_end();
}

/* Nanoseconds that it took to reap a page, -1: it was not reaped */
static double reap_rate(enum victim_stuck stuck, int file, double *ms,
			char *path)
{
	struct victim victim = {
		.mb = option("mb"), .huge = option("thp"),
		.stuck = stuck, .hold = &hold, .file = file,
	};
	struct probe_text trace;
	double rate = -1;
	const char *line;

	start(&victim);
	if (probe_trace_open(&trace, "oom:finish_task_reaping"))
		ksft_exit_fail_msg("oom_bench: no trace events\n");
	probe_sleep_ms(300);
	victim_sysrq();
	line = probe_find(&trace, 3 * LIMIT_MS, "finish_task_reaping: pid=%d ",
			  victim.pid);
	if (line && probe_field(line, "pages") > 0) {
		rate = (double)probe_field(line, "ns") /
		       probe_field(line, "pages");
		*ms = probe_field(line, "ns") / 1e6;
		line = strstr(line, "path=");
		snprintf(path, 16, "%.*s",
			 line ? (int)strcspn(line + 5, " ") : 0,
			 line ? line + 5 : "");
	}
	probe_text_close(&trace);
	hold_release(&hold, file);
	victim_stop(&victim);
	return rate;
}

/* Reaping under per-VMA locks compared with reaping under mmap_lock */
static void vma_big(void)
{
	char free_path[16] = "-", held_path[16] = "-";
	double free_ms = -1, held_ms = -1, free_rate, held_rate;

	need_hold();
	free_rate = reap_rate(VICTIM_READ, 0, &free_ms, free_path);
	held_rate = reap_rate(VICTIM_MMAP_WRITE, 1, &held_ms, held_path);
	result_begin(option("mb"));
	result_figure("free_ms", free_ms);
	result_figure("free_ns_per_page", free_rate);
	printf(" free_path=%s", free_path);
	result_figure("held_ms", held_ms);
	result_figure("held_ns_per_page", held_rate);
	printf(" held_path=%s", held_path);
	printf(" ratio=%.3f", held_rate > 0 ? held_rate / free_rate : -1);
	result_end();
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "dstate", dstate },
	{ "mmap_lock", mmap_lock },
	{ "hog_dstate", hog_dstate },
	{ "hog_mmap_lock", hog_mmap_lock },
	{ "burst", burst },
	{ "futex", futex },
	{ "mrelease", mrelease },
	{ "spinners", spinners },
	{ "natural", natural },
	{ "memcg_kill", memcg_kill },
	{ "vma_big", vma_big },
};

static void help(void)
{
	size_t i;

	fprintf(stderr, "Call: oom_bench [--disposable] SCENARIO");
	for (i = 0; i < sizeof(options) / sizeof(*options); i++)
		fprintf(stderr, " [%s=%ld]", options[i].name,
			options[i].value);
	fprintf(stderr, "\nscenarios:");
	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		fprintf(stderr, " %s", scenarios[i].name);
	fprintf(stderr, "\n");
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	char printk[64];
	int arg, level = 7;
	size_t i;

	probe_disposable(&argc, argv);
	if (argc < 2)
		help();
	scenario = argv[1];
	for (arg = 2; arg < argc; arg++)
		parse(argv[arg]);

	for (i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (strcmp(scenarios[i].name, scenario))
			continue;
		/* The console is slow, and printing there is part of a kill */
		if (probe_read("/proc/sys/kernel/printk", printk,
			       sizeof(printk)) > 0)
			level = strtol(printk, NULL, 10);
		klogctl(SYSLOG_ACTION_CONSOLE_LEVEL, NULL, 1);
		log_start();
		scenarios[i].run();
		klogctl(SYSLOG_ACTION_CONSOLE_LEVEL, NULL, level);
		hold_stop(&hold);
		return 0;
	}
	help();
}
