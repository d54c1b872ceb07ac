// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "glutton.h"
#include "probe.h"
#include "victim.h"

#define MOST_KB		(8UL * 1024 * 1024)
#define STALL_NS	100000000
#define WAIT_NS		1000000

bool glutton_possible(void)
{
	return probe_meminfo_kb("SwapTotal") <= 0 &&
	       probe_meminfo_kb("MemAvailable") < (long)MOST_KB;
}

static void note_wait(struct glutton_shared *shared, long long begin_ns,
		      long long end_ns)
{
	if (shared->waits == GLUTTON_WAITS)
		return;
	shared->wait[shared->waits].begin_ns = begin_ns;
	shared->wait[shared->waits].end_ns = end_ns;
	shared->waits++;
}

/* Touches page after page and notes the longest wait for one */
static void eat(struct glutton *glutton)
{
	struct glutton_shared *shared = glutton->shared;
	size_t kb = glutton->want_kb;
	struct sched_param param = { 0 };
	long long last, now;
	char adj[16], *mem;
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "hog");
	sched_setscheduler(0, SCHED_OTHER, &param);
	snprintf(adj, sizeof(adj), "%d", glutton->oom_score_adj ?: -900);
	mem = victim_map(kb * 1024, glutton->huge);
	if (probe_write("/proc/self/oom_score_adj", adj) ||
	    (glutton->setup && glutton->setup()))
		_exit(1);
	last = probe_now_ns();
	for (at = 0; mem && at < kb * 1024; at += 4096) {
		mem[at] = 1;
		now = probe_now_ns();
		if (now - last > shared->worst_ns) {
			shared->worst_ns = now - last;
			shared->worst_end_ns = now;
		}
		if (now - last > STALL_NS)
			shared->stalled_ns += now - last;
		if (now - last > WAIT_NS)
			note_wait(shared, last, now);
		last = now;
		shared->kb = at / 1024 + 4;
	}
	shared->done = mem;
	for (;;)
		pause();
}

int glutton_start(struct glutton *glutton)
{
	glutton->shared = mmap(NULL, sizeof(*glutton->shared),
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (glutton->shared == MAP_FAILED)
		return -errno;
	fflush(stdout);
	fflush(stderr);
	glutton->pid = fork();
	if (!glutton->pid)
		eat(glutton);
	return glutton->pid < 0 ? -errno : 0;
}

int glutton_start_above(struct glutton *glutton, size_t extra_mb)
{
	/* What reclaim could find instead of a victim */
	probe_write("/proc/sys/vm/drop_caches", "3");
	glutton->want_kb = probe_free_kb() + extra_mb * 1024;
	return glutton_start(glutton);
}

bool glutton_gone(struct glutton *glutton)
{
	if (glutton->pid > 0 &&
	    waitpid(glutton->pid, NULL, WNOHANG) == glutton->pid)
		glutton->pid = 0;
	return glutton->pid <= 0;
}

bool glutton_served(struct glutton *glutton, int ms)
{
	probe_wait(glutton->shared->done || glutton_gone(glutton), ms);
	return glutton->shared->done && !glutton_gone(glutton);
}

const struct glutton_wait *glutton_waited(const struct glutton_shared *shared,
					  long long ns)
{
	int i;

	for (i = 0; i < shared->waits; i++)
		if (shared->wait[i].begin_ns <= ns && ns < shared->wait[i].end_ns)
			return &shared->wait[i];
	return NULL;
}

void glutton_stop(struct glutton *glutton)
{
	if (!glutton_gone(glutton)) {
		kill(glutton->pid, SIGKILL);
		waitpid(glutton->pid, NULL, 0);
		glutton->pid = 0;
	}
	if (glutton->shared && glutton->shared != MAP_FAILED)
		munmap(glutton->shared, sizeof(*glutton->shared));
	glutton->shared = NULL;
}
