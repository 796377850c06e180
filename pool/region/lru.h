/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extent LRU: Available memory of many regions, oldest first.
 *
 * Available pages lie on the LRU as extents: runs of neighbours in one region
 * and on one node, merged as they appear and cut at 2 MiB boundaries of the
 * file, because one hole of 2 MiB is what the kernel punches fast.
 *
 *	node 0:  old [aaaa] - [bb] - [cccccccc] - [a] young
 *	node 1:  old [bbb] young
 *
 * An extent that grows goes to the young end; what is left of one that is cut
 * keeps its place.
 */
#ifndef POOLFS_POOL_REGION_LRU_H
#define POOLFS_POOL_REGION_LRU_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/lib/extent_list.h"

#define LRU_MAX_NODES 64

struct lru;
struct region;

/**
 * lru_new - an LRU, one list a node.
 * @nr_nodes: 1 to LRU_MAX_NODES.
 * @limit: most pages with memory (Available + Used) all its regions may have
 *	together; UINT64_MAX for no limit.
 * Return: it, or NULL with errno EINVAL, ENOMEM.
 */
struct lru *lru_new(int nr_nodes, uint64_t limit);

/**
 * lru_free - all regions must be gone, and no lru_shrink() running; NULL is
 * fine.
 */
void lru_free(struct lru *lru);

/**
 * lru_set_placement - who says on which node a page that is written first now
 * gets its memory: @nid_now, called with the region's lock held.  Without it,
 * that is the node of the CPU the caller runs on.
 */
void lru_set_placement(struct lru *lru, int (*nid_now)(void));

/** lru_count - Available pages on a node, without a lock; 0 for no such. */
uint64_t lru_count(const struct lru *lru, int nid);

/**
 * lru_shrink - drop Available pages of one node, oldest extent first.
 * @nr_to_scan: pages to look at; an extent that is larger than what is left of
 *	it is cut, so exactly what was asked for is dropped, never more.  Ask
 *	for multiples of 2 MiB where huge folios should stay whole.
 * @may_invalidate: whether pages with a mapped or cached copy in front of
 *	them (see region_set_cached()) may be dropped: that calls into the
 *	kernel's cache of the mount.  If false they are skipped.
 * @nr_scanned: out, pages looked at (dropped or skipped); may be NULL.
 * Return: pages dropped (holes punched in the store).
 *
 * Locks: takes the node lock, then tries region->lock, holds the latter alone
 * while it punches, and calls region_ops.invalidate with no lock held.  An
 * extent whose region is locked is skipped.
 */
uint64_t lru_shrink(struct lru *lru, int nid, uint64_t nr_to_scan,
		    bool may_invalidate, uint64_t *nr_scanned);

/**
 * struct lru_extent - what a callback is shown.
 * @region: whose; stays valid while the node lock is held, and after that
 *	while its lock is.
 * @first, @nr: pages of it, at most what is left of the budget.
 * @room: pages the budget has beyond them.  A callback that took more (see
 *	lru_isolate_next()) has raised @nr and lowered @room.
 */
struct lru_extent {
	struct region *region;
	int nid;
	uint32_t first;
	uint32_t nr;
	uint64_t room;
	uint32_t frame;
	struct extent_cursor *cursor;
};

/**
 * lru_walk - extent_list_walk() of a node.
 * @fn: the node lock is held when it is called and when it returns.
 * @nr_to_walk: budget in pages, in and out.
 * Return: pages removed.
 */
uint64_t lru_walk(struct lru *lru, int nid,
		  enum lru_status (*fn)(struct lru *lru,
					struct lru_extent *extent, void *arg),
		  void *arg, uint64_t *nr_to_walk);

struct lru_stat {
	uint64_t available; /* pages */
	uint64_t used; /* pages */
	uint64_t extents; /* on the lists */
	uint64_t reused; /* pages, Available -> Used, ever */
	uint64_t populated; /* pages, Free -> Used, ever */
	uint64_t dropped; /* pages, Available -> Free, ever */
	uint64_t metadata; /* bytes of page metadata in memory */
};
void lru_stat(const struct lru *lru, struct lru_stat *out);
void lru_set_limit(struct lru *lru, uint64_t limit);

/**
 * lru_check - verify every list, frame and region against each other and
 * against the memory of the store's files (tests).  Nobody may be at work, and
 * nobody else may have made memory in a file.
 * Return: NULL or a sentence that names the first invariant broken.
 */
const char *lru_check(struct lru *lru);

#endif
