/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looking into the kernel: time, free memory, counters, parameters, the
 * kernel log and trace events. All waits have a time limit.
 */
#ifndef OOM_REAPER_PROBE_H
#define OOM_REAPER_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "../kselftest.h"	/* __printf() */

/* Newer than the headers of some C libraries */
#ifndef SYS_process_mrelease
#define SYS_process_mrelease	448
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif

#define PROBE_MB	0x100000UL

#define PROBE_PARAMETERS	"/sys/module/oom_reaper/parameters"

/* CLOCK_MONOTONIC */
long long probe_now_ns(void);
void probe_sleep_ms(int ms);

/*
 * A time limit in milliseconds, made longer by the factor in the environment
 * variable OOM_REAPER_SLOW: for debug kernels and slow emulators.
 */
int probe_limit(int ms);

/* Whether that is so: then nobody can tell a late reaper from a slow machine */
bool probe_slow(void);

/* A number from the environment, @otherwise when it is not set */
long probe_env(const char *name, long otherwise);

/* Wait until @cond holds, at most @ms milliseconds (see probe_limit()) */
#define probe_wait(cond, ms) ({						\
	long long __until = probe_now_ns() + probe_limit(ms) * 1000000LL;	\
	bool __ok;							\
									\
	while (!(__ok = (cond)) && probe_now_ns() < __until)		\
		probe_sleep_ms(1);					\
	__ok;								\
})

/*
 * These programs trigger global OOM kills. Ends the program with KSFT_SKIP
 * unless it runs as root and was told that the machine is disposable: by
 * OOM_REAPER_DISPOSABLE=1 or by the option --disposable, which is taken out of
 * @argv.
 *
 * Makes the program itself exempt from the OOM killer. Until it ends, huge pages
 * are for tasks that ask for them, and per-CPU lists of free pages are kept
 * short: MemFree does not count them, and by default they grow to an eighth of
 * the memory while much is freed.
 */
void probe_disposable(int *argc, char **argv);

long probe_free_kb(void);
long probe_meminfo_kb(const char *name);

/* Return: the counter, -1 if this kernel has none of that name */
long probe_vmstat(const char *name);

/* The byte at @addr of the process @pid, -1 if it cannot be read */
int probe_byte(int pid, const void *addr);

/* The figure after @name in /proc/@pid/status, -1 if there is none */
long probe_status(int pid, const char *name);

/* madvise() for another process. Return: as process_madvise(2) */
long probe_madvise(pid_t pid, void *mem, size_t size, int advice);

/*
 * The same of the process, or of any of its threads: the first one may be gone
 * before the others, and it then says nothing
 */
long probe_status_any(int pid, const char *name);

/* The task of that name, a kernel thread for instance. Return: -1 if not there */
pid_t probe_task(const char *comm);

/* The reaper's parameters; booleans are 0 and 1. Return: -1 if not there */
long probe_param(const char *name);
/* For good: see setting_param(). Return: 0 or -errno */
int probe_param_write(const char *name, const char *value);

/* Write @text to the file @path. Return: 0 or -errno */
int probe_write(const char *path, const char *text);
/* Read the file @path as a string. Return: its length or -errno */
int probe_read(const char *path, char *buf, size_t size);

/* Files of the module test_oom: see lib/test_oom.c */
#define PROBE_TEST_OOM	"/sys/kernel/debug/test_oom/"

/* Whether the module is there, loaded if need be, and has the file @path */
bool probe_test_oom(const char *path);

/* What has come out of a file since it was opened: kernel log or trace */
struct probe_text {
	int fd;
	char *buf;
	size_t len;
	size_t size;
	char instance[128];
};

/* Return: 0 or -errno */
int probe_log_open(struct probe_text *text);
/* @events: "oom:name oom:name". Return: 0 or -errno, -ENOENT: no such event */
int probe_trace_open(struct probe_text *text, const char *events);
void probe_text_close(struct probe_text *text);

/* The number of lines that contain the formatted string */
__printf(2, 3)
int probe_count(struct probe_text *text, const char *fmt, ...);

/* Wait for a line with the formatted string: returns the line, or NULL */
__printf(3, 4)
const char *probe_find(struct probe_text *text, int ms, const char *fmt, ...);

/* When a line of the kernel log was written, in microseconds. NULL: -1 */
long long probe_log_us(const char *line);

/*
 * What the kernel has to complain of in its log: a warning, a bug, a report of
 * KASAN or lockdep, a hung task, pages or counters that do not add up.
 * Return: the line, or NULL
 */
const char *probe_complaint(struct probe_text *log);

/* The number after @key in @line, as in "pages=12". Return: -1 if not there */
long long probe_field(const char *line, const char *key);

#endif
