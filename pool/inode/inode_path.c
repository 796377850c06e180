/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the file of an inode is: its path, made by going from parent to parent.
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

/* From @inode up to the root, or to an orphan. */
int path_make(struct pool *pool, uint32_t inode, const char *name,
	      struct inode_path *p, uint32_t *stop)
{
	struct inode_table *t = pool->inodes;
	bool last = !name;

	p->pool = pool;
	p->own = -1;
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
		inode_place_name(t, &rec->place, here);
		if (!path_prepend(p, here, strlen(here), last)) {
			*stop = inode;
			return 0;
		}
		inode = rec->place.parent;
	}
}

int path_build(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	uint32_t stop;
	int err = path_make(pool, inode, NULL, p, &stop);

	return err ? err : stop ? -ENAMETOOLONG : 0;
}
