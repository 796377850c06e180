/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of volatile ranges: how much each has, and the LRU of those that
 * have any.
 *
 *	range	[....aa..............b)	[aaaa)	[......)
 *	memory	3			4	0: not on the LRU
 *
 * Holes are nothing that a scan could have, so a range weighs what it was
 * measured to have.  In cached mode it weighs a page at least while the file is
 * open: its content may be in the kernel's cache, and purges drop that, too.
 * Clients write to files without a request: it is measured
 * anew when the file is closed, when some of it is purged, and when room is
 * missing.
 *
 * States of a range that is not purged: without memory <-> on the LRU.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: walks the LRU with the same lock held (vrange_purge.c).
 */
#include <unistd.h>

#include "pool/lib/cachestat.h"
#include "pool/volatile/volatile_priv.h"

#define MEASURED_AT_ONCE 32 /* by vrange_remeasure_some() */
#define RANGES_LOOKED_AT 1024 /* by vranges_look() */

/* --- the list --- */

static struct extent_link *vrange_link(const struct extent_list *list,
				       uint32_t id)
{
	const struct volatiles *t = volatiles_of(list->owner);

	return &t->range[id].link;
}

static uint64_t vrange_pages(const struct extent_list *list, uint32_t id)
{
	const struct volatiles *t = volatiles_of(list->owner);

	return t->range[id].memory;
}

static const struct extent_ops range_extents = {
	.link = vrange_link,
	.pages = vrange_pages,
};

void vrange_list_init(struct volatiles *t)
{
	extent_list_init(&t->unpinned, &range_extents, t);
}

static void vrange_weigh(struct pool *pool, struct vrange *v, uint64_t weight,
			 uint64_t counted)
{
	struct volatiles *t = pool->volatiles;
	uint32_t id = v - t->range;

	pool->unpinned_pages += counted - v->counted;
	v->counted = counted;
	if (v->memory && !weight)
		extent_list_del(&t->unpinned, id);
	else if (!v->memory && weight)
		extent_list_add_young(&t->unpinned, id);
	extent_list_count(&t->unpinned, (int64_t)(weight - v->memory));
	v->memory = weight;
}

void vrange_set_memory(struct pool *pool, struct vrange *v, uint64_t pages)
{
	/* That of a volatile file counts as idle_pages, as a whole. */
	uint64_t counted = vfile_is_volatile(pool, v->inode) ? 0 : pages;

	if (!pages && vrange_may_be_cached(pool, v))
		pages = 1;
	vrange_weigh(pool, v, pages, counted);
}

void vrange_unlist(struct pool *pool, struct vrange *v)
{
	vrange_weigh(pool, v, 0, 0);
}

bool vrange_may_be_cached(struct pool *pool, const struct vrange *v)
{
	return !v->purged && !pool->leases && inode_opens(pool, v->inode);
}

/* --- measuring --- */

int vrange_measure_begin(struct pool *pool, uint32_t inode)
{
	return inode_fd(pool, inode, false);
}

void vrange_measure_end(struct pool *pool, uint32_t inode, int fd)
{
	if (fd >= 0)
		inode_fd_done(pool, inode, fd);
}

uint64_t vrange_count_pages(struct pool *pool, int fd, uint64_t first,
			    uint64_t end)
{
	off_t at = (off_t)first * pool->page_size, data;
	off_t stop = (off_t)end * pool->page_size;
	uint64_t bytes = 0, pages;

	/* A client that is writing to the file may hold its lock: see hole.h.
	 * A store of another kind may have it elsewhere than in memory. */
	if ((pool->leases || pool->store->detached) &&
	    count_cached(fd, at, stop - at, &pages))
		return pages;
	while (at < stop && (data = lseek(fd, at, SEEK_DATA)) >= 0 &&
	       data < stop) {
		at = lseek(fd, data, SEEK_HOLE);
		if (at <= data)
			break;
		bytes += (at < stop ? at : stop) - data;
	}
	/* The last page may end with the file. */
	return (bytes + pool->page_size - 1) / pool->page_size;
}

static void vrange_measure_by(struct pool *pool, struct vrange *v, int fd)
{
	/* What cannot be looked at now is as it was. */
	if (!v->purged && fd >= 0)
		vrange_set_memory(pool, v,
				  vrange_count_pages(pool, fd, v->first,
						     v->end));
}

void vrange_measure(struct pool *pool, struct vrange *v)
{
	int fd;

	if (v->purged)
		return;
	fd = vrange_measure_begin(pool, v->inode);
	vrange_measure_by(pool, v, fd);
	vrange_measure_end(pool, v->inode, fd);
}

/* --- measuring again --- */

static bool has_ranges(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       inode_rec(pool->inodes, inode)->flags & INODE_RANGES;
}

/* From page @first on, at most @nr ranges.  Return: where the next one may be. */
static uint64_t measure_some(struct pool *pool, uint32_t inode, uint64_t first,
			     uint64_t end, uint32_t nr)
{
	int fd = vrange_measure_begin(pool, inode);
	struct vrange *v;

	while (nr-- && (v = vrange_find(pool->volatiles, inode, first, end))) {
		vrange_measure_by(pool, v, fd);
		first = v->end;
	}
	vrange_measure_end(pool, inode, fd);
	return first;
}

void vrange_remeasure(struct pool *pool, uint32_t inode, uint64_t first,
		      uint64_t end)
{
	if (!has_ranges(pool, inode))
		return;
	measure_some(pool, inode, first, end, UINT32_MAX);
	pool_fit_limit(pool);
}

void vrange_remeasure_later(struct pool *pool, uint32_t inode)
{
	if (!has_ranges(pool, inode))
		return;
	pool->volatiles->measured = (struct place){ inode, 0 };
	vrange_remeasure_some(pool);
}

void vrange_remeasure_some(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	struct place *at = &t->measured;

	if (!at->inode)
		return;
	if (has_ranges(pool, at->inode))
		at->first = measure_some(pool, at->inode, at->first, UINT64_MAX,
					 MEASURED_AT_ONCE);
	if (!has_ranges(pool, at->inode) ||
	    !vrange_find(t, at->inode, at->first, UINT64_MAX))
		at->inode = 0;
	pool_fit_limit(pool);
}

bool vranges_look(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	struct avl_node *n = avl_first(&t->by_place);
	uint32_t inode = 0;

	if (t->nr_ranges > RANGES_LOOKED_AT)
		return false;
	for (; n; n = avl_next(n)) {
		const struct vrange *v = avl_entry(n, struct vrange, by_place);

		if (v->inode != inode)
			measure_some(pool, v->inode, 0, UINT64_MAX, UINT32_MAX);
		inode = v->inode;
	}
	return true;
}
