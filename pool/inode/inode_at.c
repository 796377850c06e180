/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths for system calls: made by path_make(), and then completed.  One that is
 * longer than PATH_MAX starts at an open directory on the way; one through
 * directories that an ordinary user's worker may not enter gets mode overrides.
 *
 * States: made -> used -> released.  A path is valid until a name on it
 * changes, which needs the lock.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: uses paths of its own for the files that it purges.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

void inode_path_release(struct inode_path *p)
{
	mode_override_restore(p);
	if (p->own >= 0)
		close(p->own);
	p->own = -1;
}

/* Is there a directory on the way that the worker may not enter? */
static bool path_is_closed(struct pool *pool, const struct inode_path *p)
{
	struct stat st;

	return !pool->inodes->root &&
	       fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == EACCES;
}

int inode_path_at(struct pool *pool, uint32_t parent, const char *name,
		  struct inode_path *p)
{
	struct inode_path *up;
	uint32_t stop;
	int err;

	if (name && strlen(name) > INODE_NAME_MAX)
		return -ENAMETOOLONG;
	err = path_make(pool, parent, name, p, &stop);
	if (!err && !stop && path_is_closed(pool, p)) {
		err = mode_override_path(
			pool,
			name ? parent
			     : inode_rec(pool->inodes, parent)->place.parent,
			p);
		if (err)
			inode_path_release(p);
	}
	if (err || !stop)
		return err;
	up = malloc(sizeof(*up));
	if (!up)
		return -ENOMEM;
	err = inode_path_at(pool, stop, NULL, up);
	if (!err) {
		p->own = p->dirfd = openat(up->dirfd, up->path,
					   O_PATH | O_DIRECTORY | O_NOFOLLOW |
						   O_CLOEXEC);
		err = p->own < 0 ? -errno : 0;
		inode_path_release(up);
	}
	free(up);
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
