/* SPDX-License-Identifier: GPL-2.0 */
/* A process that needs more memory than is free: it needs a victim's */
#ifndef OOM_REAPER_GLUTTON_H
#define OOM_REAPER_GLUTTON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct glutton {
	pid_t pid;
	size_t want_kb;
	struct glutton_shared {
		atomic_long kb;			/* touched so far */
		atomic_llong worst_ns;		/* longest wait for a page */
		atomic_llong worst_end_ns;	/* when that was over */
		atomic_llong stalled_ns;	/* all waits above 0.1 s */
		atomic_bool done;
	} *shared;
};

/* Whether so little memory is left that a glutton can use it up */
bool glutton_possible(void);

/* It wants @extra_mb more than is free. Return: 0 or -errno */
int glutton_start(struct glutton *glutton, size_t extra_mb);
/* Wait until it has all it wants. Return: whether it has, and lives */
bool glutton_served(struct glutton *glutton, int ms);
void glutton_stop(struct glutton *glutton);

#endif
