/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of volatile ranges: runs of pages of plain files that somebody has
 * unpinned, with a record of each in the store.
 *
 *	file 7	[0..........4)    [9..12)	by place, never overlapping
 *	file 9	      [2...5)
 *
 *	oldest [9..12) - [2...5) youngest	by age, if not purged: the LRU
 *
 * Locks: pool->lock (1).
 */
#ifndef POOLFS_VRANGE_H
#define POOLFS_VRANGE_H

#include "pool/inode/inode.h"

struct vrange {
	struct avl_node by_place;
	struct extent_link link; /* on the LRU, unless purged */
	uint32_t node;
	uint64_t first, end; /* pages */
	uint64_t memory; /* pages of them that are not holes; as last seen */
	bool purged;
};

static inline struct vrange_rec *vrange_rec(struct tree *t,
					    const struct vrange *v)
{
	/* It has the number of its record. */
	return table_get(&t->ranges, v - t->range);
}

/** vrange_find - the first that has a page in [first, end), or NULL. */
struct vrange *vrange_find(struct tree *t, uint32_t node, uint64_t first,
			   uint64_t end);

/** vrange_new - Return: one in no state yet, or NULL and *@err. */
struct vrange *vrange_new(struct pool *pool, int *err);
/** vrange_unnew - that was not shown after all; NULL is fine. */
void vrange_unnew(struct tree *t, struct vrange *v);

/** vrange_show - place and state of a new one are set: it counts, youngest. */
void vrange_show(struct pool *pool, struct vrange *v);

/** vrange_join - the same; it takes in whatever it touches. */
void vrange_join(struct pool *pool, struct vrange *v);

/** vrange_resize - its place in both orders stays. */
void vrange_resize(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end);

/** vrange_set_purged - off the LRU; the next worker purges it, too. */
void vrange_set_purged(struct tree *t, struct vrange *v);

void vrange_drop(struct tree *t, struct vrange *v);

/** ranges_kept - the ranges of a node have changed. */
void ranges_kept(struct pool *pool, uint32_t node);

/**
 * vrange_punch - the hole where it is.  Return: pages given back, or -errno.
 * In vrange_purge.c.
 */
int64_t vrange_punch(struct pool *pool, const struct vrange *v);

#endif
