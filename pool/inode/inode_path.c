/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the file of a node is: a path, made by going up from node to node.
 *
 * States: none; a path holds until a name on it changes, which only the holder
 * of the lock can do.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: makes paths itself, to purge what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode.h"

void tree_path_release(struct tree_path *p)
{
	path_give_back(p);
	if (p->own >= 0)
		close(p->own);
	p->own = -1;
}

/* Puts @name and a slash in front.  Return: whether there was room. */
static bool path_prepend(struct tree_path *p, const char *name, size_t len,
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

static bool path_prepend_top(struct tree_path *p, uint32_t node, bool last)
{
	char orphan[32];

	if (node == TREE_ROOT)
		return path_prepend(p, STORE_FILES, sizeof(STORE_FILES) - 1,
				    last);
	snprintf(orphan, sizeof(orphan), "orphan/%x", node);
	return path_prepend(p, orphan, strlen(orphan), last);
}

/*
 * From @node up.  A path that gets too long starts at a directory in between,
 * opened by a path of its own: *@stop is that node then, else 0.
 */
static int path_make(struct pool *pool, uint32_t node, const char *name,
		     struct tree_path *p, uint32_t *stop)
{
	struct tree *t = pool->tree;
	bool last = !name;

	p->pool = pool;
	p->own = -1;
	p->nr_lent = 0;
	p->dirfd = pool->store->dirfd;
	p->path = p->buf + sizeof(p->buf) - 1;
	*p->path = 0;
	*stop = 0;
	if (name && !path_prepend(p, name, strlen(name), true))
		return -ENAMETOOLONG;
	for (;; last = false) {
		char here[TREE_NAME_MAX + 1];
		struct node_rec *rec;

		if (!tree_valid(pool, node))
			return -ESTALE;
		rec = node_rec(t, node);
		if (rec->flags & (NODE_GONE | NODE_PURGED))
			return -ESTALE;
		if (node == TREE_ROOT || rec->flags & NODE_ORPHAN) {
			if (!path_prepend_top(p, node, last))
				*stop = node;
			return 0;
		}
		node_place_name(t, &rec->place, here);
		if (!path_prepend(p, here, strlen(here), last)) {
			*stop = node;
			return 0;
		}
		node = rec->place.parent;
	}
}

int path_build(struct pool *pool, uint32_t node, struct tree_path *p)
{
	uint32_t stop;
	int err = path_make(pool, node, NULL, p, &stop);

	return err ? err : stop ? -ENAMETOOLONG : 0;
}

/* Is a directory on the way that an ordinary user's worker cannot enter? */
static bool path_is_closed(struct pool *pool, const struct tree_path *p)
{
	struct stat st;

	return !pool->tree->root &&
	       fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == EACCES;
}

int tree_path_at(struct pool *pool, uint32_t parent, const char *name,
		 struct tree_path *p)
{
	struct tree_path *up;
	uint32_t stop;
	int err;

	if (name && strlen(name) > TREE_NAME_MAX)
		return -ENAMETOOLONG;
	err = path_make(pool, parent, name, p, &stop);
	if (!err && !stop && path_is_closed(pool, p)) {
		err = path_lend(
			pool,
			name ? parent
			     : node_rec(pool->tree, parent)->place.parent,
			p);
		if (err)
			tree_path_release(p);
	}
	if (err || !stop)
		return err;
	up = malloc(sizeof(*up));
	if (!up)
		return -ENOMEM;
	err = tree_path_at(pool, stop, NULL, up);
	if (!err) {
		p->own = p->dirfd = openat(up->dirfd, up->path,
					   O_PATH | O_DIRECTORY | O_NOFOLLOW |
						   O_CLOEXEC);
		err = p->own < 0 ? -errno : 0;
		tree_path_release(up);
	}
	free(up);
	return err;
}

int tree_path(struct pool *pool, uint32_t node, struct tree_path *p)
{
	return tree_path_at(pool, node, NULL, p);
}
