/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions.  A region is the page range behind one file of the store.  Each page
 * is in one of three states, each an observable fact:
 *
 *	Free		the store's file has no memory there (a hole)
 *	Available	it has, the page is on the LRU, nobody needs it
 *	Used		somebody needs it (memory appears at the first write)
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

/* What the region asks of whoever owns it. */
struct region_ops {
	/*
	 * Bytes [off, off+len) were dropped from the store: throw away copies
	 * that stand in front of it.  No lock is held.  May be NULL.
	 */
	void (*invalidate)(void *owner, uint64_t off, uint64_t len);
	/*
	 * The same where the caller of lru_shrink() may not wait for it: have it
	 * done soon.  The pages count as cached still, so that nothing new is
	 * written behind a copy.  May be NULL: then such pages are not dropped
	 * from there.
	 */
	void (*invalidate_later)(void *owner, uint64_t off, uint64_t len);
	/*
	 * The region is gone and nothing calls with @owner any more.  Called
	 * once: by region_free(), or, if invalidate was running then, by the
	 * reclaimer when that has returned.  No lock of the region is held.
	 * May be NULL, if @owner outlives every lru_shrink() anyway.
	 */
	void (*release)(void *owner);
};

/**
 * region_new - a region over an open file of the store.
 * @lru: where its Available pages wait.
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
 * hole being punched in it, never for an invalidate.  Nobody else may be
 * calling with this region.
 */
void region_free(struct region *region);

/**
 * region_use_range - the pages are needed from now on.
 * @first, @nr: pages; outside the region is -EFAULT and nothing happens.
 * @missing: out, may be NULL: how many had no memory; it comes with the first
 *	write.  0 means: no page will be allocated by writing them.
 * Return: 0, -EFAULT, -ENOSPC (the limit of the LRU), -ENOMEM.  Pages that are
 * Used already stay so and cost nothing.
 * Safe against itself, region_stop_using_range() and the shrinker.
 */
int region_use_range(struct region *region, uint32_t first, uint32_t nr,
		     uint32_t *missing);

/**
 * region_stop_using_range - nobody needs the pages any more: to the young end
 * of the LRU, or Free if they were never written.  Pages that are not Used are
 * left alone.  Return: 0, -EFAULT.
 */
int region_stop_using_range(struct region *region, uint32_t first, uint32_t nr);

/**
 * region_read, region_write - bytes [off, off+len), across pages.
 * Return: 0; -EFAULT when any byte is outside the region or off+len overflows:
 * nothing was touched then; -ENOSPC, -EIO.
 *
 * The pages must be Used for the content to stay.  The region's lock is not
 * held while bytes of Used pages move: the writer of a range keeps it Used
 * meanwhile.
 *
 * Pages that have memory are written through a mapping (no system call, once it
 * is warm); others by pwrite(), so that a full store is ENOSPC and never
 * SIGBUS.
 */
int region_read(struct region *region, uint64_t off, void *buf, size_t len);
int region_write(struct region *region, uint64_t off, const void *buf,
		 size_t len);

/**
 * region_resize - only while no page is Used (-EBUSY).  Everything Available
 * is dropped; copies in front of the store are the caller's to throw away.
 * @size as in region_new().  Return: 0, -EBUSY, -EINVAL, -ENOMEM, or what
 * fallocate or ftruncate say; then the size is what it was.
 */
int region_resize(struct region *region, uint64_t size);

/**
 * region_rescan - find memory behind Free pages that appeared without a call
 * of ours (a reader who touched a hole through a shared mapping of the file)
 * and make them Available.  Return: 0, -ENOMEM, or what lseek says.
 */
int region_rescan(struct region *region);

uint64_t region_size(const struct region *region); /* bytes */
int region_fd(const struct region *region);

struct region_stat {
	uint64_t pages;
	uint64_t used;
	uint64_t available;
};
void region_stat(const struct region *region, struct region_stat *out);

/** region_page_state - of one page, for stat and tests; PAGE_FREE outside. */
enum page_state region_page_state(struct region *region, uint32_t page);

/**
 * region_set_cached - the kernel may hold copies of these pages in front of the
 * store (cached mode).  Call it before reading what it will cache.
 * region_test_clear_cached() answers whether any page of the run may be cached,
 * and forgets it.  While an invalidate runs the answer is always yes.
 */
void region_set_cached(struct region *region, uint32_t first, uint32_t nr);
bool region_test_clear_cached(struct region *region, uint32_t first,
			      uint32_t nr);

#endif
