/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bystanders: processes that the OOM killer has no reason to kill, and that can
 * verify every byte of their memory.
 */
#ifndef OOM_REAPER_BYSTANDER_H
#define OOM_REAPER_BYSTANDER_H

#include "victim.h"

struct bystander {
	struct victim process;
	char *shared;		/* as much again, shared with the test */
	size_t shared_mb;
};

/*
 * @mb of private memory and @shared_mb of shared memory filled with a pattern.
 * Return: 0 or -errno
 */
int bystander_start(struct bystander *bystander, size_t mb, size_t shared_mb,
		    int oom_score_adj);
bool bystander_alive(struct bystander *bystander);
/* It lives and looked at all its memory again: every byte is as it was */
bool bystander_intact(struct bystander *bystander);
void bystander_stop(struct bystander *bystander);

#endif
