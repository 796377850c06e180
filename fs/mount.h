/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOLFS_MOUNT_H
#define POOLFS_MOUNT_H

#include <stdint.h>

struct fuse_session;

/**
 * mount_device - the device number of what is mounted on top of @dir, without
 * touching it.  Return: 0 when nothing is.
 */
uint64_t mount_device(const char *dir);

/** mount_end - unmount the session's file system, if it is still that on @dir. */
void mount_end(struct fuse_session *mount, const char *dir, uint64_t device);

#endif
