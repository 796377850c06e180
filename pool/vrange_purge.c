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
#include "pool/vrange.h"

#include <errno.h>
#include <fcntl.h>

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

static unsigned long vrange_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t n = pool->tree->unpinned.pages;

	return n ? n : SHRINK_EMPTY;
}

struct vrange_walk {
	struct pool *pool;
	uint64_t scanned, freed; /* pages */
};

static enum lru_status vrange_shrink(struct extent_list *list, struct extent *e,
				     void *arg)
{
	struct vrange_walk *walk = arg;
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
	struct vrange_walk walk = { .pool = pool };
	uint64_t budget = sc->nr_to_scan;
	struct tree *t = pool->tree;
	bool mine = pool_is_mine(pool);

	if (mine ? t->busy || pool->journal.begun : !pool_trylock(pool))
		return SHRINK_STOP;
	extent_list_walk(&t->unpinned, vrange_shrink, &walk, &budget);
	pool_fit_limit(pool);
	if (!mine)
		pool_unlock(pool);
	sc->nr_scanned = walk.scanned;
	return walk.scanned ? walk.freed : SHRINK_STOP;
}

int ranges_start(struct pool *pool)
{
	struct shrinker *s = shrinker_alloc(0, "volatile-ranges");
	int err;

	if (!s)
		return -errno;
	s->count_objects = vrange_count;
	s->scan_objects = vrange_scan;
	s->batch = RANGE_BATCH;
	s->seeks = RANGE_SEEKS;
	s->private_data = pool;
	err = shrinker_register(s);
	if (err) {
		shrinker_free(s);
		return err;
	}
	pool->tree->range_shrinker = s;
	return 0;
}
