/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the log and to standard error, by processes that must go on. */
#ifndef POOLFS_FS_KERNEL_SAY_H
#define POOLFS_FS_KERNEL_SAY_H

/**
 * say - to the log, and to the user who waits for the mount.  Never waits:
 * where nobody reads, the message is lost, and a later one tells how many were.
 */
__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);

#endif
