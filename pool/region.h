/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions and the extent LRU.
 *
 * A region is the page range behind one file of the store.  Each page is in
 * one of three states, each an observable fact:
 *
 *	Free		the store's file has no memory there (a hole)
 *	Available	it has, the page is on the LRU, nobody needs it
 *	Used		somebody needs it (memory appears at the first write)
 *
 *	     use_range            stop_using_range
 *	Free ---------> Used  Used ---------------> Available
 *	Available ----> Used
 *	                      Available --(shrinker only)--> Free
 *	                      Used --(discard: bytes destroyed)--> Free
 *
 * Available pages lie on the LRU as extents: runs of neighbours in one region
 * and on one node, merged as they appear and cut at 2 MiB boundaries of the
 * file, because one hole of 2 MiB is what the kernel punches fast.
 *
 * Metadata is at most 16 bytes for each page that was ever touched.
 */
#ifndef POOLFS_REGION_H
#define POOLFS_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGION_CHUNK_SHIFT 21 /* extents are cut at 2 MiB */

struct lru;
struct region;

enum page_state {
	PAGE_FREE = 0,
	PAGE_AVAILABLE,
	PAGE_USED,
};

/* What a callback of lru_walk() answers for the extent it was shown. */
enum lru_status {
	LRU_REMOVED,	   /* dropped: its pages are Free now */
	LRU_REMOVED_RETRY, /* dropped, and the lock was let go meanwhile */
	LRU_ROTATE,	   /* used lately: to the young end of the list */
	LRU_SKIP,	   /* cannot be had now: leave it where it is */
	LRU_RETRY,	   /* the lock was let go: look at the head again */
	LRU_STOP,	   /* end the walk */
};

/**
 * lru_new - an LRU, one list a node.
 * @nr_nodes: 1 to 64.
 * @limit: most pages with memory (Available + Used) all its regions may have
 *	together; UINT64_MAX for no limit.
 * Return: it, or NULL with errno EINVAL, ENOMEM.
 */
struct lru *lru_new(int nr_nodes, uint64_t limit);
void lru_free(struct lru *lru); /* all regions must be gone; NULL is fine */

/** lru_count - Available pages on a node, without a lock. */
uint64_t lru_count(const struct lru *lru, int nid);

/**
 * lru_shrink - drop Available pages of one node, oldest extent first.
 * @nr_to_scan: pages to look at; an extent that is larger than what is left of
 *	it is cut, so exactly what was asked for is dropped, never more.
 * @may_invalidate: whether regions with a mapped or cached copy in front of
 *	them (see region_set_cached()) may be dropped: that calls into the
 *	kernel's cache of the mount.  If false they are skipped.
 * @nr_scanned: out, pages looked at (dropped or skipped).
 * Return: pages dropped (holes punched in the store).
 *
 * Locks: takes lru->node lock, then tries region->lock, holds the latter alone
 * while it punches, and calls region_ops.invalidate with no lock held.
 */
uint64_t lru_shrink(struct lru *lru, int nid, uint64_t nr_to_scan,
		    bool may_invalidate, uint64_t *nr_scanned);

struct lru_stat {
	uint64_t available;	/* pages */
	uint64_t used;		/* pages */
	uint64_t extents;	/* on the lists */
	uint64_t reused;	/* pages, Available -> Used, ever */
	uint64_t populated;	/* pages, Free -> Used, ever */
	uint64_t dropped;	/* pages, Available -> Free, ever */
	uint64_t metadata;	/* bytes of page metadata in memory */
};
void lru_stat(const struct lru *lru, struct lru_stat *out);
void lru_set_limit(struct lru *lru, uint64_t limit);

/* What the region asks of whoever owns it. */
struct region_ops {
	/*
	 * Bytes [off, off+len) were dropped from the store: throw away copies
	 * that stand in front of it.  No lock is held.  May be NULL.
	 */
	void (*invalidate)(void *owner, uint64_t off, uint64_t len);
};

/**
 * region_new - a region over an open file of the store.
 * @lru: where its Available pages wait.
 * @fd: the file, open for reading and writing; owned by the region from now on
 *	(also on failure nothing is closed: the caller keeps it then).
 * @size: bytes, a multiple of the page size; the file is extended to it, its
 *	content kept.
 * @ops, @owner: callbacks, may be NULL.
 *
 * Pages that have memory already (an adopted file) start as Available.
 * Return: it, or NULL with errno EINVAL, ENOMEM, or what ftruncate says.
 */
struct region *region_new(struct lru *lru, int fd, uint64_t size,
			  const struct region_ops *ops, void *owner);

/** region_free - drops all metadata, closes the file; NULL is fine. */
void region_free(struct region *region);

/**
 * region_use_range - the pages are needed from now on.
 * @first, @nr: pages; outside the region is -EFAULT and nothing happens.
 * @missing: out, how many were Free: they have no memory until the first
 *	write.  0 means: no page will be allocated by writing them.
 * Return: 0, -EFAULT, -ENOSPC (the limit of the LRU), -ENOMEM.  Pages that are
 * Used already stay so and cost nothing.
 * Safe against itself, region_stop_using_range() and the shrinker.
 */
int region_use_range(struct region *region, uint32_t first, uint32_t nr,
		     uint32_t *missing);

/**
 * region_stop_using_range - nobody needs the pages any more: to the young end
 * of the LRU.  Pages that are not Used are left alone.  Return: 0, -EFAULT,
 * -ENOMEM.
 */
int region_stop_using_range(struct region *region, uint32_t first, uint32_t nr);

/**
 * region_discard_range - the content is destroyed: Used and Available pages
 * become Free and the hole is punched at once.  Return: 0, -EFAULT, or what
 * fallocate says.
 */
int region_discard_range(struct region *region, uint32_t first, uint32_t nr);

/**
 * region_read, region_write, region_zero - bytes [off, off+len), across pages.
 * Return: 0; -EFAULT when any byte is outside the region or off+len overflows:
 * nothing was touched then; -ENOSPC, -EIO.  The pages must be Used for the
 * content to stay.  region_write() and region_zero() of pages that have memory
 * go through a mapping (no system call); others through pwrite(), so that a
 * full store is ENOSPC and never SIGBUS.
 */
int region_read(struct region *region, uint64_t off, void *buf, size_t len);
int region_write(struct region *region, uint64_t off, const void *buf,
		 size_t len);
int region_zero(struct region *region, uint64_t off, size_t len);

/**
 * region_write_pipe - the same from a pipe that holds at least @len bytes; one
 * copy.  On an error the pipe's rest is unread.
 */
int region_write_pipe(struct region *region, uint64_t off, int pipe_fd,
		      size_t len);

/**
 * region_resize - only while no page is Used (-EBUSY).  Everything Available
 * is dropped.  @size as in region_new().
 */
int region_resize(struct region *region, uint64_t size);

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
 * store (cached mode).  region_test_clear_cached() answers whether any page of
 * the run may be cached, and forgets it.
 */
void region_set_cached(struct region *region, uint32_t first, uint32_t nr);
bool region_test_clear_cached(struct region *region, uint32_t first,
			      uint32_t nr);

/**
 * lru_check - verify the invariants of every list and region (tests).
 * Return: NULL or a sentence that names the first one broken.
 */
const char *lru_check(struct lru *lru);

#endif
