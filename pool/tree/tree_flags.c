/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flags of chattr(1): append-only, immutable, nodump, noatime.
 *
 * They are those of the store's files: inode_guard.c.  That a file is
 * append-only or immutable is noted in its inode's record, so that others are
 * opened and purged without a look.
 *
 * States: the note is there before the flags, and goes after them: a kill in
 * between leaves one too many, which the next open finds out.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not purge what is append-only or immutable.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pool/tree/tree_priv.h"

#define FLAGS (FS_APPEND_FL | FS_IMMUTABLE_FL | FS_NODUMP_FL | FS_NOATIME_FL)
#define XFLAGS                                                    \
	(FS_XFLAG_APPEND | FS_XFLAG_IMMUTABLE | FS_XFLAG_NODUMP | \
	 FS_XFLAG_NOATIME)

bool tree_is_guarded(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       inode_rec(pool->inodes, inode)->flags & INODE_GUARDED;
}

/* @attributes: STATX_ATTR_*. */
static int guard_of(struct pool *pool, uint32_t inode, uint64_t *attributes)
{
	struct statx stx;
	int err;

	*attributes = 0;
	if (!tree_is_guarded(pool, inode))
		return 0;
	err = inode_stat(pool, inode, &stx);
	if (err)
		return err;
	*attributes = stx.stx_attributes & GUARDS;
	/* In a store that was copied it may have no flags. */
	if (!*attributes)
		inode_rec(pool->inodes, inode)->flags &= ~INODE_GUARDED;
	return 0;
}

int guard_may_open(struct pool *pool, uint32_t inode, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	uint64_t guard;
	int err = guard_of(pool, inode, &guard);

	if (err)
		return err;
	if (guard & STATX_ATTR_IMMUTABLE && (writes || flags & O_TRUNC))
		return -EPERM;
	if (guard & STATX_ATTR_APPEND &&
	    ((writes && !(flags & O_APPEND)) || flags & O_TRUNC))
		return -EPERM;
	return 0;
}

bool guard_appends(struct pool *pool, uint32_t inode)
{
	uint64_t guard;

	return !guard_of(pool, inode, &guard) && guard == STATX_ATTR_APPEND;
}

static int flags_open(struct pool *pool, uint32_t inode)
{
	return inode_rec(pool->inodes, inode)->flags & INODE_DIR
		       ? inode_opendir(pool, inode)
		       : inode_fd(pool, inode, false);
}

static void flags_close(struct pool *pool, uint32_t inode, int fd)
{
	if (inode_rec(pool->inodes, inode)->flags & INODE_DIR)
		close(fd);
	else
		inode_fd_done(pool, inode, fd);
}

/* Return: 0, with *@guard: does that make a file one that is guarded? */
static int flags_check(int fd, unsigned int cmd, const void *arg, bool *guard)
{
	struct fsxattr is, want;
	unsigned int flags, wanted;

	if (cmd == FS_IOC_SETFLAGS) {
		memcpy(&wanted, arg, sizeof(wanted));
		if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
			return -errno;
		*guard = wanted & (FS_APPEND_FL | FS_IMMUTABLE_FL);
		return (flags ^ wanted) & ~FLAGS ? -EOPNOTSUPP : 0;
	}
	memcpy(&want, arg, sizeof(want));
	if (ioctl(fd, FS_IOC_FSGETXATTR, &is) < 0)
		return -errno;
	*guard = want.fsx_xflags & (FS_XFLAG_APPEND | FS_XFLAG_IMMUTABLE);
	return (is.fsx_xflags ^ want.fsx_xflags) & ~XFLAGS ||
			       is.fsx_extsize != want.fsx_extsize ||
			       is.fsx_projid != want.fsx_projid ||
			       is.fsx_cowextsize != want.fsx_cowextsize
		       ? -EOPNOTSUPP
		       : 0;
}

static int flags_set(struct pool *pool, uint32_t inode, int fd,
		     unsigned int cmd, void *arg)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	bool guard = false, was = rec->flags & INODE_GUARDED;
	int err = flags_check(fd, cmd, arg, &guard);

	if (err)
		return err;
	if (guard)
		rec->flags |= INODE_GUARDED;
	if (ioctl(fd, cmd, arg) < 0)
		err = -errno;
	if (err ? !was : !guard)
		rec->flags &= ~INODE_GUARDED;
	return err;
}

int tree_fileattr(struct pool *pool, uint32_t inode, unsigned int cmd,
		  void *arg, size_t *size)
{
	bool set = cmd == FS_IOC_SETFLAGS || cmd == FS_IOC_FSSETXATTR;
	int fd, err = 0;

	if (!set && cmd != FS_IOC_GETFLAGS && cmd != FS_IOC_FSGETXATTR)
		return -ENOTTY;
	if (!inode_valid(pool, inode))
		return -ESTALE;
	*size = cmd == FS_IOC_GETFLAGS || cmd == FS_IOC_SETFLAGS
			? sizeof(unsigned int)
			: sizeof(struct fsxattr);
	fd = flags_open(pool, inode);
	if (fd < 0)
		return fd;
	if (set)
		err = flags_set(pool, inode, fd, cmd, arg);
	else if (ioctl(fd, cmd, arg) < 0)
		err = -errno;
	flags_close(pool, inode, fd);
	/* One that is open for writing would go on writing. */
	if (set && !err)
		inode_fd_close(pool, inode);
	return err;
}
