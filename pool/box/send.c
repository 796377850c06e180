/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending: what a handle writes, until it is committed (commit.c).
 *
 * States: WRITING (box_priv.h has the picture).  A payload is written to its
 * place in the region.  One journal commit after that makes it a part of the
 * transaction, so a worker that is killed leaves either all of it or nothing.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: does not touch the pages of a range, which are Used.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pool/box/box_priv.h"

/*
 * Do all ranges of the box belong to senders that wait for space?  Then no call
 * can make room.
 */
static bool tx_deadlocked(struct pool *pool, struct box *box, uint32_t handle)
{
	const struct handle *own = handle_mem(pool, handle);

	if (!own->holding || box->nr_queued || box->nr_invalidating ||
	    box->nr_delivered || box->nr_held || box->nr_moving)
		return false;
	return box->nr_holding - own->holding == box->nr_stalled - own->stalled;
}

void tx_journal(struct pool *pool, uint32_t slot, const struct tx_rec *rec,
		struct handle_rec *h, const struct handle_work *work)
{
	journal_set(&pool->journal, tx_rec(pool, slot), rec,
		    offsetof(struct tx_rec, uid));
	journal_set(&pool->journal, &h->work, work, sizeof(*work));
}

int tx_drop(struct pool *pool, const struct op *op, struct box *box,
	    struct handle_rec *h, enum send_stage stage, int error, int result)
{
	struct tx_rec *rec = tx_rec(pool, h->work.tx);
	struct tx *tx = tx_mem(pool, h->work.tx);
	struct range *range = tx->range;

	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->size, 0);
	jset(&pool->journal, rec->reserved, 0);
	jset(&pool->journal, h->work.stalled, 0);
	jset(&pool->journal, h->work.error, error);
	jset(&pool->journal, h->work.stage, stage);
	journal_commit(&pool->journal, result);
	tx_move_end(pool, box, tx->slot);
	tx->range = NULL;
	tx_release_range(pool, box, range);
	return result;
}

static int tx_fail(struct pool *pool, const struct op *op, struct box *box,
		   struct handle_rec *h, int err)
{
	bool had = tx_rec(pool, h->work.tx)->size > 0;

	/* fsync reports an error only if bytes were dropped. */
	return tx_drop(pool, op, box, h, had ? SEND_WRITTEN : SEND_NOTHING,
		       had ? err : 0, err);
}

static bool tx_error_is_final(int err)
{
	return err != -EAGAIN && err != -EINPROGRESS && err != -ENOMEM;
}

/* Has a transaction for the handle's next write. */
static int tx_begin(struct pool *pool, struct box *box, struct handle_rec *h)
{
	uint32_t slot;
	int err;

	if (h->work.tx)
		return 0;
	err = tx_slot_alloc(pool, box, h->uid, h->gid, h->pid, &slot);
	if (err)
		return err;
	/*
	 * A kill between the two stores leaves a record that no handle names:
	 * boxes_tidy() frees it.
	 */
	tx_rec(pool, slot)->state = TX_WRITING;
	atomic_signal_fence(memory_order_seq_cst);
	h->work.tx = slot;
	box->nr_writing++;
	return 0;
}

/*
 * A range with room for @len bytes behind what is written already.
 * @range: NULL: others come first.
 */
static int tx_find_room(struct pool *pool, struct box *box, uint32_t handle,
			size_t len, struct range **range)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct tx_rec *rec = tx_rec(pool, h->work.tx);
	int err;

	if (len > box->rec->size - rec->size)
		return -EMSGSIZE;
	err = tx_check_quota(pool, box, h->work.tx, rec->size + len, h->uid);
	if (!err)
		err = range ? tx_room(pool, box, h->work.tx, rec->size + len,
				      h->uid, range)
			    : -EAGAIN;
	/* What moves has found room; it is whole until the write is tried. */
	if (err && err != -EINPROGRESS)
		h->work.stalled = 1;
	if (err == -EAGAIN && tx_deadlocked(pool, box, handle))
		err = -EDEADLK;
	return err;
}

/* The bytes are written: this commit makes them a part of the transaction. */
static void tx_add(struct pool *pool, const struct op *op, struct box *box,
		   struct handle_rec *h, struct range *range, size_t len,
		   bool commit)
{
	uint32_t slot = h->work.tx;
	struct handle_work work = h->work;
	struct tx_rec rec = *tx_rec(pool, slot);
	struct tx *tx = tx_mem(pool, slot);
	struct range *old = tx->range;

	rec.offset = range_offset(range);
	rec.size += len;
	rec.reserved = range_size(range);
	work.stage = SEND_WRITTEN;
	work.stalled = 0;
	journal_begin(&pool->journal, op->token);
	if (commit)
		tx_commit_journal(pool, &rec, &work);
	tx_journal(pool, slot, &rec, h, &work);
	journal_commit(&pool->journal, 0);
	tx->range = range;
	if (old && old != range)
		tx_release_range(pool, box, old);
	if (commit)
		tx_commit_finish(pool, box, slot);
}

