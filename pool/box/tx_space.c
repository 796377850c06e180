/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space for transactions: ranges of the box's region and the pages under them.
 *
 * States: a range is reserved or free.  The pages that it touches are Used
 * while it is reserved; those that no other range touches are Available after.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: is called by pool_make_room(), with 1 held.  It does not touch pages
 * of reserved ranges, but may purge volatile files and ranges.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/box/box_priv.h"

void tx_pages_unused(struct box *box, const struct page_run *run)
{
	if (run->nr)
		region_stop_using_range(box->region, run->first, run->nr);
}

void tx_release_range(struct pool *pool, struct box *box, struct range *range)
{
	struct page_run unused;

	if (!range)
		return;
	user_uncharge(pool, range_owner(range), USER_BOX_BYTES,
		      range_size(range));
	range_free(box->ranges, range, &unused);
	tx_pages_unused(box, &unused);
	if (pool->ops && pool->ops->space)
		pool->ops->space(pool->arg, box);
}

static uint64_t tx_quota(struct pool *pool, struct box *box, uid_t uid)
{
	if (uid == box->rec->uid[BOX_DIR])
		return UINT64_MAX;
	return box->rec->size * pool->config.sender_quota / 100;
}

/* Reports a sender that fills the box: see range_suspect(). */
static void tx_suspect(struct pool *pool, struct box *box, uid_t uid)
{
	uid_t owner = box->rec->uid[BOX_DIR];
	struct range_stat st;
	uint64_t bytes;
	uint32_t nr;

	if (uid == owner || !pool->ops || !pool->ops->suspect)
		return;
	range_stat(box->ranges, &st);
	bytes = st.reserved - range_owner_bytes(box->ranges, owner, &nr);
	if (!range_suspect(box->ranges, box->rec->size / 2, bytes, uid))
		return;
	bytes = range_owner_bytes(box->ranges, uid, &nr);
	pool->ops->suspect(pool->arg, box, uid, bytes, nr);
}

/*
 * Has reclaim make room for @nr pages more.  Clients that read holes of a
 * region allocate memory without a request, so the pool can be above its limit.
 * Return: as pool_make_room().
 */
static bool tx_make_room(struct pool *pool, uint32_t nr)
{
	struct lru_stat st;
	uint64_t have;

	lru_stat(pool->lru, &st);
	have = st.used + st.available;
	if (have > st.limit)
		nr += have - st.limit;
	return pool_make_room(pool, (uint64_t)nr * pool->page_size);
}

/* region_use_range(), with reclaim if the pool is full. */
static int tx_use_pages(struct pool *pool, struct box *box,
			const struct page_run *run)
{
	uint32_t missing;
	int err;

	if (!run->nr)
		return 0;
	err = region_use_range(box->region, run->first, run->nr, &missing);
	/* A first reclaim may find more memory than was counted: try twice. */
	for (int i = 0; err == -ENOSPC && i < 2 && tx_make_room(pool, run->nr);
	     i++)
		err = region_use_range(box->region, run->first, run->nr,
				       &missing);
	if (err)
		return err;
	/* Those that were Available are part of the size again. */
	if (missing < run->nr)
		err = pool_take_back(pool, 0);
	if (!err && missing)
		err = pool_grow(pool, (uint64_t)missing * pool->page_size,
				false);
	if (err)
		region_stop_using_range(box->region, run->first, run->nr);
	return err;
}

/* -EAGAIN, no room in the box, is waited for; -ENOSPC, of the pool, is not. */
static int tx_no_room(int err)
{
	return err == -ENOSPC ? -EAGAIN : err;
}

static int tx_charge(struct pool *pool, uid_t uid, uint64_t bytes)
{
	/* The owner's limit is the pool's size, and reclaim may make room. */
	return (user_is_owner(pool, uid) ? user_charge_anyway : user_charge)(
		pool, uid, USER_BOX_BYTES, bytes);
}

int tx_reserve(struct pool *pool, struct box *box, uint64_t size, uid_t uid,
	       struct range **out)
{
	struct page_run used, unused;
	struct range *range;
	int err;

	err = range_reserve(box->ranges, size, uid, UINT64_MAX, &range, &used);
	if (err)
		return tx_no_room(err);
	err = tx_charge(pool, uid, range_size(range));
	if (err)
		goto err_range;
	err = tx_use_pages(pool, box, &used);
	if (err)
		goto err_charge;
	*out = range;
	tx_suspect(pool, box, uid);
	return 0;

err_charge:
	user_uncharge(pool, uid, USER_BOX_BYTES, range_size(range));
err_range:
	range_free(box->ranges, range, &unused);
	return err;
}

/* Makes @range larger in place. */
static int tx_grow(struct pool *pool, struct box *box, struct range *range,
		   uint64_t size, uid_t uid)
{
	uint64_t before = range_size(range), more;
	struct page_run used, unused;
	int err;

	err = range_resize(box->ranges, range, size, UINT64_MAX, &used,
			   &unused);
	if (err)
		return tx_no_room(err);
	more = range_size(range) - before;
	err = tx_charge(pool, uid, more);
	if (!err) {
		err = tx_use_pages(pool, box, &used);
		if (err)
			user_uncharge(pool, uid, USER_BOX_BYTES, more);
	}
	if (err)
		range_resize(box->ranges, range, before, UINT64_MAX, &used,
			     &unused);
	return err;
}

int tx_check_quota(struct pool *pool, struct box *box, uint32_t slot,
		   uint64_t total, uid_t uid)
{
	const struct tx *tx = tx_mem(pool, slot);
	const struct range *range = tx->to ? tx->to : tx->range;
	uint64_t quota = tx_quota(pool, box, uid), held, more;

	total = total ? (total + RANGE_ALIGN - 1) & -(uint64_t)RANGE_ALIGN
		      : RANGE_ALIGN;
	if (range && total <= range_size(range))
		return 0;
	more = total - (range ? range_size(range) : 0);
	held = range_owner_bytes(box->ranges, uid, NULL);
	if (held > quota || more > quota - held)
		return -EDQUOT;
	/* -ENOSPC, too little is left for others than the owner, may pass. */
	return user_may_charge(pool, uid, USER_BOX_BYTES, more) == -EDQUOT
		       ? -EDQUOT
		       : 0;
}

int tx_room(struct pool *pool, struct box *box, uint32_t slot, uint64_t total,
	    uid_t uid, struct range **out)
{
	struct tx *tx = tx_mem(pool, slot);
	int err = 0;

	if (!tx->range)
		return tx_reserve(pool, box, total, uid, out);
	if (!tx->to) {
		if (total > range_size(tx->range))
			err = tx_grow(pool, box, tx->range, total, uid);
		if (err != -EAGAIN) {
			*out = tx->range;
			return err;
		}
		/* Another range is behind it: move, with room to grow. */
		if (total <= box->rec->size / 2 &&
		    !tx_check_quota(pool, box, slot, total * 2, uid))
			err = tx_move(pool, box, slot, total * 2, uid, out);
		if (tx->to || !err)
			return err;
	}
	return tx_move(pool, box, slot, total, uid, out);
}

int tx_write_payload(struct pool *pool, struct box *box, uint64_t off,
		     const struct payload *p)
{
	return retry_with_room(region_write(box->region, off, p->mem, p->len),
			       pool_make_room(pool, p->len));
}
