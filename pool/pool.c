/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool as a whole: opened over a store, layer by layer from the bottom up,
 * each rebuilt from its tables, and closed the other way round.
 *
 * States: closed -> tables open -> journal applied -> adopted (memory agrees
 * with the tables) -> shrinkers registered -> closed.
 * Locks: pool_open() and pool_close() are called with none held, by one thread;
 * all else with pool->lock (1) held.
 * Reclaim: runs between the registration of the shrinkers, which is the last
 * part of pool_open(), and their removal, which is the first of pool_close().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "pool/box/box_priv.h"
#include "pool/inode/inode_priv.h"
#include "pool/inode/names.h"
#include "pool/pool_priv.h"
#include "pool/volatile/volatile.h"

/* The journal's entries name the first of the tables by their index. */
int pool_open_journal(struct pool *pool, bool forget)
{
	int err = journal_open(&pool->journal, pool->store->dirfd, pool->tables,
			       JOURNAL_TABLES, forget);

	if (err)
		return err;
	/* The free records were counted before the journal was applied. */
	for (int i = 0; i < pool->nr_tables; i++)
		table_rescan(pool->tables[i]);
	return 0;
}

int pool_open_tables(struct pool *pool)
{
	int err = boxes_open(pool);

	if (!err)
		err = inodes_open(pool);
	return err ? err : volatile_open(pool);
}

/* Tables first, all of them: the journal may have something to finish. */
static int pool_open_parts(struct pool *pool, bool fresh)
{
	int err = pool_open_tables(pool);

	if (!err)
		err = pool_open_journal(pool, fresh);
	/* Before anything else is removed. */
	if (!err)
		err = names_adopt(pool);
	if (!err)
		err = boxes_adopt(pool, fresh);
	if (!err)
		err = inodes_adopt(pool, fresh);
	if (!err)
		err = volatile_adopt(pool);
	if (err)
		return err;
	inodes_tidy(pool);
	if (!err)
		err = box_add_shrinker(pool);
	if (!err)
		err = volatile_add_shrinkers(pool);
	return err;
}

struct pool *pool_new(const struct pool_options *opts)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->magic = POOL_MAGIC;
	pthread_mutex_init(&pool->lock, NULL);
	fd_cache_init(&pool->fds, fd_cache_max());
	pool->store = opts->store;
	pool->size = opts->size;
	pool->leases = opts->leases;
	pool->count_files = opts->count_files;
	pool->count_names = opts->count_names;
	pool->noatime = opts->noatime;
	pool->nodiratime = opts->nodiratime;
	pool->page_size = sysconf(_SC_PAGESIZE);
	return pool;
}

#ifdef POOL_DEBUG
/* Page states are left out: reclaim changes them without pool->lock. */
static const char *pool_check_some(struct pool *pool)
{
	static uint32_t n;
	const char *broken = boxes_check_some(pool, ++n);

	if (!broken)
		broken = inodes_check_some(pool, n);
	return broken ? broken : volatile_check_some(pool);
}
#endif

/* Pages that reclaim could free. */
static uint64_t pool_reclaimable(struct pool *pool, bool look)
{
	struct lru_stat ls;
	uint64_t pages;

	if (look)
		box_rescan_some(pool);
	pages = volatile_reclaimable(pool, look);
	lru_stat(pool->lru, &ls);
	return pages == UINT64_MAX ? pages : pages + ls.available;
}

bool pool_could_free(struct pool *pool, uint64_t bytes)
{
	uint64_t pages = bytes / pool->page_size;

	return pool_reclaimable(pool, false) >= pages ||
	       pool_reclaimable(pool, true) >= pages;
}

uint64_t pool_content(struct pool *pool)
{
	struct lru_stat ls;
	uint64_t held;

	if (!pool_held(pool, &held))
		return held;
	lru_stat(pool->lru, &ls);
	return space_used(pool) + (ls.used + ls.available) * pool->page_size;
}

/* See struct pool. */
static int64_t pool_fits(struct pool *pool, bool look)
{
	uint64_t spare = pool_reclaimable(pool, look);
	uint64_t held = pool_content(pool);

	if (spare > held / pool->page_size)
		return pool->size;
	return (int64_t)pool->size - (int64_t)held +
	       (int64_t)(spare * pool->page_size);
}

int pool_open(const struct pool_options *opts, struct pool **out)
{
	struct pool *pool = pool_new(opts);
	int err;

	if (!pool)
		return -ENOMEM;
	pool_lock(pool);
	pool->lru = lru_new(opts->nr_nodes, UINT64_MAX);
	err = pool->lru ? users_open(pool, opts->owner) : -errno;
	if (!err) {
		lru_set_fds(pool->lru, &pool->fds);
		err = pool_open_parts(pool, opts->fresh);
	}
	if (!err)
		err = store_count_regions(pool->store);
	if (err) {
		pool_unlock(pool);
		pool_close(pool);
		return err;
	}
	pool_fit_limit(pool);
	space_fit(pool);
	pool->fits = pool_fits;
	/* Not earlier: no callback is called while records are adopted. */
	pool->ops = opts->ops;
	pool->arg = opts->arg;
	pool_unlock(pool);
#ifdef POOL_DEBUG
	pool->check_some = pool_check_some;
#endif
	*out = pool;
	return 0;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	box_remove_shrinker(pool);
	volatile_close(pool);
	boxes_close(pool);
	lru_free(pool->lru);
	names_close(pool);
	inodes_close(pool);
	fd_cache_release(&pool->fds);
	users_close(pool);
	journal_release(&pool->journal);
	pthread_mutex_destroy(&pool->lock);
	pool->magic = 0;
	free(pool);
}

/* @a - @b, but not below 0. */
static uint64_t at_least_0(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t pool_used(struct pool *pool)
{
	struct lru_stat ls;
	uint64_t held;

	lru_stat(pool->lru, &ls);
	if (pool_held(pool, &held))
		return at_least_0(ls.used + space_used(pool) / pool->page_size,
				  pool->idle_pages);
	return at_least_0(held / pool->page_size,
			  pool->idle_pages + ls.available);
}

uint64_t pool_excess(struct pool *pool)
{
	uint64_t held;

	if (pool_held(pool, &held))
		return 0;
	return at_least_0(held, pool->size) / pool->page_size;
}

void pool_space(struct pool *pool, struct pool_space *out)
{
	out->content = pool_content(pool);
	out->limit = pool->store->detached ? pool->limit : pool->size;
	out->records = store_tables_bytes(pool->store);
}

void pool_stat(struct pool *pool, struct pool_stat *out)
{
	out->size = pool->size;
	lru_stat(pool->lru, &out->pages);
	boxes_stat(pool, &out->boxes);
}

/* The records that users are charged for. */
static void count_records(struct pool *pool, struct users *counts)
{
	boxes_count_users(pool, counts);
	vranges_count_users(pool, counts);
	names_count_users(pool, counts);
}

const char *pool_check(struct pool *pool)
{
	const char *broken = boxes_check(pool);

	if (!broken)
		broken = inodes_check(pool);
	if (!broken)
		broken = volatile_check(pool);
	if (!broken)
		broken = users_check(pool, count_records);
	return broken ? broken : lru_check(pool->lru);
}
