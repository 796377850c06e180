/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree as a worker finds it: nodes are counted and indexed anew, and what a
 * kill has left half done is finished or dropped.
 *
 * States: closed or open; a mount that is new forgets who referred to a node.
 * Locks: none yet, or pool->lock (1).
 * Reclaim: not running yet, or not any more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* Is it the file of an orphan, or of a node that is becoming one? */
static bool orphan_is_needed(struct pool *pool, uint32_t node)
{
	struct journal_note note;

	return tree_valid(pool, node) &&
	       (node_rec(pool->tree, node)->flags & NODE_ORPHAN ||
		(journal_begun(&pool->journal, &note) && note.victim == node));
}

/* What else orphan/ has. */
static void tree_tidy_orphans(struct pool *pool)
{
	struct tree *t = pool->tree;
	int fd = openat(t->orphanfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    orphan_is_needed(pool, strtoul(e->d_name, NULL, 16)))
			continue;
		if (unlinkat(t->orphanfd, e->d_name, 0) < 0)
			unlinkat(t->orphanfd, e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static int tree_adopt_root(struct pool *pool)
{
	struct tree *t = pool->tree;
	struct node_rec *rec;
	struct stat st;
	uint32_t i;
	int err;

	if (fstatat(pool->store->dirfd, STORE_FILES, &st, 0) < 0)
		return -errno;
	if (!table_live(&t->nodes, TREE_ROOT)) {
		err = table_alloc(&t->nodes, &i);
		if (err)
			return err;
		if (i != TREE_ROOT)
			return -EUCLEAN;
	}
	rec = node_rec(t, TREE_ROOT);
	rec->ino = st.st_ino;
	rec->flags = NODE_DIR;
	rec->state = NODE_LIVE;
	return node_need_mem(t, TREE_ROOT);
}

static int tree_adopt_nodes(struct pool *pool, bool fresh)
{
	struct tree *t = pool->tree;
	int err = 0;

	table_for_each (&t->nodes, i) {
		struct node_rec *rec = node_rec(t, i);

		if (rec->state != NODE_LIVE)
			continue;
		err = node_need_mem(t, i);
		if (err)
			return err;
		if (fresh) {
			/* Nobody of before refers to it. */
			rec->nlookup = rec->opens = 0;
			rec->backing = 0;
		}
		t->nr_nodes++;
		t->chunk_nodes[i / NODE_CHUNK]++;
		t->nr_open += rec->opens != 0;
		if (!(rec->flags & NODE_GONE))
			node_hash(t, i);
	}
	table_for_each (&t->nodes, i) {
		struct node_rec *rec = node_rec(t, i);

		if (rec->state == NODE_LIVE && rec->place.parent &&
		    i != TREE_ROOT)
			node_mem(t, rec->place.parent)->children++;
	}
	return 0;
}

/* What a kill between two stores can leave, none of it visible. */
static void tree_tidy(struct pool *pool)
{
	struct tree *t = pool->tree;
	uint8_t *named = calloc(1, t->nodes.nr / 8 + 1);

	table_for_each (&t->nodes, i)
		if (node_rec(t, i)->state == NODE_LIVE && i != TREE_ROOT)
			node_put(pool, i);
	if (!named)
		return;
	table_for_each (&t->nodes, i) {
		uint32_t more;

		if (node_rec(t, i)->state != NODE_LIVE)
			continue;
		for (more = node_rec(t, i)->place.more; more;
		     more = ((struct node_name_rec *)table_get(&t->nodes, more))
				    ->more)
			named[more / 8] |= 1u << more % 8;
	}
	table_for_each (&t->nodes, i) {
		if (node_rec(t, i)->state != NODE_NAME ||
		    named[i / 8] & 1u << i % 8)
			continue;
		node_rec(t, i)->state = NODE_FREE;
		table_free(&t->nodes, i);
	}
	free(named);
}

int tree_open_all(struct pool *pool, bool fresh)
{
	struct tree *t = pool->tree;
	int err;

	t->orphanfd = pool->store->orphanfd;
	t->root = geteuid() == 0;
	t->nr_buckets = NODE_BUCKETS_MIN;
	while (t->nr_buckets < t->nodes.nr)
		t->nr_buckets *= 2;
	t->bucket = calloc(t->nr_buckets, sizeof(*t->bucket));
	if (!t->bucket)
		return -ENOMEM;
	err = tree_adopt_root(pool);
	if (!err)
		err = tree_adopt_nodes(pool, fresh);
	if (err)
		return err;
	err = space_adopt(pool);
	if (!err)
		err = ranges_adopt(pool);
	if (!err)
		err = volatile_adopt(pool);
	if (err)
		return err;
	lent_give_back(pool);
	tree_tidy(pool);
	tree_tidy_orphans(pool);
	return 0;
}

void tree_close_all(struct pool *pool)
{
	struct tree *t = pool->tree;

	if (!t)
		return;
	table_for_each (&t->nodes, i)
		if (node_rec(t, i)->state == NODE_LIVE &&
		    t->chunk[i / NODE_CHUNK] && node_mem(t, i)->fd)
			close(node_mem(t, i)->fd);
	for (uint32_t i = 0; i < NODE_MAX / NODE_CHUNK; i++)
		free(t->chunk[i]);
	free(t->bucket);
	table_release(&t->nodes);
	free(t);
	pool->tree = NULL;
}

const char *tree_check(struct pool *pool)
{
	struct tree *t = pool->tree;
	uint32_t nodes = 0, open = 0;
	uint64_t children = 0, parents = 0;

	table_for_each (&t->nodes, i) {
		struct node_rec *rec = node_rec(t, i);
		struct tree_path p;
		struct stat st;
		int err;

		if (rec->state != NODE_LIVE)
			continue;
		nodes++;
		open += rec->opens != 0;
		children += node_mem(t, i)->children;
		if (i == TREE_ROOT)
			continue;
		parents += rec->place.parent != 0;
		if (rec->flags & (NODE_GONE | NODE_PURGED))
			continue;
		if (node_by_ino(t, rec->ino) != i)
			return "a node is not found by its inode number";
		err = tree_path(pool, i, &p);
		if (!err && fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW))
			err = -errno;
		tree_path_release(&p);
		if (err)
			return "a node is not where it should be";
		if (st.st_ino != rec->ino)
			return "another file is where a node should be";
	}
	if (nodes != t->nr_nodes || open != t->nr_open)
		return "nodes are miscounted";
	if (children != parents)
		return "children are miscounted";
	return ranges_check(pool) ? ranges_check(pool) : volatile_check(pool);
}
