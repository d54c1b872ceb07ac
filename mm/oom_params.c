// SPDX-License-Identifier: GPL-2.0
/*
 * The parameters of the OOM reaper, /sys/module/oom_reaper/parameters.
 */
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/sched/prio.h>
#include <linux/sysfs.h>

#include "oom_access.h"
#include "oom_params.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "oom_reaper."

/* The OOM killer uses this value even without a reaper */
static void set_victim_timeout(unsigned int timeout_ms)
{
	WRITE_ONCE(oom_victim_timeout_ms, timeout_ms);
	oom_wake_waiters();
}

bool oom_reaper_enabled = true;

struct oom_reaper_param oom_reaper_attempts = {
	.value = 16, .min = 1, .max = 1000,
};

struct oom_reaper_param oom_reaper_interval_ms = {
	.value = 100, .min = 1, .max = 10 * MSEC_PER_SEC,
};

struct oom_reaper_param oom_reaper_delay_ms = {
	.value = 0, .min = 0, .max = 60 * MSEC_PER_SEC,
};

struct oom_reaper_param oom_reaper_futex_grace_ms = {
	.value = 2000, .min = 0, .max = 60 * MSEC_PER_SEC,
};

struct oom_reaper_param oom_reaper_priority = {
	.value = MAX_RT_PRIO - 1, .min = 0, .max = MAX_RT_PRIO - 1,
	.apply = oom_reaper_set_priority,
};

struct oom_reaper_param oom_reaper_threads = {
	.value = 1, .min = 1, .max = OOM_REAPER_THREADS_MAX,
};

struct oom_reaper_param oom_reaper_victim_timeout_ms = {
	.value = 10 * MSEC_PER_SEC, .min = 0, .max = 600 * MSEC_PER_SEC,
	.apply = set_victim_timeout,
};

/**
 * oom_reaper_futex_grace() - how long to wait for an unreadable robust list
 *
 * Return: the time in jiffies.
 */
unsigned long oom_reaper_futex_grace(void)
{
	return msecs_to_jiffies(READ_ONCE(oom_reaper_futex_grace_ms.value));
}

/**
 * oom_reaper_pause_ms() - how long to wait before the next attempt
 * @failed: number of attempts that have failed so far, at least 1
 * @limit_ms: the longest wait
 *
 * Start with short waits, as most locks are released in a moment.
 *
 * Return: the time in ms: 1, 2, 4, and so on up to @limit_ms.
 */
unsigned int oom_reaper_pause_ms(unsigned int failed, unsigned int limit_ms)
{
	return failed > 16 ? limit_ms : min(1U << (failed - 1), limit_ms);
}

/**
 * oom_reaper_param_set() - set a parameter that has limits
 * @val: the new value, as written by a user
 * @kp: the parameter; its argument is a &struct oom_reaper_param
 *
 * Context: Process context, under the lock for module parameters, or during
 * boot.
 * Return: 0, or -EINVAL if @val is not a number or is out of range.
 */
int oom_reaper_param_set(const char *val, const struct kernel_param *kp)
{
	struct oom_reaper_param *param = kp->arg;
	unsigned int value;
	int err;

	if (!val)
		return -EINVAL;
	err = kstrtouint(val, 0, &value);
	if (err || value < param->min || value > param->max)
		return -EINVAL;

	WRITE_ONCE(param->value, value);
	if (param->apply)
		param->apply(value);
	return 0;
}

static int param_get(char *buffer, const struct kernel_param *kp)
{
	const struct oom_reaper_param *param = kp->arg;

	return sysfs_emit(buffer, "%u\n", param->value);
}

static const struct kernel_param_ops param_ops = {
	.set = oom_reaper_param_set,
	.get = param_get,
};

module_param_named(enabled, oom_reaper_enabled, bool, 0644);
module_param_named(vma_locks, oom_reap_vma_locks, bool, 0644);
module_param_cb(attempts, &param_ops, &oom_reaper_attempts, 0644);
module_param_cb(interval_ms, &param_ops, &oom_reaper_interval_ms, 0644);
module_param_cb(delay_ms, &param_ops, &oom_reaper_delay_ms, 0644);
module_param_cb(futex_grace_ms, &param_ops, &oom_reaper_futex_grace_ms, 0644);
module_param_cb(priority, &param_ops, &oom_reaper_priority, 0644);
module_param_cb(threads, &param_ops, &oom_reaper_threads, 0444);
module_param_cb(victim_timeout_ms, &param_ops, &oom_reaper_victim_timeout_ms, 0644);
