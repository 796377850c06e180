/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the extent LRU, for the files of pool/region/. */
#ifndef POOLFS_POOL_REGION_LRU_PRIV_H
#define POOLFS_POOL_REGION_LRU_PRIV_H

#include "pool/lib/magic.h"
#include "pool/region/frame.h"
#include "pool/region/lru.h"

struct lru_node {
	pthread_mutex_t lock; /* 3 in locks.h; guards the list */
	struct extent_list list; /* an extent's number: its first frame's */
} __attribute__((aligned(64)));

#define LRU_MAGIC 0x6c727521u

struct lru {
	uint32_t magic;
	struct frame_table table;
	unsigned int page_shift;
	int nr_nodes; /* NUMA */
	int (*nid_now)(void); /* lru_set_placement(); NULL: getcpu() */
	/* lru_set_locate(); NULL: move_pages() */
	void (*locate)(const char *mem, uint32_t nr, size_t page, int *nid);
	_Atomic uint64_t limit; /* pages */
	_Atomic uint64_t memory; /* pages, Available + Used */
	_Atomic uint64_t used;
	_Atomic uint64_t reused;
	_Atomic uint64_t populated;
	_Atomic uint64_t dropped;
	struct fd_cache *fds; /* lru_set_fds() */
	_Atomic uint32_t nr_maps; /* mappings of regions */
	_Atomic uint64_t ids; /* bytes of the regions' arrays of chunk ids */
	struct lru_node node[];
};

/* The owner of a node's list. */
static inline struct lru *lru_of(void *owner)
{
	struct lru *lru = owner;

	magic_check(lru->magic, LRU_MAGIC);
	return lru;
}

/** lru_charge - charge @nr more pages.  Return: false: over the limit. */
bool lru_charge(struct lru *lru, uint64_t nr);

/** lru_nid_now - NUMA node of a page that is allocated now. */
int lru_nid_now(const struct lru *lru);

/**
 * lru_add - frames of one chunk and one node become Available.  They are joined
 * with Available neighbours, and the extent moves to the young end.  Region
 * lock held.
 */
void lru_add(struct lru *lru, uint32_t f, uint32_t nr);

/**
 * lru_remove - remove frames of one extent from the list; the caller changes
 * their state.  Region lock held.
 */
void lru_remove(struct lru *lru, uint32_t f, uint32_t nr);

/**
 * lru_isolate_locked - lru_remove() for the extent that a walk shows.  Node
 * lock and region lock held.
 */
void lru_isolate_locked(struct lru *lru, struct lru_extent *e);

/**
 * lru_isolate_next_locked - if the next extent of the walk ends in the file where
 * @e begins, isolate it too and add it to @e.  @e grows to at most @most pages, and
 * by no more than @e->room.  Return: whether @e has grown.
 */
bool lru_isolate_next_locked(struct lru *lru, struct lru_extent *e,
			     uint32_t most);

#endif
