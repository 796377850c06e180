/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "volatile-ranges": purging volatile ranges.
 *
 * States: UNPINNED -> PURGING -> PURGED, the oldest first.  If a range has more
 * pages than a scan wants, its front is cut off, at a 2 MiB boundary of the
 * file, so that huge folios are freed as a whole.
 *
 * Locks: pool->lock (1).  vrange_scan() is called by the reclaimer, and tries
 * it, or by a thread that holds it and needs room.  All else is called with it
 * held.
 * Reclaim: calls vrange_count() and vrange_scan().
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/volatile/volatile_priv.h"

/* Between an Available page and a file. */
#define VRANGE_SEEKS 2

/* The part of @v that is to be purged: @pages of it, up to a 2 MiB boundary. */
static struct vrange *vrange_front(struct pool *pool, struct vrange *v,
				   uint64_t pages)
{
	uint64_t cut = v->first + pages, step = pool_extent_pages(pool);
	struct vrange *front;
	int err;

	if (cut >= v->end)
		return v;
	if (cut / step * step > v->first)
		cut = cut / step * step;
	front = vrange_new(pool, vrange_rec(pool->volatiles, v)->uid, &err);
	if (!front)
		return v; /* no record for another range: all of it */
	front->inode = v->inode;
	front->first = v->first;
	front->end = cut;
	vrange_resize(pool, v, cut, v->end);
	vrange_publish(pool, front);
	return front;
}

void vrange_tell_purged(struct pool *pool, uint32_t inode, uint64_t first,
			uint64_t end, uint64_t freed)
{
	vfile_remeasure(pool, inode);
	pool->volatiles->purged_pages += freed;
	if (pool->ops && pool->ops->range_purged)
		pool->ops->range_purged(pool->arg, inode,
					first * pool->page_size,
					(end - first) * pool->page_size, freed);
}

uint64_t vrange_purge(struct pool *pool, struct vrange *v)
{
	int64_t freed;

	if (hole_must_wait(pool, v->inode))
		return 0;
	/* Before the hole: vrange_pin() must never take a hole for content. */
	vrange_set_purged(pool, v);
	freed = vrange_punch(pool, v);
	/* Late, or it could not be made: that is left to the next worker. */
	if (freed < 0)
		return 0;
	vrange_set_made(pool, v);
	vrange_tell_purged(pool, v->inode, v->first, v->end, freed);
	return freed;
}

/* Calls @fn for each hole in bytes [at, end) of the file. */
static void each_hole(uint32_t inode, int fd, off_t at, off_t end,
		      vrange_stale_fn *fn, void *arg)
{
	off_t hole, data;

	while (at < end && (hole = lseek(fd, at, SEEK_HOLE)) >= 0 &&
	       hole < end) {
		data = lseek(fd, hole, SEEK_DATA);
		at = data < 0 || data > end ? end : data;
		fn(arg, inode, hole, at - hole);
	}
}

void vrange_each_stale(struct pool *pool, vrange_stale_fn *fn, void *arg)
{
	struct volatiles *t = pool->volatiles;
	uint32_t inode = 0; /* whose file is open */
	int fd = -1;

	for (struct avl_node *n = avl_first(&t->by_place); n; n = avl_next(n)) {
		struct vrange *v = avl_entry(n, struct vrange, by_place);

		if (!v->purged)
			continue;
		if (v->inode != inode) {
			if (fd >= 0)
				inode_fd_done(pool, inode, fd);
			inode = v->inode;
			fd = inode_fd(pool, inode, false);
		}
		if (fd >= 0)
			each_hole(inode, fd, v->first * pool->page_size,
				  v->end * pool->page_size, fn, arg);
	}
	if (fd >= 0)
		inode_fd_done(pool, inode, fd);
}

static unsigned long vrange_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct pool *pool = pool_of(shrinker->private_data);
	uint64_t n = pool->volatiles->unpinned.pages;

	return n ? n : SHRINK_EMPTY;
}

static enum lru_status vrange_shrink(struct extent_list *list, struct extent *e,
				     void *arg)
{
	struct volatile_walk *walk = arg;
	struct volatiles *t = volatiles_of(list->owner);
	struct inode_table *inodes = walk->pool->inodes;
	struct vrange *v = &t->range[e->id], *front;

	if (hole_must_wait(walk->pool, v->inode))
		return LRU_ROTATE;
	inodes->busy++;
	front = vrange_front(walk->pool, v, e->nr);
	inodes->busy--;
	e->room += e->nr - (front->end - front->first);
	walk->scanned += front->end - front->first;
	walk->freed += vrange_purge(walk->pool, front);
	return front == v ? LRU_REMOVED : LRU_RETRY;
}

static unsigned long vrange_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct pool *pool = pool_of(shrinker->private_data);

	return volatile_walk(pool, &pool->volatiles->unpinned, vrange_shrink,
			     sc);
}

int vrange_add_shrinker(struct pool *pool)
{
	static const struct shrinker kind = {
		.count_objects = vrange_count,
		.scan_objects = vrange_scan,
		.seeks = VRANGE_SEEKS,
	};

	return pool_add_shrinker(pool, "volatile-ranges", 0, &kind,
				 &pool->volatiles->range_shrinker);
}
