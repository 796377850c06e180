/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's context: its lock, the records of its tables, and how much the
 * store may hold.
 *
 * States: none of its own; pool_fit_limit() computes the limit from what is in
 * the store.
 * Locks: pool_lock() takes pool->lock (1); all else is called with it held.
 * Reclaim: changes idle_pages, unpinned_pages and the limit, under pool->lock,
 * also during pool_make_room() and pool_record().
 */
#include "pool/core/core_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* --- the lock --- */

void pool_lock(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->holder = pthread_self();
}

bool pool_trylock(struct pool *pool)
{
	if (pthread_mutex_trylock(&pool->lock))
		return false;
	pool->holder = pthread_self();
	return true;
}

bool pool_is_mine(struct pool *pool)
{
	return pthread_equal(pool->holder, pthread_self());
}

#ifdef POOL_DEBUG
static void pool_check_some(struct pool *pool)
{
	const char *broken = pool->check_some ? pool->check_some(pool) : NULL;

	if (!broken)
		return;
	fprintf(stderr, "poolfs: %s\n", broken);
	abort();
}
#else
static void pool_check_some(struct pool *pool)
{
}
#endif

bool pool_replays(struct pool *pool, uint64_t token)
{
	int64_t done;

	return journal_replayed(&pool->journal, token, &done) ||
	       journal_intends(&pool->journal, token, NULL);
}

struct pool_config *pool_config(struct pool *pool)
{
	return &pool->config;
}

/* --- the limit of the store --- */

/* A limit is raised by no less than this part of the size: it costs a call. */
#define LIMIT_STEPS 256

void pool_add_table(struct pool *pool, struct table *table)
{
	pool->tables[pool->nr_tables++] = table;
}

uint64_t pool_spare_pages(struct pool *pool)
{
	struct lru_stat ls;

	lru_stat(pool->lru, &ls);
	return pool->idle_pages + pool->unpinned_pages + ls.available;
}

/* The limit of a pool of @size when @pages of what is Available no longer are. */
static uint64_t limit_of(struct pool *pool, uint64_t size, uint64_t pages)
{
	uint64_t spare = pool_spare_pages(pool), most = size / pool->page_size;

	spare = spare > pages ? spare - pages : 0;
	return size + (spare < most ? spare : most) * pool->page_size;
}

static uint64_t limit_without(struct pool *pool, uint64_t pages)
{
	return limit_of(pool, pool->size, pages);
}

void pool_fit_limit(struct pool *pool)
{
	uint64_t want, step = pool->size / LIMIT_STEPS;

	if (!pool->store->detached)
		return;
	want = limit_without(pool, 0);
	if (want == pool->limit ||
	    (pool->limit && want > pool->limit && want - pool->limit < step))
		return;
	/* Fails while the store holds more: retried after reclaim. */
	if (store_set_limit(pool->store, want) == 0)
		pool->limit = want;
}

uint64_t pool_limit_of(struct pool *pool, uint64_t size)
{
	return pool->store->detached ? limit_of(pool, size, 0) : size;
}

int pool_set_size(struct pool *pool, uint64_t size)
{
	uint64_t limit = pool_limit_of(pool, size);
	int err = pool->store->detached ? store_set_limit(pool->store, limit)
					: 0;

	if (err)
		return err;
	if (pool->store->detached)
		pool->limit = limit;
	pool->size = size;
	pool->refused = 0;
	return 0;
}

int pool_held(struct pool *pool, uint64_t *bytes)
{
	struct statvfs st;
	int err = pool->store->detached ? store_space(pool->store, &st)
					: -EOPNOTSUPP;

	if (!err)
		*bytes = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
	return err;
}

/* What was Available is in use or gone: a writer must not have it. */
static void pool_lower_limit(struct pool *pool)
{
	uint64_t want, held;

	if (!pool->limit)
		return;
	want = limit_without(pool, 0);
	if (pool->limit <= want)
		return;
	/* A look is cheaper than one more refusal. */
	if (pool->refused == want && (pool_held(pool, &held) || held > want))
		return;
	if (store_set_limit(pool->store, want) == 0)
		pool->limit = want;
	else
		pool->refused = want;
}

