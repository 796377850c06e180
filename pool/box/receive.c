/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receiving: each header is handed out once, in the order of queueing.
 *
 * States: QUEUED -> DELIVERED, and back when a header was not read to its end.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not touch the pages of a transaction, which are Used.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pool/box/box_priv.h"

size_t tx_header(struct pool *pool, uint32_t slot, char *line, size_t size)
{
	struct tx_rec *rec = tx_rec(pool, slot);

	return snprintf(line, size,
			"{\"id\":%" PRIu64 ",\"offset\":%" PRIu64
			",\"size\":%" PRIu64 ",\"pid\":%" PRIu32
			",\"uid\":%" PRIu32 ",\"gid\":%" PRIu32
			",\"time\":%" PRId64 ".%09" PRId64 "}\n",
			rec->id, rec->offset, rec->size, rec->pid, rec->uid,
			rec->gid, rec->time_ns / 1000000000,
			rec->time_ns % 1000000000);
}

/* Copies the header of @slot from byte @from on. */
static void tx_receive_some(struct pool *pool, const struct op *op,
			    struct handle_rec *h, uint32_t slot, uint64_t from,
			    char *buf, size_t size, size_t *len)
{
	char line[TX_HEADER_MAX];
	size_t header = tx_header(pool, slot, line, sizeof(line));
	struct tx *tx = tx_mem(pool, slot);
	struct box *box = tx->box;
	bool whole = header - from <= size;
	size_t n = whole ? header : from + size;

	journal_begin(&pool->journal, op->token);
	if (from == 0)
		jset(&pool->journal, tx_rec(pool, slot)->state, TX_DELIVERED);
	jset(&pool->journal, h->work.tx, slot);
	jset(&pool->journal, h->header, header);
	jset(&pool->journal, h->cursor, n);
	journal_commit(&pool->journal, n - from);
	memcpy(buf, line + from, n - from);
	*len = n - from;
	/* A header that is read in pieces must stay until it is read. */
	if (from == 0 && !whole)
		tx->holders++;
	else if (from > 0 && whole)
		tx->holders--;
	if (from == 0) {
		tx_dequeue(pool, box, slot);
		box->nr_delivered++;
		pool->boxes->delivered++;
	}
	if (whole && tx_rec(pool, slot)->state == TX_HELD && !tx->holders) {
		tx_rec(pool, slot)->state = TX_FREE;
		box->nr_held--;
		tx_forget(pool, box, slot);
	}
}

int tx_receive(struct pool *pool, const struct op *op, uint32_t handle,
	       char *buf, size_t size, size_t *len)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);
	char line[TX_HEADER_MAX];
	struct tx *tx;
	int64_t done;

	if (journal_replayed(&pool->journal, op->token, &done)) {
		tx_header(pool, h->work.tx, line, sizeof(line));
		memcpy(buf, line + h->cursor - done, done);
		*len = done;
		return 0;
	}
	if (!size) {
		*len = 0; /* nothing is begun */
		return 0;
	}
	if (h->cursor < h->header) {
		tx_receive_some(pool, op, h, h->work.tx, h->cursor, buf, size,
				len);
		return 0;
	}
	tx = TAILQ_FIRST(&box->queue);
	if (tx) {
		tx_receive_some(pool, op, h, tx->slot, 0, buf, size, len);
		return 0;
	}
	if (!box_removed(box))
		return -EAGAIN;
	*len = 0;
	return 0;
}

void tx_requeue(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx *tx = tx_mem(pool, slot), *next;

	/* A queue is in the order of ids, also after a restart. */
	TAILQ_FOREACH(next, &box->queue, queue)
	if (next->id > tx->id)
		break;
	if (next)
		TAILQ_INSERT_BEFORE(next, tx, queue);
	else
		TAILQ_INSERT_TAIL(&box->queue, tx, queue);
	box->nr_delivered--;
	box->nr_queued++;
	if (pool->ops && pool->ops->queued)
		pool->ops->queued(pool->arg, box);
}
