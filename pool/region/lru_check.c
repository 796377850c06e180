/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invariants of lists, frames and regions, for tests: each is a sentence.
 *
 * States: what a frame says is compared with its extent, with the totals, and
 * with what the store's file says itself.
 *
 * Locks: none; no other thread may use the LRU or its regions.
 *
 * Reclaim: must not run.
 */
#include "pool/region/region_priv.h"

#include <string.h>
#include <unistd.h>

struct totals {
	uint64_t available, used, listed;
};

static const char *check_extent(const struct lru *lru, uint32_t f, int nid)
{
	const struct frame_table *t = &lru->table;
	uint32_t len = t->frames[f].len, i;

	if (!chunk_of(t, f)->region)
		return "an extent lies in an idle chunk";
	if (!len || frame_place(t, f) + len > 1u << t->shift)
		return "an extent crosses its chunk's end";
	if (t->frames[f + len - 1].len != len)
		return "head and tail of an extent differ in length";
	for (i = 0; i < len; i++)
		if (frame_state(t, f + i) != PAGE_AVAILABLE ||
		    t->frames[f + i].nid != nid)
			return "a page in an extent is not Available there";
	if (frame_place(t, f) && frame_state(t, f - 1) == PAGE_AVAILABLE &&
	    t->frames[f - 1].nid == nid)
		return "two neighbours are not one extent";
	return NULL;
}

static const char *check_node(const struct lru *lru, int nid,
			      struct totals *sum)
{
	const struct extent_list *list = &lru->node[nid].list;
	const char *broken = extent_list_check(list);

	for (uint32_t f = list->oldest; f && !broken;
	     f = lru->table.frames[f].link.younger)
		broken = check_extent(lru, f, nid);
	sum->listed += list->pages;
	return broken;
}

/* Whether the file has memory at @page: cheap, the seek starts there. */
static bool has_memory(struct region *region, uint32_t page)
{
	off_t at = (off_t)page << region->lru->page_shift;

	return region_seek(region, at, SEEK_DATA) == at;
}

static const char *check_frame(struct region *region, uint32_t f)
{
	const struct frame_table *t = &region->lru->table;
	uint8_t bits = t->frames[f].bits;
	unsigned int state = bits & FRAME_STATE;
	bool populated = bits & FRAME_POPULATED;

	if (state > PAGE_USED)
		return "a page is in no state";
	if (state == PAGE_FREE && (bits & ~FRAME_CACHED))
		return "a Free page is populated or mapped";
	if (state == PAGE_AVAILABLE && !populated)
		return "an Available page is not populated";
	if ((bits & FRAME_MAPPED) && (!populated || !region->map))
		return "a page is mapped that cannot be";
	if (frame_page(t, f) < region->pages &&
	    populated != has_memory(region, frame_page(t, f)))
		return populated ? "a populated page has no memory"
				 : "an unpopulated page has memory";
	return NULL;
}

static const char *check_chunk(const struct lru *lru, uint32_t id,
			       struct totals *sum)
{
	const struct frame_table *t = &lru->table;
	const struct frame_chunk *c = &t->chunks[id];
	uint32_t f = id << t->shift, stop = (id + 1) << t->shift, busy = 0;
	const char *broken;

	if ((uint64_t)c->index << t->shift >= c->region->pages ||
	    c->region->ids[c->index] != id)
		return "a chunk is not its region's";
	for (; f < stop; f++) {
		broken = check_frame(c->region, f);
		if (broken)
			return broken;
		if (t->frames[f].bits && frame_page(t, f) >= c->region->pages)
			return "a page outside of its region is not Free";
		busy += !!t->frames[f].bits;
		sum->available += frame_state(t, f) == PAGE_AVAILABLE;
		sum->used += frame_state(t, f) == PAGE_USED;
	}
	if (busy != c->busy || !busy)
		return "a chunk's count of busy frames is wrong";
	return NULL;
}

/* Checks a whole region, when @id is the lowest of its chunks. */
static const char *check_region(const struct lru *lru, struct region *region,
				uint32_t id)
{
	const struct frame_table *t = &lru->table;
	struct totals sum = { 0 };
	uint64_t cached = 0;
	struct span s;
	uint32_t i;

	for (s = region_span(region, 0, region->pages); s.nr;
	     s = region_span_next(region, s, region->pages)) {
		if (!s.f && has_memory(region, s.page))
			return "an untouched chunk has memory";
		if (s.f && s.f >> t->shift < id)
			return NULL;
		for (i = 0; s.f && i < s.nr; i++) {
			unsigned int state = frame_state(t, s.f + i);

			sum.used += state == PAGE_USED;
			sum.available += state == PAGE_AVAILABLE;
			cached += !!(t->frames[s.f + i].bits & FRAME_CACHED);
		}
	}
	if (sum.used != region->used || sum.available != region->available)
		return "a region's counters are wrong";
	if (cached != region->nr_cached)
		return "a region's count of cached pages is wrong";
	return NULL;
}

const char *lru_check(struct lru *lru)
{
	const struct frame_table *t = &lru->table;
	struct totals sum = { 0 };
	const char *broken = NULL;
	uint32_t id;
	int nid;

	for (nid = 0; nid < lru->nr_nodes && !broken; nid++)
		broken = check_node(lru, nid, &sum);
	for (id = 1; id < t->nr && !broken; id++) {
		if (!t->chunks[id].region)
			continue;
		broken = check_chunk(lru, id, &sum);
		if (!broken)
			broken = check_region(lru, t->chunks[id].region, id);
	}
	if (broken)
		return broken;
	if (sum.listed != sum.available)
		return "an Available page is on no list";
	if (sum.used != lru->used || sum.used + sum.available != lru->memory)
		return "the totals of the LRU are wrong";
	return NULL;
}
