/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "volatile-ranges": purging volatile ranges.
 *
 * States: UNPINNED -> PURGING -> PURGED, the oldest first.  If a range has more
 * memory than a scan wants, its front is cut off, at a 2 MiB boundary of the
 * file, so that huge folios are freed as a whole.  What is purged is joined, so
 * that a range becomes two at most:
 *
 *	[unpinned.............)
 *	[purged)[unpinned.....)
 *	[purged........)[unp..)
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

int64_t vrange_punch(struct pool *pool, uint32_t inode, uint64_t first,
		     uint64_t end)
{
	uint64_t page = pool->page_size;
	int fd = inode_fd(pool, inode, true);
	struct space before, after;
	int64_t freed;

	if (fd < 0)
		return fd;
	freed = hole_punch(pool, inode, fd, first, end);
	before = after = space_of(pool, fd);
	inode_fd_done(pool, inode, fd);
	before.blocks += freed > 0 ? freed * page / 512 : 0;
	space_changed(pool, before, after);
	return freed;
}

static void set_made(struct pool *pool, struct vrange *v, bool made)
{
	v->made = made;
	table_publish(&vrange_rec(pool->volatiles, v)->state,
		      made ? VRANGE_PURGED : VRANGE_PURGING);
}

void vrange_made_late(struct pool *pool, uint32_t inode, uint64_t first,
		      uint64_t end, int64_t freed)
{
	uint64_t at = first;
	struct vrange *v;

	/* One that could not be made is left to the next purge beside it or to
	 * the next worker, as well as what is only a part of a range. */
	for (; (v = vrange_find(pool->volatiles, inode, at, end)); at = v->end)
		if (freed >= 0 && v->purged && v->first >= first &&
		    v->end <= end)
			set_made(pool, v, true);
	if (freed > 0 && !pool->store->detached)
		space_changed(pool,
			      (struct space){ .blocks = freed *
							pool->page_size / 512 },
			      (struct space){ 0 });
	vrange_tell_purged(pool, inode, first, end, freed > 0 ? freed : 0);
}

/* In one store: never purged with its hole not punched. */
struct vrange *vrange_set_purged(struct pool *pool, struct vrange *v)
{
	vrange_unlist(pool, v);
	v->purged = true;
	set_made(pool, v, false);
	return vrange_join_purged(pool, v);
}

/* Up to @cut.  A worker that is killed in between leaves the two overlapping:
 * see vrange_cut_front(). */
static struct vrange *set_front_purged(struct pool *pool, struct vrange *v,
				       uint64_t cut, struct vrange *front)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *purged = vrange_purged_before(t, v);
	uint64_t first = v->first;

	v->first = cut;
	if (purged) {
		vrange_cancel(pool, front);
		/* Not longer before it is PURGING. */
		set_made(pool, purged, false);
		purged->end = cut;
		vrange_store(pool, purged);
	} else {
		purged = front;
		purged->inode = v->inode;
		purged->first = first;
		purged->end = cut;
		purged->purged = true;
		vrange_publish(pool, purged);
	}
	vrange_store(pool, v);
	return purged;
}

/* Has a purged neighbour a hole that could not be made? */
static bool neighbour_is_unmade(struct volatiles *t, const struct vrange *v)
{
	const struct vrange *before = vrange_purged_before(t, v);
	const struct vrange *next = vrange_find(t, v->inode, v->end,
						v->end + 1);

	return (before && !before->made) ||
	       (next && next->purged && !next->made);
}

