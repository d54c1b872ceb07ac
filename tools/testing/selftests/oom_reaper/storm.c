// SPDX-License-Identifier: GPL-2.0
/*
 * A storm: the OOM killer is called at random, for the whole machine by a hog
 * and by SysRq-f, and for control groups, over victims that are stuck, that
 * fork, map, create threads and take locks, while the reaper's parameters
 * change. Bystanders hold memory whose every byte they know, and locks that
 * the victims take as well.
 *
 *	storm [--seconds N] [--seed N] [--no-stress]
 *
 * A guard: stock passes as long as no lock is lost to its early reaping.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "glutton.h"
#include "leaks.h"
#include "locks.h"
#include "scene.h"

#define SLOTS		5
#define BYSTANDERS	3
#define DECOYS		3
#define MUTEXES		8
#define KILLS		256
#define COMPLAINT_LINES	80
#define PRIORITY	40

#define PRINTK		"/proc/sys/kernel/printk"

#define REST_MS		20000	/* for a victim to be reaped or gone */
#define LOCK_MS		20000	/* for a lock whose owner is killed */

enum kind {
	/* As in victim.h: stuck, and then in that order what they do */
	KIND_STUCK,
	KIND_IDLE,
	KIND_FORK,
	KIND_MAP,
	KIND_THREAD,
	KIND_LOCK,
	NR_KINDS
};

struct mutexes {
	pthread_mutex_t mutex[MUTEXES];
	atomic_int stop;
	atomic_int lost;	/* could not be had, or in a wrong way */
	atomic_int orphaned;	/* EOWNERDEAD */
	atomic_int taken;
};

struct slot {
	struct victim victim;
	struct cgroup cgroup;
	enum kind kind;
	bool used;
	bool in_cgroup;
	bool released;
	long long born_ns;
	long long release_ns;	/* released then if it has been killed */
};

/* A kill that the log speaks of, until the victim is reaped or gone */
struct kill {
	pid_t pid;
	long long ns;
};

struct storm {
	struct hold hold;
	struct probe_text log;
	struct bystander bystander[BYSTANDERS];
	struct cgroup top;
	struct slot slot[SLOTS];
	/* Next in line when no victim is there */
	struct victim decoy[DECOYS];
	struct mutexes *mutexes;
	struct kill kill[KILLS];
	int nr_kills_open;
	int next_file;
	pid_t checker;
	struct glutton hog;
	long long hog_ns;	/* when it was started */
	pid_t stress;
	char complaint[256];

	long victims;
	long kills;
	long reaped;
	long unreaped;		/* neither reaped nor gone in time */
	long changed;		/* bystanders dead or with other bytes */
	long late;
	long hogs;
	long squeezes;
	long sysrqs;
	long params;
	long params_refused;
};

static long pick(long n)
{
	return random() % n;
}

static long long since_ms(long long ns)
{
	return (probe_now_ns() - ns) / 1000000;
}

/* The victims' ways of life. They do not return */

static void *touch(void *arg)
{
	size_t at, size = (uintptr_t)arg;
	char *mem = victim_map(size, false);

	for (at = 0; mem && at < size; at += 4096)
		mem[at] = 1;
	if (mem)
		munmap(mem, size);
	return NULL;
}

