/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame table: allocates chunks of page frames, by id.
 *
 * States: a chunk is idle (no region, all its bits 0) or belongs to one region.
 * chunk_alloc() and chunk_free() move it; nothing else does.
 *
 * Locks: table->lock, a leaf (4 in locks.h), around idle chunks and growth.
 * Frames are guarded by the region's lock and the node lock, see frame.h.
 *
 * Reclaim: finds the region of a chunk through an extent on a list, under the
 * node lock.  The region removes its extents under the same lock before it
 * frees the chunk.
 */
#include "pool/region/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/region/region.h"

#define MAX_CHUNKS (1u << 20) /* 2 TiB of touched pages */
#define MIN_CHUNKS (1u << 12) /* where address space is limited */
#define OPEN_STEP 512 /* chunks made accessible at a time */

static size_t chunk_bytes(const struct frame_table *t)
{
	return sizeof(struct frame) << t->shift;
}

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Makes the pages that hold the first @bytes accessible. */
static int open_up(void *base, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);

	bytes = (bytes + page - 1) & ~(page - 1);
	return mprotect(base, bytes, PROT_READ | PROT_WRITE) ? -ENOMEM : 0;
}

static int grow_locked(struct frame_table *t)
{
	uint32_t open = t->open + OPEN_STEP;

	if (open > t->max)
		return -ENOMEM;
	if (open_up(t->frames, chunk_bytes(t) * open) ||
	    open_up(t->chunks, sizeof(struct frame_chunk) * open))
		return -ENOMEM;
	t->open = open;
	return 0;
}

/* Is the chunk idle that shares pages of memory with @id? */
static bool sibling_is_idle_locked(const struct frame_table *t, uint32_t id)
{
	uint32_t other = id ^ 1;

	return other >= t->nr || !t->chunks[other].region;
}

int frame_table_init(struct frame_table *t, unsigned int page_shift)
{
	memset(t, 0, sizeof(*t));
	t->shift = EXTENT_SHIFT - page_shift;
	for (t->max = MAX_CHUNKS; t->max >= MIN_CHUNKS; t->max /= 2) {
		t->frames = reserve(chunk_bytes(t) * t->max);
		t->chunks = reserve(sizeof(struct frame_chunk) * t->max);
		if (t->frames && t->chunks)
			break;
		frame_table_release(t);
	}
	if (!t->frames || grow_locked(t)) {
		frame_table_release(t);
		return -ENOMEM;
	}
	t->nr = 1;
	pthread_mutex_init(&t->lock, NULL);
	return 0;
}

void frame_table_release(struct frame_table *t)
{
	if (t->frames)
		munmap(t->frames, chunk_bytes(t) * t->max);
	if (t->chunks)
		munmap(t->chunks, sizeof(struct frame_chunk) * t->max);
	t->frames = NULL;
	t->chunks = NULL;
}

uint32_t chunk_alloc(struct frame_table *t, struct region *region,
		     uint32_t index)
{
	struct frame_chunk *c;
	uint32_t id = 0;

	pthread_mutex_lock(&t->lock);
	if (t->idle) {
		id = t->idle;
		t->idle = t->chunks[id].index;
	} else if (t->nr < t->open || !grow_locked(t)) {
		id = t->nr++;
	}
	if (id) {
		if (sibling_is_idle_locked(t, id))
			atomic_fetch_add(&t->pairs, 1);
		c = &t->chunks[id];
		c->region = region;
		c->index = index;
		c->busy = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return id;
}

void chunk_free(struct frame_table *t, uint32_t id)
{
	size_t pair = 2 * chunk_bytes(t);

	pthread_mutex_lock(&t->lock);
	t->chunks[id].region = NULL;
	t->chunks[id].index = t->idle;
	t->idle = id;
	if (sibling_is_idle_locked(t, id)) {
		atomic_fetch_sub(&t->pairs, 1);
		if (pair % sysconf(_SC_PAGESIZE) == 0)
			madvise((char *)t->frames + pair * (id / 2), pair,
				MADV_DONTNEED);
	}
	pthread_mutex_unlock(&t->lock);
}

uint64_t frame_table_bytes(const struct frame_table *t)
{
	uint64_t pair = 2 * (chunk_bytes(t) + sizeof(struct frame_chunk));

	return atomic_load(&t->pairs) * pair;
}
