/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions: the states of the pages of one file.
 *
 * States and moves are drawn in region.h.  A Used page is populated once it is
 * known to have memory; an Available page always is, a Free page never.  A
 * chunk of frames exists while one of its pages is not Free or may be cached.
 *
 * Locks: region->lock (2 in locks.h) around every move; the node lock (3) is
 * taken inside lru_add() and lru_remove(), the frame table's (4) inside
 * chunk_alloc() and chunk_free().
 *
 * Reclaim: finds a region through an extent on a list and tries its lock.
 * Available pages can become Free whenever the lock is dropped; Used pages
 * cannot.  region_free() takes each node lock to remove extents.  So a
 * reclaimer that has found the region there has either failed to get its lock
 * by then, or holds it and region_free() waits:
 *
 *	reclaimer			region_free()
 *	lock node, find the extent
 *	trylock region			lock region: waits, or was first
 *	isolate, unlock node
 *	punch, unlock region		lock node, remove the others
 *	invalidate, with a reference	unlock, drop own reference
 */
#include "pool/region/region_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PAGES (1ull << 31)

static void counter_add(_Atomic uint64_t *counter, int64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* Chunks for a file of @pages. */
static uint32_t chunks_in(const struct lru *lru, uint64_t pages)
{
	uint64_t in_one = 1ull << lru->table.shift;

	return (pages + in_one - 1) >> lru->table.shift;
}

static uint32_t use_run_locked(struct region *region, uint32_t f, uint32_t nr)
{
	struct lru *lru = region->lru;

	switch (frame_state(&lru->table, f)) {
	case PAGE_USED:
		return 0;
	case PAGE_AVAILABLE:
		lru_remove(lru, f, nr);
		counter_add(&region->available, -(int64_t)nr);
		counter_add(&lru->reused, nr);
		break;
	case PAGE_FREE:
		counter_add(&lru->populated, nr);
		break;
	}
	frames_change(&lru->table, f, nr, FRAME_STATE, PAGE_USED);
	return nr;
}

static void use_locked(struct region *region, uint32_t first, uint32_t end)
{
	uint64_t used = 0;
	struct span s;
	uint32_t i, n;

	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		for (i = 0; i < s.nr; i += n) {
			n = region_run(region, s.f + i, s.nr - i);
			used += use_run_locked(region, s.f + i, n);
		}
	}
	counter_add(&region->used, used);
	counter_add(&region->lru->used, used);
}

/* Return: pages of a range without memory.  @nr_free: out, those Free. */
static uint32_t missing_locked(struct region *region, uint32_t first,
			       uint32_t end, uint32_t *nr_free)
{
	struct frame_table *t = &region->lru->table;
	uint32_t missing = 0, i;
	struct span s;

	*nr_free = 0;
	for (s = region_span(region, first, end); s.nr;
	     s = region_span_next(region, s, end)) {
		for (i = 0; i < s.nr; i++) {
			uint8_t bits = t->frames[s.f + i].bits;

			missing += !(bits & FRAME_POPULATED);
			*nr_free += (bits & FRAME_STATE) == PAGE_FREE;
		}
	}
	return missing;
}

int region_use_range(struct region *region, uint32_t first, uint32_t nr,
		     uint32_t *missing)
{
	uint32_t end = first + nr, without, nr_free;
	int err = -EFAULT;

	pthread_mutex_lock(&region->lock);
	if (!region_has_pages_locked(region, first, nr))
		goto out;
	err = region_chunks_locked(region, first, end);
	if (err)
		goto out;
	without = missing_locked(region, first, end, &nr_free);
	if (!lru_charge(region->lru, nr_free)) {
		region_idle_locked(region, first, end);
		err = -ENOSPC;
		goto out;
	}
	use_locked(region, first, end);
	if (missing)
		*missing = without;
out:
	pthread_mutex_unlock(&region->lock);
	return err;
}

