/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invariants of boxes, for tests and debug builds.  A broken one is
 * returned as a sentence.
 *
 * States: those of box_priv.h; none is changed here.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: may run.  Page states, which it changes, are checked by lru_check().
 */
#include "pool/box/box_priv.h"
#include "pool/core/user.h"

/* The list of handles of @box, or of control files if it is NULL. */
static const char *handles_check(struct pool *pool, const struct box *box)
{
	const struct handle_list *list = box ? &box->handles
					     : &pool->boxes->control;
	uint32_t nr = 0, holding = 0, stalled = 0;
	struct handle *h;

	LIST_FOREACH(h, list, link)
	{
		nr++;
		if (box && handle_holds_range(pool, h)) {
			holding++;
			stalled += handle_rec(pool, h->slot)->work.stalled != 0;
		}
		if (handle_rec(pool, h->slot)->kind == HANDLE_NONE)
			return "a handle that is closed is in a list";
		if (handle_rec(pool, h->slot)->box != (box ? box->slot : 0))
			return "a handle is in the list of another box";
	}
	if (box && (holding != box->nr_holding || stalled != box->nr_stalled))
		return "a box miscounts the senders that hold a range";
	return box && nr != box->nr_handles ? "a box miscounts its handles"
					    : NULL;
}

static const char *box_check(struct pool *pool, struct box *box)
{
	uint32_t queued = 0, delivered = 0, shown = 0;
	struct tx *tx;

	if (box->ranges && range_check(box->ranges))
		return range_check(box->ranges);
	if (!avl_check(&box->txs))
		return "a box's index of transactions is out of order";
	TAILQ_FOREACH(tx, &box->queue, queue)
	{
		queued++;
		if (tx_rec(pool, tx->slot)->state != TX_QUEUED)
			return "a transaction in the queue is not queued";
	}
	for (struct avl_node *n = avl_first(&box->txs); n; n = avl_next(n)) {
		tx = avl_entry(n, struct tx, by_id);
		shown++;
		if (tx_rec(pool, tx->slot)->state == TX_DELIVERED)
			delivered++;
		if (tx->range &&
		    range_offset(tx->range) != tx_rec(pool, tx->slot)->offset)
			return "a transaction's range is elsewhere";
	}
	if (queued != box->nr_queued || delivered != box->nr_delivered ||
	    shown != queued + delivered)
		return "a box miscounts its transactions";
	return handles_check(pool, box);
}

#define CHECK_MOST 64 /* boxes with more transactions are checked rarely */

const char *boxes_check_some(struct pool *pool, uint32_t n)
{
	struct boxes *b = pool->boxes;
	struct box *box = b->nr_box_mem ? b->box_mem[n % b->nr_box_mem] : NULL;
	const char *broken = NULL;

	if (box && (box->nr_queued + box->nr_delivered <= CHECK_MOST ||
		    n % 1024 < CHECK_MOST))
		broken = box_check(pool, box);
	return broken ? broken : handles_check(pool, NULL);
}

void boxes_count_users(struct pool *pool, struct users *counts)
{
	struct boxes *b = pool->boxes;

	table_for_each (&b->boxes, i) {
		const struct box_rec *rec = box_rec(pool, i);

		users_recount(counts, rec->uid[BOX_DIR], USER_BOXES, 1);
		users_recount(counts, rec->uid[BOX_DIR], USER_REGION_BYTES,
			      box_charged_bytes(rec->size));
	}
	table_for_each (&b->txs, i) {
		const struct tx_rec *rec = tx_rec(pool, i);

		if (i == POOL_REC)
			continue;
		users_recount(counts, rec->uid, USER_TRANSACTIONS, 1);
		users_recount(counts, rec->uid, USER_BOX_BYTES,
			      tx_mem(pool, i)->to
				      ? range_size(tx_mem(pool, i)->to)
				      : rec->reserved);
	}
	table_for_each (&b->handles, i) {
		uid_t uid = handle_rec(pool, i)->uid;

		users_recount(counts, uid, USER_HANDLES, 1);
		users_recount(counts, uid, USER_TEXT_BYTES,
			      handle_text_bytes(pool, i));
	}
}

static bool texts_are_counted(struct pool *pool)
{
	uint64_t bytes = 0;

	table_for_each (&pool->boxes->texts, i)
		bytes += sizeof(struct text_rec);
	return bytes == user_total(pool, USER_TEXT_BYTES);
}

const char *boxes_check(struct pool *pool)
{
	struct boxes *b = pool->boxes;
	const char *broken = NULL;

	if (!texts_are_counted(pool))
		broken = "texts are miscounted";

	for (uint32_t i = 0; i < b->nr_box_mem && !broken; i++)
		if (b->box_mem[i])
			broken = box_check(pool, b->box_mem[i]);
	if (!broken && (!avl_check(&b->by_name) || !avl_check(&b->by_serial) ||
			!avl_check(&b->removed)))
		broken = "the index of boxes is out of order";
	return broken;
}
