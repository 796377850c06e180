/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: mounts, holds /dev/fuse and the store, and keeps a worker
 * running.  It never accesses the mount.  When the first worker runs, the
 * keeper makes only calls whose failure it survives: a worker that cannot be
 * started is tried again until the keeper is asked to stop.
 */
#ifndef POOLFS_FS_KEEPER_H
#define POOLFS_FS_KEEPER_H

struct options;

/**
 * keeper_run - mount, and serve until the end of the mount.  Unless
 * --foreground is given, the calling process exits when the mount answers, and
 * another one goes on.
 *
 * Return: the exit status: 0, or 1 after a message.
 */
int keeper_run(const struct options *options);

#endif
