/* SPDX-License-Identifier: GPL-2.0 */
/* Control groups of a test's own, made below whatever hierarchy there is */
#ifndef OOM_REAPER_CGROUP_H
#define OOM_REAPER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

struct cgroup {
	char mount[128];	/* where the hierarchy was mounted for it */
	char dir[256];
	char procs[300];	/* its cgroup.procs */
};

/*
 * A new group of cgroup v2 with the controllers of @controllers ("+memory
 * +cpu", NULL: none). Return: 0 or -errno
 */
int cgroup_make(struct cgroup *cgroup, const char *controllers);
/* The same in the v1 hierarchy of @controller */
int cgroup_make_v1(struct cgroup *cgroup, const char *controller);
/* A group below @parent */
int cgroup_make_child(struct cgroup *cgroup, const struct cgroup *parent,
		      int number);
/* Its processes must be gone */
void cgroup_remove(struct cgroup *cgroup);

int cgroup_write(const struct cgroup *cgroup, const char *file,
		 const char *text);
/* Wait until @file contains @text */
bool cgroup_wait(const struct cgroup *cgroup, const char *file,
		 const char *text, int ms);
/* The number behind @name in @file, -1 if not there */
long cgroup_number(const struct cgroup *cgroup, const char *file,
		   const char *name);

#endif
