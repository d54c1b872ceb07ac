// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"
#include "setting.h"

#define TRACEFS		"/sys/kernel/tracing"

long long probe_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void probe_sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

long probe_env(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtol(value, NULL, 0) : otherwise;
}

int probe_limit(int ms)
{
	long slow = probe_env("OOM_REAPER_SLOW", 1);

	return slow > 1 ? ms * slow : ms;
}

static void prepare_machine(void)
{
	/* MemFree does not count what is in per-CPU lists: keep them short */
	setting_change("/proc/sys/vm/percpu_pagelist_high_fraction", "1000000");
	/* "never" on machines of up to 512 MB, else "always" as a rule */
	setting_change("/sys/kernel/mm/transparent_hugepage/enabled",
		       "madvise");
	setting_keep();
}

bool probe_slow(void)
{
	return probe_limit(1) > 1;
}

void probe_disposable(int *argc, char **argv)
{
	bool told = probe_env("OOM_REAPER_DISPOSABLE", 0);
	int from, to = 1;

	for (from = 1; from < *argc; from++) {
		if (!strcmp(argv[from], "--disposable"))
			told = true;
		else
			argv[to++] = argv[from];
	}
	argv[to] = NULL;
	*argc = to;

	/* Help and the list of tests kill no process */
	if (to > 1 && (!strcmp(argv[1], "-l") || !strcmp(argv[1], "-h")))
		return;
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (!told)
		ksft_exit_skip("kills at will: wants OOM_REAPER_DISPOSABLE=1 or --disposable\n");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (probe_write("/proc/self/oom_score_adj", "-1000"))
		ksft_exit_skip("cannot set oom_score_adj\n");
	prepare_machine();
}

int probe_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int probe_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	do {
		got = read(fd, buf + len, size - 1 - len);
		if (got < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		len += got;
	} while (got && len < size - 1);
	close(fd);
	buf[len] = '\0';
	return len;
}

long probe_free_kb(void)
{
	struct sysinfo info;

	/* A plain read of the counters: cheap, and takes no lock */
	if (sysinfo(&info))
		return -1;
	return (unsigned long long)info.freeram * info.mem_unit / 1024;
}

/* The number after @name at the start of a line of @path */
static long number_in(const char *path, const char *name, char after)
{
	size_t len = strlen(name);
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, len) && line[len] == after) {
			value = strtol(line + len + 1, NULL, 10);
			break;
		}
	}
	fclose(file);
	return value;
}

long probe_meminfo_kb(const char *name)
{
	return number_in("/proc/meminfo", name, ':');
}

long probe_vmstat(const char *name)
{
	return number_in("/proc/vmstat", name, ' ');
}

int probe_byte(int pid, const void *addr)
{
	unsigned char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)addr, 1 };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1 ? byte : -1;
}

long probe_status(int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return number_in(path, name, ':');
}

long probe_param(const char *name)
{
	char path[128], buf[32];

	snprintf(path, sizeof(path), PROBE_PARAMETERS "/%s", name);
	if (probe_read(path, buf, sizeof(buf)) <= 0)
		return -1;
	if (*buf == 'Y' || *buf == 'N')
		return *buf == 'Y';
	return strtol(buf, NULL, 10);
}

int probe_param_write(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), PROBE_PARAMETERS "/%s", name);
	return probe_write(path, value);
}

long probe_status_any(int pid, const char *name)
{
	char path[64];
	struct dirent *entry;
	long value = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (value < 0 && (entry = readdir(dir))) {
		if (atoi(entry->d_name))
			value = probe_status(atoi(entry->d_name), name);
	}
	closedir(dir);
	return value;
}