/* Return: pages that were Used. */
static uint32_t stop_run_locked(struct region *region, uint32_t f, uint32_t nr)
{
	struct lru *lru = region->lru;

	if (frame_state(&lru->table, f) != PAGE_USED)
		return 0;
	if (lru->table.frames[f].bits & FRAME_POPULATED) {
		lru_add(lru, f, nr);
		counter_add(&region->available, nr);
	} else {
		frames_change(&lru->table, f, nr, FRAME_STATE, PAGE_FREE);
		atomic_fetch_sub(&lru->memory, nr);
	}
	return nr;
}

int region_stop_using_range(struct region *region, uint32_t first, uint32_t nr)
{
	uint32_t end = first + nr, i, n;
	int64_t stopped = 0;
	struct span s;
	int err = -EFAULT;

	pthread_mutex_lock(&region->lock);
	if (!region_has_pages_locked(region, first, nr))
		goto out;
	/* From the end, as Binder does: what is older is dropped first. */
	for (s = region_span_back(region, first, end); s.nr;
	     s = region_span_back(region, first, s.page)) {
		for (i = 0; s.f && i < s.nr; i += n) {
			n = region_run(region, s.f + i, s.nr - i);
			stopped += stop_run_locked(region, s.f + i, n);
		}
	}
	region_idle_locked(region, first, end);
	counter_add(&region->used, -stopped);
	counter_add(&region->lru->used, -stopped);
	err = 0;
out:
	pthread_mutex_unlock(&region->lock);
	return err;
}

/* Frees the chunks of a range, whatever its pages are; none is on a list. */
static void drop_chunks_locked(struct region *region, uint32_t first,
			       uint32_t end)
{
	region_forget_locked(region, first, end);
	region_test_clear_locked(region, first, end - first);
}

static void unmap_locked(struct region *region)
{
	if (region->map) {
		munmap(region->map, region->pages << region->lru->page_shift);
		region->lru->nr_maps--;
	}
	region->map = NULL;
	region->map_failed = false;
}

static int set_file_size(struct region *region, off_t size)
{
	int fd = region_fd(region), err;

	if (fd < 0)
		return fd;
	err = ftruncate(fd, size) < 0 ? -errno : 0;
	region_fd_done(region, fd);
	return err;
}

static int set_size_locked(struct region *region, uint64_t pages)
{
	struct lru *lru = region->lru;
	uint32_t old_nr = chunks_in(lru, region->pages);
	uint32_t new_nr = chunks_in(lru, pages);
	uint32_t keep = old_nr < new_nr ? old_nr : new_nr;
	uint32_t *ids = calloc(new_nr, sizeof(*ids));
	int err;

	if (!ids)
		return -ENOMEM;
	err = set_file_size(region, pages << lru->page_shift);
	if (err) {
		free(ids);
		return err;
	}
	unmap_locked(region);
	drop_chunks_locked(region, pages, region->pages);
	memcpy(ids, region->ids, keep * sizeof(*ids));
	free(region->ids);
	region->ids = ids;
	region->pages = pages;
	counter_add(&lru->ids, ((int64_t)new_nr - old_nr) * sizeof(*ids));
	return 0;
}

static bool size_is_valid(const struct lru *lru, uint64_t size)
{
	uint64_t pages = size >> lru->page_shift;

	return pages && pages <= MAX_PAGES && pages << lru->page_shift == size;
}

int region_resize(struct region *region, uint64_t size)
{
	struct lru *lru = region->lru;
	struct region_stat st;
	int err;

	if (!size_is_valid(lru, size))
		return -EINVAL;
	pthread_mutex_lock(&region->lock);
	region_stat(region, &st);
	err = -EBUSY;
	if (st.used)
		goto out;
	err = region_punch_locked(region, 0, st.pages);
	if (err)
		goto out;
	region_unlist_locked(region, 0, st.pages);
	region_forget_locked(region, 0, st.pages);
	counter_add(&lru->dropped, st.available);
	err = set_size_locked(region, size >> lru->page_shift);
out:
	pthread_mutex_unlock(&region->lock);
	return err;
}