static int live_forking(struct victim *victim)
{
	victim->shared->stage = VICTIM_READY;
	while (victim->shared->stage == VICTIM_READY) {
		pid_t pid = fork();

		if (!pid) {
			size_t at;

			for (at = 0; at < PROBE_MB; at += 4096)
				victim->mem[at] = 2;
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		usleep(1000);
	}
	return 0;
}

static int live_mapping(struct victim *victim)
{
	victim->shared->stage = VICTIM_READY;
	while (victim->shared->stage == VICTIM_READY) {
		size_t at, size = (1 + pick(1024)) * 4096;
		char *mem = victim_map(size, pick(2));

		if (!mem)
			continue;
		for (at = 0; at < size; at += 4096)
			mem[at] = 1;
		mprotect(mem, size / 2, pick(2) ? PROT_READ : PROT_NONE);
		if (pick(2))
			madvise(mem + size / 2, size - size / 2, MADV_DONTNEED);
		if (pick(2)) {
			char *other = mremap(mem + size / 2 / 4096 * 4096, 4096,
					     3 * 4096, MREMAP_MAYMOVE);

			if (other != MAP_FAILED)
				munmap(other, 3 * 4096);
		}
		munmap(mem, size);
	}
	return 0;
}

static int live_threading(struct victim *victim)
{
	victim->shared->stage = VICTIM_READY;
	while (victim->shared->stage == VICTIM_READY) {
		pthread_t thread[4];
		int i, nr = 0;

		for (i = 0; i < 4; i++)
			nr += !pthread_create(&thread[nr], NULL, touch,
					      (void *)(uintptr_t)PROBE_MB);
		for (i = 0; i < nr; i++)
			pthread_join(thread[i], NULL);
	}
	return 0;
}

/* Return: whether it is ours now */
static bool take(struct mutexes *mutexes, int i)
{
	int err = pthread_mutex_lock(&mutexes->mutex[i]);

	if (err == EOWNERDEAD) {
		pthread_mutex_consistent(&mutexes->mutex[i]);
		mutexes->orphaned++;
	}
	return !err || err == EOWNERDEAD;
}

static int live_locking(struct victim *victim)
{
	struct mutexes *mutexes = victim->arg;

	victim->shared->stage = VICTIM_READY;
	while (victim->shared->stage == VICTIM_READY) {
		int i = pick(MUTEXES);

		if (!take(mutexes, i))
			continue;
		mutexes->taken++;
		if (!pick(4))
			usleep(100);
		pthread_mutex_unlock(&mutexes->mutex[i]);
	}
	return 0;
}

/* For one that will be stuck */
static int hold_lock(struct victim *victim)
{
	struct mutexes *mutexes = victim->arg;
	int err = pthread_mutex_trylock(&mutexes->mutex[pick(MUTEXES)]);

	if (err == EOWNERDEAD)
		return -EOWNERDEAD;	/* leave it to the checker */
	return 0;
}

/* Takes each lock, again and again: a lost one it does not get */
static void check_mutexes(struct mutexes *mutexes)
{
	int i = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "checker");
	while (!mutexes->stop) {
		struct timespec until;
		int err;

		i = (i + 1) % MUTEXES;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += probe_limit(LOCK_MS) / 1000;
		err = pthread_mutex_timedlock(&mutexes->mutex[i], &until);
		if (err == EOWNERDEAD) {
			pthread_mutex_consistent(&mutexes->mutex[i]);
			mutexes->orphaned++;
		} else if (err) {
			mutexes->lost++;
			continue;
		}
		pthread_mutex_unlock(&mutexes->mutex[i]);
		usleep(200);
	}
	_exit(0);
}

