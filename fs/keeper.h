/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: mounts, holds /dev/fuse and the store, and keeps a worker
 * running.  It never touches the mount and does nothing that could fail.
 */
#ifndef POOLFS_KEEPER_H
#define POOLFS_KEEPER_H

struct options;

/** keeper_run - until the end of the mount.  Return: exit status. */
int keeper_run(const struct options *options);

#endif
