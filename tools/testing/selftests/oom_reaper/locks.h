/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Robust futexes that a victim holds, and processes that wait for them.
 *
 * Those of the C library, or lists of a test's own making. In these, nodes and
 * words lie apart from each other by the one offset that a list has: the nodes
 * in the victim's private memory, in the middle of other data, the words in
 * memory that it shares with the test.
 */
#ifndef OOM_REAPER_LOCKS_H
#define OOM_REAPER_LOCKS_H

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "scene.h"

/* No time is ever given: the one of the two that every kernel has */
#ifdef SYS_futex_time64
#define LOCKS_SYS_FUTEX	SYS_futex_time64
#else
#define LOCKS_SYS_FUTEX	SYS_futex
#endif

#define LOCKS_MAX	1000
#define LOCKS_WAITERS	4
#define LOCKS_WORDS_SIZE	(4 * PROBE_MB)

/* Shared by victim, waiters and test */
struct locks_shared {
	pthread_mutex_t mutex[LOCKS_MAX];
	atomic_int told[LOCKS_WAITERS];	/* lock's errno + 1, 0: still waits */
	char words[LOCKS_WORDS_SIZE];
};

struct locks {
	struct scene scene;
	struct locks_shared *shared;
	struct victim victim;
	pid_t waiter[LOCKS_WAITERS];
	int waiters;
	/* Of lists that a test makes itself: how many words, and how far apart */
	int words;
	size_t stride;
	char *words_at;		/* shared->words, if nobody sets it */
	bool starved;		/* on the CPU for that */
	size_t nodes_at;	/* where in the victim's memory the nodes are */
	size_t head_at;		/* and the head; 0: close before them */
};

/* Return: 0 or -errno, -ENODEV without FUSE */
int locks_start(struct locks *locks);
void locks_stop(struct locks *locks);

/* Robust, for several processes; @inherit: with priority inheritance */
void locks_init_mutex(pthread_mutex_t *mutex, bool inherit);
void locks_init_mutexes(struct locks_shared *shared, bool inherit);

/* Start a process that waits for a lock of the C library, or for a word */
void locks_wait_mutex(struct locks *locks, int number);
void locks_wait_word(struct locks *locks, int number);

/*
 * Kill the victim, see its memory come back, and let it exit. Return: whether it
 * did within a second, and no other process was touched
 */
bool locks_kill_and_release(struct locks *locks);

/* How many waiters have been told that the owner died */
int locks_told(struct locks *locks);
/* How many words do not carry the mark of a dead owner */
int locks_lost(struct locks *locks);

atomic_uint *locks_word(struct locks *locks, int i);
/* In the victim only: there its memory is known */
struct robust_list *locks_node(struct locks *locks, int i);
struct robust_list_head *locks_head(struct locks *locks);

void locks_own(struct locks *locks, int i);
/* Return: 0 or -errno */
int locks_register(struct robust_list_head *head);
/* The same with one node on it, whose lock the caller holds */
int locks_register_one(struct robust_list_head *head, struct robust_list *node,
		       atomic_uint *word);
int locks_make_list(struct locks *locks, struct robust_list_head *head);
/* The same with nothing on it, but for the first word. Return: 0 or -errno */
int locks_make_empty_list(struct locks *locks);
/*
 * Lock and unlock the first word in the order in which user space must do it, see
 * robust-futexes.rst. Return: false if somebody has it; the word stays pending
 */
bool locks_try_lock(struct locks *locks, unsigned int tid);
void locks_unlock(struct locks *locks);
/* The same as the body of a victim whose arg is the struct locks */
int locks_hold_words(struct victim *victim);

/*
 * To be called by the victim, and never returns: it is ready, has no writable
 * shared memory any more but the mapping that begins at @except, and is stuck in
 * a read().
 */
void locks_unshare(struct victim *victim, const void *except);

#endif
