// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
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
#include <unistd.h>

#include "victim.h"

#define THREAD_STACK	16384
#define SHARER_STACK	65536

static void fail(struct victim *victim, int error)
{
	victim->shared->error = error < 0 ? -error : error;
	victim->shared->stage = VICTIM_FAILED;
	_exit(1);
}

char *victim_map(size_t size, bool huge)
{
	size_t slack = huge ? 2 * PROBE_MB : 0;
	char *mem = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	if (huge)
		mem = (char *)(((uintptr_t)mem + slack - 1) & -slack);
	/* Fails if the kernel has no huge pages: then use small ones */
	madvise(mem, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return mem;
}

char *victim_alloc(size_t size, bool huge)
{
	char *mem = victim_map(size, huge);
	size_t at;

	for (at = 0; mem && at < size; at += 4096)
		*(__u64 *)(mem + at) = at + 1;
	return mem;
}

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

struct sharer {
	struct victim *victim;
	int (*live)(struct victim *victim);
};

static int live_as_sharer(void *arg)
{
	struct sharer *sharer = arg;

	return sharer->live(sharer->victim);
}

pid_t victim_share(struct victim *victim, int (*live)(struct victim *victim))
{
	/* Both have it, so that it must not be on the stack of the caller */
	struct sharer *sharer = mmap(NULL, SHARER_STACK,
				     PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (sharer == MAP_FAILED)
		return -errno;
	sharer->victim = victim;
	sharer->live = live;
	pid = clone(live_as_sharer, (char *)sharer + SHARER_STACK,
		    CLONE_VM | SIGCHLD, sharer);
	return pid < 0 ? -errno : pid;
}

static void start_threads(struct victim *victim)
{
	pthread_attr_t attr;
	pthread_t thread;
	int i, err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	for (i = 0; i < victim->threads; i++) {
		err = pthread_create(&thread, &attr, sleeper, NULL);
		if (err)
			fail(victim, err);
	}
}

/* Does what makes the calling thread stuck */
static void get_stuck(struct victim *victim)
{
	struct hold *hold = victim->hold;
	atomic_int *word;
	int err = 0;

	switch (victim->stuck) {
	case VICTIM_READ:
		err = hold_in_read(hold, victim->file);
		break;
	case VICTIM_WRITE:
		err = hold_in_write(hold, victim->file, victim->next,
				    victim->next_len);
		break;
	case VICTIM_MMAP_WRITE:
		if (victim->locked)
			err = hold_in_mmap_over(hold, victim->file,
						victim->locked);
		else
			err = hold_in_mmap(hold, victim->file);
		break;
	case VICTIM_MMAP_READ:
		err = hold_in_fault(hold, victim->file);
		break;
	case VICTIM_EXITING:
	case VICTIM_EXITING_LOCKED:
		/* mm_release() writes there when the thread exits */
		word = hold_word(hold, victim->file,
				 victim->stuck == VICTIM_EXITING_LOCKED);
		if (!word)
			fail(victim, EIO);
		syscall(SYS_set_tid_address, word);
		syscall(SYS_exit, 0);
		break;
	case VICTIM_AIO:
		err = hold_aio(hold, victim->file);
		break;
	case VICTIM_FREE:
		break;
	}
	/* Once released, no task waits for this any more */
	if (err)
		fail(victim, err);
}

static void *stuck_thread(void *arg)
{
	get_stuck(arg);
	return sleeper(NULL);
}

/* What it has in common with the test is not in most processes */
static void unmap_shared(void)
{
	unsigned long start, end;
	char line[512], perms[5];
	bool found;
	FILE *maps;

	do {
		found = false;
		maps = fopen("/proc/self/maps", "re");
		while (maps && !found && fgets(line, sizeof(line), maps))
			found = sscanf(line, "%lx-%lx %4s", &start, &end,
				       perms) == 3 && perms[3] == 's';
		if (maps)
			fclose(maps);
	} while (found && !munmap((void *)start, end - start));
}

static void run(struct victim *victim)
{
	pthread_t thread;
	char adj[16];
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "victim");
	if (victim->cgroup) {
		err = probe_write(victim->cgroup, "0");
		if (err)
			fail(victim, err);
	}
	snprintf(adj, sizeof(adj), "%d",
		 victim->oom_score_adj ? victim->oom_score_adj : 1000);
	err = probe_write("/proc/self/oom_score_adj", adj);
	if (err)
		fail(victim, err);

	victim->mem = victim_alloc(victim->mb * PROBE_MB, victim->huge);
	if (!victim->mem)
		fail(victim, ENOMEM);
	start_threads(victim);
	if (victim->body) {
		err = victim->body(victim);
		if (err)
			fail(victim, err);
	}
	victim->shared->stage = VICTIM_READY;
	if (victim->alone)
		unmap_shared();

	switch (victim->stuck) {
	case VICTIM_EXITING:
	case VICTIM_EXITING_LOCKED:
	case VICTIM_MMAP_READ:
	case VICTIM_MMAP_WRITE:
		err = pthread_create(&thread, NULL, stuck_thread, victim);
		if (err)
			fail(victim, err);
		break;
	default:
		get_stuck(victim);
	}
	sleeper(NULL);
}

int victim_start(struct victim *victim)
{
	int err;

	victim->gone = false;
	victim->shared = mmap(NULL, sizeof(*victim->shared),
			      PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (victim->shared == MAP_FAILED)
		return -errno;

	fflush(stdout);
	fflush(stderr);
	victim->pid = fork();
	if (victim->pid < 0) {
		err = -errno;
		victim->pid = 0;
		munmap(victim->shared, sizeof(*victim->shared));
		return err;
	}
	if (!victim->pid) {
		run(victim);
		_exit(1);
	}

	probe_wait(victim->shared->stage != VICTIM_BORN ||
		   victim_gone(victim, 0), 60000);
	if (victim->shared->stage == VICTIM_READY &&
	    (victim->stuck == VICTIM_FREE ||
	     hold_wait(victim->hold, victim->file, 1, 20000)))
		return 0;

	err = victim->shared->error ? -victim->shared->error : -ETIMEDOUT;
	fprintf(stderr, "# victim %d did not start: %s\n", victim->pid,
		strerror(-err));
	if (victim->hold)
		hold_release(victim->hold, victim->file);
	victim_stop(victim);
	return err;
}

bool victim_gone(struct victim *victim, int ms)
{
	if (victim->gone || !victim->pid)
		return true;
	/* Stops are for a tracer */
	victim->gone = probe_wait(waitpid(victim->pid, &victim->status,
					  WNOHANG) == victim->pid &&
				  !WIFSTOPPED(victim->status), ms);
	return victim->gone;
}

bool victim_killed(struct victim *victim)
{
	return victim_gone(victim, 0) && WIFSIGNALED(victim->status) &&
	       WTERMSIG(victim->status) == SIGKILL;
}

void victim_stop(struct victim *victim)
{
	if (!victim->pid)
		return;
	if (!victim->gone)
		kill(victim->pid, SIGKILL);
	if (!victim_gone(victim, 20000))
		fprintf(stderr, "# victim %d does not go away\n", victim->pid);
	victim->pid = 0;
	munmap(victim->shared, sizeof(*victim->shared));
	victim->shared = NULL;
}

int victim_sysrq(void)
{
	return probe_write("/proc/sysrq-trigger", "f");
}

int victim_memory_back(long before_kb, size_t mb, int ms)
{
	long want_kb = before_kb + mb * 1024 * 9 / 10;
	long long from = probe_now_ns();

	if (!probe_wait(probe_free_kb() >= want_kb, ms))
		return -1;
	return (probe_now_ns() - from) / 1000000;
}

bool victim_picked(struct probe_text *log, pid_t pid, int ms)
{
	return probe_find(log, ms, "Killed process %d (", pid);
}

int victims_picked(struct probe_text *log, const struct victim *victim,
		   int count)
{
	int i, nr = 0;

	for (i = 0; i < count; i++)
		nr += victim_picked(log, victim[i].pid, 0);
	return nr;
}

bool victim_reaped(struct probe_text *log, pid_t pid, int ms)
{
	return probe_find(log, ms, "oom_reaper: reaped process %d (", pid);
}

bool victim_given_up(struct probe_text *log, pid_t pid)
{
	return probe_find(log, 0, "oom_reaper: unable to reap pid:%d (", pid);
}
