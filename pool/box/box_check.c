/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invariants of boxes, for tests: each is a sentence.
 *
 * Locks: pool->lock (1) held by the caller.
 * Reclaim: what it changes is not looked at here, but by lru_check().
 */
#include "pool/box/box_priv.h"

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
	return NULL;
}

const char *boxes_check(struct pool *pool)
{
	struct boxes *b = pool->boxes;
	const char *broken = NULL;

	for (uint32_t i = 0; i < b->nr_box_mem && !broken; i++)
		if (b->box_mem[i])
			broken = box_check(pool, b->box_mem[i]);
	if (!broken && (!avl_check(&b->by_name) || !avl_check(&b->by_serial)))
		broken = "the index of boxes is out of order";
	return broken;
}
