// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"

int scene_start(struct scene *scene)
{
	int err;

	/* Of a test that has not come to its end */
	setting_restore();
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

void scene_stop(struct scene *scene)
{
	setting_restore();
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

bool scene_reap(struct scene *scene, struct victim *victim, size_t mb)
{
	bool back = scene_kill(scene, mb, 1000) >= 0;
	bool reaped = victim_reaped(&scene->log, victim->pid, 1000);
	bool given_up = victim_given_up(&scene->log, victim->pid);
	bool gone = victim_gone(victim, 0);
	bool intact = bystander_intact(&scene->bystander);

	if (!reaped || given_up || gone || !intact)
		scene_print("%s%s%s%s", reaped ? "" : "not reaped ",
			    given_up ? "given up " : "", gone ? "gone " : "",
			    intact ? "" : "bystander changed or gone");
	return back && reaped && !given_up && !gone && intact;
}

bool scene_quiet(struct scene *scene)
{
	const char *complaint;

	probe_sleep_ms(100);
	complaint = probe_complaint(&scene->log);
	if (complaint)
		scene_print("the kernel complains: %s", complaint);
	return !complaint;
}

bool scene_let_go(struct scene *scene, struct victim *victim)
{
	bool gone, killed, intact;

	hold_release(&scene->hold, victim->file);
	gone = victim_gone(victim, 5000);
	killed = victim_killed(victim);
	intact = bystander_intact(&scene->bystander);
	if (!gone || !killed || !intact)
		scene_print("let go, it %s; bystander %s", !gone ?
			    "does not go" : killed ? "went" :
			    "went, but not by SIGKILL", intact ? "intact" :
			    bystander_alive(&scene->bystander) ? "changed" :
			    "killed");
	return scene_quiet(scene) && gone && killed && intact;
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
