// SPDX-License-Identifier: GPL-2.0
/*
 * The reaper's parameters: what values they take, what they refuse, and that
 * they do what they say. Stock has none of them: all of this is skipped.
 */
#include <errno.h>
#include <sched.h>

#include "../kselftest_harness.h"
#include "scene.h"

static void read_param(const char *name, char *value, size_t size)
{
	char path[128];

	*value = '\0';
	snprintf(path, sizeof(path), PROBE_PARAMETERS "/%s", name);
	probe_read(path, value, size);
	value[strcspn(value, "\n")] = '\0';
}

FIXTURE(param)
{
	char before[32];
};

FIXTURE_VARIANT(param)
{
	const char *name;
	long otherwise;		/* the default */
	long min;
	long max;		/* 0: a boolean */
};

FIXTURE_VARIANT_ADD(param, enabled) {
	.name = "enabled", .otherwise = 1,
};

FIXTURE_VARIANT_ADD(param, attempts) {
	.name = "attempts", .otherwise = 16, .min = 1, .max = 1000,
};

FIXTURE_VARIANT_ADD(param, interval_ms) {
	.name = "interval_ms", .otherwise = 100, .min = 1, .max = 10000,
};

FIXTURE_VARIANT_ADD(param, delay_ms) {
	.name = "delay_ms", .otherwise = 0, .min = 0, .max = 60000,
};

FIXTURE_VARIANT_ADD(param, futex_grace_ms) {
	.name = "futex_grace_ms", .otherwise = 2000, .min = 0, .max = 60000,
};

FIXTURE_VARIANT_ADD(param, vma_locks) {
	.name = "vma_locks", .otherwise = 1,
};

FIXTURE_VARIANT_ADD(param, priority) {
	.name = "priority", .otherwise = 99, .min = 0, .max = 99,
};

/* Comes with a later patch of the series than the others */
FIXTURE_VARIANT_ADD(param, cgroup_kill_ms) {
	.name = "cgroup_kill_ms", .otherwise = 1000, .min = 0, .max = 60000,
};

/* Comes with a later patch of the series than the others */
FIXTURE_VARIANT_ADD(param, victim_timeout_ms) {
	.name = "victim_timeout_ms", .otherwise = 10000, .min = 0,
	.max = 600000,
};

FIXTURE_SETUP(param)
{
	if (probe_param(variant->name) < 0)
		SKIP(return, "no parameter %s", variant->name);
	read_param(variant->name, self->before, sizeof(self->before));
}

FIXTURE_TEARDOWN(param)
{
	if (*self->before)
		probe_param_write(variant->name, self->before);
}

static bool on_command_line(const char *name)
{
	char line[4096], what[64];

	snprintf(what, sizeof(what), "oom_reaper.%s=", name);
	return probe_read("/proc/cmdline", line, sizeof(line)) > 0 &&
	       strstr(line, what);
}

TEST_F(param, otherwise)
{
	if (on_command_line(variant->name))
		SKIP(return, "%s is on the command line", variant->name);
	scene_print("%s is %s", variant->name, self->before);
	EXPECT_EQ(variant->otherwise, probe_param(variant->name));
}

/* Return: whether it was taken, and is in effect */
static bool takes(const char *name, const char *text, long want)
{
	int err = probe_param_write(name, text);
	long is = probe_param(name);

	if (err || is != want)
		scene_print("%s = '%s': %d, is %ld", name, text, err, is);
	return !err && is == want;
}

/* Return: whether it was refused, and nothing has changed */
static bool refuses(const char *name, const char *text)
{
	char before[32], after[32];
	int err;

	read_param(name, before, sizeof(before));
	err = probe_param_write(name, text);
	read_param(name, after, sizeof(after));
	if (err != -EINVAL || strcmp(before, after))
		scene_print("%s = '%s': %d, is %s, was %s", name, text, err,
			    after, before);
	return err == -EINVAL && !strcmp(before, after);
}

TEST_F(param, legal)
{
	static const char * const truth[] = { "1", "0", "Y", "N", "y", "n", "on", "off" };
	long number[] = { variant->min, variant->min + 1, variant->max / 2,
			  variant->max - 1, variant->max };
	int n = variant->max ? sizeof(number) / sizeof(*number) :
			       sizeof(truth) / sizeof(*truth);
	int i, taken = 0;
	char text[32];

	for (i = 0; i < n; i++) {
		/* As echo writes it */
		snprintf(text, sizeof(text), "%ld\n", number[i % 5]);
		if (variant->max)
			taken += takes(variant->name, text, number[i]);
		else
			taken += takes(variant->name, truth[i], !(i % 2));
	}
	scene_print("%s takes %d of %d legal values", variant->name, taken, n);
	EXPECT_EQ(n, taken);
}

