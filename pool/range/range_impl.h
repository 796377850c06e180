/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of an allocator, for range.c and range_check.c.
 *
 *	  end            the list, by offset; "end" closes the ring at both ends
 *	+-------+      +----------+    +------+    +----------+
 *	| @size | <--> | reserved |<-->| hole |<-->| reserved |<--> back to end
 *	+-------+      +-|------|-+    +--|---+    +-|------|-+
 *	                 |      v         v          |      v
 *	                 |  by_offset  by_size       |  by_offset       (trees)
 *	                 v                           v
 *	               owner                       owner --> owners, by uid
 *
 * A range has no length of its own: it ends where the next begins.  That makes
 * it 56 bytes, and a hole and its neighbour can never disagree.
 */
#ifndef POOLFS_POOL_RANGE_IMPL_H
#define POOLFS_POOL_RANGE_IMPL_H

#include "pool/lib/avl.h"
#include "pool/range/range.h"

#define RANGE_NR_BUILTIN 8 /* slots that cost no chunk */

/* A uid's account; in the tree while the uid holds a range. */
struct owner {
	struct avl_node node;
	uint64_t bytes;
	uint32_t nr_ranges;
	uid_t uid;
};

struct range {
	struct range *prev, *next;
	uint64_t offset; /* bytes; the end is next->offset */
	struct avl_node node; /* reserved: by_offset; hole: by_size */
	struct owner *owner; /* NULL for a hole */
};

/* Memory of one range or owner; free slots are chained. */
union slot {
	struct range range;
	struct owner owner;
	union slot *next;
};

struct slot_chunk {
	struct slot_chunk *next;
	union slot slots[];
};

struct range_allocator {
	struct range end; /* its neighbours are the last range and the first */
	struct avl_tree by_size; /* holes, equal ones by offset */
	struct avl_tree by_offset; /* reserved */
	struct avl_tree owners;
	struct slot_chunk *chunks;
	union slot *spare;
	uint64_t reserved; /* bytes */
	uint64_t metadata; /* bytes, with this structure */
	uint32_t nr_reserved;
	uint32_t nr_holes;
	uint32_t nr_spare;
	uint32_t nr_slots;
	unsigned int page_shift;
	bool suspect_named; /* space has not recovered since */
	union slot builtin[RANGE_NR_BUILTIN];
};

static inline struct range *range_of(const struct avl_node *node)
{
	return node ? avl_entry(node, struct range, node) : NULL;
}

static inline bool is_hole(const struct range *range)
{
	return !range->owner;
}

/* Bytes of a range or hole. */
static inline uint64_t length(const struct range *range)
{
	return range->next->offset - range->offset;
}

static inline struct owner *owner_of(const struct avl_node *node)
{
	return node ? avl_entry(node, struct owner, node) : NULL;
}

#endif
