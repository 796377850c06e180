/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Append-only and immutable files (chattr(1)).
 *
 * The flags are those of the store's files, so its file system refuses what they
 * forbid, to the worker as well.  A name in orphan/ is the pool's own: a file
 * that somebody has made immutable after its last name was removed ends like any
 * other.
 *
 * States: none.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: frees inodes of purged files, and so calls this.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"
#include "pool/inode/names.h"

static bool guard_set(int fd, unsigned int flags)
{
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

void inode_orphan_unlink(struct pool *pool, uint32_t inode, int at_flags)
{
	int orphanfd = pool->inodes->orphanfd;
	unsigned int flags;
	char name[16];
	int fd;

	inode_orphan_name(inode, name, sizeof(name));
	if (name_unlink(pool, orphanfd, name, at_flags) != -EPERM)
		return;
	fd = openat(orphanfd, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	    guard_set(fd, flags & ~(FS_APPEND_FL | FS_IMMUTABLE_FL))) {
		name_unlink(pool, orphanfd, name, at_flags);
		/* It may have other names. */
		guard_set(fd, flags);
	}
	close(fd);
}
