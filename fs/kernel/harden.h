/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the processes of a mount do without: see also capability.h, filter.h. */
#ifndef POOLFS_FS_KERNEL_HARDEN_H
#define POOLFS_FS_KERNEL_HARDEN_H

/**
 * harden_process - at the start of the program, when all paths are absolute:
 * nothing that the caller of the program had open, no working directory, no core
 * file, no tracing by other processes of this user, and the last to be killed
 * when the machine is out of memory, if that is allowed.  Children inherit it.
 */
void harden_process(void);

/**
 * harden_privileges - no program that is executed from now on gains privileges.
 */
void harden_privileges(void);

#endif