static struct mutexes *make_mutexes(void)
{
	struct mutexes *mutexes = mmap(NULL, sizeof(*mutexes),
				       PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	if (mutexes == MAP_FAILED)
		return NULL;
	for (i = 0; i < MUTEXES; i++)
		locks_init_mutex(&mutexes->mutex[i], i % 2);
	return mutexes;
}

static void start_one(struct storm *storm, struct slot *slot)
{
	static const enum victim_stuck stuck[] = {
		VICTIM_READ, VICTIM_MMAP_WRITE, VICTIM_MMAP_READ,
		VICTIM_EXITING, VICTIM_EXITING_LOCKED, VICTIM_AIO,
	};
	static int (* const live[NR_KINDS])(struct victim *victim) = {
		[KIND_FORK] = live_forking,
		[KIND_MAP] = live_mapping,
		[KIND_THREAD] = live_threading,
		[KIND_LOCK] = live_locking,
	};
	struct victim *victim = &slot->victim;

	slot->kind = pick(3) ? pick(NR_KINDS) : KIND_STUCK;
	slot->in_cgroup = cgroup_there(&slot->cgroup) && pick(2);
	slot->released = false;
	slot->born_ns = probe_now_ns();
	slot->release_ns = 0;
	memset(victim, 0, sizeof(*victim));
	victim->mb = 1 + pick(24);
	victim->huge = pick(2);
	victim->threads = pick(3) ? 0 : pick(24);
	victim->hold = &storm->hold;
	victim->file = storm->next_file++;
	victim->body = live[slot->kind];
	victim->arg = storm->mutexes;
	if (slot->in_cgroup) {
		cgroup_write(&slot->cgroup, "memory.max", "max");
		victim->cgroup = slot->cgroup.procs;
	}
	if (slot->kind == KIND_STUCK) {
		victim->stuck = stuck[pick(ARRAY_SIZE(stuck))];
		if (!pick(3))
			victim->body = hold_lock;
	}
	/* It may be killed before it has begun */
	slot->used = !victim_start(victim);
	storm->victims++;
}

static void let_go(struct storm *storm, struct slot *slot)
{
	if (slot->released)
		return;
	hold_release(&storm->hold, slot->victim.file);
	slot->released = true;
}

static void end_one(struct storm *storm, struct slot *slot)
{
	if (!slot->used)
		return;
	let_go(storm, slot);
	victim_stop(&slot->victim);
	slot->used = false;
}

static void look_after(struct storm *storm, struct slot *slot)
{
	bool squeezing = cgroup_squeezing(&slot->cgroup);

	if (!slot->used) {
		/* Each generation has its own files */
		if (storm->next_file < HOLD_FILES && !squeezing && !pick(4))
			start_one(storm, slot);
		return;
	}
	if (slot->release_ns && probe_now_ns() > slot->release_ns)
		let_go(storm, slot);
	if (victim_gone(&slot->victim, 0) || since_ms(slot->born_ns) > 4000)
		end_one(storm, slot);
}

static void start_decoy(struct victim *decoy)
{
	memset(decoy, 0, sizeof(*decoy));
	decoy->mb = 1;
	decoy->oom_score_adj = 700;
	victim_start(decoy);
}

/* When all files have been used: a new server with new ones */
static int next_generation(struct storm *storm)
{
	int i;

	if (storm->next_file < HOLD_FILES)
		return 0;
	for (i = 0; i < SLOTS; i++)
		end_one(storm, &storm->slot[i]);
	hold_stop(&storm->hold);
	storm->next_file = 0;
	return hold_start(&storm->hold);
}

#define HOG_MS		20000	/* how long a hog may take */

static void start_hog(struct storm *storm)
{
	long mb = probe_meminfo_kb("MemAvailable") / 1024 +
		  probe_meminfo_kb("SwapFree") / 1024;

	if (!glutton_gone(&storm->hog))
		return;
	glutton_stop(&storm->hog);
	storm->hog = (struct glutton){
		.want_kb = mb * (90 + pick(25)) / 100 * 1024,
		/* After all victims, and before all others */
		.oom_score_adj = 900,
		.huge = pick(2),
	};
	storm->hog_ns = probe_now_ns();
	glutton_start(&storm->hog);
	storm->hogs++;
}

static void look_after_hog(struct storm *storm)
{
	if (!glutton_gone(&storm->hog) &&
	    (glutton_served(&storm->hog, 0) ||
	     since_ms(storm->hog_ns) > HOG_MS))
		glutton_stop(&storm->hog);
}

static void squeeze_one(struct storm *storm)
{
	struct slot *slot = &storm->slot[pick(SLOTS)];

	if (!slot->used || !slot->in_cgroup || cgroup_squeezing(&slot->cgroup))
		return;
	cgroup_squeeze(&slot->cgroup, 0);
	storm->squeezes++;
}

static void change_param(struct storm *storm)
{
	static const struct {
		const char *name, *value[4];
	} param[] = {
		{ "enabled", { "1", "1", "1", "0" } },
		{ "attempts", { "16", "1", "3", "1000" } },
		{ "interval_ms", { "100", "1", "20", "500" } },
		{ "delay_ms", { "0", "0", "1", "100" } },
		{ "futex_grace_ms", { "2000", "2000", "5000", "3000" } },
		{ "vma_locks", { "1", "1", "0", "1" } },
		{ "priority", { "99", "1", "0", "50" } },
	};
	int i = pick(ARRAY_SIZE(param));

	if (probe_param(param[i].name) < 0)
		return;
	if (setting_param(param[i].name, param[i].value[pick(4)]))
		storm->params_refused++;
	storm->params++;
}

static bool somebody_to_kill(struct storm *storm)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (storm->slot[i].used && !storm->slot[i].release_ns)
			return true;
	return false;
}

static void saw_kill(struct storm *storm, pid_t pid)
{
	int i;

	storm->kills++;
	if (storm->nr_kills_open < KILLS)
		storm->kill[storm->nr_kills_open++] =
			(struct kill){ pid, probe_now_ns() };
	for (i = 0; i < SLOTS; i++) {
		struct slot *slot = &storm->slot[i];

		if (slot->used && slot->victim.pid == pid && !slot->release_ns)
			slot->release_ns = probe_now_ns() +
					   pick(300) * 1000000LL;
	}
}

static void close_kill(struct storm *storm, int i)
{
	storm->kill[i] = storm->kill[--storm->nr_kills_open];
}

