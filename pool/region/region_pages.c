/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of a region share: page ranges in terms of frames, and the
 * part that destroying, resizing and reclaim have in common.
 *
 * States: region_unlist_locked(), region_punch_locked() and
 * region_forget_locked() are the three parts of making pages Free; the caller
 * decides on their order.
 *
 * Locks: region->lock (2 in locks.h) is held by all callers.  lru_add() and
 * lru_remove() take a node lock (3), chunk_alloc() and chunk_free() the table's
 * (4).
 *
 * Reclaim: calls these functions itself, under the same lock.
 */
#include "pool/region/region_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct span region_span(const struct region *region, uint32_t page,
			uint32_t end)
{
	const struct frame_table *t = &region->lru->table;
	uint32_t in_chunk = (1u << t->shift) - 1, id;
	struct span s = { .page = page };
	uint64_t stop;

	if (page >= end)
		return s;
	stop = ((uint64_t)page | in_chunk) + 1;
	s.nr = (stop < end ? stop : end) - page;
	id = region->ids[page >> t->shift];
	s.f = id ? id << t->shift | (page & in_chunk) : 0;
	return s;
}

struct span region_span_back(const struct region *region, uint32_t first,
			     uint32_t end)
{
	uint32_t in_chunk = (1u << region->lru->table.shift) - 1;
	uint32_t start = end ? (end - 1) & ~in_chunk : 0;

	return region_span(region, start > first ? start : first, end);
}

struct span region_span_next(const struct region *region, struct span s,
			     uint32_t end)
{
	return region_span(region, s.page + s.nr, end);
}

uint32_t region_run(const struct region *region, uint32_t f, uint32_t nr)
{
	const struct frame *first = &region->lru->table.frames[f], *p;
	uint8_t kind = FRAME_STATE | FRAME_POPULATED;
	uint32_t n = 1;

	for (p = first + 1; n < nr; n++, p++)
		if (((p->bits ^ first->bits) & kind) || p->nid != first->nid)
			break;
	return n;
}

bool region_has_pages_locked(const struct region *region, uint32_t first,
			     uint32_t nr)
{
	return (uint64_t)first + nr <= region->pages;
}

bool region_has_bytes_locked(const struct region *region, uint64_t off,
			     uint64_t len)
{
	uint64_t size = region->pages << region->lru->page_shift;

	return off <= size && len <= size - off;
}

void region_idle_locked(struct region *region, uint32_t first, uint32_t end)
{
	struct frame_table *t = &region->lru->table;
	struct span s;

	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		if (!s.f || chunk_of(t, s.f)->busy)
			continue;
		region->ids[s.page >> t->shift] = 0;
		chunk_free(t, s.f >> t->shift);
	}
}

int region_chunks_locked(struct region *region, uint32_t first, uint32_t end)
{
	struct frame_table *t = &region->lru->table;
	struct span s;

	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		uint32_t index = s.page >> t->shift;

		if (s.f)
			continue;
		region->ids[index] = chunk_alloc(t, region, index);
		if (!region->ids[index]) {
			region_idle_locked(region, first, s.page);
			return -ENOMEM;
		}
	}
	return 0;
}

int region_fd(struct region *region)
{
	struct fd_cache *fds = region->lru->fds;
	int fd;

	if (!region->fd_cached)
		return region->fd;
	fd = fd_cache_use(fds, &region->fd);
	if (fd)
		return fd;
	fd = region->ops->open(region->owner);
	return fd < 0 ? fd : fd_cache_add(fds, &region->fd, fd);
}

void region_fd_done(struct region *region, int fd)
{
	if (region->fd_cached)
		fd_cache_done(region->lru->fds, fd);
}

off_t region_seek(struct region *region, off_t off, int whence)
{
	int fd = region_fd(region);
	off_t at = fd;

	if (fd < 0)
		return at;
	at = lseek(fd, off, whence);
	if (at < 0)
		at = -errno;
	region_fd_done(region, fd);
	return at;
}

int region_punch_locked(struct region *region, uint32_t first, uint32_t nr)
{
	unsigned int shift = region->lru->page_shift;
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int fd = region_fd(region), err;

	if (fd < 0)
		return fd;
	do
		err = fallocate(fd, mode, (off_t)first << shift,
				(off_t)nr << shift) < 0
			      ? -errno
			      : 0;
	while (err == -EINTR);
	region_fd_done(region, fd);
	return err;
}

void region_forget_locked(struct region *region, uint32_t first, uint32_t end)
{
	struct lru *lru = region->lru;
	struct frame_table *t = &lru->table;
	uint32_t used = 0, available = 0, i;
	struct span s;

	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		if (!s.f)
			continue;
		for (i = 0; i < s.nr; i++) {
			unsigned int state = frame_state(t, s.f + i);

			used += state == PAGE_USED;
			available += state == PAGE_AVAILABLE;
		}
		frames_change(t, s.f, s.nr, FRAME_ALL & ~FRAME_CACHED, 0);
	}
	region_idle_locked(region, first, end);
	atomic_fetch_sub(&region->used, used);
	atomic_fetch_sub(&region->available, available);
	atomic_fetch_sub(&lru->used, used);
	atomic_fetch_sub(&lru->memory, used + available);
}

/* Calls @fn, lru_add() or lru_remove(), for each run of Available pages. */
static void
each_available_locked(struct region *region, uint32_t first, uint32_t end,
		      void (*fn)(struct lru *lru, uint32_t f, uint32_t nr))
{
	struct lru *lru = region->lru;
	struct span s;
	uint32_t i, n;

	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		for (i = 0; s.f && i < s.nr; i += n) {
			n = region_run(region, s.f + i, s.nr - i);
			if (frame_state(&lru->table, s.f + i) == PAGE_AVAILABLE)
				fn(lru, s.f + i, n);
		}
	}
}

void region_unlist_locked(struct region *region, uint32_t first, uint32_t end)
{
	each_available_locked(region, first, end, lru_remove);
}

void region_list_locked(struct region *region, uint32_t first, uint32_t end)
{
	each_available_locked(region, first, end, lru_add);
}
