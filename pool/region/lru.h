/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extent LRU: Available memory of many regions, oldest first.
 *
 * Available pages are on the LRU as extents: runs of neighbours in one region
 * and on one NUMA node, merged as they appear and cut at 2 MiB boundaries of
 * the file (EXTENT_BYTES).
 *
 *	node 0:  old [aaaa] - [bb] - [cccccccc] - [a] young
 *	node 1:  old [bbb] young
 *
 * An extent that grows moves to the young end.  The rest of an extent that is
 * cut keeps its place.
 */
#ifndef POOLFS_POOL_REGION_LRU_H
#define POOLFS_POOL_REGION_LRU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/lib/extent_list.h"
#include "pool/lib/fd_cache.h"

#define LRU_MAX_NODES 64

struct lru;
struct region;

/**
 * lru_new - an LRU, one list for each NUMA node.
 * @nr_nodes: 1 to LRU_MAX_NODES.
 * @limit: most pages (Available + Used) that all its regions may have together;
 *	UINT64_MAX for no limit.
 * Return: it, or NULL with errno EINVAL, ENOMEM.
 */
struct lru *lru_new(int nr_nodes, uint64_t limit);

/**
 * lru_free - all regions must be freed, and no lru_shrink() running; NULL is
 * fine.
 */
void lru_free(struct lru *lru);

/**
 * lru_set_fds - keep the descriptors of regions in @fds, of those whose owner
 * can open the file again (region_ops.open).
 */
void lru_set_fds(struct lru *lru, struct fd_cache *fds);

/**
 * lru_set_placement - set the callback that names the NUMA node of new memory.
 * @nid_now: returns the node on which a page that this thread writes now would
 *	be allocated; called with the region's lock held.  By default it is the
 *	node of the CPU that the thread runs on.
 */
void lru_set_placement(struct lru *lru, int (*nid_now)(void));

/**
 * lru_set_locate - set the callback that names the nodes of @nr pages of @page
 * bytes at @mem, which have memory; called with the region's lock held.  By
 * default the kernel is asked.
 * @nid: in and out; those that are not known stay as they are.
 */
void lru_set_locate(struct lru *lru,
		    void (*locate)(const char *mem, uint32_t nr, size_t page,
				   int *nid));

/** lru_count - Available pages of a node, 0 for no such; takes no lock. */
uint64_t lru_count(const struct lru *lru, int nid);

/**
 * lru_shrink - drop Available pages of one node, oldest extent first.
 * @nr_to_scan: pages to scan.  An extent that is larger than the rest of it is
 *	cut, so never more is dropped.  Multiples of 2 MiB keep huge folios
 *	whole.
 * @may_invalidate: whether region_ops.invalidate may be called, which calls
 *	into the kernel's page cache of the mount.  If false, pages that may be
 *	cached (region_set_cached()) are dropped by way of
 *	region_ops.invalidate_later, and skipped if there is none.
 * @nr_scanned: out, pages scanned (dropped or skipped); may be NULL.
 * Return: pages dropped (holes punched in the store).
 *
 * Locks: takes the node lock (3), then tries region->lock (2), and skips the
 * extent if that is held.  Holds region->lock alone while it punches; calls
 * region_ops with neither of the two held.
 */
uint64_t lru_shrink(struct lru *lru, int nid, uint64_t nr_to_scan,
		    bool may_invalidate, uint64_t *nr_scanned);

/**
 * struct lru_extent - what a callback is shown.
 * @region: valid while the node lock or the region's lock is held.
 * @nid: NUMA node.
 * @first, @nr: pages of the region, at most what is left of the budget: the end
 *	of the extent, so that the pages that are reused first stay longest.
 * @room: pages of the budget that remain after @nr.
 *	lru_isolate_next_locked() raises @nr and lowers @first and @room.
 * @head: the extent's first frame.
 * @frame: of page @first.
 * @cursor: points at the next extent.
 */
struct lru_extent {
	struct region *region;
	int nid;
	uint32_t first;
	uint32_t nr;
	uint64_t room;
	uint32_t head;
	uint32_t frame;
	struct extent_cursor *cursor;
};

/**
 * lru_walk - extent_list_walk() of a node's list.
 * @fn: called with the node lock held, and must return with it held.
 * @nr_to_walk: budget in pages, in and out.
 * Return: pages removed.  Takes the node lock (3).
 */
uint64_t lru_walk(struct lru *lru, int nid,
		  enum lru_status (*fn)(struct lru *lru,
					struct lru_extent *extent, void *arg),
		  void *arg, uint64_t *nr_to_walk);

struct lru_stat {
	uint64_t available; /* pages */
	uint64_t used; /* pages */
	uint64_t extents; /* on the lists */
	uint64_t reused; /* pages, Available -> Used, since lru_new() */
	uint64_t populated; /* pages, Free -> Used, since lru_new() */
	uint64_t dropped; /* pages, Available -> Free, since lru_new() */
	uint64_t limit; /* pages; see lru_new() */
	uint64_t metadata; /* bytes of page metadata in memory */
};
/** lru_stat - takes no lock. */
void lru_stat(const struct lru *lru, struct lru_stat *out);
/** lru_set_limit - @limit as in lru_new(); what is there already may stay. */
void lru_set_limit(struct lru *lru, uint64_t limit);

/**
 * lru_check - verify every list, frame and region against each other and
 * against the memory of the store's files (tests).  No other thread may use the
 * LRU or its regions, and all memory of the files must have come from here.
 * Return: NULL or a sentence that names the first invariant broken.
 */
const char *lru_check(struct lru *lru);

#endif
