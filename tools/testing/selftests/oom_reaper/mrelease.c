// SPDX-License-Identifier: GPL-2.0
/*
 * process_mrelease(2), which a userspace OOM daemon calls after a kill.
 *
 * Stock waits for mmap_lock for as long as it is held, and reaps the lists of
 * robust futexes with the rest: the tests for these fail there. The others are
 * guards.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "locks.h"
#include "starve.h"
#include "swap.h"

struct daemon {
	struct locks locks;
	struct scene *scene;	/* of @locks */
	struct victim *victim;	/* the same */
	int pidfd;
	struct swap swap;
};

FIXTURE(mrelease)
{
	struct daemon daemon;
};

FIXTURE_SETUP(mrelease)
{
	struct daemon *daemon = &self->daemon;
	int err = locks_start(&daemon->locks);

	daemon->scene = &daemon->locks.scene;
	daemon->victim = &daemon->locks.victim;
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	daemon->pidfd = -1;
	daemon->swap.number = -1;
}

FIXTURE_TEARDOWN(mrelease)
{
	struct daemon *daemon = &self->daemon;

	locks_stop(&daemon->locks);
	if (daemon->pidfd >= 0)
		close(daemon->pidfd);
	swap_stop(&daemon->swap);
}

static int mrelease(int pidfd, unsigned int flags)
{
	return syscall(SYS_process_mrelease, pidfd, flags) ? -errno : 0;
}

static int pidfd_of(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

/* The call in a separate thread: it might not return */
struct call {
	pthread_t thread;
	int pidfd;
	int result;
	long long begin_ns;
	atomic_llong end_ns;
};

static void *do_call(void *arg)
{
	struct call *call = arg;

	call->result = mrelease(call->pidfd, 0);
	call->end_ns = probe_now_ns();
	return NULL;
}

/* Kill the victim and call: see that it returns, and what comes back */
static int kill_and_call(struct __test_metadata *_metadata,
			 struct daemon *daemon, struct call *call)
{
	long before;
	int back;

	memset(call, 0, sizeof(*call));
	daemon->pidfd = pidfd_of(daemon->victim->pid);
	ASSERT_LE(0, daemon->pidfd);
	call->pidfd = daemon->pidfd;
	probe_sleep_ms(100);
	before = probe_free_kb();
	kill(daemon->victim->pid, SIGKILL);
	call->begin_ns = probe_now_ns();
	ASSERT_EQ(0, pthread_create(&call->thread, NULL, do_call, call));
	EXPECT_TRUE(probe_wait(call->end_ns, 1000));
	back = victim_memory_back(before, daemon->victim->mb, 0);
	scene_print("process_mrelease(): %d after %lld ms, %ld of %zu MB back",
		    call->end_ns ? call->result : 1, call->end_ns ?
		    (call->end_ns - call->begin_ns) / 1000000 : -1,
		    (probe_free_kb() - before) / 1024, daemon->victim->mb);
	return back;
}

static void release(struct __test_metadata *_metadata,
		    struct daemon *daemon, struct call *call)
{
	hold_release_all(&daemon->scene->hold);
	EXPECT_TRUE(victim_gone(daemon->victim, 5000));
	pthread_join(call->thread, NULL);
}

TEST_F(mrelease, guard_read)
{
	struct daemon *daemon = &self->daemon;
	struct call call;

	ASSERT_EQ(0, victim_start(daemon->victim));
	EXPECT_LE(0, kill_and_call(_metadata, daemon, &call));
	EXPECT_EQ(0, call.result);
	release(_metadata, daemon, &call);
}

TEST_F(mrelease, guard_mmap_lock_read)
{
	struct daemon *daemon = &self->daemon;
	struct call call;

	daemon->victim->stuck = VICTIM_MMAP_READ;
	ASSERT_EQ(0, victim_start(daemon->victim));
	EXPECT_LE(0, kill_and_call(_metadata, daemon, &call));
	EXPECT_EQ(0, call.result);
	release(_metadata, daemon, &call);
}

TEST_F(mrelease, mmap_lock_write)
{
	struct daemon *daemon = &self->daemon;
	struct call call;

	daemon->victim->stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, victim_start(daemon->victim));
	EXPECT_LE(0, kill_and_call(_metadata, daemon, &call));
	/* Part may be left: in a VMA that the holder has locked, too */
	EXPECT_TRUE(!call.result || call.result == -EAGAIN);
	release(_metadata, daemon, &call);
}

