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
 *
 * What stat() and listings show (st_ino, d_ino) fits into 32 bits, for programs
 * that have no more:
 *
 *	31  28 27  24 23                                            0
 *	+-----+------+----------------------------------------------+
 *	| 0xf | kind | index: a slot instead of a serial or an id   |
 *	+-----+------+----------------------------------------------+
 *
 * Plain files have the numbers that the store's file system gave them; it counts
 * from 1, and what it would have given from 0xf0000000 on lies 2^28 higher.
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

#define INODE_SHOWN 0xf0000000u
#define INODE_SHOWN_SHIFT 24
_Static_assert(INODE_KINDS <= 16, "a kind has 4 bits");

/** inode_shown - st_ino of @ino, which is not a plain file. */
static inline uint32_t inode_shown(struct pool *pool, uint64_t ino)
{
	enum inode_kind kind = inode_kind(ino);
	uint64_t index = inode_index(ino);

	if (kind == INODE_TX)
		index >>= 32;
	else if (kind >= INODE_BOX)
		index = box_slot(box_by_serial(pool, index));
	return INODE_SHOWN | (uint32_t)kind << INODE_SHOWN_SHIFT |
	       (uint32_t)index;
}

/** inode_shown_plain - of a plain file that has @number in the store. */
static inline uint64_t inode_shown_plain(uint64_t number)
{
	return number < INODE_SHOWN ? number
				    : number + (UINT32_MAX - INODE_SHOWN + 1);
}

static inline uint64_t inode_of_box(const struct box *box, enum box_inode inode)
{
	return inode_number(INODE_BOX + inode, box_serial(box));
}

#endif
