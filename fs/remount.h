/* SPDX-License-Identifier: GPL-2.0-or-later */
/* poolfs -o remount: as mount(8) calls it, through mount.fuse3(8). */
#ifndef POOLFS_FS_REMOUNT_H
#define POOLFS_FS_REMOUNT_H

struct options;

/**
 * remount_run - change what @o says of the pool that is mounted there: all of it
 * or nothing.  Says on standard error what is wrong.
 * Return: the status to exit with.
 */
int remount_run(const struct options *o);

#endif
