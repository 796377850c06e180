/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Committing: what was written becomes a transaction, whole or not at all.
 *
 * States: WRITING -> QUEUED, by way of INVALIDATING while the kernel has stale
 * copies of the pages (box_priv.h has the picture).  One journal commit is the
 * moment: after it the transaction will be delivered, whatever is killed.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: does not touch the pages of a range, which are Used.
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/box/box_priv.h"

void tx_commit_journal(struct pool *pool, struct tx_rec *rec,
		       struct handle_work *work)
{
	/* tx_commit_finish() finds out whether there are stale copies. */
	rec->state = pool->ops && pool->ops->copies_stale ? TX_INVALIDATING
							  : TX_QUEUED;
	rec->id = pool->boxes->rec->next_id;
	rec->time_ns = pool_now();
	jset(&pool->journal, pool->boxes->rec->next_id, rec->id + 1);
	work->tx = 0;
	work->stage = SEND_NOTHING;
	work->nr_writers = 0;
}

static void tx_trim(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx_rec *rec = tx_rec(pool, slot);
	struct tx *tx = tx_mem(pool, slot);
	struct page_run used, unused;

	if (!tx->range || range_size(tx->range) <= ((rec->size + 7) & ~7ull))
		return;
	if (range_resize(box->ranges, tx->range, rec->size, UINT64_MAX, &used,
			 &unused))
		return;
	user_uncharge(pool, rec->uid, USER_BOX_BYTES,
		      rec->reserved - range_size(tx->range));
	rec->reserved = range_size(tx->range);
	tx_pages_unused(box, &unused);
	if (pool->ops && pool->ops->space)
		pool->ops->space(pool->arg, box);
}

static bool tx_is_cached(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx_rec *rec = tx_rec(pool, slot);
	uint32_t first, last;

	if (!rec->size)
		return false;
	first = rec->offset / pool->page_size;
	last = (rec->offset + rec->size - 1) / pool->page_size;
	return region_test_clear_cached(box->region, first, last - first + 1);
}

void tx_commit_finish(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx_rec *rec = tx_rec(pool, slot);

	tx_move_end(pool, box, slot);
	box->nr_writing--;
	pool->boxes->sent++;
	pool->boxes->sent_bytes += rec->size;
	tx_trim(pool, box, slot);
	if (rec->state == TX_INVALIDATING) {
		if (tx_is_cached(pool, box, slot)) {
			box->nr_invalidating++;
			pool->ops->copies_stale(pool->arg, box, slot,
						rec->offset, rec->size);
			return;
		}
		rec->state = TX_QUEUED;
	}
	tx_show(pool, box, slot);
	tx_enqueue(pool, box, slot);
}

void tx_invalidated(struct pool *pool, uint32_t slot)
{
	struct box *box = tx_mem(pool, slot)->box;

	tx_rec(pool, slot)->state = TX_QUEUED;
	box->nr_invalidating--;
	tx_show(pool, box, slot);
	tx_enqueue(pool, box, slot);
}

void tx_invalidate_again(struct pool *pool)
{
	table_for_each (&pool->boxes->txs, i) {
		struct tx_rec *rec = tx_rec(pool, i);

		if (i == POOL_REC || rec->state != TX_INVALIDATING)
			continue;
		if (pool->ops && pool->ops->copies_stale)
			pool->ops->copies_stale(pool->arg, tx_mem(pool, i)->box,
						i, rec->offset, rec->size);
		else
			tx_invalidated(pool, i);
	}
}

static int tx_commit_to(struct pool *pool, const struct op *op, struct box *box,
			struct handle_rec *h)
{
	uint32_t slot = h->work.tx;
	struct handle_work work;
	struct tx_rec rec;
	int err;

	err = box_removed(box) ? -EPIPE : h->work.error;
	/* After a write that found no space the transaction is incomplete. */
	if (!err && h->work.stalled)
		err = -EAGAIN;
	if (err && slot)
		return tx_drop(pool, op, box, h, SEND_NOTHING, 0, err);
	if (err || h->work.stage != SEND_WRITTEN)
		return err;
	work = h->work;
	rec = *tx_rec(pool, slot);
	journal_begin(&pool->journal, op->token);
	tx_commit_journal(pool, &rec, &work);
	tx_journal(pool, slot, &rec, h, &work);
	journal_commit(&pool->journal, 0);
	tx_commit_finish(pool, box, slot);
	return 0;
}

int tx_commit(struct pool *pool, const struct op *op, uint32_t handle)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	err = tx_commit_to(pool, op, box, h);
	handle_recount(pool, box, handle);
	return err;
}
