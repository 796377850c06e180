/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is mounted on a directory, and unmounting our own file system only. */
#ifndef POOLFS_FS_KERNEL_MOUNT_H
#define POOLFS_FS_KERNEL_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/kernel/mountinfo.h"

struct fuse_session;

/**
 * mount_id - the unique id of the mount on @dir, which is never used again.
 * Return: 0 before Linux 6.8.
 */
uint64_t mount_id(const char *dir);

/**
 * mount_was_removed - has the mount with this mount_id() been removed?  Accesses no
 * file system.
 * Return: false also when that is not known.
 */
bool mount_was_removed(uint64_t id);

/**
 * mount_end - unmount the session's file system.
 * @device: its mount_device(); another one on @dir is left alone.
 */
void mount_end(struct fuse_session *mount, const char *dir, uint64_t device);

/** mount_is_alive - has the connection not ended?  @fd: of /dev/fuse. */
bool mount_is_alive(int fd);

/**
 * mount_abort_open - a byte that is written there ends the FUSE connection of
 * this mount_device(), also when it is not mounted any more.
 * Return: a descriptor; -1 where the kernel's control file system is not
 * mounted.
 */
int mount_abort_open(uint64_t device);

/**
 * mount_remove - the same for a process without the session's descriptor, when
 * those that had it have ended.
 */
void mount_remove(struct fuse_session *mount, const char *dir, uint64_t device);

#endif
