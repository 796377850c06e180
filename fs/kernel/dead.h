/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts of poolfs whose processes have all been killed. */
#ifndef POOLFS_FS_KERNEL_DEAD_H
#define POOLFS_FS_KERNEL_DEAD_H

#include <stdbool.h>

/* @err: with @remove, 0 or -errno of unmounting it. */
typedef void mounts_dead_fn(void *arg, const char *dir, int err);

/**
 * mounts_dead - find the caller's mounts of poolfs that nobody serves.
 * @only: absolute, NULL for all: the mount on this directory, which is not
 *	accessed if another file system is on top there.
 * @remove: unmount them.
 * @fn: called for each; may be NULL.
 */
void mounts_dead(const char *only, bool remove, mounts_dead_fn *fn, void *arg);

#endif
