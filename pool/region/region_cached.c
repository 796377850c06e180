/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of a region the kernel's page cache of the mount may hold copies
 * of, in cached mode.
 *
 * States: a mark on each page, whatever its state; a hole that was read is
 * cached too, as zeros.  The mark is set before the page is read, and cleared
 * before its copies are dropped.
 *
 * Locks: region->lock (2 in locks.h).
 *
 * Reclaim: clears the marks of pages that it drops, drops region->lock, and
 * then has their copies dropped.  Until that has returned
 * (region->invalidating), stale copies can still be there, and every page
 * counts as cached.  A sender that writes to such a page meanwhile has its
 * copies dropped as well, so no reader sees a stale copy after that.
 */
#include "pool/region/region_priv.h"

bool region_is_cached_locked(const struct region *region, uint32_t first,
			     uint32_t nr)
{
	const struct frame_table *t = &region->lru->table;
	uint32_t end = first + nr, i;
	struct span s;

	if (region->all_cached || atomic_load(&region->invalidating))
		return true;
	if (!region->nr_cached)
		return false;
	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end))
		for (i = 0; s.f && i < s.nr; i++)
			if (t->frames[s.f + i].bits & FRAME_CACHED)
				return true;
	return false;
}

bool region_test_clear_locked(struct region *region, uint32_t first,
			      uint32_t nr)
{
	struct frame_table *t = &region->lru->table;
	uint32_t end = first + nr, i;
	struct span s;

	if (!region_is_cached_locked(region, first, nr))
		return false;
	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		for (i = 0; s.f && i < s.nr; i++) {
			uint8_t bits = t->frames[s.f + i].bits;

			if (!(bits & FRAME_CACHED))
				continue;
			frame_set(t, s.f + i, bits & ~FRAME_CACHED);
			region->nr_cached--;
		}
	}
	region_idle_locked(region, first, end);
	if (nr == region->pages)
		region->all_cached = false;
	return true;
}

void region_set_cached(struct region *region, uint32_t first, uint32_t nr)
{
	struct frame_table *t = &region->lru->table;
	uint32_t end = first + nr, i;
	struct span s;

	pthread_mutex_lock(&region->lock);
	if (!region_has_pages_locked(region, first, nr))
		goto out;
	if (region_chunks_locked(region, first, end)) {
		region->all_cached = true;
		goto out;
	}
	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		for (i = 0; i < s.nr; i++) {
			uint8_t bits = t->frames[s.f + i].bits;

			if (bits & FRAME_CACHED)
				continue;
			frame_set(t, s.f + i, bits | FRAME_CACHED);
			region->nr_cached++;
		}
	}
out:
	pthread_mutex_unlock(&region->lock);
}

bool region_test_clear_cached(struct region *region, uint32_t first,
			      uint32_t nr)
{
	bool cached = false;

	pthread_mutex_lock(&region->lock);
	if (region_has_pages_locked(region, first, nr))
		cached = region_test_clear_locked(region, first, nr);
	pthread_mutex_unlock(&region->lock);
	return cached;
}