/* Without VMA locks nothing can be reaped. The call must say so at once */
TEST_F(mrelease, eagain)
{
	struct daemon *daemon = &self->daemon;
	struct call call;

	if (probe_param("vma_locks") < 0)
		SKIP(return, "no parameter vma_locks");
	daemon->victim->stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, victim_start(daemon->victim));
	ASSERT_EQ(0, setting_param("vma_locks", "N"));
	EXPECT_GT(0, kill_and_call(_metadata, daemon, &call));
	EXPECT_EQ(-EAGAIN, call.result);
	EXPECT_EQ(0, setting_param("vma_locks", "Y"));
	/* And what was left is there for the next call */
	EXPECT_EQ(0, mrelease(daemon->pidfd, 0));
	release(_metadata, daemon, &call);
}

static int lock_it(struct victim *victim)
{
	struct locks *locks = victim->arg;

	return -pthread_mutex_lock(&locks->shared->mutex[0]);
}

/* The victim's robust lock survives it */
TEST_F(mrelease, robust_mutex)
{
	struct daemon *daemon = &self->daemon;
	struct call call;

	daemon->victim->body = lock_it;
	ASSERT_EQ(0, victim_start(daemon->victim));
	locks_wait_mutex(&daemon->locks, 0);
	EXPECT_LE(0, kill_and_call(_metadata, daemon, &call));
	release(_metadata, daemon, &call);
	EXPECT_EQ(1, locks_told(&daemon->locks));
}

#define SWAPPED_MB	96

/* An app unused for an hour: some kilobytes of its memory are left */
TEST_F(mrelease, guard_swapped_out)
{
	struct daemon *daemon = &self->daemon;
	struct call call = { 0 };
	long before, back_kb, swap_kb;
	int err;

	err = swap_start(&daemon->swap, SWAPPED_MB + 16);
	if (err == -ENODEV)
		SKIP(return, "no zram");
	ASSERT_EQ(0, err);
	daemon->victim->mb = SWAPPED_MB;
	ASSERT_EQ(0, victim_start(daemon->victim));
	ASSERT_TRUE(swap_out_process(daemon->victim->pid, 512));
	swap_kb = probe_status(daemon->victim->pid, "VmSwap");
	scene_print("%ld kB swapped out, %ld kB in memory", swap_kb,
		    probe_status(daemon->victim->pid, "RssAnon"));
	before = probe_meminfo_kb("SwapFree");
	kill_and_call(_metadata, daemon, &call);
	EXPECT_EQ(0, call.result);
	probe_wait(probe_meminfo_kb("SwapFree") - before > swap_kb * 9 / 10,
		   1000);
	back_kb = probe_meminfo_kb("SwapFree") - before;
	scene_print("%ld of %ld kB of swap space back", back_kb, swap_kb);
	EXPECT_LT(swap_kb * 9 / 10, back_kb);
	release(_metadata, daemon, &call);
}

TEST_F(mrelease, guard_errors)
{
	struct daemon *daemon = &self->daemon;
	int self_fd = pidfd_of(getpid());

	daemon->victim->stuck = VICTIM_FREE;
	ASSERT_EQ(0, victim_start(daemon->victim));
	daemon->pidfd = pidfd_of(daemon->victim->pid);
	EXPECT_EQ(-EBADF, mrelease(-1, 0));
	EXPECT_EQ(-EINVAL, mrelease(daemon->pidfd, 2));
	EXPECT_EQ(-EINVAL, mrelease(daemon->pidfd, ~0U));
	/* Not killed */
	EXPECT_EQ(-EINVAL, mrelease(daemon->pidfd, 0));
	EXPECT_EQ(-EINVAL, mrelease(self_fd, 0));
	scene_print("%ld kB left of %zu MB",
		    probe_status(daemon->victim->pid, "RssAnon"),
		    daemon->victim->mb);
	EXPECT_LE((long)daemon->victim->mb * 1024,
		  probe_status(daemon->victim->pid, "RssAnon"));
	/* Gone */
	victim_stop(daemon->victim);
	EXPECT_EQ(-ESRCH, mrelease(daemon->pidfd, 0));
	close(self_fd);
}

