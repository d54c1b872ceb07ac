/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Settings of the machine that a test changes: files below /proc and /sys.
 *
 * What they were is remembered in memory that all tests of a program share, and
 * put back when the test ends, however it ends: by scene_stop() in its teardown,
 * by the next test's scene_start() if it was killed for taking too long or did
 * not get through its setup, or at the end of the program.
 */
#ifndef OOM_REAPER_SETTING_H
#define OOM_REAPER_SETTING_H

/* Write @value to the file @path. Return: 0 or -errno */
int setting_change(const char *path, const char *value);
/* The same for a parameter of the reaper. Return: 0 or -errno */
int setting_param(const char *name, const char *value);

/* Put back what was changed */
void setting_restore(void);

/* What was changed so far is for all tests, until the program ends */
void setting_keep(void);

#endif
