// SPDX-License-Identifier: GPL-2.0
/*
 * Killing from user space, as lmkd does: process_mrelease(2) with
 * PROCESS_MRELEASE_REAP_KILL kills a process and frees its memory.
 *
 * Stock does not know the flag and returns EINVAL.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
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

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
