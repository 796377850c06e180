/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOLFS_WATCHER_H
#define POOLFS_WATCHER_H

#include <sys/types.h>

/**
 * watcher_start - have @keeper sent SIGUSR2 when the calling thread ends.
 * Call it before other threads are made.  Return: 0 or -errno.
 */
int watcher_start(pid_t keeper);

#endif
