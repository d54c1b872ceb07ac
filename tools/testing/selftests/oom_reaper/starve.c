// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"
#include "starve.h"

static int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

bool starve_possible(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) ||
	    !CPU_ISSET(STARVE_CPU, &set))
		return false;
	return !run_on(0);
}

int starve_me(void)
{
	return run_on(STARVE_CPU);
}

static void spin(struct starve_shared *shared)
{
	struct sched_param param = { .sched_priority = 1 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(STARVE_CPU);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	/* Not forever, whatever happens to the test */
	alarm(probe_limit(20000) / 1000);
	shared->ready = 1;
	while (!shared->spin)
		usleep(100);
	usleep(shared->spin - 1);
	for (;;)
		;
}

int starve_start(struct starve *starve)
{
	memset(starve, 0, sizeof(*starve));
	starve->shared = mmap(NULL, sizeof(*starve->shared),
			      PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (starve->shared == MAP_FAILED)
		return -errno;
	starve->spinner = fork();
	if (!starve->spinner)
		spin(starve->shared);
	if (!probe_wait(starve->shared->ready, 5000)) {
		starve_stop(starve);
		return -ETIMEDOUT;
	}
	return 0;
}

void starve_after(struct starve *starve, int us)
{
	starve->shared->spin = us + 1;
}

void starve_stop(struct starve *starve)
{
	if (starve->spinner > 0) {
		kill(starve->spinner, SIGKILL);
		waitpid(starve->spinner, NULL, 0);
	}
	/* The lock that it waits for is free by and by */
	if (starve->reader > 0)
		waitpid(starve->reader, NULL, 0);
	if (starve->shared && starve->shared != MAP_FAILED)
		munmap(starve->shared, sizeof(*starve->shared));
	memset(starve, 0, sizeof(*starve));
}

bool starve_lock_held(struct starve *starve, pid_t pid, void *addr)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { addr, 1 };

	if (starve->reader > 0)
		waitpid(starve->reader, NULL, 0);
	starve->reader = fork();
	if (!starve->reader) {
		process_vm_readv(pid, &local, 1, &remote, 1, 0);
		_exit(0);
	}
	probe_wait(!starve_lock_held_still(starve), 20);
	return starve_lock_held_still(starve);
}

bool starve_lock_held_still(struct starve *starve)
{
	if (starve->reader > 0 &&
	    waitpid(starve->reader, NULL, WNOHANG) == starve->reader)
		starve->reader = 0;
	return starve->reader > 0;
}
