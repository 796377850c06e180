/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shrinker of boxes: Available pages, which lie on the extent LRU.
 *
 * States: Available -> Free, nothing else.
 * Locks: the callbacks run without pool->lock; lru_shrink() takes 3, then tries
 * 2.
 * Reclaim: box_pages_scan() is what it calls.
 */
#include "pool/box/box_priv.h"

/* The next sender makes them again: the cheapest there is. */
#define BOX_PAGES_SEEKS 1

static unsigned long box_pages_count(struct shrinker *shrinker,
				     struct shrink_control *sc)
{
	struct pool *pool = pool_of(shrinker->private_data);
	uint64_t n = lru_count(pool->lru, sc->nid);

	return n ? n : SHRINK_EMPTY;
}

static unsigned long box_pages_scan(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	struct pool *pool = pool_of(shrinker->private_data);
	uint64_t scanned = 0, freed;

	freed = lru_shrink(pool->lru, sc->nid, sc->nr_to_scan, sc->fs_allowed,
			   &scanned);
	sc->nr_scanned = scanned;
	/* Everything is busy, or may not be touched from here. */
	return scanned ? freed : SHRINK_STOP;
}

int box_add_shrinker(struct pool *pool)
{
	static const struct shrinker kind = {
		.count_objects = box_pages_count,
		.scan_objects = box_pages_scan,
		.seeks = BOX_PAGES_SEEKS,
	};

	return pool_add_shrinker(pool, "box-pages", SHRINKER_NUMA_AWARE, &kind,
				 &pool->boxes->shrinker);
}

void box_remove_shrinker(struct pool *pool)
{
	if (pool->boxes && pool->boxes->shrinker)
		shrinker_free(pool->boxes->shrinker);
	if (pool->boxes)
		pool->boxes->shrinker = NULL;
}
