/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files in memory for the programs that test regions: an anonymous one
 * anywhere, or, for root, one in a detached tmpfs that nobody else can see and
 * that goes away with its descriptors.
 */
#ifndef POOLFS_TMPFS_H
#define POOLFS_TMPFS_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

/* Return: the root of a new tmpfs, or -1.  @size as in "size=", or NULL. */
static inline int tmpfs_new(const char *huge, const char *size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1, dir = -1;

	if (fs < 0)
		return -1;
	if (!fsconfig(fs, FSCONFIG_SET_STRING, "huge", huge, 0) &&
	    (!size || !fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0)) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt >= 0)
		dir = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mnt >= 0)
		close(mnt);
	close(fs);
	return dir;
}

/* Return: an unnamed file in it, or -1. */
static inline int tmpfs_file(int dir)
{
	return openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static inline int memory_file(void)
{
	return memfd_create("region", MFD_CLOEXEC);
}

#endif
