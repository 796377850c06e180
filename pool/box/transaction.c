/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: their records, the queue, reading and freeing them.  Sending is
 * in send.c, committing in commit.c, receiving in receive.c, ranges and pages in
 * tx_space.c.
 *
 * States: drawn in box_priv.h.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: touches only pages that no transaction's range touches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/box/box_priv.h"

static int tx_key_id(const void *key, const struct avl_node *n)
{
	uint64_t x = *(const uint64_t *)key;
	uint64_t y = avl_entry(n, struct tx, by_id)->id;

	return x < y ? -1 : x > y;
}

static struct tx *tx_slot_memory(struct pool *pool, struct box *box,
				 uint32_t slot)
{
	struct tx **chunk = &pool->boxes->tx_chunk[slot / TX_CHUNK];
	struct tx *tx;

	if (!*chunk) {
		*chunk = calloc(TX_CHUNK, sizeof(**chunk));
		if (!*chunk)
			return NULL;
	}
	tx = tx_mem(pool, slot);
	tx->box = box;
	tx->slot = slot;
	tx->range = NULL;
	tx->to = NULL;
	tx->in_moves = false;
	tx->holders = 0;
	return tx;
}

int tx_slot_alloc(struct pool *pool, struct box *box, uid_t uid, gid_t gid,
		  pid_t pid, uint32_t *slot)
{
	struct tx_rec *rec;
	uint32_t new;
	int err = pool_user_record(pool, &pool->boxes->txs, uid,
				   USER_TRANSACTIONS, &new);

	if (err)
		return err;
	if (!tx_slot_memory(pool, box, new)) {
		pool_user_record_free(pool, &pool->boxes->txs, uid,
				      USER_TRANSACTIONS, new);
		return -ENOMEM;
	}
	rec = tx_rec(pool, new);
	rec->box = box->slot;
	rec->uid = uid;
	rec->gid = gid;
	rec->pid = pid;
	*slot = new;
	return 0;
}

void tx_show(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx *tx = tx_mem(pool, slot);

	tx->id = tx_rec(pool, slot)->id;
	avl_insert(&box->txs, &tx->by_id);
	pool->boxes->nr_live++;
}

static void tx_hide(struct pool *pool, struct box *box, uint32_t slot)
{
	avl_erase(&box->txs, &tx_mem(pool, slot)->by_id);
	pool->boxes->nr_live--;
}

void tx_enqueue(struct pool *pool, struct box *box, uint32_t slot)
{
	TAILQ_INSERT_TAIL(&box->queue, tx_mem(pool, slot), queue);
	box->nr_queued++;
	if (pool->ops && pool->ops->queued)
		pool->ops->queued(pool->arg, box);
}

void tx_dequeue(struct pool *pool, struct box *box, uint32_t slot)
{
	TAILQ_REMOVE(&box->queue, tx_mem(pool, slot), queue);
	box->nr_queued--;
}

/* --- reading and freeing --- */

void tx_forget(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx *tx = tx_mem(pool, slot);

	tx_move_end(pool, box, slot);
	tx_release_range(pool, box, tx->range);
	tx->range = NULL;
	pool_user_record_free(pool, &pool->boxes->txs, tx_rec(pool, slot)->uid,
			      USER_TRANSACTIONS, slot);
}

static void tx_info_fill(struct pool *pool, uint32_t slot, struct tx_info *out)
{
	struct tx_rec *rec = tx_rec(pool, slot);

	out->id = rec->id;
	out->slot = slot;
	out->offset = rec->offset;
	out->size = rec->size;
	out->time.tv_sec = rec->time_ns / 1000000000;
	out->time.tv_nsec = rec->time_ns % 1000000000;
	out->pid = rec->pid;
	out->uid = rec->uid;
	out->gid = rec->gid;
	out->delivered = rec->state == TX_DELIVERED;
}

int tx_by_id(struct pool *pool, struct box *box, uint64_t id,
	     struct tx_info *out)
{
	struct avl_node *n = avl_find(&box->txs, &id, tx_key_id);

	if (!n)
		return -ENOENT;
	tx_info_fill(pool, avl_entry(n, struct tx, by_id)->slot, out);
	return 0;
}

