/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that tells the keeper when the worker's main thread has ended. */
#ifndef POOLFS_FS_WORKER_WATCHER_H
#define POOLFS_FS_WORKER_WATCHER_H

#include <sys/types.h>

/**
 * watcher_start - send SIGUSR2 to process @keeper when the calling thread ends.
 * Must be called before other threads are made.
 * Return: 0 or -errno.
 */
int watcher_start(pid_t keeper);

#endif