/* A zombie has no memory any more */
TEST_F(mrelease, guard_zombie)
{
	struct daemon *daemon = &self->daemon;
	siginfo_t info;

	daemon->victim->stuck = VICTIM_FREE;
	ASSERT_EQ(0, victim_start(daemon->victim));
	daemon->pidfd = pidfd_of(daemon->victim->pid);
	kill(daemon->victim->pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, daemon->victim->pid, &info,
			    WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, mrelease(daemon->pidfd, 0));
}

#define LOOP_THREADS	500
#define LOOP_MS		2000
#define LOOPERS		2

/* A task that sleeps for a millisecond, over and over. Return: the worst ms */
static long worst_sleep_ms(int ms)
{
	long long from = probe_now_ns(), last = from, now = from, worst = 0;

	while (now - from < ms * 1000000LL) {
		probe_sleep_ms(1);
		now = probe_now_ns();
		if (now - last > worst)
			worst = now - last;
		last = now;
	}
	return worst / 1000000;
}

static pid_t start_looper(int pidfd, atomic_int *calls)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgid(65534) || setuid(65534))
		_exit(1);
	for (;;) {
		mrelease(pidfd, 0);
		++*calls;
	}
}

/*
 * Any user may call it as often as he likes for a child that does not exit: a
 * process of many threads, each with a list to read.
 */
TEST_F_TIMEOUT(mrelease, guard_unprivileged_loop, 120)
{
	struct daemon *daemon = &self->daemon;
	atomic_int *calls = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t looper[LOOPERS];
	long worst, control;
	int i;

	ASSERT_NE(MAP_FAILED, (void *)calls);
	daemon->victim->threads = LOOP_THREADS;
	ASSERT_EQ(0, victim_start(daemon->victim));
	daemon->pidfd = pidfd_of(daemon->victim->pid);
	control = worst_sleep_ms(LOOP_MS);
	kill(daemon->victim->pid, SIGKILL);
	for (i = 0; i < LOOPERS; i++)
		looper[i] = start_looper(daemon->pidfd, calls);
	worst = worst_sleep_ms(LOOP_MS);
	for (i = 0; i < LOOPERS; i++) {
		kill(looper[i], SIGKILL);
		waitpid(looper[i], NULL, 0);
	}
	scene_print("%d calls; a sleep of 1 ms took up to %ld ms, %ld ms before",
		    *calls, worst, control);
	EXPECT_LT(0, *calls);
	EXPECT_GT(2 * control + probe_limit(200), worst);
	EXPECT_TRUE(bystander_intact(&daemon->scene->bystander));
	EXPECT_EQ(NULL, probe_complaint(&daemon->scene->log));
	munmap((void *)calls, 4096);
}

#define TEST_OOM	PROBE_TEST_OOM "alloc"

/* Until the file is closed: at its exit */
static int lend_mm(struct victim *victim)
{
	int fd = open(TEST_OOM, O_RDWR | O_CLOEXEC);

	return fd >= 0 && write(fd, "borrow", 6) == 6 ? 0 : -errno;
}

