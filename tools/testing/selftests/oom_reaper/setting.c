// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"
#include "setting.h"

#define MAX_SETTINGS	320

static struct settings {
	int nr;
	int kept;	/* the first so many are for all tests */
	struct {
		char path[128];
		char before[128];
	} setting[MAX_SETTINGS];
} *settings;

static pid_t owner;

static void restore_down_to(int nr)
{
	while (settings->nr > nr) {
		int i = settings->nr - 1;

		probe_write(settings->setting[i].path,
			    settings->setting[i].before);
		settings->nr = i;
	}
}

static void restore_all(void)
{
	if (getpid() == owner)
		restore_down_to(0);
}

static void start(void)
{
	settings = mmap(NULL, sizeof(*settings), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (settings == MAP_FAILED)
		ksft_exit_fail_msg("no memory for the settings\n");
	owner = getpid();
	atexit(restore_all);
}

/* Of several words the one in brackets is the setting: "always [madvise]" */
static void pick_setting(char *before)
{
	char *from = strchr(before, '[');

	if (!from)
		return;
	from[strcspn(from, "]")] = '\0';
	memmove(before, from + 1, strlen(from + 1) + 1);
}

static bool remembered(const char *path)
{
	int i;

	for (i = settings->kept; i < settings->nr; i++)
		if (!strcmp(settings->setting[i].path, path))
			return true;
	return false;
}

int setting_change(const char *path, const char *value)
{
	char *before;
	int i, err;

	if (!settings)
		start();
	if (remembered(path))
		return probe_write(path, value);

	i = settings->nr;
	if (i == MAX_SETTINGS)
		return -ENOSPC;
	before = settings->setting[i].before;
	err = probe_read(path, before, sizeof(settings->setting[i].before));
	if (err < 0)
		return err;
	pick_setting(before);
	snprintf(settings->setting[i].path, sizeof(settings->setting[i].path),
		 "%s", path);
	/* Before it is changed: the test may be killed in between */
	settings->nr++;
	err = probe_write(path, value);
	if (err)
		settings->nr--;
	return err;
}

int setting_param(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), PROBE_PARAMETERS "/%s", name);
	return setting_change(path, value);
}

void setting_restore(void)
{
	if (settings)
		restore_down_to(settings->kept);
}

void setting_keep(void)
{
	if (!settings)
		start();
	settings->kept = settings->nr;
}
