/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of transactions and handles in a store that comes from elsewhere:
 * see box_validate.c.
 *
 * States: a record stays as it is, or is FREE.
 * Locks: none; the pool is not open yet.
 * Reclaim: does not run.
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/box/validate_priv.h"

struct tx_view {
	const struct box_view *boxes;
	uint32_t *slot; /* transactions of which nothing is wrong */
	uint32_t nr;
	/* By slot: handles that write it, and that read its header. */
	uint8_t *writers, *readers;
};

static void tx_drop_rec(struct pool *pool, uint32_t slot)
{
	tx_rec(pool, slot)->state = TX_FREE;
}

/* Return: NULL, or what is wrong with its bytes. */
static const char *tx_range_wrong(const struct tx_rec *rec, uint64_t size,
				  uint64_t length)
{
	if (rec->size > rec->reserved)
		return "is larger than its place";
	if (!rec->reserved)
		return NULL;
	if (rec->offset % RANGE_ALIGN || rec->reserved % RANGE_ALIGN)
		return "has a place that is not aligned";
	if (rec->reserved > size || rec->offset > size - rec->reserved)
		return "lies outside of its box";
	if (rec->offset + rec->size > length)
		return "lies behind the end of its box's file";
	return NULL;
}

static const char *tx_rec_wrong(struct pool *pool, const struct box_view *v,
				const struct tx_rec *rec)
{
	const struct box_rec *box;

	if (rec->state > TX_HELD)
		return "is in no state that there is";
	if (!table_live(&pool->boxes->boxes, rec->box))
		return NULL; /* tx_adopt() frees it */
	box = box_rec(pool, rec->box);
	if (rec->state != TX_WRITING && (!rec->id || rec->id > COUNT_MAX))
		return "has an impossible id";
	if (rec->time_ns < 0)
		return "has an impossible time";
	if (box->state == BOX_REC_REMOVED && rec->state != TX_WRITING &&
	    rec->state != TX_HELD)
		return "waits in a box that is removed";
	return tx_range_wrong(rec, box->size, v->length[rec->box]);
}

static void tx_rec_look(struct pool *pool, uint32_t i, struct tx_view *t,
			struct wrongs *w)
{
	const char *bad = tx_rec_wrong(pool, t->boxes, tx_rec(pool, i));

	if (bad) {
		wrong(w, "transaction record %u %s", i, bad);
		tx_drop_rec(pool, i);
	} else if (!table_live(&pool->boxes->boxes, tx_rec(pool, i)->box)) {
		tx_drop_rec(pool, i);
	} else {
		t->slot[t->nr++] = i;
	}
}

