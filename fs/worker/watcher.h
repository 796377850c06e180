/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that tells the keeper when the worker's main thread has ended, and
 * ends the mount when the keeper has.  It also closes what takes long to close.
 */
#ifndef POOLFS_FS_WORKER_WATCHER_H
#define POOLFS_FS_WORKER_WATCHER_H

struct worker;

/**
 * watcher_start - watch the keeper, and the calling thread.  Must be called
 * before other threads are made, and before the worker gives up what it takes to
 * unmount.
 * @slow, @nr: descriptors to keep open until the next worker is started.
 * Return: 0 or -errno; -ESRCH: the keeper has died, and the mount is gone.
 */
int watcher_start(struct worker *w, const int *slow, int nr);

#endif
