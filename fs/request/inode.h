/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Node numbers.  Those of plain files are counted and kept in the store.  The
 * others are computed, not handed out, so the kernel may keep one across workers
 * and nobody counts look-ups:
 *
 *	63    56 55                                                 0
 *	+-------+---------------------------------------------------+
 *	| kind  | index: a fixed node, a shrinker's id, a box's     |
 *	|       | serial, or a transaction's slot (24) and low id   |
 *	+-------+---------------------------------------------------+
 *	| 0     | a plain file's node, as pool/tree/tree.h numbers them  |
 *	+-------+---------------------------------------------------+
 *
 *	63    56 55           40 39                                 0
 *	+-------+---------------+-----------------------------------+
 *	| send  | door          | the box's serial                  |
 *	+-------+---------------+-----------------------------------+
 *
 * send has many nodes, its doors, so that its senders do not share an inode: one
 * that waits in write() keeps the inode's lock, and who opens it with O_TRUNC,
 * as a shell's > does, needs that lock and could not even be killed meanwhile.
 */
#ifndef POOLFS_NODE_H
#define POOLFS_NODE_H

#include <stdint.h>

#include "pool/pool.h"

enum node_kind {
	NODE_PLAIN, /* 1 is the root, as FUSE has it */
	NODE_FIXED,
	NODE_SHRINKER,
	NODE_SHRINKER_COUNT,
	NODE_SHRINKER_SCAN,
	NODE_TX,
	NODE_BOX, /* + enum box_node */
	NODE_KINDS = NODE_BOX + BOX_NODES,
};

/* Indices of NODE_FIXED. */
enum node_fixed {
	FIXED_BOXES = 1,
	FIXED_CONTROL,
	FIXED_STATS,
	FIXED_METRICS,
	FIXED_PRESSURE,
	FIXED_CONFIG,
	FIXED_EVENTS,
	FIXED_SHRINKERS,
	FIXED_END,
};

static inline uint64_t node_number(enum node_kind kind, uint64_t index)
{
	return (uint64_t)kind << 56 | index;
}

static inline enum node_kind node_kind(uint64_t node)
{
	return node >> 56;
}

#define NODE_DOOR_SHIFT 40

static inline uint64_t node_index(uint64_t node)
{
	unsigned int bits = node_kind(node) == NODE_BOX + BOX_SEND
				    ? NODE_DOOR_SHIFT
				    : 56;

	return node & ((1ull << bits) - 1);
}

static inline uint64_t node_of_door(uint64_t send, uint16_t door)
{
	return send | (uint64_t)door << NODE_DOOR_SHIFT;
}

static inline uint64_t node_of_tx(const struct tx_info *tx)
{
	return node_number(NODE_TX,
			   (uint64_t)tx->slot << 32 | (uint32_t)tx->id);
}

static inline uint64_t node_of_box(const struct box *box, enum box_node node)
{
	return node_number(NODE_BOX + node, box_serial(box));
}

#endif