/* A kthread that uses the mm for a while does not count as a surviving user */
TEST_F(mrelease, borrowed)
{
	struct daemon *daemon = &self->daemon;
	struct call call;

	if (!probe_test_oom(TEST_OOM))
		SKIP(return, "no module test_oom");
	daemon->victim->body = lend_mm;
	ASSERT_EQ(0, victim_start(daemon->victim));
	EXPECT_LE(0, kill_and_call(_metadata, daemon, &call));
	EXPECT_EQ(0, call.result);
	release(_metadata, daemon, &call);
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

/* Memory that a live process also uses stays */
TEST_F(mrelease, guard_shared_with_living)
{
	struct daemon *daemon = &self->daemon;
	long rss;

	daemon->victim->body = start_sharer;
	ASSERT_EQ(0, victim_start(daemon->victim));
	daemon->pidfd = pidfd_of(daemon->victim->pid);
	kill(daemon->victim->pid, SIGKILL);
	EXPECT_EQ(-EINVAL, mrelease(daemon->pidfd, 0));
	rss = probe_status(daemon->victim->shared->flag[SHARER], "RssAnon");
	scene_print("%ld kB left of %zu MB", rss, daemon->victim->mb);
	EXPECT_LE((long)daemon->victim->mb * 1024, rss);
	daemon->victim->shared->flag[STOP] = 1;
}

#define BESIDE_TRIES	16
#define BESIDE_S	60

/* Wait on a CPU that is taken away some time after the call has begun */
static pid_t call_starved(struct starve *starve, atomic_int *go, int pidfd,
			  int us)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (starve_me())
		_exit(1);
	while (!*go)
		probe_sleep_ms(1);
	starve_after(starve, us);
	mrelease(pidfd, 0);
	_exit(0);
}

/*
 * A victim exits while the task that reaps it is stopped with mmap_lock held for
 * read: exit_mmap() cannot free the page tables yet. But it is done with the pages
 * and says so, and they must be back by then.
 *
 * On stock they wait for the page tables.
 */
TEST_F_TIMEOUT(mrelease, exit_beside_it, 120)
{
	struct daemon *daemon = &self->daemon;
	struct victim *victim = daemon->victim;
	struct scene *scene = daemon->scene;
	long rss, before;
	int try, caught = 0, back = -1;
	long long began = probe_now_ns();

	if (!starve_possible())
		SKIP(return, "needs two CPUs");
	/* So that no other task frees it */
	if (setting_param("enabled", "N"))
		SKIP(return, "no parameter enabled");
	victim->stuck = VICTIM_READ;
	/* A busy host may be late with it once or twice */
	for (try = 0; try < BESIDE_TRIES && caught < 3 && back < 0; try++) {
		struct starve starve;
		pid_t caller;

		if (probe_now_ns() - began > BESIDE_S * 1000000000LL)
			break;
		victim->file = try;
		ASSERT_EQ(0, victim_start(victim));
		EXPECT_EQ(0, starve_start(&starve));
		daemon->pidfd = pidfd_of(victim->pid);
		caller = call_starved(&starve, &victim->shared->flag[0],
				      daemon->pidfd, 1000 << try % 6);
		EXPECT_EQ(0, victim_sysrq());
		EXPECT_NE(NULL, probe_find(&scene->log, 5000,
					   "Killed process %d (", victim->pid));
		victim->shared->flag[0] = 1;
		probe_wait(starve.shared->spin, 1000);
		probe_sleep_ms(80);
		rss = probe_status(victim->pid, "RssAnon");
		before = probe_free_kb();
		hold_release(&scene->hold, try);
		if (rss > 16 * 1024 && rss < (long)(victim->mb - 4) * 1024) {
			caught++;
			back = victim_memory_back(before, rss / 1024,
						  STARVE_MS / 2);
			scene_print("caught at try %d: %ld kB left, back after %d ms",
				    try, rss, back);
		}
		starve_stop(&starve);
		waitpid(caller, NULL, 0);
		EXPECT_TRUE(victim_gone(victim, 5000));
		victim_stop(victim);
		close(daemon->pidfd);
		daemon->pidfd = -1;
	}
	if (!caught && try < BESIDE_TRIES)
		SKIP(return, "too slow to catch it: %d tries in %d s", try, BESIDE_S);
	EXPECT_LT(0, caught);
	EXPECT_LE(0, back);
	EXPECT_TRUE(bystander_intact(&scene->bystander));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
