// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "locks.h"

void locks_init_mutex(pthread_mutex_t *mutex, bool inherit)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (inherit)
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
}

void locks_init_mutexes(struct locks_shared *shared, bool inherit)
{
	int i;

	for (i = 0; i < LOCKS_MAX; i++)
		locks_init_mutex(&shared->mutex[i], inherit);
}

int locks_start(struct locks *locks)
{
	memset(locks, 0, sizeof(*locks));
	locks->shared = mmap(NULL, sizeof(*locks->shared),
			     PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (locks->shared == MAP_FAILED)
		return -errno;
	locks_init_mutexes(locks->shared, false);
	locks->victim.mb = SCENE_MB;
	locks->victim.stuck = VICTIM_READ;
	locks->victim.hold = &locks->scene.hold;
	locks->victim.arg = locks;
	locks->stride = 64;
	locks->nodes_at = SCENE_MB / 2 * PROBE_MB;
	locks->words_at = locks->shared->words;
	return scene_start(&locks->scene);
}

void locks_stop(struct locks *locks)
{
	int i;

	if (locks->scene.hold.server)
		hold_release_all(&locks->scene.hold);
	victim_stop(&locks->victim);
	for (i = 0; i < locks->waiters; i++) {
		kill(locks->waiter[i], SIGKILL);
		waitpid(locks->waiter[i], NULL, 0);
	}
	scene_stop(&locks->scene);
	munmap(locks->shared, sizeof(*locks->shared));
}

void locks_wait_mutex(struct locks *locks, int number)
{
	atomic_int *told = &locks->shared->told[locks->waiters];
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*told = pthread_mutex_lock(&locks->shared->mutex[number]) + 1;
		_exit(0);
	}
	locks->waiter[locks->waiters++] = pid;
}

atomic_uint *locks_word(struct locks *locks, int i)
{
	return (atomic_uint *)(locks->words_at + i * locks->stride);
}

/* Sleeps until the owner of the word has died */
void locks_wait_word(struct locks *locks, int number)
{
	atomic_int *told = &locks->shared->told[locks->waiters];
	atomic_uint *futex = locks_word(locks, number);
	pid_t pid = fork();

	if (!pid) {
		unsigned int value;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		do {
			value = atomic_fetch_or(futex, FUTEX_WAITERS) |
				FUTEX_WAITERS;
			if (!(value & FUTEX_TID_MASK))
				break;
			syscall(LOCKS_SYS_FUTEX, futex, FUTEX_WAIT, value,
				NULL);
		} while (1);
		*told = (value & FUTEX_OWNER_DIED ? EOWNERDEAD : 0) + 1;
		_exit(0);
	}
	locks->waiter[locks->waiters++] = pid;
}

bool locks_kill_and_release(struct locks *locks)
{
	struct scene *scene = &locks->scene;
	long before = probe_free_kb();
	bool reaped;

	/* The waiters are asleep by then */
	probe_sleep_ms(100);
	reaped = scene_reap(scene, &locks->victim, locks->victim.mb);
	/* Late, but check what happens to the locks once it is reaped */
	victim_memory_back(before, locks->victim.mb, reaped ? 0 : 5000);
	return scene_let_go(scene, &locks->victim) && reaped;
}

static bool all_told(struct locks *locks)
{
	int i;

	for (i = 0; i < locks->waiters; i++)
		if (!locks->shared->told[i])
			return false;
	return true;
}

int locks_told(struct locks *locks)
{
	int i, told = 0;

	probe_wait(all_told(locks), 2000);
	for (i = 0; i < locks->waiters; i++)
		told += locks->shared->told[i] == EOWNERDEAD + 1;
	scene_print("%d of %d waiters told that the owner died", told,
		    locks->waiters);
	return told;
}

int locks_lost(struct locks *locks)
{
	int i, lost = 0;

	for (i = 0; i < locks->words; i++)
		if (*locks_word(locks, i) & FUTEX_TID_MASK ||
		    !(*locks_word(locks, i) & FUTEX_OWNER_DIED))
			lost++;
	scene_print("%d of %d locks lost", lost, locks->words);
	return lost;
}

struct robust_list *locks_node(struct locks *locks, int i)
{
	return (void *)(locks->victim.mem + locks->nodes_at + i * locks->stride);
}

struct robust_list_head *locks_head(struct locks *locks)
{
	if (locks->head_at)
		return (void *)(locks->victim.mem + locks->head_at);
	return (void *)((char *)locks_node(locks, 0) - locks->stride);
}

int locks_register(struct robust_list_head *head)
{
	return syscall(SYS_set_robust_list, head, sizeof(*head)) ? -errno : 0;
}

int locks_register_one(struct robust_list_head *head, struct robust_list *node,
		       atomic_uint *word)
{
	*word = syscall(SYS_gettid);
	node->next = &head->list;
	head->list.next = node;
	head->list_op_pending = NULL;
	head->futex_offset = (char *)word - (char *)node;
	return locks_register(head);
}

void locks_own(struct locks *locks, int i)
{
	*locks_word(locks, i) = syscall(SYS_gettid);
}

int locks_make_list(struct locks *locks, struct robust_list_head *head)
{
	int i;

	head->futex_offset = (char *)locks_word(locks, 0) -
			     (char *)locks_node(locks, 0);
	head->list_op_pending = NULL;
	head->list.next = &head->list;
	for (i = locks->words - 1; i >= 0; i--) {
		locks_own(locks, i);
		locks_node(locks, i)->next = head->list.next;
		head->list.next = locks_node(locks, i);
	}
	return locks_register(head);
}

int locks_make_empty_list(struct locks *locks)
{
	int err, words = locks->words;

	/* The offset is that of the first word, on an empty list, too */
	locks->words = 0;
	err = locks_make_list(locks, locks_head(locks));
	locks->words = words;
	return err;
}

bool locks_try_lock(struct locks *locks, unsigned int tid)
{
	struct robust_list_head *head = locks_head(locks);
	struct robust_list *entry = locks_node(locks, 0);
	unsigned int free = 0;

	head->list_op_pending = entry;
	atomic_signal_fence(memory_order_seq_cst);
	if (!atomic_compare_exchange_strong(locks_word(locks, 0), &free, tid))
		return false;
	entry->next = &head->list;
	atomic_signal_fence(memory_order_seq_cst);
	head->list.next = entry;
	atomic_signal_fence(memory_order_seq_cst);
	head->list_op_pending = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

void locks_unlock(struct locks *locks)
{
	struct robust_list_head *head = locks_head(locks);

	head->list_op_pending = locks_node(locks, 0);
	atomic_signal_fence(memory_order_seq_cst);
	head->list.next = &head->list;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_exchange(locks_word(locks, 0), 0);
	head->list_op_pending = NULL;
	atomic_signal_fence(memory_order_seq_cst);
}

int locks_hold_words(struct victim *victim)
{
	struct locks *locks = victim->arg;

	return locks_make_list(locks, locks_head(locks));
}

void locks_unshare(struct victim *victim, const void *except)
{
	static char maps[65536];
	unsigned long start, end;
	char *line, *rest = maps, flags[8];

	victim->shared->stage = VICTIM_READY;
	if (probe_read("/proc/self/maps", maps, sizeof(maps)) <= 0)
		_exit(1);
	while ((line = strtok_r(rest, "\n", &rest)))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, flags) == 3 &&
		    flags[1] == 'w' && flags[3] == 's' &&
		    start != (unsigned long)except)
			munmap((void *)start, end - start);
	hold_in_read(victim->hold, victim->file);
	for (;;)
		pause();
}