/* All that can fail before a byte is written.  @range: see tx_find_room(). */
static int tx_prepare(struct pool *pool, const struct op *op, struct box *box,
		      uint32_t handle, size_t len, struct range **range)
{
	struct handle_rec *h = handle_rec(pool, handle);
	int err;

	if (box_removed(box))
		return -EPIPE;
	if (h->work.error)
		return h->work.error;
	err = box_open_region(pool, box);
	if (!err)
		err = tx_begin(pool, box, h);
	if (err) {
		h->work.stalled = 1;
		return err;
	}
	err = tx_find_room(pool, box, handle, len, range);
	if (!err || err == -EINPROGRESS)
		return err;
	if (tx_error_is_final(err))
		return tx_fail(pool, op, box, h, err);
	tx_move_end(pool, box, h->work.tx);
	return err;
}

static int tx_write_to(struct pool *pool, const struct op *op, struct box *box,
		       uint32_t handle, const struct payload *p, bool commit)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct range *range;
	int err = tx_prepare(pool, op, box, handle, p->len, &range);

	if (err)
		return err;
	err = tx_write_payload(
		pool, box, range_offset(range) + tx_rec(pool, h->work.tx)->size,
		p);
	if (err) {
		if (range != tx_mem(pool, h->work.tx)->range)
			tx_release_range(pool, box, range);
		return tx_fail(pool, op, box, h, err);
	}
	tx_add(pool, op, box, h, range, p->len, commit);
	return 0;
}

int tx_write(struct pool *pool, const struct op *op, uint32_t handle,
	     const struct payload *p, bool commit)
{
	struct box *box = box_of_slot(pool, handle_rec(pool, handle)->box);
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	err = tx_write_to(pool, op, box, handle, p, commit);
	handle_recount(pool, box, handle);
	return err;
}

int tx_write_later(struct pool *pool, const struct op *op, uint32_t handle,
		   size_t len)
{
	struct box *box = box_of_slot(pool, handle_rec(pool, handle)->box);
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	err = tx_prepare(pool, op, box, handle, len, NULL);
	handle_recount(pool, box, handle);
	return err;
}

bool tx_has_space(struct pool *pool, uint32_t handle)
{
	struct handle_rec *h = handle_rec(pool, handle);

	return h->work.tx && tx_mem(pool, h->work.tx)->range;
}

void tx_interrupted(struct pool *pool, uint32_t handle)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);

	h->work.stalled = 1;
	if (h->work.tx)
		tx_move_end(pool, box, h->work.tx);
	handle_recount(pool, box, handle);
}

bool tx_is_writer(struct pool *pool, uint32_t handle, pid_t pid)
{
	struct handle_rec *h = handle_rec(pool, handle);

	if (h->pid == (uint32_t)pid)
		return true;
	for (uint32_t i = 0; i < h->work.nr_writers && i < HANDLE_WRITERS; i++)
		if (h->writer[i] == (uint32_t)pid)
			return true;
	return false;
}

void tx_writer(struct pool *pool, uint32_t handle, pid_t pid)
{
	struct handle_rec *h = handle_rec(pool, handle);

	for (uint32_t i = 0; i < h->work.nr_writers && i < HANDLE_WRITERS; i++)
		if (h->writer[i] == (uint32_t)pid)
			return;
	if (h->work.nr_writers < HANDLE_WRITERS)
		h->writer[h->work.nr_writers] = pid;
	h->work.nr_writers++; /* above HANDLE_WRITERS: there were more */
}

void tx_writer_gone(struct pool *pool, uint32_t handle, pid_t pid, bool killed)
{
	struct handle_rec *h = handle_rec(pool, handle);
	uint32_t n = h->work.nr_writers;

	/* It was killed before it could write: no empty transaction is sent. */
	if (killed && h->work.stage == SEND_OPENED && h->pid == (uint32_t)pid)
		h->work.stage = SEND_NOTHING;
	if (n > HANDLE_WRITERS) {
		if (killed)
			h->work.error = -ECANCELED;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (h->writer[i] != (uint32_t)pid)
			continue;
		if (killed) {
			/* The other writers get the error. */
			h->work.error = -ECANCELED;
			return;
		}
		h->writer[i] = h->writer[n - 1];
		h->work.nr_writers = n - 1;
		return;
	}
}
