/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Setup that nearly every test needs: a way to block victims, the kernel log, and
 * a bystander that the OOM killer has no reason to kill.
 */
#ifndef OOM_REAPER_SCENE_H
#define OOM_REAPER_SCENE_H

#include "bystander.h"
#include "hold.h"
#include "probe.h"
#include "setting.h"
#include "victim.h"

#define SCENE_MB	64	/* memory of the usual victim */

/*
 * The time limit after which the harness kills a test: generous, for debug
 * kernels. Include this after kselftest_harness.h.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	180

struct scene {
	struct hold hold;
	struct probe_text log;
	/* The next in line: takes the bullet that was meant for a victim */
	struct bystander bystander;
};

/* Return: 0 or -errno, -ENODEV without FUSE */
int scene_start(struct scene *scene);
/* Puts back what setting_change() has changed, too */
void scene_stop(struct scene *scene);

/*
 * Have the OOM killer kill the process with the highest score, and wait until
 * @mb megabytes have come back. Return: milliseconds, -1: not within @ms
 */
int scene_kill(struct scene *scene, size_t mb, int ms);

/* The same if @before_kb were free before: without a pause to find that out */
int scene_kill_since(struct scene *scene, long before_kb, size_t mb, int ms);

/*
 * Wait a little: the last reference to an mm may be dropped later than its
 * process goes. Return: whether the kernel has nothing to complain of; else that
 * is printed.
 */
bool scene_quiet(struct scene *scene);

/*
 * Release what @victim is held by. Return: whether it went, by the SIGKILL that
 * it has been sent, no other process did, and the kernel is quiet
 */
bool scene_let_go(struct scene *scene, struct victim *victim);

/*
 * Have it killed, which has the highest score, and wait until @mb megabytes have
 * come back. Return: whether it was reaped within a second for that, is still
 * there, and no other process was touched
 */
bool scene_reap(struct scene *scene, struct victim *victim, size_t mb);

/*
 * One more line of the test's output. The figures that a test judges by are
 * printed whether it passes or not.
 */
__printf(1, 2)
void scene_print(const char *fmt, ...);

#endif
