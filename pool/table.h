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
 * No locks inside: callers hold pool->lock (1).
 */
#ifndef POOLFS_TABLE_H
#define POOLFS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define TABLE_STEP (64u << 10) /* bytes a table grows by */

struct table {
	char *base;
	size_t rec_size;
	size_t map_size;
	uint32_t max; /* records that fit the mapping */
	uint32_t nr; /* records that have memory, index 0 included */
	uint32_t *free; /* stack of free indices, lowest on top at start */
	uint32_t nr_free;
	int fd;
};

/**
 * table_open - open or create.
 * @dirfd, @name: the file.
 * @rec_size: bytes a record, a divisor of 64 KiB.
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

/** table_rescan - find out anew which records are free. */
void table_rescan(struct table *t);

/** table_free - the record's state is 0 by now; its index may be given out. */
void table_free(struct table *t, uint32_t index);

static inline void *table_get(const struct table *t, uint32_t index)
{
	return t->base + (size_t)index * t->rec_size;
}

/** table_live - is this a valid index whose record is not free? */
static inline int table_live(const struct table *t, uint32_t index)
{
	return index > 0 && index < t->nr &&
	       *(uint32_t *)table_get(t, index) != 0;
}

#define table_for_each(t, i)                   \
	for (uint32_t i = 1; i < (t)->nr; i++) \
		if (table_live(t, i))

#endif