pid_t probe_task(const char *comm)
{
	char path[300], is[32];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	pid_t pid = -1;

	while (dir && pid < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (!atoi(entry->d_name) ||
		    probe_read(path, is, sizeof(is)) <= 0)
			continue;
		is[strcspn(is, "\n")] = '\0';
		if (!strcmp(is, comm))
			pid = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return pid;
}

int probe_log_open(struct probe_text *text)
{
	memset(text, 0, sizeof(*text));
	text->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (text->fd < 0)
		return -errno;
	if (lseek(text->fd, 0, SEEK_END) < 0)
		return -errno;
	return 0;
}

int probe_trace_open(struct probe_text *text, const char *events)
{
	char list[512], path[256], *name, *rest = list;
	int err = 0;

	memset(text, 0, sizeof(*text));
	text->fd = -1;

	if (access(TRACEFS "/instances", F_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	snprintf(text->instance, sizeof(text->instance),
		 TRACEFS "/instances/oom_reaper.%d", getpid());
	if (mkdir(text->instance, 0700) && errno != EEXIST)
		return -errno;

	snprintf(list, sizeof(list), "%s", events);
	while (!err && (name = strtok_r(rest, " ", &rest))) {
		snprintf(path, sizeof(path), "%s/set_event", text->instance);
		err = probe_write(path, name);
		if (err == -EINVAL)
			err = -ENOENT;
	}
	if (!err) {
		snprintf(path, sizeof(path), "%s/trace_pipe", text->instance);
		text->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (text->fd < 0)
			err = -errno;
	}
	if (err)
		probe_text_close(text);
	return err;
}

void probe_text_close(struct probe_text *text)
{
	if (text->fd >= 0)
		close(text->fd);
	text->fd = -1;
	if (*text->instance)
		rmdir(text->instance);
	free(text->buf);
	text->buf = NULL;
	text->len = 0;
	text->size = 0;
}

/* Take over what is there by now */
static void drain(struct probe_text *text)
{
	if (text->fd < 0)
		return;
	for (;;) {
		ssize_t got;

		/* The kernel log hands out one whole record or nothing */
		if (text->size - text->len < 16384) {
			size_t size = text->size + 65536;
			char *buf = realloc(text->buf, size);

			if (!buf)
				return;
			text->buf = buf;
			text->size = size;
		}
		got = read(text->fd, text->buf + text->len,
			   text->size - text->len - 1);
		/* EPIPE: records were overwritten before they were read */
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			break;
		text->len += got;
	}
	text->buf[text->len] = '\0';
}

static char *line_with(struct probe_text *text, size_t from, const char *what)
{
	if (!text->buf || from >= text->len)
		return NULL;
	return strstr(text->buf + from, what);
}

int probe_count(struct probe_text *text, const char *fmt, ...)
{
	char what[256], *at;
	size_t from = 0;
	int count = 0;
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);

	drain(text);
	while ((at = line_with(text, from, what))) {
		char *end = strchr(at, '\n');

		count++;
		if (!end)
			break;
		from = end + 1 - text->buf;
	}
	return count;
}

const char *probe_find(struct probe_text *text, int ms, const char *fmt, ...)
{
	static char line[1024];
	char what[256], *at = NULL;
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);

	probe_wait((drain(text), at = line_with(text, 0, what)), ms);
	if (!at)
		return NULL;
	while (at > text->buf && at[-1] != '\n')
		at--;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

long long probe_log_us(const char *line)
{
	long long us;

	/* "priority,number,microseconds,..." */
	if (!line || sscanf(line, "%*d,%*d,%lld", &us) != 1)
		return -1;
	return us;
}

const char *probe_complaint(struct probe_text *log)
{
	static const char * const complaint[] = {
		"BUG:", "kernel BUG at", "WARNING:", "Oops:", "KASAN:",
		"INFO: task ", "INFO: rcu", "INFO: lockdep", "INFO: trying",
		"Bad page", "bad pmd", "bad pud", "bad p4d", "bad pgd",
		"Bad rss-counter", "non-zero pgtables_bytes",
		"Bad swap", "Unused swap", "general protection fault",
		"page dumped because", "rcu_sched self-detected",
		"soft lockup", "stack-out-of-bounds", "refcount_t:",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(complaint); i++) {
		const char *line = probe_find(log, 0, "%s", complaint[i]);

		if (line)
			return line;
	}
	return NULL;
}

long long probe_field(const char *line, const char *key)
{
	size_t len = strlen(key);
	const char *at = line;

	while ((at = strstr(at, key))) {
		if ((at == line || at[-1] == ' ') && at[len] == '=')
			return strtoll(at + len + 1, NULL, 10);
		at += len;
	}
	return -1;
}

bool probe_test_oom(const char *path)
{
	return !access(path, F_OK) ||
	       (!system("modprobe -q test_oom") && !access(path, F_OK));
}

long probe_madvise(pid_t pid, void *mem, size_t size, int advice)
{
	struct iovec range = { mem, size };
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	long ret = syscall(SYS_process_madvise, pidfd, &range, 1, advice, 0);

	close(pidfd);
	return ret;
}
