// SPDX-License-Identifier: GPL-2.0
/*
 * A thread takes and releases a robust lock in user mode on another CPU, while
 * its process is killed and reaped at once. It must not take the lock after the
 * reaper has read its list: then no waiter would learn that the owner died.
 *
 * On a machine with a CPU for each task that thread notices SIGKILL before
 * anything else happens. So this needs a virtual machine with more busy CPUs than
 * the host has: then the host sometimes stops the CPU of the thread.
 *
 * Where the module test_oom is there, a thread whose CPU takes no interrupt takes
 * the place of that.
 *
 * Stock reaps the list without reading it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "locks.h"
#include "scene.h"

#define NEEDS_CPUS	"needs four CPUs"
#define MAX_SPINNERS	16
#define VICTIM_MB	2
#define MANY		300	/* threads */

enum { GO, IS_DEAF, IS_KILLED };	/* flags */

FIXTURE(fence)
{
	struct locks locks;
	int cpus;
	pid_t spinner[MAX_SPINNERS];
	int nr_spinners;
};

FIXTURE_SETUP(fence)
{
	int err = locks_start(&self->locks);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	self->locks.words = 1;
	self->locks.nodes_at = PROBE_MB;
	self->locks.victim.mb = VICTIM_MB;
	self->locks.victim.stuck = VICTIM_FREE;
}

FIXTURE_TEARDOWN(fence)
{
	int i;

	for (i = 0; i < self->nr_spinners; i++)
		kill(self->spinner[i], SIGKILL);
	for (i = 0; i < self->nr_spinners; i++)
		waitpid(self->spinner[i], NULL, 0);
	locks_stop(&self->locks);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t start_spinner(int cpu)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(100);
	run_on(cpu);
	for (;;)
		;
}

/*
 * Straight code: an emulator takes interrupts where it ends. So what comes after
 * it is still done by a CPU that stood still in the middle of it.
 */
#define STEPS	128

static unsigned int straight(unsigned int x)
{
	int i;

#pragma GCC unroll 128
	for (i = 0; i < STEPS; i++) {
		x = x * 5 + 1;
		asm volatile("" : "+r"(x));
	}
	return x;
}

static void lock_and_unlock(struct locks *locks)
{
	unsigned int tid = syscall(SYS_gettid), x = tid;

	for (;;) {
		x = straight(x);
		if (!locks_try_lock(locks, tid))
			continue;
		x = straight(x);
		locks_unlock(locks);
	}
}

static void *start_locking(void *arg)
{
	struct victim *victim = arg;
	struct locks *locks = victim->arg;

	run_on(sysconf(_SC_NPROCESSORS_ONLN) - 1);
	if (locks_make_empty_list(locks))
		_exit(1);
	victim->shared->stage = VICTIM_READY;
	lock_and_unlock(locks);
	return NULL;
}

/* Not the main thread, and the last one to be sent SIGKILL */
static int have_locker(struct victim *victim)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, start_locking, victim);

	if (err)
		return -err;
	for (;;)
		pause();
	return 0;
}

static int kill_and_reap(struct victim *victim)
{
	int pidfd = syscall(SYS_pidfd_open, victim->pid, 0);

	kill(victim->pid, SIGKILL);
	while (syscall(SYS_process_mrelease, pidfd, 0) && errno == EAGAIN)
		;
	close(pidfd);
	return victim_gone(victim, 10000) ? 0 : -ETIMEDOUT;
}

/* Reaps it as soon as it counts as dying */
static int reap_while_killed(struct victim *victim)
{
	int pidfd = syscall(SYS_pidfd_open, victim->pid, 0);
	pid_t killer = fork();

	if (!killer) {
		run_on(1);
		usleep(1000);
		kill(victim->pid, SIGKILL);
		_exit(0);
	}
	while (syscall(SYS_process_mrelease, pidfd, 0) &&
	       (errno == EINVAL || errno == EAGAIN))
		;
	close(pidfd);
	waitpid(killer, NULL, 0);
	return victim_gone(victim, 10000) ? 0 : -ETIMEDOUT;
}

static void kill_often(struct __test_metadata *_metadata, struct locks *locks,
		       int kills, int (*reap)(struct victim *victim))
{
	struct victim *victim = &locks->victim;
	int i, lost = 0, marked = 0;

	run_on(0);
	victim->body = have_locker;
	for (i = 0; i < kills; i++) {
		*locks_word(locks, 0) = 0;
		ASSERT_EQ(0, victim_start(victim));
		usleep(rand() % 3000);
		EXPECT_EQ(0, reap(victim));
		lost += !!(*locks_word(locks, 0) & FUTEX_TID_MASK);
		marked += !!(*locks_word(locks, 0) & FUTEX_OWNER_DIED);
		victim_stop(victim);
	}
	scene_print("%d killed, %d of them with the lock, %d locks lost", i,
		    marked + lost, lost);
	/* Else nothing was tested */
	EXPECT_LT(0, marked + lost);
	EXPECT_EQ(0, lost);
	EXPECT_TRUE(bystander_intact(&locks->scene.bystander));
}

TEST_F(fence, user_mode)
{
	int cpu;

	if (self->cpus < 4 || self->cpus > MAX_SPINNERS)
		SKIP(return, NEEDS_CPUS);
	for (cpu = 1; cpu < self->cpus - 1; cpu++)
		self->spinner[self->nr_spinners++] = start_spinner(cpu);
	kill_often(_metadata, &self->locks, 40, kill_and_reap);
}