int tx_by_slot(struct pool *pool, uint32_t slot, uint32_t id_low,
	       struct box **box, struct tx_info *out)
{
	struct tx_rec *rec;

	if (slot == POOL_REC || !table_live(&pool->boxes->txs, slot))
		return -ENOENT;
	rec = tx_rec(pool, slot);
	if (rec->state < TX_QUEUED || (uint32_t)rec->id != id_low)
		return -ENOENT;
	*box = tx_mem(pool, slot)->box;
	tx_info_fill(pool, slot, out);
	return 0;
}

int tx_next(struct pool *pool, struct box *box, uint64_t id,
	    struct tx_info *out)
{
	struct avl_node *n;

	id++;
	n = avl_lower_bound(&box->txs, &id, tx_key_id);
	if (!n)
		return -ENOENT;
	tx_info_fill(pool, avl_entry(n, struct tx, by_id)->slot, out);
	return 0;
}

int tx_read(struct pool *pool, uint32_t handle, uint64_t off, void *buf,
	    size_t *len)
{
	struct tx_rec *rec = tx_rec(pool, handle_rec(pool, handle)->work.tx);
	struct box *box = box_of_slot(pool, rec->box);
	size_t n = *len;
	int err = 0;

	if (off >= rec->size)
		n = 0;
	else if (n > rec->size - off)
		n = rec->size - off;
	if (n)
		err = region_read(box->region, rec->offset + off, buf, n);
	if (!err)
		*len = n;
	return err;
}

int tx_free(struct pool *pool, const struct op *op, struct box *box,
	    uint64_t id)
{
	struct avl_node *n;
	struct tx_rec *rec;
	struct tx *tx;
	int64_t done;
	bool held;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	n = avl_find(&box->txs, &id, tx_key_id);
	if (!n)
		return -ENOENT;
	tx = avl_entry(n, struct tx, by_id);
	rec = tx_rec(pool, tx->slot);
	held = tx->holders > 0;
	if (rec->state == TX_QUEUED)
		tx_dequeue(pool, box, tx->slot);
	else
		box->nr_delivered--;
	tx_hide(pool, box, tx->slot);
	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->state, held ? TX_HELD : TX_FREE);
	journal_commit(&pool->journal, 0);
	pool->boxes->freed++;
	if (held)
		box->nr_held++;
	else
		tx_forget(pool, box, tx->slot);
	return 0;
}

/* --- after a restart --- */

int tx_adopt(struct pool *pool, uint32_t slot)
{
	struct tx_rec *rec = tx_rec(pool, slot);
	struct box *box = box_of_slot(pool, rec->box);
	struct page_run used;
	struct tx *tx;
	int err;

	if (!box) {
		rec->state = TX_FREE;
		table_free(&pool->boxes->txs, slot);
		return 0;
	}
	tx = tx_slot_memory(pool, box, slot);
	if (!tx || user_charge_anyway(pool, rec->uid, USER_TRANSACTIONS, 1))
		return -ENOMEM;
	if (rec->reserved) {
		err = box_open_region(pool, box);
		if (!err)
			err = range_reserve_at(box->ranges, rec->offset,
					       rec->reserved, rec->uid,
					       &tx->range, &used);
		if (!err)
			err = user_charge_anyway(pool, rec->uid, USER_BOX_BYTES,
						 range_size(tx->range));
		if (!err && used.nr) {
			uint32_t missing;

			err = region_use_range(box->region, used.first, used.nr,
					       &missing);
		}
		if (err)
			return err;
	}
	switch (rec->state) {
	case TX_WRITING:
		box->nr_writing++;
		break;
	case TX_INVALIDATING:
		box->nr_invalidating++;
		break;
	case TX_QUEUED:
	case TX_DELIVERED:
		tx_show(pool, box, slot);
		break;
	case TX_HELD:
		box->nr_held++;
		break;
	}
	return 0;
}

void tx_adopt_queue(struct pool *pool, struct box *box)
{
	struct avl_node *n;

	for (n = avl_first(&box->txs); n; n = avl_next(n)) {
		struct tx *tx = avl_entry(n, struct tx, by_id);

		if (tx_rec(pool, tx->slot)->state == TX_QUEUED)
			tx_enqueue(pool, box, tx->slot);
		else
			box->nr_delivered++;
	}
}