int region_rescan(struct region *region)
{
	int err;

	pthread_mutex_lock(&region->lock);
	err = region_scan_locked(region, 0, region->pages);
	pthread_mutex_unlock(&region->lock);
	return err;
}

void region_get(struct region *region)
{
	atomic_fetch_add(&region->refs, 1);
}

void region_put(struct region *region)
{
	if (atomic_fetch_sub(&region->refs, 1) != 1)
		return;
	if (region->ops && region->ops->release)
		region->ops->release(region->owner);
	pthread_mutex_destroy(&region->lock);
	region->magic = 0;
	free(region);
}

/* Frees all metadata; the file stays open. */
static void empty_locked(struct region *region)
{
	struct lru *lru = region->lru;

	region_unlist_locked(region, 0, region->pages);
	drop_chunks_locked(region, 0, region->pages);
	unmap_locked(region);
	counter_add(&lru->ids, -(int64_t)chunks_in(lru, region->pages) *
				       (int64_t)sizeof(*region->ids));
	free(region->ids);
	region->ids = NULL;
}

/* From now on the cache may close the file. */
static void region_cache_fd(struct region *region)
{
	int fd = region->fd;

	if (!region->lru->fds || !region->ops || !region->ops->open)
		return;
	region->fd = 0;
	region->fd_cached = true;
	fd = fd_cache_add(region->lru->fds, &region->fd, fd);
	if (fd > 0)
		fd_cache_done(region->lru->fds, fd);
}

struct region *region_new(struct lru *lru, int fd, uint64_t size,
			  const struct region_ops *ops, void *owner)
{
	struct region *region = NULL;
	struct stat st;
	int err = -EINVAL;

	if (!size_is_valid(lru, size))
		goto fail;
	if (fstat(fd, &st) || (st.st_size < (off_t)size && ftruncate(fd, size)))
		err = -errno;
	else if (st.st_size <= (off_t)size)
		err = 0;
	if (err)
		goto fail;
	err = -ENOMEM;
	region = calloc(1, sizeof(*region));
	if (!region)
		goto fail;
	region->magic = REGION_MAGIC;
	region->lru = lru;
	region->fd = fd;
	region->pages = size >> lru->page_shift;
	region->ids = calloc(chunks_in(lru, region->pages),
			     sizeof(*region->ids));
	if (!region->ids)
		goto fail;
	counter_add(&lru->ids,
		    chunks_in(lru, region->pages) * sizeof(*region->ids));
	region->ops = ops;
	region->owner = owner;
	region->refs = 1;
	pthread_mutex_init(&region->lock, NULL);
	err = region_rescan(region);
	if (!err) {
		region_cache_fd(region);
		return region;
	}
	pthread_mutex_lock(&region->lock);
	empty_locked(region);
	pthread_mutex_unlock(&region->lock);
	pthread_mutex_destroy(&region->lock);
fail:
	free(region);
	errno = -err;
	return NULL;
}

void region_free(struct region *region)
{
	if (!region)
		return;
	pthread_mutex_lock(&region->lock);
	empty_locked(region);
	if (region->fd_cached)
		fd_cache_drop(region->lru->fds, &region->fd);
	else
		close(region->fd);
	pthread_mutex_unlock(&region->lock);
	region_put(region);
}

uint64_t region_size(const struct region *region)
{
	return region->pages << region->lru->page_shift;
}

void region_stat(const struct region *region, struct region_stat *out)
{
	out->pages = region->pages;
	out->used = region->used;
	out->available = region->available;
}

enum page_state region_page_state(struct region *region, uint32_t page)
{
	enum page_state state = PAGE_FREE;
	struct span s;

	pthread_mutex_lock(&region->lock);
	if (region_has_pages_locked(region, page, 1)) {
		s = region_span(region, page, page + 1);
		if (s.f)
			state = frame_state(&region->lru->table, s.f);
	}
	pthread_mutex_unlock(&region->lock);
	return state;
}
