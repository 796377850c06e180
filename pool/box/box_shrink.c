/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "box-pages": the shrinker of Available pages of boxes, on the extent LRU.
 *
 * States: Available -> Free, no other move.
 * Locks: the callbacks neither need nor take pool->lock (1); lru_shrink() takes
 * 3 and tries 2.
 * Reclaim: calls box_pages_count() and box_pages_scan().
 */
#include "pool/box/box_priv.h"

/* A page costs the next sender an allocation and no more: the least of all. */
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
	if (freed)
		pool_reclaimed(pool);
	sc->nr_scanned = scanned;
	/* Nothing scanned: the list is empty. */
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
