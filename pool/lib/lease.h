/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases (fcntl(2), F_SETLEASE), taken to learn who else has a file open or mapped:
 * a mapping outlives its file's last close, and no request tells of its end.  The
 * kernel grants a lease if and only if no descriptor or mapping conflicts with it.
 */
#ifndef POOLFS_POOL_LIB_LEASE_H
#define POOLFS_POOL_LIB_LEASE_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>

/**
 * lease_take - hold off those who conflict with it until @fd is closed.
 * @type: F_WRLCK: nobody else has the file open; F_RDLCK: nobody has it open for
 *	writing, and neither has @fd.
 * For a moment after its close a file may still seem to be open.
 * Return: whether it was granted.
 */
static inline bool lease_take(int fd, int type)
{
	/* An open meanwhile breaks the lease, with SIGIO by default, which
	 * would kill the worker.  SIGURG is ignored. */
	return fcntl(fd, F_SETSIG, SIGURG) == 0 &&
	       fcntl(fd, F_SETLEASE, type) == 0;
}

#endif
