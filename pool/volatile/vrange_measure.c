/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory is in unpinned ranges: that is not in use, so the store's limit
 * may be higher by as much (pool->unpinned_pages).
 *
 * Measured when a range is made or changed, and of a file that was closed bit by
 * bit, since clients write to it unseen.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#include <fcntl.h>
#include <unistd.h>

#include "pool/lib/cachestat.h"
#include "pool/volatile/volatile_priv.h"

#define MEASURED_AT_ONCE 32 /* by vrange_remeasure_some() */

/* A descriptor to measure ranges of the file by.  -1: they have no memory that
 * counts: that of a volatile file counts as idle_pages. */
static int measure_begin(struct pool *pool, uint32_t inode)
{
	int fd = vfile_is_volatile(pool, inode) ? -1
						: inode_fd(pool, inode, false);

	return fd < 0 ? -1 : fd;
}

static void measure_end(struct pool *pool, uint32_t inode, int fd)
{
	if (fd >= 0)
		inode_fd_done(pool, inode, fd);
}

/* Pages of a range that have memory, not holes. */
static uint64_t vrange_memory(struct pool *pool, const struct vrange *v, int fd)
{
	off_t at = (off_t)v->first * pool->page_size, data;
	off_t end = (off_t)v->end * pool->page_size;
	uint64_t bytes = 0, pages;

	if (fd < 0)
		return 0;
	/* A client that is writing to the file may hold its lock: see hole.h. */
	if (pool->leases && count_cached(fd, at, end - at, &pages))
		return pages;
	while (at < end && (data = lseek(fd, at, SEEK_DATA)) >= 0 &&
	       data < end) {
		at = lseek(fd, data, SEEK_HOLE);
		if (at <= data)
			break;
		bytes += (at < end ? at : end) - data;
	}
	return bytes / pool->page_size;
}

static void vrange_measure_by(struct pool *pool, struct vrange *v, int fd)
{
	if (v->purged)
		return;
	pool->unpinned_pages -= v->memory;
	v->memory = vrange_memory(pool, v, fd);
	pool->unpinned_pages += v->memory;
}

void vrange_measure(struct pool *pool, struct vrange *v)
{
	int fd = measure_begin(pool, v->inode);

	vrange_measure_by(pool, v, fd);
	measure_end(pool, v->inode, fd);
}

static bool has_ranges(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       inode_rec(pool->inodes, inode)->flags & INODE_RANGES;
}

/* From page @first on, at most @nr ranges.  Return: where the next one may be. */
static uint64_t measure_some(struct pool *pool, uint32_t inode, uint64_t first,
			     uint64_t end, uint32_t nr)
{
	int fd = measure_begin(pool, inode);
	struct vrange *v;

	while (nr-- && (v = vrange_find(pool->volatiles, inode, first, end))) {
		vrange_measure_by(pool, v, fd);
		first = v->end;
	}
	measure_end(pool, inode, fd);
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
