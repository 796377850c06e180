/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See memory.h. */
#include "fs/request/memory.h"

#include <errno.h>
#include <unistd.h>

#include "fs/request/context.h"
#include "shrinker/clock.h"
#include "shrinker/reclaim.h"

uint64_t memory_reclaim(struct worker *w, uint64_t pages)
{
	uint64_t freed;

	if (!w->reclaimer)
		return 0;
	freed = reclaim_direct(w->reclaimer, pages);
	if (freed < pages) {
		/* Readers that touch holes can have filled the store. */
		box_rescan_some(w->pool);
		freed += reclaim_direct(w->reclaimer, pages - freed);
	}
	return freed;
}

int memory_grow(struct worker *w, uint64_t bytes, bool own)
{
	struct headroom *h = &w->headroom;
	uint64_t margin = headroom_margin(h), left;

	if (own)
		margin /= 2;
	if (headroom_has(h, bytes, margin))
		return 0;
	left = headroom_left(h);
	if (left < bytes + margin && w->pool &&
	    !pool_could_free(w->pool, bytes + margin - left))
		return -ENOSPC;
	/* What is freed may have been charged to others: look again. */
	memory_reclaim(w, (bytes + margin) / sysconf(_SC_PAGESIZE));
	return headroom_has(h, bytes, margin) ? 0 : -ENOSPC;
}

uint64_t memory_left(struct worker *w, uint64_t *limit)
{
	uint64_t left = headroom_left(&w->headroom);

	*limit = w->headroom.limit;
	return left;
}

#define WRITER_SPEED 8 /* bytes a nanosecond: no writer is faster */
#define LOOK_LEAST_NS 1000000ll
#define LOOK_MOST_NS 100000000ll

/*
 * Pages that are missing to what is to stay free.  The reclaimer looks, too,
 * but a writer without a pause can use up the rest before its thread has run
 * once; a writer that has to wait for an open or a close cannot.  The next look
 * comes before the fastest writer has used what is there.
 */
static uint64_t memory_missing(struct worker *w)
{
	struct meminfo *mem = &w->memory.mem;
	struct reclaim_status rs;
	int64_t now = clock_ns(), pause = LOOK_LEAST_NS;
	uint64_t least, missing = 0;

	if (!w->reclaimer || now < w->look_ns)
		return 0;
	memwatch_look(&w->memory);
	reclaimer_status(w->reclaimer, &rs);
	least = rs.tuning.min_free;
	if (w->memory.err)
		pause = LOOK_MOST_NS;
	else if (mem->available < least)
		missing = (least - mem->available) / sysconf(_SC_PAGESIZE);
	else
		pause = (mem->available - least) / WRITER_SPEED;
	if (pause < LOOK_LEAST_NS)
		pause = LOOK_LEAST_NS;
	w->look_ns = now + (pause < LOOK_MOST_NS ? pause : LOOK_MOST_NS);
	return missing;
}

void memory_trim(struct worker *w)
{
	uint64_t excess, missing;

	vfile_recheck(w->pool);
	excess = pool_excess(w->pool);
	missing = memory_missing(w);
	if (excess < missing)
		excess = missing;
	if (excess)
		memory_reclaim(w, excess);
}
