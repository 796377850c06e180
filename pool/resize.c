/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other limits than those that the pool was mounted with, while it is in use.
 *
 * States: a limit is the old one until the file system of the content has taken
 * the new one, which it does if and only if it holds no more.  Clients may write
 * meanwhile, without a request: so nothing is decided before that.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: is called to make what is held fit.
 */
#include <errno.h>
#include <sys/statvfs.h>

#include "pool/inode/inode_priv.h"
#include "pool/pool.h"
#include "pool/pool_priv.h"
#include "pool/volatile/volatile.h"

/* A first reclaim may find more memory than was counted, and clients write. */
#define TRIES 16
/* Volatile files that were closed a moment ago may still seem to be mapped. */
#define RECHECKS 64

/* Bytes that no reclaim can have. */
static uint64_t in_use(struct pool *pool)
{
	uint64_t held = pool_content(pool);
	uint64_t spare = pool_spare_pages(pool) * pool->page_size;

	return held > spare ? held - spare : 0;
}

static int lower_size(struct pool *pool, uint64_t size)
{
	for (int i = 0; i < RECHECKS && in_use(pool) > size; i++)
		vfile_recheck(pool);
	for (int i = 0; i < TRIES; i++) {
		uint64_t held = pool_content(pool);
		uint64_t limit = pool_limit_of(pool, size);
		int err = -EBUSY;

		if (in_use(pool) > size)
			return -EBUSY;
		if (held <= limit)
			err = pool_set_size(pool, size);
		if (err != -EBUSY)
			return err;
		held = held > limit ? held - limit : pool->page_size;
		if (!pool_reclaim(pool, held))
			return -EBUSY;
	}
	return -EBUSY;
}

/* What else follows the size. */
static void size_changed(struct pool *pool)
{
	store_fit_records(pool->store, pool->size);
	users_fit(pool);
	space_fit(pool);
	pool_fit_limit(pool);
}

int pool_resize(struct pool *pool, uint64_t size)
{
	int err;

	/* As at the mount: in a directory nobody counts what clients write. */
	if (!pool->store->detached && pool->leases)
		return -EOPNOTSUPP;
	err = size < pool->size ? lower_size(pool, size)
				: pool_set_size(pool, size);
	if (!err)
		size_changed(pool);
	return err;
}

static uint64_t inodes_used(struct pool *pool)
{
	struct statvfs st;

	return store_space(pool->store, &st) ? 0 : st.f_files - st.f_ffree;
}

int pool_limit_inodes(struct pool *pool, uint64_t nr)
{
	struct volatile_stat vs;
	int err;

	if (!pool->store->inodes || !nr)
		return -EOPNOTSUPP;
	for (int i = 0; i < TRIES && inodes_used(pool) > nr; i++) {
		volatile_stat(pool, &vs);
		if (inodes_used(pool) > nr + vs.files ||
		    !pool_make_room(pool,
				    (inodes_used(pool) - nr) * pool->page_size))
			break;
	}
	err = store_limit_inodes(pool->store, nr, true);
	users_fit(pool);
	return err;
}