static void saw_reaped(struct storm *storm, pid_t pid)
{
	int i;

	storm->reaped++;
	for (i = 0; i < storm->nr_kills_open; i++)
		if (storm->kill[i].pid == pid)
			close_kill(storm, i--);
}

/* The first complaint, and what follows it: the console does not show it */
static void show_complaint(const char *at)
{
	int i;

	for (i = 0; at && *at && i < COMPLAINT_LINES; i++) {
		int len = strcspn(at, "\n");

		ksft_print_msg("%.*s\n", len, at);
		at += len + (at[len] == '\n');
	}
}

/* What is new in the log */
static void read_log(struct storm *storm)
{
	const char *complaint = probe_complaint(&storm->log);
	char *line, *rest = storm->log.buf;

	if (complaint && !*storm->complaint) {
		snprintf(storm->complaint, sizeof(storm->complaint), "%s",
			 complaint);
		show_complaint(strstr(rest, storm->complaint));
	}
	if (!storm->log.len)
		return;
	while ((line = strtok_r(rest, "\n", &rest))) {
		char *at = strstr(line, "Killed process ");

		if (at)
			saw_kill(storm, atoi(at + strlen("Killed process ")));
		at = strstr(line, "oom_reaper: reaped process ");
		if (at)
			saw_reaped(storm, atoi(strstr(at, "process ") +
					       strlen("process ")));
	}
	/* Not to have all of the log in memory at last */
	storm->log.len = 0;
}

static void act(struct storm *storm)
{
	switch (pick(10)) {
	case 0 ... 3:
		read_log(storm);
		if (!somebody_to_kill(storm))
			break;
		victim_sysrq();
		storm->sysrqs++;
		break;
	case 4 ... 6:
		squeeze_one(storm);
		break;
	case 7:
		start_hog(storm);
		break;
	default:
		change_param(storm);
	}
}

/*
 * Do not read /proc/PID/stat: reading it holds the mm, and if the victim drops the
 * mm meanwhile, the reader has to wait for the victim's requests.
 */
static bool is_zombie(pid_t pid)
{
	struct pollfd poll_fd = {
		.fd = syscall(SYS_pidfd_open, pid, 0),
		.events = POLLIN,
	};
	bool zombie;

	if (poll_fd.fd < 0)
		return errno == ESRCH;
	zombie = poll(&poll_fd, 1, 0) > 0;
	close(poll_fd.fd);
	return zombie;
}

static void follow_kills(struct storm *storm)
{
	int i;

	for (i = 0; i < storm->nr_kills_open; i++) {
		struct kill *one = &storm->kill[i];

		if (is_zombie(one->pid)) {
			close_kill(storm, i--);
		} else if (since_ms(one->ns) > probe_limit(REST_MS)) {
			ksft_print_msg("%d was killed %d s ago, and is neither gone nor reaped\n",
				       one->pid, REST_MS / 1000);
			storm->unreaped++;
			close_kill(storm, i--);
		}
	}
}

/* One that is only late, when there is no memory, is asked again at the end */
static void check_bystander(struct storm *storm, int i, bool last)
{
	struct bystander *bystander = &storm->bystander[i];
	int status;

	if (bystander_intact(bystander))
		return;
	if (bystander_alive(bystander) && !last) {
		storm->late++;
		return;
	}
	status = bystander->process.status;
	ksft_print_msg("bystander %d %s\n", i,
		       bystander_alive(bystander) ? "does not answer" :
		       WIFSIGNALED(status) ? "was killed" :
					     "found other bytes");
	storm->changed++;
	bystander_stop(bystander);
	if (!last)
		bystander_start(bystander, 8, 4, -500);
}

/* stress-ng has allocators of more kinds than this file */
static void start_stress(struct storm *storm, long seconds)
{
	char timeout[32];
	int null;

	snprintf(timeout, sizeof(timeout), "%lds", seconds);
	storm->stress = fork();
	if (storm->stress)
		return;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setpgid(0, 0);
	probe_write("/proc/self/oom_score_adj", "800");
	null = open("/dev/null", O_RDWR);
	if (null >= 0) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
	}
	if (nice(10) < 0)
		perror("nice");
	execlp("stress-ng", "stress-ng", "--vm", "1", "--vm-bytes", "20%",
	       "--mremap", "1", "--mremap-bytes", "4M", "--fork", "1",
	       "--timeout", timeout, NULL);
	_exit(127);
}

