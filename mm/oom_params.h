/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parameters of the OOM reaper
 */
#ifndef __MM_OOM_PARAMS_H
#define __MM_OOM_PARAMS_H

#include <linux/types.h>

struct kernel_param;

#define OOM_REAPER_THREADS_MAX	16

/**
 * struct oom_reaper_param - a numeric parameter with limits
 * @value: current value
 * @min: lowest valid value
 * @max: highest valid value
 * @apply: called with a new value, or NULL
 */
struct oom_reaper_param {
	unsigned int value;
	unsigned int min;
	unsigned int max;
	void (*apply)(unsigned int value);
};

extern bool oom_reaper_enabled;
extern struct oom_reaper_param oom_reaper_attempts;
extern struct oom_reaper_param oom_reaper_interval_ms;
extern struct oom_reaper_param oom_reaper_delay_ms;
extern struct oom_reaper_param oom_reaper_futex_grace_ms;
extern struct oom_reaper_param oom_reaper_priority;
extern struct oom_reaper_param oom_reaper_threads;
extern struct oom_reaper_param oom_reaper_victim_timeout_ms;

int oom_reaper_param_set(const char *val, const struct kernel_param *kp);
unsigned long oom_reaper_futex_grace(void);
unsigned int oom_reaper_pause_ms(unsigned int failed, unsigned int limit_ms);
void oom_reaper_set_priority(unsigned int priority);

#endif /* __MM_OOM_PARAMS_H */
