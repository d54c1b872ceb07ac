// SPDX-License-Identifier: GPL-2.0
/*
 * Killing from user space: a process as lmkd does, by process_mrelease(2) with
 * PROCESS_MRELEASE_REAP_KILL, and a cgroup as systemd-oomd and container runtimes
 * do, by cgroup.kill.
 *
 * Stock does not know the flag and returns EINVAL, and members of the cgroup that
 * are stuck keep their memory.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "cgroup.h"
#include "scene.h"

#ifndef PROCESS_MRELEASE_REAP_KILL
#define PROCESS_MRELEASE_REAP_KILL	0x1
#endif

FIXTURE(kill)
{
	struct scene scene;
	struct victim victim;
	int pidfd;
};

FIXTURE_SETUP(kill)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->pidfd = -1;
	self->victim.mb = 32;
	self->victim.stuck = VICTIM_READ;
	self->victim.hold = &self->scene.hold;
	/* A process whose parent is killed becomes a child of the test */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

FIXTURE_TEARDOWN(kill)
{
	hold_release_all(&self->scene.hold);
	victim_stop(&self->victim);
	if (self->pidfd >= 0)
		close(self->pidfd);
	scene_stop(&self->scene);
}

static int reap_kill(int pidfd)
{
	return syscall(SYS_process_mrelease, pidfd,
		       PROCESS_MRELEASE_REAP_KILL) ? -errno : 0;
}

/*
 * Return: the result of the call. If that is 0, the memory is back after @ms at
 * the latest
 */
static int kill_victim(struct __test_metadata *_metadata, int *pidfd,
		       struct victim *victim, int ms)
{
	long before;
	int result;

	ASSERT_EQ(0, victim_start(victim));
	*pidfd = syscall(SYS_pidfd_open, victim->pid, 0);
	ASSERT_LE(0, *pidfd);
	probe_sleep_ms(100);
	before = probe_free_kb();
	result = reap_kill(*pidfd);
	scene_print("%s, %ld of %zu MB back",
		    result ? strerror(-result) : "done",
		    (probe_free_kb() - before) / 1024, victim->mb);
	if (!result)
		EXPECT_LE(0, victim_memory_back(before, victim->mb, ms));
	return result;
}

TEST_F(kill, stuck)
{
	EXPECT_EQ(0, kill_victim(_metadata, &self->pidfd, &self->victim, 0));
	/* Nothing is left for a second call */
	EXPECT_EQ(0, reap_kill(self->pidfd));
	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	EXPECT_TRUE(victim_killed(&self->victim));
	EXPECT_EQ(-ESRCH, reap_kill(self->pidfd));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

/* It exits at once: the call leaves the rest to it, and does not fail with ESRCH */
TEST_F(kill, exits)
{
	self->victim.stuck = VICTIM_FREE;
	EXPECT_EQ(0, kill_victim(_metadata, &self->pidfd, &self->victim, 1000));
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	EXPECT_TRUE(victim_killed(&self->victim));
}

TEST_F(kill, mmap_lock_write)
{
	int result;

	self->victim.stuck = VICTIM_MMAP_WRITE;
	result = kill_victim(_metadata, &self->pidfd, &self->victim, 0);
	/* The VMA that the holder has locked may be left */
	EXPECT_TRUE(!result || result == -EAGAIN);
	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	EXPECT_TRUE(victim_killed(&self->victim));
}

enum { SHARER, STOP };		/* flags */

static int live(struct victim *victim)
{
	while (!victim->shared->flag[STOP])
		usleep(1000);
	return 0;
}

static int start_sharer(struct victim *victim)
{
	pid_t pid = victim_share(victim, live);

	victim->shared->flag[SHARER] = pid;
	return pid < 0 ? pid : 0;
}

/* A process that shares the memory is killed, too */
TEST_F(kill, sharer)
{
	struct victim *victim = &self->victim;
	pid_t sharer;

	victim->body = start_sharer;
	EXPECT_EQ(0, kill_victim(_metadata, &self->pidfd, victim, 0));
	sharer = victim->shared->flag[SHARER];
	hold_release_all(&self->scene.hold);
	if (!victim_gone(victim, 5000))
		victim->shared->flag[STOP] = 1;
	EXPECT_TRUE(victim_killed(victim));
	EXPECT_TRUE(probe_wait(waitpid(sharer, NULL, WNOHANG) == sharer, 5000));
}

static int become_nobody(struct victim *victim)
{
	/* The sharer is root, and lives on */
	pid_t pid = victim_share(victim, live);

	victim->shared->flag[SHARER] = pid;
	if (pid < 0)
		return pid;
	return setgid(65534) || setuid(65534) ? -errno : 0;
}

static int call_as_nobody(int pidfd)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(255);
		_exit(-reap_kill(pidfd));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}