TEST_F(param, illegal)
{
	char above[32], below[32];
	const char * const wrong[] = {
		above, below, "abc", "\n", " ", "-", "1x", "x1", "0x", "1 2",
		"1,2", "1.5", "4294967297", "18446744073709551617",
		"-4294967295", "99999999999999999999999999999999", "nan",
		"\xff",
	};
	int n = 0, refused = 0;
	size_t i;

	snprintf(above, sizeof(above), "%ld", variant->max + 1);
	snprintf(below, sizeof(below), "%ld", variant->min - 1);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		/* Of a boolean only the first letter counts: kstrtobool() */
		if (!variant->max && strspn(wrong[i], "1yYnN0otTfF"))
			continue;
		refused += refuses(variant->name, wrong[i]);
		n++;
	}
	scene_print("%s refuses %d of %d illegal values", variant->name,
		    refused, n);
	EXPECT_EQ(n, refused);
}

/*
 * "oom_reaper.NAME=VALUE" on the kernel's command line: in effect if it is
 * legal, else the default and a line in the log.
 */
TEST_F(param, boot)
{
	char line[4096], what[64], *at, *end;
	const char *report;
	bool legal;
	long value;

	snprintf(what, sizeof(what), "oom_reaper.%s=", variant->name);
	ASSERT_LT(0, probe_read("/proc/cmdline", line, sizeof(line)));
	at = strstr(line, what);
	if (!at)
		SKIP(return, "no %s on the command line", what);
	at += strlen(what);
	at[strcspn(at, "\n ")] = '\0';
	value = strtol(at, &end, 0);
	legal = end != at && !*end && variant->max &&
		value >= variant->min && value <= variant->max;
	if (!variant->max) {
		legal = strchr("01yYnN", *at);
		value = strchr("1yY", *at) ? 1 : 0;
	}
	scene_print("%s%s is %s: %ld", what, at, legal ? "legal" : "illegal",
		    probe_param(variant->name));
	EXPECT_EQ(legal ? value : variant->otherwise,
		  probe_param(variant->name));
	if (!legal) {
		struct probe_text log;

		ASSERT_EQ(0, probe_log_open(&log));
		lseek(log.fd, 0, SEEK_SET);
		report = probe_find(&log, 0,
				    "invalid for parameter `oom_reaper.%s'",
				    variant->name);
		scene_print("log: %s", report ? report : "nothing");
		EXPECT_NE(NULL, report);
		probe_text_close(&log);
	}
}

/* What they do */
FIXTURE(effect)
{
	struct scene scene;
	struct victim victim;
};

FIXTURE_SETUP(effect)
{
	int err = scene_start(&self->scene);

	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	if (probe_param("enabled") < 0)
		SKIP(return, "no reaper with parameters");
	self->victim.mb = SCENE_MB;
	self->victim.hold = &self->scene.hold;
	self->victim.stuck = VICTIM_READ;
}

FIXTURE_TEARDOWN(effect)
{
	if (self->victim.pid) {
		hold_release_all(&self->scene.hold);
		victim_stop(&self->victim);
	}
	scene_stop(&self->scene);
}

