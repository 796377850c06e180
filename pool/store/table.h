/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables: arrays of fixed-size records in files of the store.  They outlive a
 * worker that is killed at any instruction.
 *
 *	file in the store, mapped shared
 *	+--------+----------+----------+-- - - --+----------+
 *	| unused | record 1 | record 2 |         | record n |
 *	+--------+----------+----------+-- - - --+----------+
 *	           ^ a uint32_t state first, 0 is a free record
 *
 * A free record may be filled in by plain stores.  A live record is changed
 * through the journal, except where a single store makes the change.
 *
 * The file grows by blocks of 64 KiB.  A block whose records are all free is
 * punched out, but for one spare block, so that an allocation and a free in
 * turn do not allocate and punch each time:
 *
 *	block 0      block 1      block 2      block 3
 *	[1.11.1111] [..........] [ no memory ] [1........]
 *
 * No locks inside: callers hold pool->lock (1).
 */
#ifndef POOLFS_POOL_STORE_TABLE_H
#define POOLFS_POOL_STORE_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_BLOCK (64u << 10) /* bytes a table grows by */

#define TABLE_BLOCK_MAX 2048 /* records of a block, at most */

struct table_block {
	uint32_t nr_free; /* records */
	bool present; /* has memory; if not, all its records are free */
	uint64_t free[TABLE_BLOCK_MAX / 64]; /* a bit a record, 1: free */
};

struct table {
	char *base; /* of the mapping */
	size_t rec_size; /* bytes */
	size_t map_size; /* bytes */
	uint32_t max; /* records that fit the mapping */
	uint32_t nr; /* records of all blocks, record 0 included */
	uint32_t per_block; /* records, a power of 2 */
	uint32_t shift; /* its logarithm */
	struct table_block *blocks;
	/* No lower block is both present and not full. */
	uint32_t first;
	uint32_t nr_absent; /* blocks */
	uint32_t nr_free; /* free records of present blocks */
	uint32_t spare; /* the block that is empty and present; UINT32_MAX */
	int fd;
	bool tried; /* see table_try() */
};

/**
 * table_open - open or create.
 * @dirfd, @name: the file.
 * @rec_size: bytes a record, a divisor of 64 KiB, at least 32.
 * @max: most records, the unused record 0 included.
 * Return: 0, or -errno of the system calls, -EUCLEAN (it is longer than @max
 * records) or -ENOMEM, with *@t untouched.
 */
int table_open(struct table *t, int dirfd, const char *name, size_t rec_size,
	       uint32_t max);
void table_release(struct table *t);

/**
 * table_alloc - an unused record, zeroed; its state still says free.  The
 * caller sets its state, or gives it back with table_free().
 * @index: out, 1 to max - 1.
 * Return: 0, -ENOSPC (store or table full), -ENOMEM.
 */
int table_alloc(struct table *t, uint32_t *index);

/**
 * table_rescan - find out anew which records are free, and punch empty blocks.
 * To be called after journal_open() has applied what was committed.
 */
void table_rescan(struct table *t);

/** table_free - the record, whose state is 0 by now, may be used again. */
void table_free(struct table *t, uint32_t index);

/**
 * table_revive - the block of record @index has memory, whatever is in it.
 * Return: 0 or -errno.
 */
int table_revive(struct table *t, uint32_t index);

/** table_any_live - is a record not free? */
bool table_any_live(const struct table *t);

/**
 * table_try - from now on changes are seen by this process only, and lost when
 * the table is released.  Return: 0 or -errno of mmap().
 */
int table_try(struct table *t);

/**
 * table_cut - cut the file of a table that is not open to whole blocks, and to
 * @most bytes.  Where a worker was killed while it grew, a part of a block is
 * left.
 * Return: 0, also if there is no such file, or -errno.
 */
int table_cut(int dirfd, const char *name, uint64_t most);

/** table_bytes - memory of the table in the store. */
uint64_t table_bytes(const struct table *t);

/* What is read of a record that has no memory: all zeros, so it is free. */
extern const char table_no_record[TABLE_BLOCK / 16];

/** table_present - is there memory for record @index? */
static inline bool table_present(const struct table *t, uint32_t index)
{
	return index < t->nr && t->blocks[index >> t->shift].present;
}

/**
 * table_record - the record @index; of one that is not there, a free one that
 * must not be written.  A record that was freed may be such: a look at memory
 * that is not there would be SIGBUS, for this worker and the next.
 */
static inline void *table_record(const struct table *t, uint32_t index)
{
	return table_present(t, index) ? t->base + (size_t)index * t->rec_size
				       : (char *)table_no_record;
}

/** table_live - is this a valid index whose record is not free? */
static inline int table_live(const struct table *t, uint32_t index)
{
	return index > 0 && *(uint32_t *)table_record(t, index) != 0;
}

/**
 * table_publish - gives a record its state when all else in it is set: a worker
 * that is killed leaves a free record, or a whole one.  (The compiler must not
 * move stores across; the kernel orders what the next worker sees.)
 * @state: the record's first word.
 */
static inline void table_publish(uint32_t *state, uint32_t value)
{
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint32_t *)state = value;
	atomic_signal_fence(memory_order_seq_cst);
}

#define table_for_each(t, i)                   \
	for (uint32_t i = 1; i < (t)->nr; i++) \
		if (table_live(t, i))

#endif
