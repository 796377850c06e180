/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reclaim: the walk that makes Available pages Free.
 *
 * States: only Available -> Free.  An extent is removed from its list first.
 * From then on until it is Free, region->lock keeps other threads from its
 * pages.
 *
 * Locks, against the order of locks.h: the node lock (3), then a trylock of
 * region->lock (2); if that fails, the extent stays where it is.  The node lock
 * is dropped before the punch and region->lock before the invalidation; the
 * node lock is taken again with no other lock of these held.
 *
 * Reclaim: this is it.  Several scans may run at a time.
 *
 * Pages that became Available together become Free together, from their end: they
 * went onto the list in that order (region_stop_using_range()), so extents that
 * follow each other there and precede each other in the file are punched as one.
 */
#include "pool/region/region_priv.h"

#define RUN_BYTES (8u << 20) /* of one hole, at most */

struct shrink {
	bool may_invalidate;
	uint64_t dropped; /* pages */
};

static void invalidate(struct region *region, uint32_t first, uint32_t nr)
{
	unsigned int shift = region->lru->page_shift;

	region->ops->invalidate(region->owner, (uint64_t)first << shift,
				(uint64_t)nr << shift);
	atomic_fetch_sub(&region->invalidating, 1);
	region_put(region);
}

/*
 * A caller without may_invalidate holds the lock that keeps the owner alive,
 * and with it the region: no reference is needed.
 */
static void invalidate_later(struct region *region, uint32_t first, uint32_t nr)
{
	unsigned int shift = region->lru->page_shift;

	region->ops->invalidate_later(region->owner, (uint64_t)first << shift,
				      (uint64_t)nr << shift);
}

/*
 * Punches isolated pages and makes them Free.  Drops the region's lock; after
 * that only a reference keeps the region.  Return: pages that became Free.
 */
static uint32_t drop_unlock(struct region *region, uint32_t first, uint32_t nr,
			    bool may_invalidate)
{
	struct lru *lru = region->lru;
	uint64_t before = region->available;
	bool cached = false, later = false;
	uint32_t dropped;

	if (region_punch_locked(region, first, nr)) {
		region_list_locked(region, first, first + nr);
		pthread_mutex_unlock(&region->lock);
		return 0;
	}
	region_forget_locked(region, first, first + nr);
	region_punched_locked(region, first, first + nr);
	dropped = before - region->available;
	atomic_fetch_add(&lru->dropped, dropped);
	if (region->ops && region->ops->invalidate && may_invalidate)
		cached = region_test_clear_locked(region, first, nr);
	else if (region->ops && region->ops->invalidate_later)
		later = region_is_cached_locked(region, first, nr);
	if (cached) {
		region_get(region);
		atomic_fetch_add(&region->invalidating, 1);
	}
	pthread_mutex_unlock(&region->lock);
	if (cached)
		invalidate(region, first, nr);
	if (later)
		invalidate_later(region, first, nr);
	return dropped;
}

/* Whether dropping the extent needs region_ops.invalidate at once. */
static bool needs_invalidate_locked(const struct region *region,
				    const struct lru_extent *e)
{
	return region->ops && region->ops->invalidate &&
	       !region->ops->invalidate_later &&
	       region_is_cached_locked(region, e->first, e->nr);
}

static bool can_invalidate(const struct shrink *shrink,
			   const struct region *region)
{
	return shrink->may_invalidate ||
	       (region->ops && region->ops->invalidate_later);
}

static enum lru_status shrink_one(struct lru *lru, struct lru_extent *e,
				  void *arg)
{
	pthread_mutex_t *node_lock = &lru->node[e->nid].lock;
	struct shrink *shrink = arg;
	struct region *region = e->region;

	/* The region was found by a frame number: a broken list shows here. */
	magic_check(region->magic, REGION_MAGIC);
	if (pthread_mutex_trylock(&region->lock))
		return LRU_SKIP;
	if (!shrink->may_invalidate && needs_invalidate_locked(region, e)) {
		pthread_mutex_unlock(&region->lock);
		return LRU_SKIP;
	}
	lru_isolate_locked(lru, e);
	if (can_invalidate(shrink, region) || !region->nr_cached)
		while (lru_isolate_next_locked(lru, e,
					       RUN_BYTES >> lru->page_shift))
			;
	pthread_mutex_unlock(node_lock);
	shrink->dropped += drop_unlock(region, e->first, e->nr,
				       shrink->may_invalidate);
	pthread_mutex_lock(node_lock);
	return LRU_REMOVED_RETRY;
}

uint64_t lru_shrink(struct lru *lru, int nid, uint64_t nr_to_scan,
		    bool may_invalidate, uint64_t *nr_scanned)
{
	struct shrink shrink = { .may_invalidate = may_invalidate };
	uint64_t left = nr_to_scan;

	if (nid >= 0 && nid < lru->nr_nodes)
		lru_walk(lru, nid, shrink_one, &shrink, &left);
	if (nr_scanned)
		*nr_scanned = nr_to_scan - left;
	return shrink.dropped;
}
