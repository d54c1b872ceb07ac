/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stops a task wherever it is, in the kernel too: a SCHED_FIFO task that never
 * sleeps occupies the only CPU that the task may run on.
 *
 * This works for less than a second: then the scheduler gives other tasks 50 ms.
 * A test must make its observations within STARVE_MS.
 */
#ifndef OOM_REAPER_STARVE_H
#define OOM_REAPER_STARVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define STARVE_CPU	1
#define STARVE_MS	700

struct starve {
	struct starve_shared {
		atomic_int ready;
		atomic_int spin;	/* microseconds from now + 1 */
	} *shared;
	pid_t spinner;
	pid_t reader;
};

/*
 * Return: whether the machine has a CPU for that. The caller moves away from
 * it, and with it the work that its write to /proc/sysrq-trigger will start.
 */
bool starve_possible(void);

/* To be called by the task that is to be starved. Return: 0 or -errno */
int starve_me(void);

/* Prepare. Return: 0 or -errno */
int starve_start(struct starve *starve);
/* The spinner begins @us microseconds later. May be called by any process */
void starve_after(struct starve *starve, int us);
void starve_stop(struct starve *starve);

/*
 * Whether the mmap_lock of @pid, which has something mapped at @addr, is held
 * for write: somebody who wants to read there does not return from that. Once
 * true it stays true until starve_lock_held_still() says otherwise.
 */
bool starve_lock_held(struct starve *starve, pid_t pid, void *addr);
bool starve_lock_held_still(struct starve *starve);

#endif
