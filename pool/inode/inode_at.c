/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths that can be used: long ones in two steps, and through directories that
 * keep an ordinary user's worker out.
 *
 * States: made, used, released.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: makes paths itself, to purge what is there.
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

/* Is a directory on the way that an ordinary user's worker cannot enter? */
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

int inode_path(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	return inode_path_at(pool, inode, NULL, p);
}
