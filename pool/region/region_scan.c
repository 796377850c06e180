/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a region's file has memory: asked of the store, not assumed.
 *
 * States: what is found behind a Used page makes it populated; what is found
 * behind a Free page makes that Available.  A write into a tmpfs with huge
 * folios can fill a whole 2 MiB, a punch can leave memory behind, and an
 * adopted file has what it has.
 *
 * Locks: region->lock (2 in locks.h).  Reads of the file's offset by lseek()
 * do no harm: all other accesses name their offset.
 *
 * Reclaim cannot punch what is being looked at, it needs the same lock.
 */
#include "pool/region/region_priv.h"

#include <errno.h>
#include <sys/param.h>
#include <unistd.h>

#define PAGE_LEAST 4096 /* no machine has smaller pages */
#define STEP_PAGES 4096 /* that one step of a scan goes through */

/* Of @nr pages, the first ones that are on the same node. */
static uint32_t same_node(const uint8_t *nid, uint32_t nr)
{
	uint32_t n = 1;

	while (n < nr && nid[n] == nid[0])
		n++;
	return n;
}

/* Is a page of it not marked populated? */
static bool any_unknown(const struct frame_table *t, const struct span *s)
{
	for (uint32_t i = 0; i < s->nr; i++)
		if (!(t->frames[s->f + i].bits & FRAME_POPULATED))
			return true;
	return false;
}

/* Of one chunk.  Return: newly marked, of which *@available become Available. */
static uint64_t mark_span_locked(struct region *region, const struct span *s,
				 bool written, uint64_t *available)
{
	struct frame_table *t = &region->lru->table;
	uint8_t nid[EXTENT_BYTES / PAGE_LEAST];
	uint64_t found = 0;
	uint32_t i, j, n;

	if (!any_unknown(t, s))
		return 0;
	region_nodes_locked(region, s->page, s->nr, written, nid);
	for (i = 0; i < s->nr; i += n) {
		uint32_t f = s->f + i;

		n = region_run(region, f, s->nr - i);
		if (t->frames[f].bits & FRAME_POPULATED)
			continue;
		n = same_node(nid + i, n);
		for (j = 0; j < n; j++)
			t->frames[f + j].nid = nid[i];
		found += n;
		frames_change(t, f, n, 0, FRAME_POPULATED);
		if (frame_state(t, f) == PAGE_FREE) {
			lru_add(region->lru, f, n);
			*available += n;
		}
	}
	return found;
}

/*
 * Marks pages [first, end) populated.
 * @written: by this thread, just now.
 * Return: newly marked, or -ENOMEM.
 */
static int64_t mark_locked(struct region *region, uint32_t first, uint32_t end,
			   bool written)
{
	uint64_t found = 0, available = 0;
	struct span s;

	if (region_chunks_locked(region, first, end))
		return -ENOMEM;
	for (s = region_span_back(region, first, end); s.nr;
	     s = region_span_back(region, first, s.page))
		found += mark_span_locked(region, &s, written, &available);
	atomic_fetch_add(&region->available, available);
	atomic_fetch_add(&region->lru->memory, available);
	return found;
}

/* The first page from @page on that is not marked populated, or @end. */
static uint32_t next_unknown_locked(struct region *region, uint32_t page,
				    uint32_t end)
{
	struct frame_table *t = &region->lru->table;
	struct span s;
	uint32_t i;

	for (s = region_span(region, page, end); s.nr;
	     s = region_span_next(region, s, end)) {
		if (!s.f)
			return s.page;
		for (i = 0; i < s.nr; i++)
			if (!(t->frames[s.f + i].bits & FRAME_POPULATED))
				return s.page + i;
	}
	return end;
}

/*
 * One step of a scan, two seeks at most.
 * @first: in/out, up to where it has come.
 * Return: 0 or -errno; -ENXIO: there is no memory behind it.
 */
static int scan_step_locked(struct region *region, uint32_t *first,
			    uint32_t end)
{
	unsigned int shift = region->lru->page_shift;
	off_t mask = (1l << shift) - 1;
	off_t data, hole;
	uint32_t page,
		stop = end - *first > STEP_PAGES ? *first + STEP_PAGES : end;
	int64_t found;

	*first = next_unknown_locked(region, *first, stop);
	if (*first == stop)
		return 0;
	data = region_seek(region, (off_t)*first << shift, SEEK_DATA);
	if (data < 0)
		return data;
	page = MIN(data >> shift, end);
	*first = page;
	/* Of what is known the end need not be found. */
	if (page == end || next_unknown_locked(region, page, page + 1) != page)
		return 0;
	hole = region_seek(region, data, SEEK_HOLE);
	if (hole < 0)
		return hole;
	hole = MIN((hole + mask) >> shift, end);
	found = mark_locked(region, page, hole, false);
	*first = hole;
	return found < 0 ? found : 0;
}

int region_scan_locked(struct region *region, uint32_t first, uint32_t end)
{
	int err = 0;

	while (!err && first < end)
		err = scan_step_locked(region, &first, end);
	return err == -ENXIO ? 0 : err;
}

bool region_rescan_some(struct region *region, uint32_t *steps)
{
	uint32_t *at = &region->scanned;
	bool more;
	int err = 0;

	pthread_mutex_lock(&region->lock);
	while (!err && *at < region->pages && *steps) {
		err = scan_step_locked(region, at, region->pages);
		(*steps)--;
	}
	if (err || *at >= region->pages)
		*at = 0;
	more = *at;
	pthread_mutex_unlock(&region->lock);
	return more;
}

/*
 * Whether a page has memory and is not marked populated.  SEEK_DATA on that
 * page is cheap; SEEK_HOLE could run to the end of the file.
 */
static bool has_unknown_locked(struct region *region, uint32_t page)
{
	off_t at = (off_t)page << region->lru->page_shift;

	if (next_unknown_locked(region, page, page + 1) != page)
		return false;
	return region_seek(region, at, SEEK_DATA) == at;
}

/* A huge folio that is larger than the write includes a page next to it. */
void region_wrote_locked(struct region *region, uint32_t first, uint32_t end)
{
	unsigned int shift = region->lru->table.shift;
	uint64_t in_chunk = (1u << shift) - 1, stop;

	if (first >= end || mark_locked(region, first, end, true) <= 0)
		return;
	stop = ((end - 1) | in_chunk) + 1;
	if (stop > region->pages)
		stop = region->pages;
	if (((first & in_chunk) && has_unknown_locked(region, first - 1)) ||
	    (end < stop && has_unknown_locked(region, end)))
		region_scan_locked(region, first & ~in_chunk, stop);
}

/*
 * A huge folio is split when a part of it is punched, unless it has an extra
 * reference just then (from a system call on another part).  Then the kernel
 * only clears the part, and the memory stays.  Such a folio lies across @first
 * or @end.
 */
void region_punched_locked(struct region *region, uint32_t first, uint32_t end)
{
	uint32_t in_chunk = (1u << region->lru->table.shift) - 1;

	if (first < end &&
	    (((first & in_chunk) && has_unknown_locked(region, first)) ||
	     ((end & in_chunk) && has_unknown_locked(region, end - 1))))
		region_scan_locked(region, first, end);
}
