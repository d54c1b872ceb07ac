// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"

int scene_start(struct scene *scene)
{
	int err;

	memset(scene, 0, sizeof(*scene));
	scene->log.fd = -1;
	err = hold_start(&scene->hold);
	if (!err)
		err = probe_log_open(&scene->log);
	if (!err)
		err = bystander_start(&scene->bystander, 4, 1, 500);
	if (err)
		scene_stop(scene);
	return err;
}

/* Of several words the one in brackets is the setting: "always [madvise]" */
static char *setting_before(char *before)
{
	char *from = strchr(before, '[');

	if (!from)
		return before;
	from[strcspn(from, "]")] = '\0';
	return from + 1;
}

int scene_set(struct scene *scene, const char *path, const char *value)
{
	int i = scene->nr_settings;
	int err;

	if (i == SCENE_SETTINGS)
		return -ENOSPC;
	snprintf(scene->setting[i].path, sizeof(scene->setting[i].path), "%s",
		 path);
	err = probe_read(path, scene->setting[i].before,
			 sizeof(scene->setting[i].before));
	if (err < 0)
		return err;
	err = probe_write(path, value);
	if (!err)
		scene->nr_settings++;
	return err;
}

void scene_stop(struct scene *scene)
{
	while (scene->nr_settings) {
		int i = --scene->nr_settings;

		probe_write(scene->setting[i].path,
			    setting_before(scene->setting[i].before));
	}
	hold_stop(&scene->hold);
	probe_text_close(&scene->log);
	bystander_stop(&scene->bystander);
}

int scene_kill_since(struct scene *scene, long before_kb, size_t mb, int ms)
{
	int back;

	if (victim_sysrq())
		return -1;
	back = victim_memory_back(before_kb, mb, ms);
	scene_print("back after %d ms: %ld of %zu MB, bystander %s", back,
		    (probe_free_kb() - before_kb) / 1024, mb,
		    bystander_alive(&scene->bystander) ? "alive" : "killed");
	return back;
}

int scene_kill(struct scene *scene, size_t mb, int ms)
{
	/* Per-CPU lists and the like come to rest */
	probe_sleep_ms(100);
	return scene_kill_since(scene, probe_free_kb(), mb, ms);
}

void scene_print(const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	printf("# %s\n", line);
	fflush(stdout);
}