static void stop_stress(struct storm *storm)
{
	int status = 0;

	if (storm->stress <= 0)
		return;
	kill(-storm->stress, SIGTERM);
	if (!probe_wait(waitpid(storm->stress, &status, WNOHANG) ==
			storm->stress, 10000)) {
		kill(-storm->stress, SIGKILL);
		waitpid(storm->stress, &status, 0);
	}
	kill(-storm->stress, SIGKILL);
	ksft_print_msg("stress-ng: %s\n", WIFEXITED(status) &&
		       WEXITSTATUS(status) == 127 ? "not there" : "ran");
}

static int set_up(struct storm *storm)
{
	struct sched_param param = { .sched_priority = PRIORITY };
	int i, err;

	memset(storm, 0, sizeof(*storm));
	err = hold_start(&storm->hold);
	if (!err)
		err = probe_log_open(&storm->log);
	for (i = 0; !err && i < BYSTANDERS; i++)
		err = bystander_start(&storm->bystander[i], 8, 4, -500);
	if (err)
		return err;
	storm->mutexes = make_mutexes();
	if (!storm->mutexes)
		return -ENOMEM;
	if (!cgroup_make_parent(&storm->top, "+memory"))
		for (i = 0; i < SLOTS; i++)
			cgroup_make_child(&storm->slot[i].cgroup, &storm->top,
					  i);
	for (i = 0; i < DECOYS; i++)
		start_decoy(&storm->decoy[i]);
	storm->checker = fork();
	if (!storm->checker)
		check_mutexes(storm->mutexes);
	/* Not the children: of victims there would be no end */
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
	return 0;
}

/* All victims go, the bystanders stay */
static void calm_down(struct storm *storm)
{
	int i;

	setting_restore();
	glutton_stop(&storm->hog);
	stop_stress(storm);
	hold_release_all(&storm->hold);
	for (i = 0; i < DECOYS; i++)
		victim_stop(&storm->decoy[i]);
	for (i = 0; i < SLOTS; i++) {
		end_one(storm, &storm->slot[i]);
		cgroup_squeezed(&storm->slot[i].cgroup, 1000);
	}
	probe_wait((read_log(storm), follow_kills(storm),
		    !storm->nr_kills_open), REST_MS * 2);
}

static void tear_down(struct storm *storm)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		cgroup_remove(&storm->slot[i].cgroup);
	cgroup_remove(&storm->top);
	for (i = 0; i < BYSTANDERS; i++)
		bystander_stop(&storm->bystander[i]);
	kill(storm->checker, SIGKILL);
	waitpid(storm->checker, NULL, 0);
	hold_stop(&storm->hold);
	probe_text_close(&storm->log);
}

static void rage(struct storm *storm, long seconds)
{
	long long from = probe_now_ns(), said = from, acted = from;
	long long checked = from;
	int i;

	while (since_ms(from) < seconds * 1000) {
		for (i = 0; i < SLOTS; i++)
			look_after(storm, &storm->slot[i]);
		for (i = 0; i < DECOYS; i++) {
			if (!victim_gone(&storm->decoy[i], 0))
				continue;
			victim_stop(&storm->decoy[i]);
			start_decoy(&storm->decoy[i]);
		}
		look_after_hog(storm);
		if (since_ms(acted) > 20 + pick(60)) {
			act(storm);
			acted = probe_now_ns();
		}
		read_log(storm);
		follow_kills(storm);
		if (since_ms(checked) > 2000) {
			check_bystander(storm, pick(BYSTANDERS), false);
			checked = probe_now_ns();
		}
		if (next_generation(storm))
			ksft_exit_fail_msg("no new FUSE server\n");
		if (since_ms(said) > 15000) {
			ksft_print_msg("%lld s: %ld victims, %ld killed, %ld reaped\n",
				       since_ms(from) / 1000, storm->victims,
				       storm->kills, storm->reaped);
			said = probe_now_ns();
		}
		probe_sleep_ms(1);
	}
}

static bool still_answers(void)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		char *mem = victim_alloc(16 * PROBE_MB, false);

		_exit(mem ? 0 : 1);
	}
	return probe_wait(waitpid(pid, &status, WNOHANG) == pid, 10000) &&
	       WIFEXITED(status) && !WEXITSTATUS(status);
}

static void judge_kmemleak(void)
{
	char report[4096];
	int ret = leaks_kmemleak(report, sizeof(report));

	if (ret < 0) {
		ksft_test_result_skip("kmemleak: %s\n", strerror(-ret));
		return;
	}
	if (ret)
		show_complaint(report);
	ksft_test_result(!ret, "kmemleak\n");
}

