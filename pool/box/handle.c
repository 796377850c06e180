/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handles: open files of boxes and of .pool/.  They are recorded in the store,
 * so that the number which the kernel was given at open() means the same to the
 * next worker.
 *
 * States: NONE -> one of the kinds, by handle_open() -> NONE, by
 * handle_close().  A handle keeps its box from being freed, and a HANDLE_TX the
 * bytes of its transaction.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not use them.
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/box/box_priv.h"

static enum box_inode handle_inode(enum handle_kind kind)
{
	switch (kind) {
	case HANDLE_DATA:
		return BOX_DATA;
	case HANDLE_SEND:
		return BOX_SEND;
	case HANDLE_RECV:
		return BOX_RECV;
	default:
		return BOX_TX;
	}
}

static struct handle *handle_slot_memory(struct pool *pool, uint32_t slot)
{
	struct handle **chunk = &pool->boxes->handle_chunk[slot / HANDLE_CHUNK];

	if (!*chunk)
		*chunk = calloc(HANDLE_CHUNK, sizeof(**chunk));
	if (!*chunk)
		return NULL;
	handle_mem(pool, slot)->slot = slot;
	return handle_mem(pool, slot);
}

bool handle_holds_range(struct pool *pool, const struct handle *handle)
{
	struct handle_rec *h = handle_rec(pool, handle->slot);

	return h->kind == HANDLE_SEND && h->work.tx &&
	       tx_mem(pool, h->work.tx)->range;
}

void handle_recount(struct pool *pool, struct box *box, uint32_t slot)
{
	struct handle *handle = handle_mem(pool, slot);
	bool holding = handle_holds_range(pool, handle);
	bool stalled = holding && handle_rec(pool, slot)->work.stalled;

	box->nr_holding += holding - handle->holding;
	box->nr_stalled += stalled - handle->stalled;
	handle->holding = holding;
	handle->stalled = stalled;
}

static struct handle_list *handle_pollers(struct pool *pool, struct box *box)
{
	return box ? &box->polling : &pool->boxes->control_polling;
}

/* Lists and counts an open handle, in memory. */
static void handle_show(struct pool *pool, struct box *box,
			enum handle_kind kind, uint32_t slot)
{
	struct handle_list *list = box ? &box->handles : &pool->boxes->control;

	LIST_INSERT_HEAD(list, handle_mem(pool, slot), link);
	if (handle_rec(pool, slot)->poll_key)
		LIST_INSERT_HEAD(handle_pollers(pool, box),
				 handle_mem(pool, slot), poll);
	pool->boxes->nr_handles++;
	if (!box)
		return;
	handle_recount(pool, box, slot);
	box->nr_handles++;
	box->nr_opens[handle_inode(kind)]++;
}

static void handle_hide(struct pool *pool, struct box *box,
			enum handle_kind kind, uint32_t slot)
{
	LIST_REMOVE(handle_mem(pool, slot), link);
	if (handle_rec(pool, slot)->poll_key)
		LIST_REMOVE(handle_mem(pool, slot), poll);
	pool->boxes->nr_handles--;
	if (!box)
		return;
	handle_recount(pool, box, slot);
	box->nr_handles--;
	box->nr_opens[handle_inode(kind)]--;
}

static bool tx_can_open(struct pool *pool, struct box *box, uint32_t slot)
{
	return slot != POOL_REC && table_live(&pool->boxes->txs, slot) &&
	       tx_rec(pool, slot)->state >= TX_QUEUED &&
	       tx_mem(pool, slot)->box == box;
}

/* A record and memory for a new handle, and for a sender's transaction. */
static int handle_alloc(struct pool *pool, const struct op *op,
			enum handle_kind kind, struct box *box, uint32_t *slot,
			uint32_t *tx)
{
	struct table *t = &pool->boxes->handles;
	int err = pool_user_record(pool, t, op->uid, USER_HANDLES, slot);

	if (err)
		return err;
	if (!handle_slot_memory(pool, *slot))
		err = -ENOMEM;
	else if (kind == HANDLE_SEND)
		/* Allocated here, so that queueing at close() cannot fail. */
		err = tx_slot_alloc(pool, box, op->uid, op->gid, op->pid, tx);
	if (err)
		pool_user_record_free(pool, t, op->uid, USER_HANDLES, *slot);
	return err;
}

