/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All boxes of a pool: opened over the store's tables, rebuilt from them, and
 * closed.
 *
 * States: closed -> tables open -> adopted (memory agrees with the records) ->
 * closed.
 * Locks: none is needed while the pool is opened and closed; boxes_stat() is
 * called with pool->lock (1) held.
 * Reclaim: does not run while the pool is opened and closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/box/box_priv.h"

int boxes_open(struct pool *pool)
{
	int dirfd = pool->store->dirfd, err;
	struct boxes *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	pool->boxes = b;
	b->by_name.cmp = box_cmp_name;
	b->by_serial.cmp = b->removed.cmp = box_cmp_serial;
	TAILQ_INIT(&b->spare_boxes);
	TAILQ_INIT(&b->moves);
	LIST_INIT(&b->control);
	LIST_INIT(&b->control_polling);
	pool->config.box_size = BOX_DEFAULT_SIZE;
	pool->config.sender_quota = BOX_DEFAULT_QUOTA;
	err = table_open(&b->boxes, dirfd, "boxes", sizeof(struct box_rec),
			 BOX_MAX);
	if (!err)
		err = table_open(&b->txs, dirfd, "transactions",
				 sizeof(struct tx_rec), TX_MAX);
	if (!err)
		err = table_open(&b->handles, dirfd, "handles",
				 sizeof(struct handle_rec), HANDLE_MAX);
	/* No change in the journal has to do with texts. */
	if (!err)
		err = table_open(&b->texts, dirfd, "texts",
				 sizeof(struct text_rec), TEXT_MAX);
	if (err)
		return err;
	pool_add_table(pool, &b->boxes);
	pool_add_table(pool, &b->txs);
	pool_add_table(pool, &b->handles);
	return 0;
}

/* Finds or makes the pool's record, the first of the transactions' table. */
static int boxes_find_rec(struct boxes *b)
{
	uint32_t slot;
	int err;

	if (table_live(&b->txs, POOL_REC)) {
		b->rec = table_record(&b->txs, POOL_REC);
		return 0;
	}
	err = table_alloc(&b->txs, &slot);
	if (err)
		return err;
	if (slot != POOL_REC)
		return -EUCLEAN;
	b->rec = table_record(&b->txs, POOL_REC);
	b->rec->next_id = 1;
	b->rec->next_serial = 1;
	table_publish(&b->rec->state, 1);
	return 0;
}

static int boxes_adopt_records(struct pool *pool, bool fresh)
{
	struct boxes *b = pool->boxes;
	int err = boxes_find_rec(b);

	if (err)
		return err;
	table_for_each (&b->boxes, i) {
		err = box_adopt(pool, i);
		if (err)
			return err;
		if (fresh)
			box_set_backing(box_of_slot(pool, i), 0);
	}
	err = store_each_region(pool->store, box_adopt_region, pool);
	if (err)
		return err;
	table_for_each (&b->txs, i) {
		err = i == POOL_REC ? 0 : tx_adopt(pool, i);
		if (err)
			return err;
	}
	for (uint32_t i = 0; i < b->nr_box_mem; i++)
		if (b->box_mem[i])
			tx_adopt_queue(pool, b->box_mem[i]);
	table_for_each (&b->handles, i) {
		err = handle_adopt(pool, i);
		if (err)
			return err;
	}
	return 0;
}

/* Nothing is open in a new mount: incomplete transactions are dropped. */
static void boxes_close_handles(struct pool *pool)
{
	static const struct op op; /* no request's */
	struct boxes *b = pool->boxes;

	table_for_each (&b->handles, i) {
		handle_rec(pool, i)->work.error = -ECANCELED;
		handle_close(pool, &op, i);
	}
}

/* Frees what a kill between two stores has left; none of it is visible. */
static void boxes_tidy(struct pool *pool)
{
	struct boxes *b = pool->boxes;

	table_for_each (&b->txs, i) {
		struct tx_rec *rec = tx_rec(pool, i);
		struct tx *tx;

		if (i == POOL_REC ||
		    (rec->state != TX_HELD && rec->state != TX_WRITING))
			continue;
		tx = tx_mem(pool, i);
		if (!tx->holders) {
			if (rec->state == TX_HELD)
				tx->box->nr_held--;
			else
				tx->box->nr_writing--;
			rec->state = TX_FREE;
			tx_forget(pool, tx->box, i);
		} else if (rec->state == TX_WRITING) {
			/* handle_adopt() counted its sender for this. */
			tx->holders = 0;
		}
	}
	for (uint32_t i = 0; i < b->nr_box_mem; i++)
		if (b->box_mem[i])
			box_free_unused(pool, b->box_mem[i]);
}

int boxes_adopt(struct pool *pool, bool fresh)
{
	int err = boxes_adopt_records(pool, fresh);

	if (!err)
		err = handle_texts_tidy(pool);
	if (err)
		return err;
	if (fresh)
		boxes_close_handles(pool);
	boxes_tidy(pool);
	return 0;
}

void boxes_close(struct pool *pool)
{
	struct boxes *b = pool->boxes;

	if (!b)
		return;
	box_forget_all(pool);
	table_release(&b->texts);
	table_release(&b->handles);
	table_release(&b->txs);
	table_release(&b->boxes);
	for (uint32_t i = 0; i < TX_MAX / TX_CHUNK; i++)
		free(b->tx_chunk[i]);
	for (uint32_t i = 0; i < HANDLE_MAX / HANDLE_CHUNK; i++)
		free(b->handle_chunk[i]);
	free(b);
	pool->boxes = NULL;
}

void boxes_stat(struct pool *pool, struct boxes_stat *out)
{
	const struct boxes *b = pool->boxes;

	out->boxes = b->nr_boxes;
	out->transactions = b->nr_live;
	out->handles = b->nr_handles;
	out->sent = b->sent;
	out->sent_bytes = b->sent_bytes;
	out->delivered = b->delivered;
	out->freed = b->freed;
	out->dropped = b->dropped;
}
