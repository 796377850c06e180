/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables: arrays of fixed-size records that live in the store, so that a
 * worker which is killed at any instruction leaves them for the next one.
 *
 *	file in the store, mapped shared
 *	+--------+----------+----------+-- - - --+----------+
 *	| unused | record 1 | record 2 |         | record n |
 *	+--------+----------+----------+-- - - --+----------+
 *	           ^ a uint32_t state first, 0 is a free record
 *
 * A record that is free may be filled in plainly; whatever others can see is
 * changed through the journal only.
 *
 * The file grows by blocks of 64 KiB, and a block whose records are all free is
 * given back to the kernel (but for one that may soon be needed: so nothing goes
 * back and forth):
 *
 *	block 0      block 1      block 2      block 3
 *	[1.11.1111] [..........] [ no memory ] [1........]
 *
 * No locks inside: callers hold pool->lock (1).
 */
#ifndef POOLFS_POOL_STORE_TABLE_H
#define POOLFS_POOL_STORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_BLOCK (64u << 10) /* bytes a table grows by */

#define TABLE_BLOCK_MAX 2048 /* records of a block, at most */

struct table_block {
	uint32_t nr_free;
	bool present; /* has memory; if not, all of it is free */
	uint64_t free[TABLE_BLOCK_MAX / 64]; /* a bit a record */
};

struct table {
	char *base;
	size_t rec_size;
	size_t map_size;
	uint32_t max; /* records that fit the mapping */
	uint32_t nr; /* records of all blocks, index 0 included */
	uint32_t per_block;
	struct table_block *blocks;
	uint32_t
		first; /* no block before it is present and has a free record */
	uint32_t nr_absent;
	uint32_t nr_free; /* records of blocks that are present */
	uint32_t spare; /* a block that is empty and present, or nr of blocks */
	int fd;
};

/**
 * table_open - open or create.
 * @dirfd, @name: the file.
 * @rec_size: bytes a record, a divisor of 64 KiB, at least 32.
 * @max: most records, index 0 (which is never used) included.
 * Return: 0, or -errno with *@t untouched.
 */
int table_open(struct table *t, int dirfd, const char *name, size_t rec_size,
	       uint32_t max);
void table_release(struct table *t);

/**
 * table_alloc - an unused record, zeroed and still marked free: the caller
 * publishes it by its state, or gives it back with table_free().
 * Return: 0, -ENOSPC (store or table full), -ENOMEM.
 */
int table_alloc(struct table *t, uint32_t *index);

/**
 * table_rescan - find out anew which records are free, and give back what only
 * they have: the journal must have finished its work.
 */
void table_rescan(struct table *t);

/** table_free - the record's state is 0 by now; its index may be given out. */
void table_free(struct table *t, uint32_t index);

/** table_bytes - memory that it has in the store. */
uint64_t table_bytes(const struct table *t);

static inline void *table_get(const struct table *t, uint32_t index)
{
	return t->base + (size_t)index * t->rec_size;
}

/** table_live - is this a valid index whose record is not free? */
static inline int table_live(const struct table *t, uint32_t index)
{
	return index > 0 && index < t->nr &&
	       t->blocks[index / t->per_block].present &&
	       *(uint32_t *)table_get(t, index) != 0;
}

#define table_for_each(t, i)                   \
	for (uint32_t i = 1; i < (t)->nr; i++) \
		if (table_live(t, i))

#endif