uint64_t vrange_purge(struct pool *pool, struct vrange *v, uint64_t cut,
		      uint64_t memory, struct vrange *front)
{
	uint64_t first = v->first, had = v->memory;
	uint32_t inode = v->inode;
	struct vrange *purged;
	int64_t freed;
	bool more;

	if (hole_must_wait(pool, inode)) {
		vrange_cancel(pool, front);
		return 0;
	}
	more = neighbour_is_unmade(pool->volatiles, v);
	/* Before the hole: vrange_pin() must never take a hole for content. */
	if (cut >= v->end) {
		cut = v->end;
		purged = vrange_set_purged(pool, v);
	} else {
		purged = set_front_purged(pool, v, cut, front);
		if (memory < had)
			vrange_set_memory(pool, v, had - memory);
		else
			vrange_measure(pool, v);
	}
	if (more) {
		first = purged->first;
		cut = purged->end;
	}
	freed = vrange_punch(pool, inode, first, cut);
	/* Late, or it could not be made: that is left to the next purge beside
	 * it, or to the next worker. */
	if (freed < 0)
		return 0;
	set_made(pool, purged, true);
	vrange_tell_purged(pool, inode, first, cut, freed);
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

/* Looks for the end of what is to be purged, at most; there is memory by then. */
#define LOOKS_MOST 64

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Where to cut @v, so that no more than @pages of memory are before it, and it is
 * at a 2 MiB boundary if it can be.  Windows of the file are looked at, larger
 * ones as long as there is little in them.
 * @memory: out, the pages before it; 0: there are none in @v.
 */
static uint64_t vrange_front(struct pool *pool, const struct vrange *v, int fd,
			     uint64_t pages, uint64_t *memory)
{
	uint64_t at = v->first, len = pages, have = 0, cut, n;

	for (int i = 0;
	     at < v->end && have < pages && (i < LOOKS_MOST || !have); i++) {
		uint64_t end = v->end - at > len ? at + len : v->end;

		n = vrange_count_pages(pool, fd, at, end);
		if (n > pages - have) {
			/* So many pages cannot have more. */
			len = n == len ? pages - have
				       : max64(len / 2, pages - have);
			continue;
		}
		have += n;
		at = end;
		len *= 2;
	}
	cut = at / pool_extent_pages(pool) * pool_extent_pages(pool);
	if (at < v->end && cut > v->first && cut < at) {
		n = vrange_count_pages(pool, fd, cut, at);
		if (n < have) {
			have -= n;
			at = cut;
		}
	}
	*memory = have;
	return at;
}

/* Purges @nr pages of memory of the range, or more if it cannot be cut.
 * Return: pages scanned; 0: the file could not be looked at. */
static uint64_t vrange_purge_some(struct pool *pool, struct vrange *v,
				  uint64_t nr, uint64_t *freed)
{
	struct vrange *front = NULL;
	uint64_t cut, memory;
	int fd = vrange_measure_begin(pool, v->inode);

	if (fd < 0)
		return 0;
	cut = vrange_front(pool, v, fd, nr, &memory);
	vrange_measure_end(pool, v->inode, fd);
	if (!memory && !vrange_may_be_cached(pool, v)) {
		vrange_set_memory(pool, v, 0);
		return nr;
	}
	if (!memory)
		memory = 1;
	if (cut < v->end && !vrange_purged_before(pool->volatiles, v)) {
		front = vrange_new_anyway(pool,
					  vrange_rec(pool->volatiles, v)->uid);
		/* The table is full. */
		if (!front) {
			cut = v->end;
			memory = max64(memory, v->memory);
		}
	}
	*freed += vrange_purge(pool, v, cut, memory, front);
	return memory;
}

static enum lru_status vrange_shrink(struct extent_list *list, struct extent *e,
				     void *arg)
{
	struct volatile_walk *walk = arg;
	struct volatiles *t = volatiles_of(list->owner);
	struct inode_table *inodes = walk->pool->inodes;
	struct vrange *v = &t->range[e->id];
	uint64_t scanned, budget = e->nr + e->room;

	if (hole_must_wait(walk->pool, v->inode) ||
	    inode_rec(inodes, v->inode)->flags & INODE_GUARDED)
		return LRU_ROTATE;
	inodes->busy++;
	scanned = vrange_purge_some(walk->pool, v, e->nr, &walk->freed);
	inodes->busy--;
	if (!scanned)
		return LRU_ROTATE;
	walk->scanned += scanned;
	e->room = budget > scanned ? budget - scanned : 0;
	return LRU_RETRY;
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