/* The caller may kill the process, but not one that shares its memory */
TEST_F(kill, all_or_none)
{
	struct victim *victim = &self->victim;
	int result;

	/* It could not open a file that it is stuck on */
	victim->stuck = VICTIM_FREE;
	victim->body = become_nobody;
	ASSERT_EQ(0, victim_start(victim));
	self->pidfd = syscall(SYS_pidfd_open, victim->pid, 0);
	ASSERT_LE(0, self->pidfd);
	result = call_as_nobody(self->pidfd);
	scene_print("%s, %ld kB left of %zu MB", strerror(-result),
		    probe_status(victim->pid, "RssAnon"), victim->mb);
	EXPECT_EQ(-EBUSY, result);
	EXPECT_LE((long)victim->mb * 1024,
		  probe_status(victim->pid, "RssAnon"));
	EXPECT_FALSE(victim_gone(victim, 200));
	victim->shared->flag[STOP] = 1;
}

#define INIT_MB	8

/* The init of a PID namespace ignores SIGKILL from a process inside */
static int be_init(void)
{
	size_t i, size = INIT_MB * PROBE_MB;
	char *mem = victim_alloc(size, false);
	int status = -1;
	pid_t pid;

	if (!mem)
		return 250;
	memset(mem, 'i', size);
	pid = fork();
	if (!pid)
		_exit(-reap_kill(syscall(SYS_pidfd_open, 1, 0)));
	waitpid(pid, &status, 0);
	for (i = 0; i < size; i += 512) {
		if (mem[i] != 'i')
			return 251;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 252;
}

TEST_F(kill, init_of_namespace)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(253);
		pid = fork();
		if (!pid)
			_exit(be_init());
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 254);
	}
	waitpid(pid, &status, 0);
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 253)
		SKIP(return, "no PID namespaces");
	scene_print("a process in the namespace gets %d: %s", WEXITSTATUS(status),
		    strerror(WEXITSTATUS(status)));
	EXPECT_EQ(EBUSY, WEXITSTATUS(status));
}

/* The example of Documentation/admin-guide/mm/oom_reaper.rst */
TEST_F(kill, guard_example)
{
	int pidfd;
	long before;

	ASSERT_EQ(0, victim_start(&self->victim));
	probe_sleep_ms(100);
	before = probe_free_kb();
	pidfd = syscall(SYS_pidfd_open, self->victim.pid, 0);
	if (syscall(SYS_process_mrelease, pidfd, PROCESS_MRELEASE_REAP_KILL) &&
	    errno == EINVAL) {
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		syscall(SYS_process_mrelease, pidfd, 0);
	}
	EXPECT_EQ(0, victim_memory_back(before, self->victim.mb, 0));
	close(pidfd);
	hold_release_all(&self->scene.hold);
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	EXPECT_TRUE(victim_killed(&self->victim));
}

#define MEMBERS	3
#define CROWD	300

FIXTURE(kill_cgroup)
{
	struct scene scene;
	struct cgroup cgroup;
	struct victim victim[MEMBERS];
};

FIXTURE_SETUP(kill_cgroup)
{
	int i, err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	if (cgroup_make(&self->cgroup, NULL))
		SKIP(return, "no cgroup v2");
	for (i = 0; i < MEMBERS; i++) {
		self->victim[i].mb = 32;
		self->victim[i].stuck = VICTIM_READ;
		self->victim[i].hold = &self->scene.hold;
		self->victim[i].file = i;
		self->victim[i].cgroup = self->cgroup.procs;
	}
}

FIXTURE_TEARDOWN(kill_cgroup)
{
	int i;

	hold_release_all(&self->scene.hold);
	for (i = 0; i < MEMBERS; i++)
		victim_stop(&self->victim[i]);
	if (cgroup_there(&self->cgroup)) {
		cgroup_write(&self->cgroup, "cgroup.kill", "1");
		cgroup_wait(&self->cgroup, "cgroup.events", "populated 0",
			    5000);
		cgroup_remove(&self->cgroup);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	scene_stop(&self->scene);
}

/* Return: after how many milliseconds the memory was back, or -1 */
static int kill_members(struct __test_metadata *_metadata,
			struct cgroup *cgroup, struct victim *victim, int count,
			int ms)
{
	size_t mb = 0;
	long before;
	int i, back;

	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, victim_start(&victim[i]));
		mb += victim[i].mb;
	}
	probe_sleep_ms(100);
	before = probe_free_kb();
	EXPECT_EQ(0, cgroup_write(cgroup, "cgroup.kill", "1"));
	back = victim_memory_back(before, mb, ms);
	scene_print("%d stuck members: back after %d ms, %ld of %zu MB", count,
		    back, (probe_free_kb() - before) / 1024, mb);
	return back;
}

