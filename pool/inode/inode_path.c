/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the file of an inode is: its path, made by going from parent to parent,
 * but not far: so that a request costs no more in a deep directory, the path of
 * such a file starts at its directory (inode_dir.c).
 *
 * States: none; see inode_at.c for those of a path.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: uses paths of its own for the files that it purges.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pool/inode/inode_priv.h"

/* Puts @name and a slash in front.  Return: whether there was room. */
static bool path_prepend(struct inode_path *p, const char *name, size_t len,
			 bool last)
{
	size_t need = len + !last;

	if ((size_t)(p->path - p->buf) < need)
		return false;
	p->path -= need;
	memcpy(p->path, name, len);
	if (!last)
		p->path[len] = '/';
	return true;
}

static bool path_prepend_top(struct inode_path *p, uint32_t inode, bool last)
{
	char orphan[32];

	if (inode == INODE_ROOT)
		return path_prepend(p, STORE_FILES, sizeof(STORE_FILES) - 1,
				    last);
	snprintf(orphan, sizeof(orphan), "orphan/%x", inode);
	return path_prepend(p, orphan, strlen(orphan), last);
}

/* From @inode up to the root, to an orphan, to @top, to a directory that has a
 * descriptor (if @top is PATH_TO_FD), or @levels directories up. */
static int path_up(struct pool *pool, uint32_t inode, const char *name,
		   unsigned int levels, uint32_t top, struct inode_path *p,
		   uint32_t *stop)
{
	struct inode_table *t = pool->inodes;
	bool last = !name;

	p->pool = pool;
	p->own = 0;
	p->nr_overrides = 0;
	p->dirfd = pool->store->contentfd;
	p->path = p->buf + sizeof(p->buf) - 1;
	*p->path = 0;
	*stop = 0;
	if (name && !path_prepend(p, name, strlen(name), true))
		return -ENAMETOOLONG;
	for (;; last = false) {
		char here[INODE_NAME_MAX + 1];
		struct inode_rec *rec;

		if (!inode_valid(pool, inode))
			return -ESTALE;
		rec = inode_rec(t, inode);
		if (rec->flags & (INODE_DEAD | INODE_PURGED))
			return -ESTALE;
		if (inode == INODE_ROOT || rec->flags & INODE_ORPHAN) {
			if (!path_prepend_top(p, inode, last))
				*stop = inode;
			return 0;
		}
		if (top && !last &&
		    (inode == top ||
		     (top == PATH_TO_FD && inode_mem(t, inode)->fd))) {
			*stop = inode;
			return 0;
		}
		inode_place_name(t, &rec->place, here);
		if (!levels-- || !path_prepend(p, here, strlen(here), last)) {
			*stop = inode;
			return 0;
		}
		inode = rec->place.parent;
	}
}

int path_make(struct pool *pool, uint32_t inode, const char *name,
	      struct inode_path *p, uint32_t *stop)
{
	return path_up(pool, inode, name, PATH_LEVELS, 0, p, stop);
}

int path_make_below(struct pool *pool, uint32_t inode, uint32_t top,
		    struct inode_path *p, uint32_t *stop)
{
	return path_up(pool, inode, NULL, PATH_LEVELS, top, p, stop);
}

bool inode_is_below(struct pool *pool, uint32_t inode, unsigned int levels)
{
	while (inode_valid(pool, inode) && inode != INODE_ROOT && levels) {
		inode = inode_rec(pool->inodes, inode)->place.parent;
		levels--;
	}
	return !levels;
}

int path_show(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	uint32_t stop;

	return path_up(pool, inode, NULL, UINT_MAX, 0, p, &stop);
}
