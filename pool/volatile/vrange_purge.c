/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Purging volatile ranges.
 *
 * States: UNPINNED -> PURGED, the oldest first.  What a scan wants less of than
 * a range has is cut off its front, at 2 MiB of the file, so that huge folios go
 * as a whole.
 *
 * Locks: pool->lock (1), which the reclaimer only tries.
 * Reclaim: vrange_scan() is what it calls.
 */
#include "pool/volatile/vrange.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Dearer than a message, cheaper than a file. */
#define RANGE_SEEKS 2
#define RANGE_BATCH 512 /* pages: the 2 MiB that one hole can be */
#define CUT_PAGES(pool) ((2u << 20) / (pool)->page_size)

/* What is to be purged of @v: its front, up to a 2 MiB boundary. */
static struct vrange *vrange_front(struct pool *pool, struct vrange *v,
				   uint64_t pages)
{
	uint64_t cut = v->first + pages, step = CUT_PAGES(pool);
	struct vrange *front;
	int err;

	if (cut >= v->end)
		return v;
	if (cut / step * step > v->first)
		cut = cut / step * step;
	front = vrange_new(pool, &err);
	if (!front)
		return v; /* then all of it */
	front->node = v->node;
	front->first = v->first;
	front->end = cut;
	vrange_resize(pool, v, cut, v->end);
	vrange_show(pool, front);
	return front;
}

int64_t vrange_punch(struct pool *pool, const struct vrange *v)
{
	uint64_t page = pool->page_size;
	struct stat before, after;
	int fd = tree_fd(pool, v->node, true);
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &before) < 0 ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      v->first * page, (v->end - v->first) * page) < 0 ||
	    fstat(fd, &after) < 0)
		err = -errno;
	tree_fd_done(pool, v->node);
	if (err)
		return err;
	if (!pool->store->detached)
		space_changed(pool, before.st_blocks, after.st_blocks);
	return before.st_blocks > after.st_blocks
		       ? (before.st_blocks - after.st_blocks) * 512ll /
				 (int64_t)page
		       : 0;
}

static uint64_t vrange_purge(struct pool *pool, struct vrange *v)
{
	struct tree *t = pool->tree;
	int64_t freed;

	/* First, so that nobody is ever told that it is whole when it is not. */
	vrange_set_purged(t, v);
	freed = vrange_punch(pool, v);
	vrange_rec(t, v)->state = VRANGE_PURGED;
	if (freed < 0)
		return 0;
	volatile_changed(pool, v->node);
	t->purged_pages += freed;
	if (pool->ops && pool->ops->range_purged)
		pool->ops->range_purged(pool->arg, v->node,
					v->first * pool->page_size,
					(v->end - v->first) * pool->page_size,
					freed);
	return freed;
}

/* The holes in [at, end) of the file. */
static void each_hole(uint32_t node, int fd, off_t at, off_t end,
		      tree_lost_fn *lost, void *arg)
{
	off_t hole, data;

	while (at < end && (hole = lseek(fd, at, SEEK_HOLE)) >= 0 &&
	       hole < end) {
		data = lseek(fd, hole, SEEK_DATA);
		at = data < 0 || data > end ? end : data;
		lost(arg, node, hole, at - hole);
	}
}

void tree_each_lost(struct pool *pool, tree_lost_fn *lost, void *arg)
{
	struct tree *t = pool->tree;
	uint32_t node = 0; /* whose file is open */
	int fd = -1;

	for (struct avl_node *n = avl_first(&t->by_place); n; n = avl_next(n)) {
		struct vrange *v = avl_entry(n, struct vrange, by_place);

		if (!v->purged)
			continue;
		if (v->node != node) {
			if (fd >= 0)
				tree_fd_done(pool, node);
			node = v->node;
			fd = tree_fd(pool, node, false);
		}
		if (fd >= 0)
			each_hole(node, fd, v->first * pool->page_size,
				  v->end * pool->page_size, lost, arg);
	}
	if (fd >= 0)
		tree_fd_done(pool, node);
}

static unsigned long vrange_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t n = pool->tree->unpinned.pages;

	return n ? n : SHRINK_EMPTY;
}

static enum lru_status vrange_shrink(struct extent_list *list, struct extent *e,
				     void *arg)
{
	struct volatile_walk *walk = arg;
	struct tree *t = list->owner;
	struct vrange *v = &t->range[e->id], *front;

	t->busy++;
	front = vrange_front(walk->pool, v, e->nr);
	t->busy--;
	e->room += e->nr - (front->end - front->first);
	walk->scanned += front->end - front->first;
	walk->freed += vrange_purge(walk->pool, front);
	return front == v ? LRU_REMOVED : LRU_RETRY;
}

static unsigned long vrange_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;

	return volatile_walk(pool, &pool->tree->unpinned, vrange_shrink, sc);
}

int ranges_start(struct pool *pool)
{
	static const struct shrinker kind = {
		.count_objects = vrange_count,
		.scan_objects = vrange_scan,
		.batch = RANGE_BATCH,
		.seeks = RANGE_SEEKS,
	};

	return pool_add_shrinker(pool, "volatile-ranges", 0, &kind,
				 &pool->tree->range_shrinker);
}