int handle_open(struct pool *pool, const struct op *op, enum handle_kind kind,
		struct box *box, uint32_t tx, uint32_t *handle)
{
	struct handle_rec *h;
	uint32_t slot;
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, op->token, &done)) {
		if (done < 0)
			return done;
		*handle = done;
		return 0;
	}
	if (kind == HANDLE_TX && !tx_can_open(pool, box, tx))
		return -ENOENT;
	err = handle_alloc(pool, op, kind, box, &slot, &tx);
	if (err)
		return err;
	h = handle_rec(pool, slot);
	h->box = box ? box->slot : 0;
	h->work.tx = tx;
	h->uid = op->uid;
	h->gid = op->gid;
	h->pid = op->pid;
	h->work.stage = kind == HANDLE_SEND ? SEND_OPENED : SEND_NOTHING;
	journal_begin(&pool->journal, op->token);
	if (kind == HANDLE_SEND)
		jset(&pool->journal, tx_rec(pool, tx)->state, TX_WRITING);
	jset(&pool->journal, h->kind, kind);
	journal_commit(&pool->journal, slot);
	if (kind == HANDLE_SEND)
		box->nr_writing++;
	if (kind == HANDLE_TX)
		tx_mem(pool, tx)->holders++;
	handle_show(pool, box, kind, slot);
	*handle = slot;
	return 0;
}

/*
 * Closing a handle.  handle_end_*(), one for each kind, add to the change in
 * the journal; struct handle_end says what handle_close() does in memory after
 * that change is committed.
 */

struct handle_end {
	uint32_t tx;
	bool commit; /* the transaction is queued */
	bool free; /* its record is free */
	bool requeue; /* it is QUEUED again */
	bool unhold; /* one holder less */
};

static void handle_end_send(struct pool *pool, struct box *box,
			    struct handle_rec *h, struct handle_end *end)
{
	if (!h->work.tx)
		return;
	end->tx = h->work.tx;
	end->commit = h->work.stage != SEND_NOTHING && !h->work.error &&
		      !h->work.stalled && !box_removed(box);
	if (end->commit) {
		struct tx_rec rec = *tx_rec(pool, h->work.tx);
		struct handle_work work = h->work;

		tx_commit_journal(pool, &rec, &work);
		tx_journal(pool, h->work.tx, &rec, h, &work);
	} else {
		end->free = true;
		jset(&pool->journal, tx_rec(pool, h->work.tx)->state, TX_FREE);
	}
}

bool handle_reads_header(const struct handle_rec *h)
{
	return h->kind == HANDLE_RECV && h->cursor < h->header;
}

static void handle_end_recv(struct pool *pool, struct handle_rec *h,
			    struct handle_end *end)
{
	struct tx_rec *rec = tx_rec(pool, h->work.tx);

	if (!handle_reads_header(h))
		return;
	end->tx = h->work.tx;
	end->unhold = true;
	if (rec->state == TX_DELIVERED) {
		/* No receiver has read its header: it is delivered again. */
		end->requeue = true;
		jset(&pool->journal, rec->state, TX_QUEUED);
	} else if (tx_mem(pool, h->work.tx)->holders == 1) {
		end->free = true;
		jset(&pool->journal, rec->state, TX_FREE);
	}
}

static void handle_end_tx(struct pool *pool, struct handle_rec *h,
			  struct handle_end *end)
{
	struct tx_rec *rec = tx_rec(pool, h->work.tx);

	end->tx = h->work.tx;
	end->unhold = true;
	if (rec->state == TX_HELD && tx_mem(pool, h->work.tx)->holders == 1) {
		end->free = true;
		jset(&pool->journal, rec->state, TX_FREE);
	}
}