static int by_place(const void *a, const void *b, void *arg)
{
	const struct tx_rec *x = tx_rec(arg, *(const uint32_t *)a);
	const struct tx_rec *y = tx_rec(arg, *(const uint32_t *)b);

	if (x->box != y->box)
		return x->box < y->box ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Drops those that begin before the one ahead of them ends. */
static void txs_look_for_overlaps(struct pool *pool, struct tx_view *t,
				  struct wrongs *w)
{
	uint32_t before = 0, kept = 0;

	qsort_r(t->slot, t->nr, sizeof(*t->slot), by_place, pool);
	for (uint32_t i = 0; i < t->nr; i++) {
		const struct tx_rec *rec = tx_rec(pool, t->slot[i]), *last;

		last = before ? tx_rec(pool, before) : NULL;
		if (rec->reserved && last && last->box == rec->box &&
		    last->offset + last->reserved > rec->offset) {
			wrong(w, "transaction record %u overlaps record %u",
			      t->slot[i], before);
			tx_drop_rec(pool, t->slot[i]);
			continue;
		}
		if (rec->reserved)
			before = t->slot[i];
		t->slot[kept++] = t->slot[i];
	}
	t->nr = kept;
}

/* One that is being written has none. */
static uint64_t tx_id(struct pool *pool, uint32_t slot)
{
	const struct tx_rec *rec = tx_rec(pool, slot);

	return rec->state == TX_WRITING ? 0 : rec->id;
}

static int by_id(const void *a, const void *b, void *arg)
{
	uint64_t x = tx_id(arg, *(const uint32_t *)a);
	uint64_t y = tx_id(arg, *(const uint32_t *)b);

	return x < y ? -1 : x > y;
}

static void txs_look_at_ids(struct pool *pool, struct tx_view *t,
			    struct wrongs *w)
{
	struct pool_rec *rec = table_record(&pool->boxes->txs, POOL_REC);
	uint64_t last = 0;

	qsort_r(t->slot, t->nr, sizeof(*t->slot), by_id, pool);
	for (uint32_t i = 0; i < t->nr; i++) {
		uint64_t id = tx_id(pool, t->slot[i]);

		if (id && id == last) {
			wrong(w, "transaction record %u has the id of another",
			      t->slot[i]);
			tx_drop_rec(pool, t->slot[i]);
		}
		last = id;
	}
	if (!table_live(&pool->boxes->txs, POOL_REC) ||
	    (rec->next_id > last && rec->next_id <= COUNT_MAX))
		return;
	wrong(w, "the next transaction would get an id that is taken");
	rec->next_id = last + 1;
}

/* --- handles --- */

static bool tx_is_of(struct pool *pool, uint32_t slot, uint32_t box)
{
	return slot != POOL_REC && table_live(&pool->boxes->txs, slot) &&
	       tx_rec(pool, slot)->box == box;
}

/* Is the transaction that it writes, or whose header it reads, its own? */
static const char *handle_tx_wrong(struct pool *pool, struct tx_view *t,
				   const struct handle_rec *h)
{
	uint32_t tx = h->work.tx, state;

	if (h->kind == HANDLE_SEND && !tx)
		return NULL;
	if (h->kind != HANDLE_SEND && h->kind != HANDLE_TX &&
	    !handle_reads_header(h))
		return NULL;
	if (!tx_is_of(pool, tx, h->box))
		return "uses a transaction that is not there";
	state = tx_rec(pool, tx)->state;
	if (h->kind == HANDLE_SEND)
		return state != TX_WRITING || t->writers[tx]++
			       ? "writes a transaction that is not its own"
			       : NULL;
	if (h->kind == HANDLE_TX)
		return state < TX_QUEUED
			       ? "reads a transaction that is being written"
			       : NULL;
	return (state != TX_DELIVERED && state != TX_HELD) || t->readers[tx]++
		       ? "receives a transaction that is not its own"
		       : NULL;
}

static const char *handle_rec_wrong(struct pool *pool, struct tx_view *t,
				    const struct handle_rec *h)
{
	if (h->kind > HANDLE_CONTROL)
		return "is of no kind that there is";
	if (h->kind == HANDLE_CONTROL)
		return h->box ? "has a box that it cannot have" : NULL;
	if (!table_live(&pool->boxes->boxes, h->box))
		return "has a box that is not there";
	return handle_tx_wrong(pool, t, h);
}

static void handles_look(struct pool *pool, struct tx_view *t, struct wrongs *w)
{
	table_for_each (&pool->boxes->handles, i) {
		struct handle_rec *h = handle_rec(pool, i);
		const char *bad = handle_rec_wrong(pool, t, h);

		if (!bad)
			continue;
		wrong(w, "handle record %u %s", i, bad);
		h->kind = HANDLE_NONE;
	}
}

int txs_validate(struct pool *pool, const struct box_view *v, struct wrongs *w)
{
	uint32_t nr = pool->boxes->txs.nr;
	struct tx_view t = { .boxes = v,
			     .slot = calloc(nr + 1, sizeof(*t.slot)),
			     .writers = calloc(nr + 1, 1),
			     .readers = calloc(nr + 1, 1) };
	int err = t.slot && t.writers && t.readers ? 0 : -ENOMEM;

	if (!err) {
		table_for_each (&pool->boxes->txs, i)
			if (i != POOL_REC)
				tx_rec_look(pool, i, &t, w);
		txs_look_for_overlaps(pool, &t, w);
		txs_look_at_ids(pool, &t, w);
		handles_look(pool, &t, w);
	}
	free(t.slot);
	free(t.writers);
	free(t.readers);
	return err;
}
