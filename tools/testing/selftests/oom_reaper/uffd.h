/* SPDX-License-Identifier: GPL-2.0 */
/* Refills a victim's memory from another process, through userfaultfd */
#ifndef OOM_REAPER_UFFD_H
#define OOM_REAPER_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

bool uffd_possible(void);

/*
 * In the victim: have every page of @area there, and register it.
 * Return: a file descriptor, for uffd_take(), or -errno
 */
int uffd_register(char *area, size_t size);
/* In the test: a duplicate of @fd of the process @pid, or -errno */
int uffd_take(pid_t pid, int fd);
/* Fill the page at @addr if it is missing. Return: 0 or -errno */
int uffd_page(int fd, char *addr);

#endif
