/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions.  A region is the page range behind one file of the store.  Each page
 * is in one of three states:
 *
 *	Free		the store's file has a hole there
 *	Available	the file has memory there, and the page is on the LRU
 *	Used		in use (memory is allocated at the first write)
 *
 *	     use_range            stop_using_range
 *	Free ---------> Used  Used ---------------> Available
 *	Available ----> Used  Used, never written -> Free
 *	                      Available --(shrinker only)--> Free
 *	Free --(a write made memory for a whole huge folio)--> Available
 *
 * Metadata is at most 16 bytes for each page that was ever touched.
 */
#ifndef POOLFS_POOL_REGION_H
#define POOLFS_POOL_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/region/lru.h"

enum page_state {
	PAGE_FREE = 0,
	PAGE_AVAILABLE,
	PAGE_USED,
};

/* Callbacks of a region's owner. */
struct region_ops {
	/*
	 * Opens the region's file again, for reading and writing, after
	 * lru_set_fds()'s cache has closed it.  The region's lock may be held.
	 * Return: a descriptor or -errno.  NULL: the region keeps its own.
	 */
	int (*open)(void *owner);
	/*
	 * Bytes [off, off+len) were dropped from the store: drop the kernel's
	 * cached copies of them.  No lock is held.  May be NULL.
	 */
	void (*invalidate)(void *owner, uint64_t off, uint64_t len);
	/*
	 * The same for an lru_shrink() without may_invalidate, whose caller
	 * holds the lock that keeps the owner alive: must not block, and have
	 * the copies dropped soon.  The pages stay marked as cached until then.
	 * May be NULL: then such pages are skipped.
	 */
	void (*invalidate_later)(void *owner, uint64_t off, uint64_t len);
	/*
	 * The last reference to the region was dropped: no callback is called
	 * with @owner any more.  Called once, by region_free() or by an
	 * lru_shrink() whose invalidate was running then.  No lock of the
	 * region is held.  May be NULL if @owner outlives every lru_shrink().
	 */
	void (*release)(void *owner);
};

/**
 * region_new - a region over an open file of the store.
 * @lru: the LRU of its Available pages.
 * @fd: the file, open for reading and writing, without O_APPEND; owned by the
 *	region from now on (on failure nothing is closed: the caller keeps it).
 * @size: bytes, a multiple of the page size, 1 to 2^31 pages; the file is
 *	extended to it, its content kept.
 * @ops, @owner: callbacks, may be NULL.
 *
 * Pages that have memory already (an adopted file) start as Available.
 * Return: it, or NULL with errno EINVAL (also: the file is larger), ENOMEM, or
 * what ftruncate says.
 */
struct region *region_new(struct lru *lru, int fd, uint64_t size,
			  const struct region_ops *ops, void *owner);

/**
 * region_free - drops all metadata, closes the file; NULL is fine.  Waits for a
 * hole being punched in it, never for an invalidate.  No other thread may be in
 * a call with this region but lru_shrink().
 */
void region_free(struct region *region);

/**
 * region_use_range - make pages Used.
 * @first, @nr: pages; outside the region is -EFAULT and nothing happens.
 * @missing: out, may be NULL: how many had no memory; it comes with the first
 *	write.  0 means: no page will be allocated by writing them.
 * Return: 0, -EFAULT, -ENOSPC (the limit of the LRU), -ENOMEM.  Pages that are
 * Used already stay so and cost nothing.
 *
 * Takes region->lock (2), and 3 and 4 under it, as all calls below do.
 */
int region_use_range(struct region *region, uint32_t first, uint32_t nr,
		     uint32_t *missing);

/**
 * region_stop_using_range - make Used pages Available, at the young end of the
 * LRU, or Free if they were never written.  Pages that are not Used stay as
 * they are.  Return: 0, -EFAULT.
 */
int region_stop_using_range(struct region *region, uint32_t first, uint32_t nr);

/**
 * region_read, region_write - bytes [off, off+len), across pages.
 * Return: 0; -EFAULT when any byte is outside the region or off+len overflows:
 * nothing was touched then; -ENOSPC, -EIO.
 *
 * The pages must be Used for the content to stay.  The region's lock is not
 * held while bytes of Used pages are copied; the caller keeps them Used
 * meanwhile.
 *
 * Pages that have memory are written through a mapping, without a system call
 * once the page tables are filled in.  Others are written by pwrite(), so that
 * a full store is ENOSPC and never SIGBUS.
 */
int region_read(struct region *region, uint64_t off, void *buf, size_t len);
int region_write(struct region *region, uint64_t off, const void *buf,
		 size_t len);

/**
 * region_resize - drops all Available pages and changes the size.  The caller
 * drops the kernel's cached copies.
 * @size: as in region_new().
 * Return: 0; -EBUSY: a page is Used; -EINVAL, -ENOMEM, or -errno of fallocate()
 * or ftruncate().  On failure the size is unchanged.
 */
int region_resize(struct region *region, uint64_t size);

/**
 * region_rescan - find Free pages that have memory all the same (a client that
 * reads a hole through a shared mapping of the file allocates it), and make
 * them Available.  O(pages).  Return: 0, -ENOMEM, or -errno of lseek().
 */
int region_rescan(struct region *region);
/**
 * region_rescan_some - the same in bounded time, from where the last one ended.
 * @steps: in/out, that may be done; a step is about a microsecond.
 * Return: whether there are more until the end of the region.
 */
bool region_rescan_some(struct region *region, uint32_t *steps);

uint64_t region_size(const struct region *region); /* bytes */

/**
 * region_fd - the descriptor of the region's file, until region_fd_done().
 * Return: it, or -errno of region_ops.open.
 */
int region_fd(struct region *region);
void region_fd_done(struct region *region, int fd);

struct region_stat {
	uint64_t pages;
	uint64_t used;
	uint64_t available;
};
void region_stat(const struct region *region, struct region_stat *out);

/** region_page_state - of one page, for stat and tests; PAGE_FREE outside. */
enum page_state region_page_state(struct region *region, uint32_t page);

/**
 * region_set_cached - mark pages that the kernel's page cache of the mount may
 * hold copies of (cached mode).  To be called before the pages are read for it.
 * region_test_clear_cached() answers whether any page of the run may be cached,
 * and clears the marks.  While an invalidate runs the answer is always yes.
 */
void region_set_cached(struct region *region, uint32_t first, uint32_t nr);
bool region_test_clear_cached(struct region *region, uint32_t first,
			      uint32_t nr);

#endif
