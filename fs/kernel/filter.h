/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls that a worker may make. */
#ifndef POOLFS_FS_KERNEL_FILTER_H
#define POOLFS_FS_KERNEL_FILTER_H

#include <stdbool.h>
#include <sys/types.h>

struct filter_options {
	pid_t keeper; /* SIGUSR1 may be sent to it */
	bool sockets; /* local ones may be made: a pressure source is one */
	bool log; /* the kernel logs what is refused */
};

/**
 * filter_install - for the calling thread, and those that it will make.  Takes
 * harden_privileges() before.  Does nothing in a build with a sanitizer.
 * Return: 0 or -errno; -EINVAL, -ENOSYS: this kernel has no filters.
 */
int filter_install(const struct filter_options *o);

#endif
