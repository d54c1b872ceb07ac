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

/*
 * Leave the group @mb megabytes, so that the OOM killer has to kill in it. A
 * process of its own asks for that: it comes back only when there is no more
 * to be had, or it is killed. Return: its PID or -errno
 */
pid_t cgroup_squeeze(const struct cgroup *cgroup, size_t mb);
/* Kill it if need be. Return: whether it had come back */
bool cgroup_squeezed(pid_t pid, int ms);

#endif
