// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/oom_mut.h>
#include <linux/printk.h>

unsigned int oom_mut_nr;
core_param(oom_mut, oom_mut_nr, uint, 0444);

/* May be called with any lock held */
bool oom_mut_reached(void)
{
	static atomic_t told;

	if (!atomic_xchg(&told, 1))
		printk_deferred(KERN_INFO "oom_mut: %u reached\n", oom_mut_nr);
	return true;
}

static int __init oom_mut_init(void)
{
	pr_info("oom_mut: %u is on\n", oom_mut_nr);
	return 0;
}
subsys_initcall(oom_mut_init);
