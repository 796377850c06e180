/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOLFS_MOUNT_H
#define POOLFS_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct fuse_session;

/**
 * mount_device - the device number of what is mounted on top of @dir, without
 * touching it.  Return: 0 when nothing is.
 */
uint64_t mount_device(const char *dir);

/**
 * mount_id - what no other mount on @dir will ever have.  Return: 0 where the
 * kernel does not tell (before Linux 6.8).
 */
uint64_t mount_id(const char *dir);

/** mount_is_gone - surely, and without touching what may be there now. */
bool mount_is_gone(uint64_t id);

/** mount_end - unmount the session's file system, if it is still that on @dir. */
void mount_end(struct fuse_session *mount, const char *dir, uint64_t device);

#endif
