/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is mounted where, without accessing it. */
#ifndef POOLFS_FS_KERNEL_MOUNTINFO_H
#define POOLFS_FS_KERNEL_MOUNTINFO_H

#include <stdint.h>

/**
 * mount_device - of the topmost file system on @dir, which is not accessed.
 * @dir: absolute, as in mountinfo.
 * Return: the device number; 0: nothing is mounted there.
 */
uint64_t mount_device(const char *dir);

/** mount_unescape - a path of mountinfo, where a space is "\\040", and so on. */
void mount_unescape(char *s);

#endif
