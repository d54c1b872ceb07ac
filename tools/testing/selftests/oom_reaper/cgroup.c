// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "probe.h"

static int make_dir(struct cgroup *cgroup, const char *parent, int number)
{
	snprintf(cgroup->dir, sizeof(cgroup->dir), "%s/oom_reaper.%d.%d",
		 parent, getpid(), number);
	if (mkdir(cgroup->dir, 0755)) {
		int err = -errno;

		*cgroup->dir = '\0';
		cgroup_remove(cgroup);
		return err;
	}
	snprintf(cgroup->procs, sizeof(cgroup->procs), "%s/cgroup.procs",
		 cgroup->dir);
	return 0;
}

static int make(struct cgroup *cgroup, const char *type, const char *options)
{
	memset(cgroup, 0, sizeof(*cgroup));
	snprintf(cgroup->mount, sizeof(cgroup->mount),
		 "/tmp/oom_reaper.cgroup.XXXXXX");
	if (!mkdtemp(cgroup->mount)) {
		*cgroup->mount = '\0';
		return -errno;
	}
	/* A hierarchy can be mounted in several places: this one is ours */
	if (mount("oom_reaper", cgroup->mount, type, 0, options)) {
		int err = -errno;

		rmdir(cgroup->mount);
		*cgroup->mount = '\0';
		return err;
	}
	return 0;
}

/* How many groups that are nobody's child this process has made */
static int made;

int cgroup_make(struct cgroup *cgroup, const char *controllers)
{
	char path[256];
	int err = make(cgroup, "cgroup2", NULL);

	if (err)
		return err;
	if (controllers) {
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control",
			 cgroup->mount);
		err = probe_write(path, controllers);
		if (err) {
			cgroup_remove(cgroup);
			return err;
		}
	}
	return make_dir(cgroup, cgroup->mount, made++);
}

int cgroup_make_parent(struct cgroup *cgroup, const char *controllers)
{
	int err = cgroup_make(cgroup, controllers);

	return err ?: cgroup_write(cgroup, "cgroup.subtree_control",
				   controllers);
}

int cgroup_make_v1(struct cgroup *cgroup, const char *controller)
{
	int err = make(cgroup, "cgroup", controller);

	return err ? err : make_dir(cgroup, cgroup->mount, made++);
}

int cgroup_make_child(struct cgroup *cgroup, const struct cgroup *parent,
		      int number)
{
	memset(cgroup, 0, sizeof(*cgroup));
	return make_dir(cgroup, parent->dir, number);
}

bool cgroup_there(const struct cgroup *cgroup)
{
	return *cgroup->dir;
}

void cgroup_remove(struct cgroup *cgroup)
{
	if (cgroup_squeezing(cgroup))
		cgroup_squeezed(cgroup, 0);
	/* A killed process is in its group until the last of it is gone */
	if (*cgroup->dir)
		probe_wait(!rmdir(cgroup->dir) || errno == ENOENT, 2000);
	if (*cgroup->mount) {
		umount2(cgroup->mount, MNT_DETACH);
		rmdir(cgroup->mount);
	}
	memset(cgroup, 0, sizeof(*cgroup));
}

static void path_of(const struct cgroup *cgroup, const char *file, char *path,
		    size_t size)
{
	snprintf(path, size, "%s/%s", cgroup->dir, file);
}

int cgroup_write(const struct cgroup *cgroup, const char *file,
		 const char *text)
{
	char path[512];

	path_of(cgroup, file, path, sizeof(path));
	return probe_write(path, text);
}

bool cgroup_wait(const struct cgroup *cgroup, const char *file,
		 const char *text, int ms)
{
	char path[512], buf[1024];

	path_of(cgroup, file, path, sizeof(path));
	return probe_wait(probe_read(path, buf, sizeof(buf)) > 0 &&
			  strstr(buf, text), ms);
}

long cgroup_number(const struct cgroup *cgroup, const char *file,
		   const char *name)
{
	char path[512], buf[4096], *at = buf;
	size_t len = strlen(name);

	path_of(cgroup, file, path, sizeof(path));
	if (probe_read(path, buf, sizeof(buf)) <= 0)
		return -1;
	while ((at = strstr(at, name))) {
		if ((at == buf || at[-1] == '\n') && at[len] == ' ')
			return strtol(at + len, NULL, 10);
		at += len;
	}
	return -1;
}

int cgroup_squeeze(struct cgroup *cgroup, size_t mb)
{
	char text[32];
	pid_t pid;

	snprintf(text, sizeof(text), "%zuM", mb);
	cgroup_write(cgroup, "memory.swap.max", "0");
	fflush(stdout);
	fflush(stderr);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(cgroup_write(cgroup, "memory.max", text) ? 1 : 0);
	}
	cgroup->squeezer = pid;
	return 0;
}

bool cgroup_squeezing(struct cgroup *cgroup)
{
	if (cgroup->squeezer > 0 &&
	    waitpid(cgroup->squeezer, NULL, WNOHANG) == cgroup->squeezer)
		cgroup->squeezer = 0;
	return cgroup->squeezer > 0;
}

bool cgroup_squeezed(struct cgroup *cgroup, int ms)
{
	if (probe_wait(!cgroup_squeezing(cgroup), ms))
		return true;
	kill(cgroup->squeezer, SIGKILL);
	probe_wait(!cgroup_squeezing(cgroup), 5000);
	return false;
}
