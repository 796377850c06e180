/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of the files of inodes, and their attributes.
 *
 * States: an inode has no descriptor -> inode_fd() opens one, which is kept in
 * pool->fds -> closed by inode_fd_done() unless the inode is open, by
 * inode_fd_close() in any case, or by pool->fds, which keeps no more than it
 * may; inode_fd() opens the file again then.  A worker that starts has none.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: opens descriptors of its own for the files that it purges; a
 * volatile file that is on its list is not open.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"
#include "pool/lib/lease.h"

/* A client that has opened a file goes on when its mode forbids it to the owner
 * later; as an ordinary user, the worker is that owner. */
int inode_openat(struct pool *pool, uint32_t inode, struct inode_path *p,
		 int flags)
{
	int fd, err;

	flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (pool->noatime || (pool->nodiratime && flags & O_DIRECTORY))
		flags |= O_NOATIME;
	fd = openat(p->dirfd, p->path, flags);
	if (fd < 0 && errno == EACCES && !pool->inodes->root) {
		err = mode_override_file(pool, inode, p);
		if (err)
			return err;
		fd = openat(p->dirfd, p->path, flags);
	}
	return fd < 0 ? -errno : fd;
}

static int inode_open_fd(struct pool *pool, uint32_t inode, bool write)
{
	struct inode *mem = inode_mem(pool->inodes, inode);
	struct inode_path p;
	int fd, err;

	err = inode_path(pool, inode, &p);
	if (err)
		return err;
	fd = inode_openat(pool, inode, &p, write ? O_RDWR : O_RDONLY);
	/* One that is append-only: see tree_write(). */
	if (fd == -EPERM && write)
		fd = inode_openat(pool, inode, &p, O_RDWR | O_APPEND);
	inode_path_release(&p);
	if (fd < 0)
		return fd;
	inode_fd_close(pool, inode);
	mem->fd_writes = write;
	return fd_cache_add(&pool->fds, &mem->fd, fd);
}

int inode_fd(struct pool *pool, uint32_t inode, bool write)
{
	struct inode *mem;
	int fd = 0;

	if (!inode_valid(pool, inode))
		return -ESTALE;
	mem = inode_mem(pool->inodes, inode);
	if (mem->fd_writes || !write)
		fd = fd_cache_use(&pool->fds, &mem->fd);
	return fd ? fd : inode_open_fd(pool, inode, write);
}

void inode_fd_keep(struct pool *pool, uint32_t inode, int fd)
{
	struct inode *mem = inode_mem(pool->inodes, inode);

	fd = fd_cache_add(&pool->fds, &mem->fd, fd);
	mem->fd_writes = true;
	if (fd > 0)
		fd_cache_done(&pool->fds, fd);
}

void inode_fd_close(struct pool *pool, uint32_t inode)
{
	fd_cache_drop(&pool->fds, &inode_mem(pool->inodes, inode)->fd);
}

void inode_fd_done(struct pool *pool, uint32_t inode, int fd)
{
	fd_cache_done(&pool->fds, fd);
	if (inode_valid(pool, inode) && !inode_rec(pool->inodes, inode)->opens)
		inode_fd_close(pool, inode);
}

int inode_opendir(struct pool *pool, uint32_t inode)
{
	struct inode_path p;
	int fd = inode_path(pool, inode, &p);

	if (fd)
		return fd;
	fd = inode_openat(pool, inode, &p, O_RDONLY | O_DIRECTORY);
	inode_path_release(&p);
	return fd;
}

bool inode_is_written(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       inode_rec(pool->inodes, inode)->flags & INODE_WRITTEN;
}

void inode_check_writers(struct pool *pool, uint32_t inode)
{
	struct inode_path p;
	int fd;

	if (!inode_is_written(pool, inode) || inode_path(pool, inode, &p))
		return;
	fd = inode_openat(pool, inode, &p, O_RDONLY | O_NOATIME);
	inode_path_release(&p);
	if (fd < 0)
		return;
	if (lease_take(fd, F_RDLCK))
		inode_rec(pool->inodes, inode)->flags &= ~INODE_WRITTEN;
	close(fd);
}

int inode_stat(struct pool *pool, uint32_t inode, struct statx *out)
{
	struct inode_path p;
	struct statx stx;
	int err = inode_path(pool, inode, &p);

	if (err)
		return err;
	if (statx(p.dirfd, p.path, AT_SYMLINK_NOFOLLOW,
		  STATX_BASIC_STATS | STATX_BTIME, &stx) < 0)
		err = -errno;
	inode_path_release(&p);
	if (err)
		return err;
	/* The name in orphan/ does not count. */
	if (inode_rec(pool->inodes, inode)->flags & INODE_ORPHAN)
		stx.stx_nlink -= stx.stx_nlink > 0 && !S_ISDIR(stx.stx_mode)
					 ? 1
					 : stx.stx_nlink;
	*out = stx;
	return 0;
}
