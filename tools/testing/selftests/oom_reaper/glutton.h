/* SPDX-License-Identifier: GPL-2.0 */
/* A process that needs more memory than is free: it needs a victim's */
#ifndef OOM_REAPER_GLUTTON_H
#define OOM_REAPER_GLUTTON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define GLUTTON_WAITS	64

struct glutton {
	/* To be set before it is started */
	size_t want_kb;
	int oom_score_adj;	/* 0: -900, after all bystanders */
	bool huge;
	int (*setup)(void);	/* in it, before it begins. Return: 0 or -errno */

	pid_t pid;
	struct glutton_shared {
		atomic_long kb;			/* touched so far */
		atomic_llong worst_ns;		/* longest wait for a page */
		atomic_llong worst_end_ns;	/* when that was over */
		atomic_llong stalled_ns;	/* all waits above 0.1 s */
		/* The first waits above 1 ms */
		atomic_int waits;
		struct glutton_wait {
			long long begin_ns, end_ns;
		} wait[GLUTTON_WAITS];
		atomic_bool done;
	} *shared;
};

/* Whether so little memory is left that a glutton can use it up */
bool glutton_possible(void);

/* Return: 0 or -errno */
int glutton_start(struct glutton *glutton);
/* It wants @extra_mb more than is free */
int glutton_start_above(struct glutton *glutton, size_t extra_mb);
/* Wait until it has all it wants. Return: whether it has, and lives */
bool glutton_served(struct glutton *glutton, int ms);
/* Has it been killed, or was it never started? */
bool glutton_gone(struct glutton *glutton);
void glutton_stop(struct glutton *glutton);
/* The wait during which it was @ns. NULL if there was none */
const struct glutton_wait *glutton_waited(const struct glutton_shared *shared,
					  long long ns);

#endif