/* SIGKILL has been sent to some of its threads, and is on its way to others */
TEST_F(fence, half_killed)
{
	if (self->cpus < 4)
		SKIP(return, NEEDS_CPUS);
	self->locks.victim.threads = MANY;
	kill_often(_metadata, &self->locks, 12, reap_while_killed);
}

#define TEST_OOM	PROBE_TEST_OOM "alloc"
#define DEAF		"deaf 1000"
#define DEAF_MS		1000
#define TRIES		8
#define AREA_SIZE	(4 * PROBE_MB)
#define FIRST_AT	8192
#define SECOND_AT	(2 * PROBE_MB)
#define STRIDE		65536

/*
 * Three areas, as far from each other as a node from its word: shared, private
 * and shared. The first node is in the first, so that the test can get at it; the
 * others are in the second, and their words in the third.
 */
static char *areas;

static struct robust_list *node_at(size_t at)
{
	return (void *)(areas + at);
}

static int make_list(struct locks *locks)
{
	static struct robust_list_head head;
	struct robust_list *last = node_at(AREA_SIZE + SECOND_AT + STRIDE);
	char *middle = mmap(areas + AREA_SIZE, AREA_SIZE,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (middle == MAP_FAILED)
		return -errno;
	memset(middle, 0, AREA_SIZE);
	head.futex_offset = AREA_SIZE;
	head.list.next = node_at(FIRST_AT);
	node_at(FIRST_AT)->next = &head.list;
	node_at(AREA_SIZE + SECOND_AT)->next = last;
	last->next = &head.list;
	locks_own(locks, 0);
	locks_own(locks, 1);
	return locks_register(&head);
}

static void *take_no_interrupt(void *arg)
{
	struct victim *victim = arg;
	int fd = open(TEST_OOM, O_RDWR | O_CLOEXEC);

	run_on(sysconf(_SC_NPROCESSORS_ONLN) - 1);
	if (fd < 0 || make_list(victim->arg))
		_exit(1);
	while (!victim->shared->flag[GO])
		probe_sleep_ms(1);
	victim->shared->flag[IS_DEAF] = 1;
	if (write(fd, DEAF, strlen(DEAF)) < 0)
		_exit(1);
	return NULL;
}

static int have_deaf_thread(struct victim *victim)
{
	pthread_t thread;

	return -pthread_create(&thread, NULL, take_no_interrupt, victim);
}

/* In a process of its own. Return: its PID */
static pid_t start_reaping(struct victim *victim)
{
	int pidfd = syscall(SYS_pidfd_open, victim->pid, 0);
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		kill(victim->pid, SIGKILL);
		victim->shared->flag[IS_KILLED] = 1;
		while (syscall(SYS_process_mrelease, pidfd, 0) &&
		       errno == EAGAIN)
			;
		_exit(0);
	}
	close(pidfd);
	return pid;
}

/*
 * The victim's list changes, as it can until the CPU of its thread has taken an
 * interrupt: two more locks. The thread is not the first of its process.
 */
static long long lock_late(struct __test_metadata *_metadata,
			   struct locks *locks)
{
	struct victim *victim = &locks->victim;
	long long from, ms;
	pid_t pid;

	EXPECT_EQ(0, victim_start(victim));
	victim->shared->flag[GO] = 1;
	EXPECT_TRUE(probe_wait(victim->shared->flag[IS_DEAF], 5000));
	from = probe_now_ns();
	pid = start_reaping(victim);
	EXPECT_TRUE(probe_wait(victim->shared->flag[IS_KILLED], 5000));
	probe_sleep_ms(DEAF_MS / 4);
	node_at(FIRST_AT)->next = node_at(AREA_SIZE + SECOND_AT);
	ms = (probe_now_ns() - from) / 1000000;
	waitpid(pid, NULL, 0);
	hold_release(&locks->scene.hold, victim->file);
	EXPECT_TRUE(victim_gone(victim, 5000));
	scene_print("more locks after %lld of %d ms without interrupts", ms,
		    DEAF_MS);
	return ms;
}

TEST_F(fence, no_interrupts)
{
	struct locks *locks = &self->locks;
	struct victim *victim = &locks->victim;
	long long ms;

	if (self->cpus < 4)
		SKIP(return, NEEDS_CPUS);
	if (!probe_test_oom(TEST_OOM))
		SKIP(return, "no module test_oom");
	areas = mmap(NULL, 3 * AREA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, areas);
	locks->words = 2;
	locks->stride = STRIDE;
	locks->words_at = areas + 2 * AREA_SIZE + SECOND_AT;
	victim->stuck = VICTIM_READ;
	victim->body = have_deaf_thread;
	/* A busy host may be late with it */
	for (victim->file = 0; victim->file < TRIES; victim->file++) {
		ms = lock_late(_metadata, locks);
		victim_stop(victim);
		if (ms < DEAF_MS * 3 / 4)
			break;
	}
	EXPECT_GT(TRIES, victim->file);
	EXPECT_EQ(0, locks_lost(locks));
	EXPECT_TRUE(bystander_intact(&locks->scene.bystander));
	munmap(areas, 3 * AREA_SIZE);
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
