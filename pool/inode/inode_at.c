/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths for system calls: made by path_make(), and then completed.  In a deep
 * directory they start there; those through directories that an ordinary user's
 * worker may not enter get mode overrides.
 *
 * States: made -> used -> released.  A path is valid until a name on it
 * changes, which needs the lock.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: uses paths of its own for the files that it purges.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "pool/inode/inode_priv.h"

void inode_path_release(struct inode_path *p)
{
	mode_override_restore(p);
	if (p->own)
		fd_cache_done(&p->pool->fds, p->own);
	p->own = 0;
}

/* Is there a directory on the way that the worker may not enter? */
static bool path_is_closed(struct pool *pool, const struct inode_path *p)
{
	struct stat st;

	return !pool->inodes->root &&
	       fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == EACCES;
}

/* The path of @name in @dir is its name, from a descriptor of @dir on. */
static int path_from_dir(struct pool *pool, uint32_t dir, const char *name,
			 struct inode_path *p)
{
	size_t size = strlen(name) + 1;
	int fd = inode_dir_fd(pool, dir);

	if (fd < 0)
		return fd;
	p->own = p->dirfd = fd;
	p->path = p->buf + sizeof(p->buf) - size;
	memcpy(p->path, name, size);
	return 0;
}

int inode_path_at(struct pool *pool, uint32_t inode, const char *name,
		  struct inode_path *p)
{
	char own[INODE_NAME_MAX + 1];
	uint32_t dir = inode, stop;
	int err;

	if (name && strlen(name) > INODE_NAME_MAX)
		return -ENAMETOOLONG;
	/* A directory that was removed is empty, and stays so. */
	if (name && inode_valid(pool, inode) &&
	    inode_rec(pool->inodes, inode)->flags & INODE_ORPHAN)
		return -ENOENT;
	err = path_make(pool, inode, name, p, &stop);
	if (err)
		return err;
	if (!name) {
		struct inode_place *place =
			&inode_rec(pool->inodes, inode)->place;

		dir = place->parent;
		if (stop)
			inode_place_name(pool->inodes, place, own);
	}
	if (stop)
		err = path_from_dir(pool, dir, name ? name : own, p);
	if (!err && path_is_closed(pool, p))
		err = mode_override_path(pool, dir, stop ? dir : INODE_ROOT, p);
	if (err)
		inode_path_release(p);
	return err;
}

/* A symbolic link in place of the file would have that of another one changed.
 */
int inode_path_chmod(const struct inode_path *p, mode_t mode)
{
	return fchmodat(p->dirfd, p->path, mode & 07777, AT_SYMLINK_NOFOLLOW) <
			       0
		       ? -errno
		       : 0;
}

int inode_path(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	return inode_path_at(pool, inode, NULL, p);
}
