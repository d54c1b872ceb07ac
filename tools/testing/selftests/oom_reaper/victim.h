/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Victims of the OOM killer: starting them, killing them,
 * waiting for their memory and for their end.
 */
#ifndef OOM_REAPER_VICTIM_H
#define OOM_REAPER_VICTIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "hold.h"
#include "probe.h"

/* What the victim is doing when it is killed */
enum victim_stuck {
	VICTIM_FREE,		/* pause(): it can exit by itself */
	VICTIM_READ,		/* D state in read() */
	VICTIM_WRITE,		/* D state in write(), goes on with @next */
	VICTIM_MMAP_WRITE,	/* a thread holds mmap_lock for write */
	VICTIM_MMAP_READ,	/* a thread holds mmap_lock for read */
	VICTIM_EXITING,		/* a thread is between PF_EXITING and exit_mm() */
	VICTIM_EXITING_LOCKED,	/* the same, with mmap_lock held for read */
	VICTIM_AIO,		/* will be stuck in exit_aio() */
};

/* Shared with the victim */
struct victim_shared {
	atomic_int stage;	/* victim_start() waits for VICTIM_READY */
	atomic_int error;	/* errno of what failed in the victim */
	atomic_int flag[16];	/* for the body */
};

enum { VICTIM_BORN, VICTIM_READY, VICTIM_FAILED };

struct victim {
	pid_t pid;
	int oom_score_adj;	/* 0: 1000 */
	size_t mb;		/* private memory, every byte written */
	bool huge;		/* by transparent huge pages */
	int threads;		/* so many more threads that sleep */
	bool alone;		/* with VICTIM_FREE: has no shared mapping */
	enum victim_stuck stuck;
	struct hold *hold;
	int file;		/* of @hold, that it is stuck on */
	const void *next;	/* what VICTIM_WRITE writes once it is released */
	size_t next_len;
	const char *cgroup;	/* path of a cgroup.procs to enter first */
	/*
	 * Runs in the victim once its memory is there, before it gets stuck.
	 * Return: 0 or -errno.
	 */
	int (*body)(struct victim *victim);
	void *arg;		/* for @body */
	char *mem;
	/*
	 * With VICTIM_MMAP_WRITE, from @body: the VMA in which this page lies
	 * stays write-locked as well
	 */
	char *locked;
	int status;		/* as from waitpid() */
	bool gone;
	struct victim_shared *shared;
};

/* Return: 0 once it is ready and stuck, else -errno and nothing is left */
int victim_start(struct victim *victim);
/* Wait for its end. Return: whether it came */
bool victim_gone(struct victim *victim, int ms);
/* Whether SIGKILL ended it; false while it lives */
bool victim_killed(struct victim *victim);
/* Kill it and wait; what it is held by must have been released */
void victim_stop(struct victim *victim);

/*
 * To be called by the victim: start a process that shares its memory, and has
 * signals of its own. Return: its PID or -errno
 */
pid_t victim_share(struct victim *victim, int (*live)(struct victim *victim));

/* Map @size bytes of private memory, 4 KiB or huge pages. NULL on failure */
char *victim_map(size_t size, bool huge);
/* The same with every page written */
char *victim_alloc(size_t size, bool huge);

/*
 * Have the OOM killer kill the process with the highest score, now.
 * Return: 0 or -errno.
 */
int victim_sysrq(void);

/*
 * Wait until @mb megabytes (nine tenths of them: some pages rest in per-CPU
 * lists) are free above @before_kb. Return: milliseconds, -1: not in time.
 */
int victim_memory_back(long before_kb, size_t mb, int ms);

/* "Killed process PID" is in the log by then */
bool victim_picked(struct probe_text *log, pid_t pid, int ms);
/* How many of @count victims that is so for, now */
int victims_picked(struct probe_text *log, const struct victim *victim,
		   int count);

/* "oom_reaper: reaped process PID" is in the log by then */
bool victim_reaped(struct probe_text *log, pid_t pid, int ms);
/* "oom_reaper: unable to reap pid:PID" is in the log */
bool victim_given_up(struct probe_text *log, pid_t pid);

#endif