static void members_exit(struct __test_metadata *_metadata,
			 struct scene *scene, struct victim *victim, int count)
{
	int i;

	hold_release_all(&scene->hold);
	for (i = 0; i < count; i++) {
		EXPECT_TRUE(victim_gone(&victim[i], 5000));
		EXPECT_TRUE(victim_killed(&victim[i]));
	}
	EXPECT_TRUE(bystander_intact(&scene->bystander));
	EXPECT_TRUE(scene_quiet(scene));
}

TEST_F(kill_cgroup, cgroup_stuck)
{
	int back = kill_members(_metadata, &self->cgroup, self->victim,
				MEMBERS, 5000);

	/* They have a second to exit by themselves */
	EXPECT_LE(900, back);
	members_exit(_metadata, &self->scene, self->victim, MEMBERS);
}

TEST_F(kill_cgroup, cgroup_mmap_lock_write)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		self->victim[i].stuck = VICTIM_MMAP_WRITE;
	EXPECT_LE(0, kill_members(_metadata, &self->cgroup, self->victim,
				  MEMBERS, 5000));
	members_exit(_metadata, &self->scene, self->victim, MEMBERS);
}

/* The member is in a cgroup below the one that is killed */
TEST_F(kill_cgroup, cgroup_below)
{
	struct cgroup child;

	ASSERT_EQ(0, cgroup_make_child(&child, &self->cgroup, 0));
	self->victim[0].cgroup = child.procs;
	EXPECT_LE(0, kill_members(_metadata, &self->cgroup, self->victim, 1,
				  5000));
	members_exit(_metadata, &self->scene, self->victim, 1);
	victim_stop(&self->victim[0]);
	cgroup_remove(&child);
}

TEST_F(kill_cgroup, guard_cgroup_off)
{
	if (probe_param("cgroup_kill_ms") >= 0)
		ASSERT_EQ(0, setting_param("cgroup_kill_ms", "0"));
	EXPECT_EQ(-1, kill_members(_metadata, &self->cgroup, self->victim, 1,
				   2500));
	members_exit(_metadata, &self->scene, self->victim, 1);
}

static int live_outside(struct victim *victim)
{
	/* Not in the cgroup that is killed */
	if (probe_write("/sys/fs/cgroup/cgroup.procs", "0"))
		return 1;
	victim->shared->flag[SHARER] = getpid();
	return live(victim);
}

static int start_outside(struct victim *victim)
{
	pid_t pid = victim_share(victim, live_outside);

	if (pid < 0)
		return pid;
	return probe_wait(victim->shared->flag[SHARER], 5000) ? 0 : -ETIME;
}

/* Memory that a process outside the cgroup also uses stays */
TEST_F(kill_cgroup, guard_cgroup_shared)
{
	struct victim *victim = self->victim;
	long rss;

	if (access("/sys/fs/cgroup/cgroup.procs", W_OK))
		SKIP(return, "cgroup v2 is not at /sys/fs/cgroup");
	victim->body = start_outside;
	ASSERT_EQ(0, victim_start(victim));
	EXPECT_EQ(0, cgroup_write(&self->cgroup, "cgroup.kill", "1"));
	probe_sleep_ms(2500);
	rss = probe_status(victim->shared->flag[SHARER], "RssAnon");
	scene_print("%ld kB left of %zu MB", rss, victim->mb);
	EXPECT_LE((long)victim->mb * 1024, rss);
	victim->shared->flag[STOP] = 1;
	members_exit(_metadata, &self->scene, victim, 1);
}

/* Members that exit by themselves are not reaped */
TEST_F(kill_cgroup, guard_cgroup_crowd)
{
	long reaped = probe_vmstat("oom_reaper_reaped");
	long long from;
	int i;

	/* On a busy machine they may take longer than a second */
	if (probe_param("cgroup_kill_ms") >= 0)
		ASSERT_EQ(0, setting_param("cgroup_kill_ms", "8000"));
	for (i = 0; i < CROWD; i++) {
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (probe_write(self->cgroup.procs, "0"))
				_exit(1);
			for (;;)
				pause();
		}
	}
	probe_sleep_ms(1000);
	from = probe_now_ns();
	EXPECT_EQ(0, cgroup_write(&self->cgroup, "cgroup.kill", "1"));
	EXPECT_TRUE(cgroup_wait(&self->cgroup, "cgroup.events", "populated 0",
				7000));
	scene_print("%d processes gone after %lld ms", CROWD,
		    (probe_now_ns() - from) / 1000000);
	probe_sleep_ms(8500);
	EXPECT_EQ(reaped, probe_vmstat("oom_reaper_reaped"));
	EXPECT_TRUE(scene_quiet(&self->scene));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
