/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The requests of users: make a file volatile as a whole, unpin and pin ranges.
 *
 * States of a page of a file:
 *
 *	         unpin                  the shrinker
 *	pinned ---------> UNPINNED ----------------------> PURGED (a hole)
 *	   ^  pin: intact    |                               |
 *	   |<----------------'      pin: "was purged"        |
 *	   '-------------------------------------------------'
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: purges unpinned ranges with the same lock held, between requests,
 * and in pool_record() unless INODES_BUSY().
 */
#include <errno.h>
#include <sys/xattr.h>

#include "pool/volatile/volatile_priv.h"

/* @flags: as those of setxattr(2). */
static int vfile_refuse(struct pool *pool, uint32_t inode, int flags)
{
	bool is = vfile_is_volatile(pool, inode);
	struct statx stx;
	int err = inode_stat(pool, inode, &stx);

	if (err)
		return err;
	if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode))
		return -EOPNOTSUPP;
	if (is && flags & XATTR_CREATE)
		return -EEXIST;
	return !is && flags & XATTR_REPLACE ? -ENODATA : 0;
}

int vfile_set_volatile(struct pool *pool, const struct op *op, uint32_t inode,
		       bool on, int flags)
{
	int64_t done;
	int err;

	/* The next worker has listed it. */
	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	err = vfile_refuse(pool, inode, flags);
	if (!err && !on && inode_mem(pool->inodes, inode)->idle)
		err = pool_take_back(pool,
				     inode_mem(pool->inodes, inode)->pages);
	if (err || !inode_valid(pool, inode))
		return err ? err : -ESTALE;
	vfile_journal_flag(pool, op, inode, on);
	vrange_remeasure(pool, inode, 0, UINT64_MAX);
	if (!inode_opens(pool, inode))
		vfile_list(pool, inode);
	return 0;
}

/* The pages of [off, off+len); @len 0: up to the end of the file. */
static int vrange_pages_of(struct pool *pool, uint32_t inode, uint64_t off,
			   uint64_t len, uint64_t *first, uint64_t *end)
{
	uint64_t page = pool->page_size, size;
	struct statx stx;
	int err = inode_stat(pool, inode, &stx);

	if (err)
		return err;
	if (!S_ISREG(stx.stx_mode))
		return -ENOTTY;
	size = (stx.stx_size + page - 1) / page;
	/* In the largest file the last page ends where no offset can be. */
	if (size > INT64_MAX / page)
		size = INT64_MAX / page;
	if (off % page || len % page || off + len < off)
		return -EINVAL;
	*first = off / page;
	*end = len ? (off + len) / page : size;
	return *first > size || *end > size ? -EINVAL : 0;
}

/* May @uid make one more range of the file? */
static bool vrange_fits_file(struct pool *pool, uint32_t inode, uid_t uid)
{
	return user_is_owner(pool, uid) ||
	       inode_mem(pool->inodes, inode)->nr_ranges < VRANGES_OF_FILE;
}

int vrange_unpin(struct pool *pool, const struct op *op, uint32_t inode,
		 uint64_t off, uint64_t len)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *v, *new;
	uint64_t first, end;
	int err;

	INODES_BUSY(pool);
	err = vrange_pages_of(pool, inode, off, len, &first, &end);
	if (err || first >= end)
		return err;
	v = vrange_find(t, inode, first, end);
	if (v && v->first <= first && v->end >= end)
		return 0;
	/* One that is joined with others is not one more. */
	if (!v && !vrange_fits_file(pool, inode, op->uid))
		return -EDQUOT;
	new = vrange_new(pool, op->uid, &err);
	if (!v && !new)
		return err;
	if (new) {
		new->inode = inode;
		new->first = first;
		new->end = end;
		vrange_join(pool, new);
	} else {
		vrange_extend(pool, v, first, end);
	}
	vrange_update_flag(pool, inode);
	pool_fit_limit(pool);
	return 0;
}

static bool vrange_any_purged(struct volatiles *t, uint32_t inode,
			      uint64_t first, uint64_t end)
{
	struct vrange *v;

	while ((v = vrange_find(t, inode, first, end))) {
		if (v->purged)
			return true;
		first = v->end;
	}
	return false;
}

/* Is [first, end) in the middle of a range? */
static bool vrange_is_split(struct volatiles *t, uint32_t inode, uint64_t first,
			    uint64_t end)
{
	const struct vrange *v = vrange_find(t, inode, first, end);

	return v && v->first < first && v->end > end;
}

/* The intent record keeps the answer for a request that is sent again. */
static int pin_result(struct pool *pool, const struct op *op, uint32_t inode,
		      uint64_t first, uint64_t end)
{
	struct journal_intent intent;
	bool again = journal_intends(&pool->journal, op->token, &intent);

	if (!again)
		intent = (struct journal_intent){ .inode = inode,
						  .victim = vrange_any_purged(
							  pool->volatiles,
							  inode, first, end) };
	if (!again)
		journal_intend(&pool->journal, op->token, &intent);
	return intent.victim;
}

/* Pages of [first, end) that may count as Available. */
static uint64_t vrange_spare(struct volatiles *t, uint32_t inode,
			     uint64_t first, uint64_t end)
{
	uint64_t pages = 0;
	struct vrange *v;

	for (; (v = vrange_find(t, inode, first, end)); first = v->end)
		pages += v->counted;
	return pages;
}

void vrange_take_back(struct pool *pool, uint32_t inode, uint64_t off,
		      uint64_t len)
{
	struct volatiles *t = pool->volatiles;
	uint64_t first, end, next;
	struct vrange *v;

	if (vrange_pages_of(pool, inode, off, len, &first, &end) ||
	    !pool_take_back(pool, vrange_spare(t, inode, first, end)))
		return;
	for (; (v = vrange_find(t, inode, first, end)); first = next) {
		next = v->end;
		if (!v->purged)
			vrange_purge(pool, v, v->end, v->memory, NULL);
	}
}

int vrange_pin(struct pool *pool, const struct op *op, uint32_t inode,
	       uint64_t off, uint64_t len)
{
	struct vrange *spare = NULL;
	uint64_t first, end;
	int64_t done;
	int err;

	INODES_BUSY(pool);
	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	err = vrange_pages_of(pool, inode, off, len, &first, &end);
	if (err || first >= end)
		return err;
	if (hole_is_late(pool, inode, first, end))
		return -EINPROGRESS;
	/* Other pins need no record: who has none left can still pin. */
	if (vrange_is_split(pool->volatiles, inode, first, end)) {
		if (!vrange_fits_file(pool, inode, op->uid))
			return -EDQUOT;
		spare = vrange_new(pool, op->uid, &err);
		if (!spare)
			return err;
	}
	err = pin_result(pool, op, inode, first, end);
	vrange_cut(pool, inode, first, end, &spare);
	vrange_update_flag(pool, inode);
	pool_fit_limit(pool);
	journal_begin(&pool->journal, op->token);
	journal_commit(&pool->journal, err);
	inode_free_unused(pool, inode);
	return err;
}

int vrange_state(struct pool *pool, uint32_t inode, uint64_t off, uint64_t len)
{
	uint64_t first, end;
	int err = vrange_pages_of(pool, inode, off, len, &first, &end);

	if (err || !vrange_find(pool->volatiles, inode, first, end))
		return err;
	return vrange_any_purged(pool->volatiles, inode, first, end)
		       ? VRANGE_STATE_PURGED
		       : VRANGE_STATE_UNPINNED;
}
