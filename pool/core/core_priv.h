/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's context, for the folders of pool/: what all of them use, and what
 * each keeps in it.
 *
 *	struct pool ---> store, journal, lru		core's own
 *	            \--> boxes				pool/box/
 *	             \-> inodes				pool/inode/
 *	              \> volatiles			pool/volatile/
 */
#ifndef POOLFS_POOL_CORE_PRIV_H
#define POOLFS_POOL_CORE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "pool/core/core.h"
#include "pool/lib/magic.h"
#include "pool/region/lru.h"
#include "pool/store/journal.h"
#include "pool/store/store.h"
#include "pool/store/table.h"
#include "shrinker/shrinker.h"

#define POOL_MAGIC 0x706f6f6cu /* "pool" */
#define POOL_TABLES 5

struct pool {
	uint32_t magic;
	pthread_mutex_t lock; /* 1 in locks.h; guards all but the atomics */
	_Atomic pthread_t holder; /* of it; 0: nobody */
	struct store *store;
	struct table *tables[POOL_TABLES]; /* the journal's first: see pool.c */
	int nr_tables;
	struct journal journal;
	struct lru *lru;
	struct boxes *boxes;
	struct inode_table *inodes;
	struct volatiles *volatiles;
	struct pool_config config;
	const struct pool_ops
		*ops; /* NULL while it is opened: nobody is told */
	void *arg;
	uint64_t size; /* bytes that users' content may take */
	uint32_t page_size; /* bytes */
	bool leases; /* see pool_options */
	uint64_t fixed_bytes; /* of the store: neither content nor tables */
	uint64_t limit; /* bytes, of the store's file system as it is now */
	/*
	 * Pages of plain files that nobody needs: of volatile files that nobody
	 * has open or mapped, and of unpinned ranges.  Kept by pool/volatile/.
	 */
	uint64_t idle_pages;
	uint64_t unpinned_pages;
#ifdef POOL_DEBUG
	/*
	 * Some of the invariants, others each time: NULL or what is broken.  It
	 * runs after each operation, when the lock is let go.
	 */
	const char *(*check_some)(struct pool *pool);
#endif
};

/** pool_of - the pool that a callback was given. */
static inline struct pool *pool_of(void *arg)
{
	struct pool *pool = arg;

	magic_check(pool->magic, POOL_MAGIC);
	return pool;
}

/** pool_now - CLOCK_REALTIME, in nanoseconds. */
static inline int64_t pool_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/** pool_extent_pages - pages of the 2 MiB that one hole should be. */
static inline uint64_t pool_extent_pages(const struct pool *pool)
{
	return EXTENT_BYTES / pool->page_size;
}

/** pool_add_table - one that counts as overhead, and that the journal may know. */
void pool_add_table(struct pool *pool, struct table *table);

/**
 * pool_record - table_alloc(), for which room is made in a full store: by a
 * higher limit, or by reclaim.  Return: 0, -ENOSPC, -ENOMEM.
 */
int pool_record(struct pool *pool, struct table *table, uint32_t *slot);

/** pool_overhead - bytes of the store that are not content. */
uint64_t pool_overhead(const struct pool *pool);

/**
 * pool_fit_limit - the store's file system may hold the pool's size, the
 * overhead, and on top of them memory that nobody needs until reclaim has taken
 * it, or that would keep somebody from writing.
 */
void pool_fit_limit(struct pool *pool);

/**
 * pool_make_room - have reclaim give back @bytes, and a page more.
 * Return: whether it is worth to try again.
 */
bool pool_make_room(struct pool *pool, uint64_t bytes);

/*
 * retry_with_room - @call, and once more if the store was full (-ENOSPC) and
 * @room, which is asked only then, has made room.
 */
#define retry_with_room(call, room)            \
	({                                     \
		__auto_type ret_ = (call);     \
                                               \
		if (ret_ == -ENOSPC && (room)) \
			ret_ = (call);         \
		ret_;                          \
	})

/**
 * pool_add_shrinker - registers one for the pool with what @kind has.  Its
 * private data is the pool, its batch an extent.  Return: 0 with *@out set.
 */
int pool_add_shrinker(struct pool *pool, const char *name, unsigned int flags,
		      const struct shrinker *kind, struct shrinker **out);

#endif
