/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a region, for the region_*.c files. */
#ifndef POOLFS_POOL_REGION_PRIV_H
#define POOLFS_POOL_REGION_PRIV_H

#include "pool/region/lru_priv.h"
#include "pool/region/region.h"

/* Half of what vm.max_map_count is by default. */
#define REGION_MAPS_MAX 32768

#define REGION_MAGIC 0x72656769u /* "regi" */

struct region {
	uint32_t magic;
	pthread_mutex_t lock; /* 2 in locks.h; guards all but the atomics */
	struct lru *lru;
	int fd; /* by region_fd(); 0: closed by lru->fds */
	bool fd_cached; /* lru->fds may close it */
	uint32_t scanned; /* page at which region_rescan_some() goes on */
	_Atomic uint64_t pages; /* changed under the lock */
	_Atomic uint64_t used; /* the same */
	_Atomic uint64_t available; /* the same */
	uint64_t nr_cached; /* frames with FRAME_CACHED */
	bool all_cached; /* any page may be: no memory to mark single ones */
	bool map_failed;
	char *map; /* all of the file, shared; NULL until needed */
	uint32_t *ids; /* chunk id by chunk of the file, 0: all Free */
	const struct region_ops *ops;
	void *owner;
	_Atomic unsigned int refs; /* the owner's, running invalidations' */
	_Atomic unsigned int invalidating; /* running; raised under the lock */
};

/* The part of a page range that lies in one chunk. */
struct span {
	uint32_t page;
	uint32_t nr; /* 0: the end */
	uint32_t f; /* frame of @page; 0: chunk never touched, all Free */
};

struct span region_span(const struct region *region, uint32_t page,
			uint32_t end);
/* The last part of pages [@first, @end); region_span_back(region, first, s.page)
 * is the one before it. */
struct span region_span_back(const struct region *region, uint32_t first,
			     uint32_t end);
struct span region_span_next(const struct region *region, struct span s,
			     uint32_t end);

/* Frames from @f on, at most @nr, of the same state, memory and node. */
uint32_t region_run(const struct region *region, uint32_t f, uint32_t nr);

/* Whether pages or bytes lie inside; the region's lock held. */
bool region_has_pages_locked(const struct region *region, uint32_t first,
			     uint32_t nr);
bool region_has_bytes_locked(const struct region *region, uint64_t off,
			     uint64_t len);

/** region_chunks_locked - allocate frames of a range.  Return: 0, -ENOMEM. */
int region_chunks_locked(struct region *region, uint32_t first, uint32_t end);

/** region_idle_locked - free chunks of a range whose frames are all unused. */
void region_idle_locked(struct region *region, uint32_t first, uint32_t end);

/** region_map_file - bytes [off, off+size) of it.  Return: as mmap(). */
void *region_map_file(struct region *region, off_t off, size_t size);
/**
 * region_nodes_locked - the NUMA nodes of pages [@first, @first + @nr), which all
 * have memory.
 * @written: by this thread, just now.
 */
void region_nodes_locked(struct region *region, uint32_t first, uint32_t nr,
			 bool written, uint8_t *nid);
/** region_seek - lseek() in its file.  Return: an offset or -errno. */
off_t region_seek(struct region *region, off_t off, int whence);

/** region_punch_locked - punch a hole.  Return: 0 or -errno of fallocate(). */
int region_punch_locked(struct region *region, uint32_t first, uint32_t nr);

/** region_forget_locked - make a range Free that is punched and on no list. */
void region_forget_locked(struct region *region, uint32_t first, uint32_t end);

/** region_unlist_locked - remove Available pages of a range from the LRU. */
void region_unlist_locked(struct region *region, uint32_t first, uint32_t end);

/** region_list_locked - put them back, after a punch that failed. */
void region_list_locked(struct region *region, uint32_t first, uint32_t end);

/** region_test_clear_locked - region_test_clear_cached(), lock held. */
bool region_test_clear_locked(struct region *region, uint32_t first,
			      uint32_t nr);
bool region_is_cached_locked(const struct region *region, uint32_t first,
			     uint32_t nr);

/** region_get - one reference more. */
void region_get(struct region *region);

/** region_put - drop a reference (region->refs); the last one frees the region.
 * No lock of the region held. */
void region_put(struct region *region);

/**
 * region_scan_locked - find memory behind pages that are not marked populated,
 * and mark them.  Return: 0, -ENOMEM, or -errno of lseek().
 */
int region_scan_locked(struct region *region, uint32_t first, uint32_t end);

/**
 * region_wrote_locked - pages [first, end) were written: mark them populated,
 * and the rest of a huge folio that the write may have allocated.
 */
void region_wrote_locked(struct region *region, uint32_t first, uint32_t end);

/**
 * region_punched_locked - pages [first, end) were punched and made Free: those
 * that have memory all the same become Available again.
 */
void region_punched_locked(struct region *region, uint32_t first, uint32_t end);

#endif
