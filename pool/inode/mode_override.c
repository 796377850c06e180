/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and directories whose modes keep their owner out.
 *
 * Who has a file open, or stands in a directory, goes on when it, or a directory
 * above it, is closed to its owner.  The worker of an ordinary user goes there by a
 * path each time, and has no privilege to pass.  So it lends them the
 * missing bits while one operation runs:
 *
 *	written down --> lent --> operation --> given back --> forgotten
 *
 * and a worker that starts gives back what is written down.
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: may come here itself, to purge a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pool/inode/inode.h"

static struct node_lent_rec *lent_rec(struct pool *pool, uint32_t slot)
{
	return table_get(&pool->tree->nodes, slot);
}

/* What @bits a file lacks whose own path can be passed. */
static int lend_one(struct pool *pool, uint32_t node, mode_t bits,
		    struct tree_path *p)
{
	struct node_lent_rec *rec;
	struct tree_path *at;
	struct stat st;
	uint32_t slot;
	int err;

	at = malloc(sizeof(*at));
	if (!at)
		return -ENOMEM;
	err = path_build(pool, node, at);
	if (!err && fstatat(at->dirfd, at->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (err || (st.st_mode & bits) == bits)
		goto out;
	err = p->nr_lent == PATH_LENT
		      ? -EACCES
		      : pool_record(pool, &pool->tree->nodes, &slot);
	if (err)
		goto out;
	rec = lent_rec(pool, slot);
	rec->node = node;
	rec->mode = st.st_mode & 07777;
	rec->state = NODE_LENT;
	p->lent[p->nr_lent++] = slot;
	if (fchmodat(at->dirfd, at->path, rec->mode | bits, 0) < 0)
		err = -errno;
out:
	free(at);
	return err;
}

/* From the top down. */
int path_lend(struct pool *pool, uint32_t dir, struct tree_path *p)
{
	struct node_rec *rec;
	int err;

	if (!dir || !tree_valid(pool, dir))
		return 0;
	rec = node_rec(pool->tree, dir);
	err = dir == TREE_ROOT ? 0 : path_lend(pool, rec->place.parent, p);
	return err ? err : lend_one(pool, dir, S_IXUSR, p);
}

int path_lend_file(struct pool *pool, uint32_t node, struct tree_path *p)
{
	return lend_one(pool, node, S_IRUSR | S_IWUSR, p);
}

static void give_back(struct pool *pool, uint32_t slot)
{
	struct node_lent_rec *rec = lent_rec(pool, slot);
	struct tree_path *at = malloc(sizeof(*at));

	if (at && path_build(pool, rec->node, at) == 0)
		fchmodat(at->dirfd, at->path, rec->mode, 0);
	free(at);
	rec->state = NODE_FREE;
	table_free(&pool->tree->nodes, slot);
}

/* From the bottom up: what is above must be passed. */
void path_give_back(struct tree_path *p)
{
	while (p->nr_lent)
		give_back(p->pool, p->lent[--p->nr_lent]);
}

/* More than one was lent only along one path, the upper ones first. */
void lent_give_back(struct pool *pool)
{
	struct tree *t = pool->tree;
	bool again = true;

	/* A deeper one may have got a lower slot: those that can be reached
	 * only through another must come before it. */
	while (again) {
		uint32_t deepest = 0, depth_of = 0;

		table_for_each (&t->nodes, i) {
			uint32_t depth = 1, node;

			if (node_rec(t, i)->state != NODE_LENT)
				continue;
			for (node = lent_rec(pool, i)->node;
			     tree_valid(pool, node) && node != TREE_ROOT;
			     node = node_rec(t, node)->place.parent)
				depth++;
			if (depth > depth_of) {
				depth_of = depth;
				deepest = i;
			}
		}
		again = deepest;
		if (deepest)
			give_back(pool, deepest);
	}
}
