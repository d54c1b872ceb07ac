/* SPDX-License-Identifier: GPL-2.0 */
/* Bugs that lab mutants switches on: see lab.d/mutants/table */
#ifndef _LINUX_OOM_MUT_H
#define _LINUX_OOM_MUT_H

#include <linux/compiler.h>
#include <linux/types.h>

extern unsigned int oom_mut_nr;

bool oom_mut_reached(void);

/* Is mutant @n on?  Says so in the log when it is reached for the first time. */
#define oom_mut(n)	(unlikely(READ_ONCE(oom_mut_nr) == (n)) &&	\
			 oom_mut_reached())

#endif
