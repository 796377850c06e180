/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's context, for the folders of pool/: what all of them use, and where
 * each finds its own state.
 *
 *	struct pool ---> store, journal, lru		core's own
 *	            \--> boxes				pool/box/
 *	             \-> inodes, names			pool/inode/
 *	              \> volatiles			pool/volatile/
 *	               > users			user.h
 */
#ifndef POOLFS_POOL_CORE_PRIV_H
#define POOLFS_POOL_CORE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "pool/core/core.h"
#include "pool/core/user.h"
#include "pool/lib/fd_cache.h"
#include "pool/lib/magic.h"
#include "pool/region/lru.h"
#include "pool/store/journal.h"
#include "pool/store/store.h"
#include "pool/store/table.h"
#include "pool/store/wrong.h"
#include "shrinker/shrinker.h"

#define POOL_MAGIC 0x706f6f6cu /* "pool" */
#define POOL_TABLES 5

/*
 * What counts up from 1 (ids, serial numbers, stamps) does not get so far; a
 * store from elsewhere in which it is larger was not written by poolfs.
 */
#define COUNT_MAX (1ull << 62)

struct pool {
	uint32_t magic;
	pthread_mutex_t lock; /* 1 in locks.h; guards all but the atomics */
	_Atomic pthread_t holder; /* the thread that holds it, 0: none */
	struct store *store;
	struct table *tables[POOL_TABLES]; /* the journal's first: see pool.c */
	int nr_tables;
	struct journal journal;
	struct fd_cache fds; /* of boxes' regions and plain files */
	struct lru *lru;
	struct boxes *boxes;
	struct inode_table *inodes;
	struct volatiles *volatiles;
	struct users *users; /* see user.h */
	struct names *names; /* of pool/inode/; NULL: they are not counted */
	struct pool_config config;
	const struct pool_ops *ops; /* NULL until pool_open() is done */
	void *arg; /* of @ops */
	uint64_t size; /* bytes that users' content may take */
	uint32_t page_size; /* bytes */
	bool leases, count_files, count_names; /* see pool_options */
	bool noatime, nodiratime; /* see pool_options */
	uint64_t limit; /* bytes; the present limit of the store, 0: none */
	uint64_t refused; /* bytes; a lower one, as the store held more */
	/*
	 * Pages of plain files that are not in use: idle_pages of volatile
	 * files that are neither open nor mapped, unpinned_pages of unpinned
	 * ranges.  Counted by pool/volatile/.
	 */
	uint64_t idle_pages;
	uint64_t unpinned_pages;
	/*
	 * Bytes that could be added to the content if all that can be is
	 * reclaimed; below 0: there is more than the size.  @look: measures
	 * anew what clients change without a request.  Set by pool_open().
	 */
	int64_t (*fits)(struct pool *pool, bool look);
#ifdef POOL_DEBUG
	/*
	 * Checks a part of the invariants, another part each time.  Called by
	 * pool_unlock().  Return: NULL or what is broken.
	 */
	const char *(*check_some)(struct pool *pool);
#endif
};

/** pool_of - the pool that a callback was given as a void pointer. */
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

/** pool_extent_pages - pages of an extent of EXTENT_BYTES. */
static inline uint64_t pool_extent_pages(const struct pool *pool)
{
	return EXTENT_BYTES / pool->page_size;
}

/** pool_add_table - the journal's come first: see pool.c. */
void pool_add_table(struct pool *pool, struct table *table);

/**
 * pool_record - table_alloc().  Where records and content are in one file
 * system, it has reclaim make room in a full one, and may purge volatile files,
 * unless inode_table.busy.
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int pool_record(struct pool *pool, struct table *table, uint32_t *slot);

/**
 * pool_user_record - the same, and @uid is charged for it.
 * @item: what the table's records are.
 * Return: 0; -EDQUOT: the user's share is used up; -ENOSPC, -ENOMEM.
 */
int pool_user_record(struct pool *pool, struct table *table, uid_t uid,
		     enum user_item item, uint32_t *slot);
/** pool_user_record_free - table_free() of one that @uid was charged for. */
void pool_user_record_free(struct pool *pool, struct table *table, uid_t uid,
			   enum user_item item, uint32_t slot);

/**
 * pool_fit_limit - set the limit of the content's file system to the pool's
 * size plus memory that is not in use (Available pages, idle files, unpinned
 * ranges), but never more than twice the size.  So that memory never keeps a
 * user from writing, and is kept until it is reclaimed.
 */
void pool_fit_limit(struct pool *pool);

/**
 * pool_reclaimed - Available pages of boxes were given back, maybe without the
 * lock: the limit follows, at once or when the lock is dropped.
 */
void pool_reclaimed(struct pool *pool);

/**
 * pool_reclaim - have reclaim free @bytes and a page more.
 * Return: whether anything was freed.
 */
bool pool_reclaim(struct pool *pool, uint64_t bytes);

/** pool_held - bytes of content in a file system of its own.  Return: 0 or
 * -errno. */
int pool_held(struct pool *pool, uint64_t *bytes);

/**
 * pool_take_back - @pages that count as Available are about to be in use again:
 * lower the limit first, after reclaim if need be.  They may be reclaimed, too.
 * Return: 0; -ENOSPC: more than the pool's size would be in use.
 */
int pool_take_back(struct pool *pool, uint64_t pages);

/** pool_spare_pages - what of the content is Available: reclaim can have it. */
uint64_t pool_spare_pages(struct pool *pool);

/** pool_limit_of - bytes of content that a pool of @size could hold now. */
uint64_t pool_limit_of(struct pool *pool, uint64_t size);

/**
 * pool_set_size - @size is the most that may be in use from now on, if the
 * content's file system agrees.  A part of pool_resize().
 * Return: 0; -EBUSY: it holds more; or -errno of the system calls.
 */
int pool_set_size(struct pool *pool, uint64_t size);

/** pool_grow - pool_ops.grow(), if there is one. */
static inline int pool_grow(struct pool *pool, uint64_t bytes, bool own)
{
	return pool->ops && pool->ops->grow
		       ? pool->ops->grow(pool->arg, bytes, own)
		       : 0;
}

/**
 * pool_make_room - have reclaim free @bytes and a page more; nothing if @bytes
 * would not fit with all of it gone, so that nothing is purged in vain.
 * Return: whether anything was freed, so that a retry makes sense.
 */
bool pool_make_room(struct pool *pool, uint64_t bytes);
/** pool_make_some_room - the same for who can do with less, but for a page. */
bool pool_make_some_room(struct pool *pool, uint64_t bytes);

/*
 * retry_with_room - evaluates @call; if it is -ENOSPC, evaluates @room, and if
 * that is true, @call once more.
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
 * pool_add_shrinker - register a shrinker with the callbacks and seeks of
 * @kind.  Its private data is the pool, its batch the pages of an extent.
 * Return: 0 with *@out set, or -errno.
 */
int pool_add_shrinker(struct pool *pool, const char *name, unsigned int flags,
		      const struct shrinker *kind, struct shrinker **out);

#endif
