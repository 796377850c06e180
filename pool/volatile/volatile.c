/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile files and ranges as a whole: opened, adopted, counted, checked and
 * closed; and the hooks that inodes call.
 *
 * States: closed -> table open -> adopted -> shrinkers registered -> closed.
 * Locks: none is needed while the pool is opened and closed; all else is called
 * with pool->lock (1) held.
 * Reclaim: runs between volatile_add_shrinkers() and volatile_close().
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/volatile/volatile_priv.h"

/* Is no file left of an inode without references? */
static bool volatile_drop(struct pool *pool, uint32_t inode)
{
	uint32_t flags = inode_rec(pool->inodes, inode)->flags;

	if (flags & INODE_PURGED)
		return !vfile_purged_has_names(pool, inode);
	if (flags & INODE_DEAD)
		return true;
	return flags & INODE_ORPHAN &&
	       (flags & INODE_DIR || !vfile_has_names(pool, inode));
}

static void volatile_evict(struct pool *pool, uint32_t inode)
{
	vfile_evict(pool, inode);
	vrange_drop_all(pool, inode);
}

static const struct inode_hooks volatile_hooks = {
	.drop = volatile_drop,
	.evict = volatile_evict,
};

int volatile_open(struct pool *pool)
{
	pool->volatiles = calloc(1, sizeof(*pool->volatiles));
	if (!pool->volatiles)
		return -ENOMEM;
	pool->volatiles->magic = VOLATILES_MAGIC;
	vfile_list_init(pool);
	pool->inodes->hooks = &volatile_hooks;
	if (holes_open(pool))
		return -ENOMEM;
	return vranges_open(pool);
}

int volatile_adopt(struct pool *pool)
{
	int err = vranges_adopt(pool);

	return err ? err : vfiles_adopt(pool);
}

int volatile_add_shrinkers(struct pool *pool)
{
	int err = vfile_add_shrinker(pool);

	return err ? err : vrange_add_shrinker(pool);
}

void volatile_close(struct pool *pool)
{
	struct volatiles *v = pool->volatiles;

	if (!v)
		return;
	if (v->file_shrinker)
		shrinker_free(v->file_shrinker);
	if (v->range_shrinker)
		shrinker_free(v->range_shrinker);
	holes_close(pool);
	vranges_close(pool);
	free(v);
	pool->volatiles = NULL;
}

void volatile_stat(struct pool *pool, struct volatile_stat *out)
{
	const struct volatiles *v = pool->volatiles;

	out->ranges = v->nr_ranges;
	out->range_pages = v->unpinned.pages;
	out->files = v->nr_files;
	out->available = v->files.pages;
	out->idle = pool->idle_pages;
	out->purged_files = v->purged_files;
	out->purged_pages = v->purged_pages;
}

uint64_t volatile_reclaimable(struct pool *pool, bool look)
{
	const struct volatiles *v = pool->volatiles;

	/* Nothing is purged now. */
	if (pool->inodes->busy || pool->journal.active)
		return 0;
	if (look && !(vranges_look(pool) && vfiles_look(pool)))
		return UINT64_MAX;
	return pool->idle_pages + v->unpinned.pages;
}

const char *volatile_check(struct pool *pool)
{
	const char *broken = vranges_check(pool);

	return broken ? broken : vfiles_check(pool);
}

#define CHECK_MOST 64 /* extents of a list that is checked each time */

const char *volatile_check_some(struct pool *pool)
{
	const struct volatiles *v = pool->volatiles;
	const char *broken = NULL;

	if (v->nr_ranges <= CHECK_MOST)
		broken = vranges_check(pool);
	if (!broken && v->files.extents <= CHECK_MOST)
		broken = vfiles_check(pool);
	return broken;
}