int handle_close(struct pool *pool, const struct op *op, uint32_t handle)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);
	struct handle_end end = { 0 };
	enum handle_kind kind = h->kind;
	int64_t done;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	if (kind == HANDLE_NONE)
		return -EBADF;
	journal_begin(&pool->journal, op->token);
	if (kind == HANDLE_SEND)
		handle_end_send(pool, box, h, &end);
	else if (kind == HANDLE_RECV)
		handle_end_recv(pool, h, &end);
	else if (kind == HANDLE_TX)
		handle_end_tx(pool, h, &end);
	jset(&pool->journal, h->kind, HANDLE_NONE);
	journal_commit(&pool->journal, 0);

	if (kind == HANDLE_CONTROL)
		handle_text_free(pool, h->uid, h->work.tx);
	handle_hide(pool, box, kind, handle);
	pool_user_record_free(pool, &pool->boxes->handles, h->uid, USER_HANDLES,
			      handle);
	if (end.unhold)
		tx_mem(pool, end.tx)->holders--;
	if (end.requeue)
		tx_requeue(pool, box, end.tx);
	if (end.commit)
		tx_commit_finish(pool, box, end.tx);
	if (end.free) {
		if (kind == HANDLE_SEND) {
			box->nr_writing--;
			pool->boxes->dropped++;
		} else {
			box->nr_held--;
		}
		tx_forget(pool, box, end.tx);
	}
	if (box)
		box_free_unused(pool, box);
	return 0;
}

int handle_adopt(struct pool *pool, uint32_t slot)
{
	struct handle_rec *h = handle_rec(pool, slot);

	if (!handle_slot_memory(pool, slot) ||
	    user_charge_anyway(pool, h->uid, USER_HANDLES, 1))
		return -ENOMEM;
	if (h->kind == HANDLE_TX || handle_reads_header(h) ||
	    (h->kind == HANDLE_SEND && h->work.tx))
		tx_mem(pool, h->work.tx)->holders++;
	handle_show(pool, box_of_slot(pool, h->box), h->kind, slot);
	return 0;
}

enum handle_kind handle_lookup(struct pool *pool, uint32_t handle,
			       struct box **box)
{
	if (!table_live(&pool->boxes->handles, handle))
		return HANDLE_NONE;
	*box = box_of_slot(pool, handle_rec(pool, handle)->box);
	return handle_rec(pool, handle)->kind;
}

uid_t handle_uid(struct pool *pool, uint32_t handle)
{
	return handle_rec(pool, handle)->uid;
}

uint64_t handle_poll_key(struct pool *pool, uint32_t handle)
{
	return handle_rec(pool, handle)->poll_key;
}

void handle_set_poll_key(struct pool *pool, uint32_t handle, uint64_t key)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct handle *mem = handle_mem(pool, handle);

	if (h->poll_key)
		LIST_REMOVE(mem, poll);
	h->poll_key = key;
	if (key)
		LIST_INSERT_HEAD(handle_pollers(pool,
						box_of_slot(pool, h->box)),
				 mem, poll);
}

uint64_t handle_cursor(struct pool *pool, uint32_t handle)
{
	return handle_rec(pool, handle)->cursor;
}

uint64_t handle_cursor_start(struct pool *pool, const struct op *op,
			     uint32_t handle)
{
	int64_t before;

	if (journal_replayed(&pool->journal, op->token, &before))
		return before;
	return handle_cursor(pool, handle);
}

void handle_set_cursor(struct pool *pool, const struct op *op, uint32_t handle,
		       uint64_t cursor)
{
	struct handle_rec *h = handle_rec(pool, handle);
	int64_t before;

	/* A second journal change would overwrite where the read started. */
	if (journal_replayed(&pool->journal, op->token, &before)) {
		h->cursor = cursor;
		return;
	}
	journal_begin(&pool->journal, op->token);
	before = h->cursor;
	jset(&pool->journal, h->cursor, cursor);
	journal_commit(&pool->journal, before);
}

uint32_t handle_next_polling(struct pool *pool, struct box *box)
{
	struct handle *handle = LIST_FIRST(handle_pollers(pool, box));

	return handle ? handle->slot : 0;
}
