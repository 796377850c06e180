/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inode numbers.  Those of plain files are counted and kept in the store.  The
 * others are computed, so they mean the same to every worker, and nobody counts
 * their look-ups:
 *
 *	63    56 55                                                 0
 *	+-------+---------------------------------------------------+
 *	| kind  | index: a fixed inode, a shrinker's id, a box's    |
 *	|       | serial, or a transaction's slot (24) and low id   |
 *	+-------+---------------------------------------------------+
 *	| 0     | a plain file, as pool/tree/tree.h numbers it      |
 *	+-------+---------------------------------------------------+
 *
 *	63    56 55           40 39                                 0
 *	+-------+---------------+-----------------------------------+
 *	| send  | alias         | the box's serial                  |
 *	+-------+---------------+-----------------------------------+
 *
 * send has many inodes, its aliases, so that its senders do not share one.  A
 * sender that waits in write() holds its inode's lock; another one that opens
 * with O_TRUNC, as a shell's > does, needs that lock, and could not even be
 * killed while it waits for it.
 */
#ifndef POOLFS_FS_REQUEST_INODE_H
#define POOLFS_FS_REQUEST_INODE_H

#include <stdint.h>

#include "pool/pool.h"

/* Bits 56 to 63 of the number. */
enum inode_kind {
	INODE_PLAIN, /* 1 is the root, as in FUSE */
	INODE_FIXED,
	INODE_SHRINKER,
	INODE_SHRINKER_COUNT,
	INODE_SHRINKER_SCAN,
	INODE_TX,
	INODE_BOX, /* + enum box_inode */
	INODE_KINDS = INODE_BOX + BOX_INODES,
};

/* Indices of INODE_FIXED. */
enum inode_fixed {
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

static inline uint64_t inode_number(enum inode_kind kind, uint64_t index)
{
	return (uint64_t)kind << 56 | index;
}

static inline enum inode_kind inode_kind(uint64_t ino)
{
	return ino >> 56;
}

#define INODE_ALIAS_SHIFT 40

static inline uint64_t inode_index(uint64_t ino)
{
	unsigned int bits = inode_kind(ino) == INODE_BOX + BOX_SEND
				    ? INODE_ALIAS_SHIFT
				    : 56;

	return ino & ((1ull << bits) - 1);
}

static inline uint64_t inode_of_alias(uint64_t send, uint16_t alias)
{
	return send | (uint64_t)alias << INODE_ALIAS_SHIFT;
}

static inline uint64_t inode_of_tx(const struct tx_info *tx)
{
	return inode_number(INODE_TX,
			    (uint64_t)tx->slot << 32 | (uint32_t)tx->id);
}

static inline uint64_t inode_of_box(const struct box *box, enum box_inode inode)
{
	return inode_number(INODE_BOX + inode, box_serial(box));
}

#endif