/* The limit is never wrong for longer than a request. */
void pool_unlock(struct pool *pool)
{
	pool_lower_limit(pool);
	pool_check_some(pool);
	pool->holder = 0;
	pthread_mutex_unlock(&pool->lock);
}

void pool_reclaimed(struct pool *pool)
{
	/* Who has the lock does it at the end. */
	if (!pool_is_mine(pool) && pool_trylock(pool))
		pool_unlock(pool);
}

/* Bytes that could be had, or @enough of them. */
static int64_t pool_fits(struct pool *pool, int64_t enough)
{
	int64_t fits = pool->fits ? pool->fits(pool, false) : INT64_MAX;

	return fits < enough ? pool->fits(pool, true) : fits;
}

static bool pool_could_have(struct pool *pool, uint64_t bytes)
{
	return bytes <= INT64_MAX && pool_fits(pool, bytes) >= (int64_t)bytes;
}

bool pool_reclaim(struct pool *pool, uint64_t bytes)
{
	return pool->ops && pool->ops->reclaim &&
	       pool->ops->reclaim(pool->arg, bytes / pool->page_size + 1);
}

/* A first reclaim may find more memory than was counted: try twice. */
#define TAKE_TRIES 3

int pool_take_back(struct pool *pool, uint64_t pages)
{
	for (int i = 0; pool->store->detached && i < TAKE_TRIES; i++) {
		uint64_t want = limit_without(pool, pages), held = 0;

		if (pool->limit <= want)
			return 0;
		if (store_set_limit(pool->store, want) == 0) {
			pool->limit = want;
			return 0;
		}
		/* What is freed is of what does not fit otherwise. */
		if (pool_held(pool, &held) || held <= want ||
		    !pool_could_have(pool, pages * pool->page_size) ||
		    !pool_reclaim(pool, held - want))
			return -ENOSPC;
	}
	return pool->store->detached ? -ENOSPC : 0;
}

bool pool_make_room(struct pool *pool, uint64_t bytes)
{
	return pool_could_have(pool, bytes) && pool_reclaim(pool, bytes);
}

bool pool_make_some_room(struct pool *pool, uint64_t bytes)
{
	int64_t want = bytes < INT64_MAX ? bytes : INT64_MAX;
	int64_t fits = pool_fits(pool, want);

	return fits >= pool->page_size &&
	       pool_reclaim(pool, fits < want ? fits : want);
}

/* --- records --- */

int pool_record(struct pool *pool, struct table *table, uint32_t *slot)
{
	int err = 0;

	/* Beside each record there is about as much in our own memory. */
	if (!table->nr_free)
		err = pool_grow(pool, 2 * TABLE_BLOCK, true);
	if (!err)
		err = table_alloc(table, slot);
	/* Elsewhere users' content is in the same file system. */
	if (err == -ENOSPC && !pool->store->detached &&
	    pool_make_room(pool, TABLE_BLOCK))
		err = table_alloc(table, slot);
	return err;
}

int pool_user_record(struct pool *pool, struct table *table, uid_t uid,
		     enum user_item item, uint32_t *slot)
{
	int err = user_charge(pool, uid, item, 1);

	if (err)
		return err;
	err = pool_record(pool, table, slot);
	if (err)
		user_uncharge(pool, uid, item, 1);
	return err;
}

void pool_user_record_free(struct pool *pool, struct table *table, uid_t uid,
			   enum user_item item, uint32_t slot)
{
	table_free(table, slot);
	user_uncharge(pool, uid, item, 1);
}

/* --- shrinkers --- */

int pool_add_shrinker(struct pool *pool, const char *name, unsigned int flags,
		      const struct shrinker *kind, struct shrinker **out)
{
	struct shrinker *s = shrinker_alloc(flags, "%s", name);
	int err;

	if (!s)
		return -errno;
	s->count_objects = kind->count_objects;
	s->scan_objects = kind->scan_objects;
	s->seeks = kind->seeks;
	s->batch = pool_extent_pages(pool);
	s->private_data = pool;
	err = shrinker_register(s);
	if (err) {
		shrinker_free(s);
		return err;
	}
	*out = s;
	return 0;
}
