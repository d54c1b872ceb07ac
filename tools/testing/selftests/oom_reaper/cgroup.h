/* SPDX-License-Identifier: GPL-2.0 */
/* Control groups of a test's own, made below whatever hierarchy there is */
#ifndef OOM_REAPER_CGROUP_H
#define OOM_REAPER_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroup {
	char mount[128];	/* where the hierarchy was mounted for it */
	char dir[256];
	char procs[300];	/* its cgroup.procs */
	pid_t squeezer;		/* see cgroup_squeeze() */
};

#define CGROUP_NO_MEMORY	"no memory controller of cgroup v2"

/*
 * A new group of cgroup v2 with the controllers of @controllers ("+memory
 * +cpu", NULL: none), for processes. Return: 0 or -errno
 */
int cgroup_make(struct cgroup *cgroup, const char *controllers);
/* The same in the v1 hierarchy of @controller */
int cgroup_make_v1(struct cgroup *cgroup, const char *controller);
/* A group of cgroup v2 for groups, which have the controllers, and its children */
int cgroup_make_parent(struct cgroup *cgroup, const char *controllers);
int cgroup_make_child(struct cgroup *cgroup, const struct cgroup *parent,
		      int number);
/* Was it made, and not removed? */
bool cgroup_there(const struct cgroup *cgroup);
/* Its processes must be gone. Does nothing where there is none */
void cgroup_remove(struct cgroup *cgroup);

int cgroup_write(const struct cgroup *cgroup, const char *file,
		 const char *text);
/* Wait until @file contains @text */
bool cgroup_wait(const struct cgroup *cgroup, const char *file,
		 const char *text, int ms);
/* The number after @name in @file, -1 if not there */
long cgroup_number(const struct cgroup *cgroup, const char *file,
		   const char *name);

/*
 * Leave the group @mb megabytes, so that the OOM killer has to kill in it. A
 * process of its own asks for that: it comes back only when no more can be freed,
 * or when it is killed. Return: 0 or -errno
 */
int cgroup_squeeze(struct cgroup *cgroup, size_t mb);
/* Is it still at it? */
bool cgroup_squeezing(struct cgroup *cgroup);
/* Kill it if it does not come back. Return: whether it did */
bool cgroup_squeezed(struct cgroup *cgroup, int ms);

#endif