static void judge(struct storm *storm, const struct leaks *leaks)
{
	int i;

	for (i = 0; i < BYSTANDERS; i++)
		check_bystander(storm, i, true);
	/* With all victims gone, no lock has a reason to be held */
	storm->mutexes->stop = 1;
	if (!probe_wait(waitpid(storm->checker, NULL, WNOHANG) ==
			storm->checker, LOCK_MS + 2000))
		storm->mutexes->lost++;
	for (i = 0; i < MUTEXES; i++) {
		int err = pthread_mutex_trylock(&storm->mutexes->mutex[i]);

		if (err && err != EOWNERDEAD)
			storm->mutexes->lost++;
	}

	ksft_print_msg("%ld victims, %ld hogs, %ld squeezed groups, %ld times SysRq-f\n",
		       storm->victims, storm->hogs, storm->squeezes,
		       storm->sysrqs);
	ksft_print_msg("%ld reaped, %ld under VMA locks, %ld backlogged, %ld given up\n",
		       probe_vmstat("oom_reaper_reaped"),
		       probe_vmstat("oom_reaper_vma_locks"),
		       probe_vmstat("oom_reaper_backlogged"),
		       probe_vmstat("oom_reaper_gave_up"));
	ksft_print_msg("%ld kept for futexes, %ld waited for futexes\n",
		       probe_vmstat("oom_reaper_futex_kept"),
		       probe_vmstat("oom_reaper_futex_waits"));
	ksft_test_result(storm->kills && !storm->unreaped,
			 "kills: %ld seen, %ld reaped, all but %ld reaped or gone\n",
			 storm->kills, storm->reaped, storm->unreaped);
	ksft_test_result(!storm->changed, "bystanders: %ld changed or gone, %ld times late\n",
			 storm->changed, storm->late);
	ksft_test_result(!storm->mutexes->lost,
			 "locks: %d taken by victims, %d orphaned, %d lost\n",
			 storm->mutexes->taken, storm->mutexes->orphaned,
			 storm->mutexes->lost);
	ksft_test_result(!storm->params_refused, "parameters: %ld changed, %ld refused\n",
			 storm->params, storm->params_refused);
	tear_down(storm);
	ksft_test_result(leaks_none(leaks), "leaks\n");
	judge_kmemleak();
	ksft_test_result(still_answers(), "the machine still answers\n");
	if (*storm->complaint)
		ksft_print_msg("the kernel complains: %s\n", storm->complaint);
	ksft_test_result(!*storm->complaint, "the kernel's complaints\n");
}

int main(int argc, char **argv)
{
	static struct storm storm;
	static struct leaks leaks;
	long seconds = probe_env("OOM_STORM_SECONDS", 30);
	long seed = probe_env("OOM_REAPER_SEED", 0);
	bool stress = true;
	char parent[64];
	int i, err;

	ksft_print_header();
	probe_disposable(&argc, argv);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = atol(argv[++i]);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = atol(argv[++i]);
		else if (!strcmp(argv[i], "--no-stress"))
			stress = false;
		else
			ksft_exit_fail_msg("usage: storm [--seconds N] [--seed N] [--no-stress]\n");
	}
	if (seconds <= 0)
		ksft_exit_fail_msg("--seconds wants a number above 0\n");
	if (!seed)
		seed = time(NULL);
	ksft_set_plan(8);
	ksft_print_msg("%ld seconds, seed %ld\n", seconds, seed);
	srandom(seed);
	/* The list of all tasks with every kill is more than the log can take */
	setting_change("/proc/sys/vm/oom_dump_tasks", "0");
	/* And all of it more than a serial console can */
	setting_change(PRINTK, "4");

	/* Whoever has started this has to be told how it ends */
	snprintf(parent, sizeof(parent), "/proc/%d/oom_score_adj", getppid());
	setting_change(parent, "-900");
	setting_keep();

	leaks_begin(&leaks);
	err = set_up(&storm);
	if (err == -ENODEV)
		ksft_exit_skip("no FUSE\n");
	if (err)
		ksft_exit_fail_msg("cannot be set up: %s\n", strerror(-err));
	if (stress)
		start_stress(&storm, seconds);
	rage(&storm, seconds);
	calm_down(&storm);
	judge(&storm, &leaks);
	ksft_finished();
}