TEST_F(effect, enabled)
{
	long reaped = probe_vmstat("oom_reaper_reaped");

	ASSERT_EQ(0, setting_param("enabled", "N"));
	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_EQ(-1, scene_kill(&self->scene, self->victim.mb, 3000));
	EXPECT_EQ(reaped, probe_vmstat("oom_reaper_reaped"));
	EXPECT_EQ(0, setting_param("enabled", "Y"));
	hold_release(&self->scene.hold, 0);
	EXPECT_TRUE(victim_gone(&self->victim, 5000));
	victim_stop(&self->victim);

	/* And with the next victim it works again */
	self->victim.file = 1;
	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_LE(0, scene_kill(&self->scene, self->victim.mb, 1000));
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

TEST_F(effect, delay_ms)
{
	int back;

	ASSERT_EQ(0, setting_param("delay_ms", "700"));
	ASSERT_EQ(0, victim_start(&self->victim));
	back = scene_kill(&self->scene, self->victim.mb, 2000);
	EXPECT_LE(600, back);
}

/* As often as told, and not for longer than the intervals between take */
TEST_F(effect, attempts_and_interval_ms)
{
	const char *line;
	long long from;
	int took;

	ASSERT_EQ(0, setting_param("vma_locks", "N"));
	ASSERT_EQ(0, setting_param("attempts", "5"));
	ASSERT_EQ(0, setting_param("interval_ms", "10"));
	self->victim.stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, victim_start(&self->victim));
	from = probe_now_ns();
	EXPECT_EQ(0, victim_sysrq());
	line = probe_find(&self->scene.log, 2000, "unable to reap pid:%d (",
			  self->victim.pid);
	took = (probe_now_ns() - from) / 1000000;
	scene_print("given up after %d ms: %s", took, line ? line : "no");
	EXPECT_NE(NULL, line);
	EXPECT_GE(probe_limit(1000), took);
	EXPECT_TRUE(bystander_intact(&self->scene.bystander));
}

TEST_F(effect, vma_locks)
{
	long before, used = probe_vmstat("oom_reaper_vma_locks");
	int back;

	self->victim.stuck = VICTIM_MMAP_WRITE;
	ASSERT_EQ(0, setting_param("vma_locks", "N"));
	ASSERT_EQ(0, setting_param("attempts", "1000"));
	ASSERT_EQ(0, victim_start(&self->victim));
	before = probe_free_kb();
	EXPECT_EQ(-1, scene_kill(&self->scene, self->victim.mb, 1000));
	EXPECT_EQ(used, probe_vmstat("oom_reaper_vma_locks"));
	/* It is still trying */
	EXPECT_EQ(0, setting_param("vma_locks", "Y"));
	back = victim_memory_back(before, self->victim.mb, 1000);
	scene_print("back %d ms after vma_locks was set", back);
	EXPECT_LE(0, back);
	/* Counted when all of it is done */
	EXPECT_TRUE(probe_wait(probe_vmstat("oom_reaper_vma_locks") ==
			       used + 1, 1000));
}

/* The reaper thread of that number. Return: -1 if there is none */
static pid_t reaper(int id)
{
	char comm[32];

	snprintf(comm, sizeof(comm), id ? "oom_reaper/%d" : "oom_reaper", id);
	return probe_task(comm);
}

static int reapers(void)
{
	int nr = 0;

	while (reaper(nr) > 0)
		nr++;
	return nr;
}

/* Only the command line sets it */
TEST_F(effect, threads)
{
	long threads = probe_param("threads");
	int err = probe_param_write("threads", "2");

	scene_print("threads = %ld: %d are there; a write: %d", threads,
		    reapers(), err);
	EXPECT_EQ(threads, reapers());
	EXPECT_NE(0, err);
	EXPECT_EQ(threads, probe_param("threads"));
	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_LE(0, scene_kill(&self->scene, self->victim.mb, 1000));
}

/* Return: how many threads have another priority */
static int wrong_priority(int priority)
{
	int id, wrong = 0;

	for (id = 0; id < reapers(); id++) {
		struct sched_param param = { 0 };

		sched_getparam(reaper(id), &param);
		wrong += param.sched_priority != priority ||
			 sched_getscheduler(reaper(id)) !=
			 (priority ? SCHED_FIFO : SCHED_OTHER);
	}
	return wrong;
}

TEST_F(effect, priority)
{
	int priority[] = { 1, 50, 0, 99 };
	char text[16];
	size_t i;

	for (i = 0; i < sizeof(priority) / sizeof(*priority); i++) {
		int wrong;

		snprintf(text, sizeof(text), "%d", priority[i]);
		EXPECT_EQ(0, setting_param("priority", text));
		wrong = wrong_priority(priority[i]);
		scene_print("priority = %s: %d threads have another", text,
			    wrong);
		EXPECT_EQ(0, wrong);
	}
	EXPECT_EQ(0, setting_param("priority", "0"));
	ASSERT_EQ(0, victim_start(&self->victim));
	EXPECT_LE(0, scene_kill(&self->scene, self->victim.mb, 1000));
}

int main(int argc, char **argv)
{
	probe_disposable(&argc, argv);
	return test_harness_run(argc, argv);
}
