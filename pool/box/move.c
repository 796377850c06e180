/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving a transaction that has to grow and cannot where it is, since another
 * range is behind it.  Its bytes are copied to a larger range, in steps, and
 * others have the lock between two of them.  The write for which it moves waits,
 * and is tried again when all is copied.
 *
 *	tx.range  |#########|	nobody's meanwhile; freed when the write is done
 *	tx.to	  |####.............|	its sender's; tx.moved bytes are there
 *
 * States: STAYS (to is NULL) -> COPIED (listed in boxes.moves) -> THERE ->
 * STAYS, with the new range if the write for which it moves goes on, and with
 * the old one if that is interrupted, if the transaction is committed by
 * somebody else, dropped, or forgotten.  A transaction that moves does not
 * change: all its writes wait.  Nothing of it is in the store but bytes in
 * pages that are no transaction's, so a worker that is killed leaves no move,
 * and the write that comes again begins anew.
 *
 * Quotas: its sender is charged for the larger range only.  Both are there, so
 * both count where the owner's reserve begins.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: does not touch the pages of a range, which are Used.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "pool/box/box_priv.h"

/*
 * A step ends after so many bytes, or after so long: pages that have no memory
 * yet take 5 to 50 times as long as others.
 */
#define STEP (1u << 20)
#define STEP_NS 200000

/* So few that no huge page is made of a hole: see region_write(). */
#define PIECE (64u << 10)

static int64_t move_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static int tx_copy(struct pool *pool, struct region *region, uint64_t to,
		   uint64_t from, size_t len)
{
	static char buf[PIECE]; /* under lock 1 */
	int err = region_read(region, from, buf, len);

	return err ? err
		   : retry_with_room(region_write(region, to, buf, len),
				     pool_make_room(pool, len));
}

/* A step; until @end.  Return: whether it is there, or cannot move. */
static bool tx_move_some(struct pool *pool, struct tx *tx, int64_t end)
{
	const struct tx_rec *rec = tx_rec(pool, tx->slot);
	uint64_t n, left = STEP;

	do {
		n = rec->size - tx->moved;
		if (n > PIECE)
			n = PIECE;
		tx->move_error = tx_copy(pool, tx->box->region,
					 range_offset(tx->to) + tx->moved,
					 rec->offset + tx->moved, n);
		tx->moved += n;
		left -= n;
		if (tx->move_error || tx->moved == rec->size)
			return true;
	} while (left && move_clock() < end);
	return false;
}

bool tx_moves_go_on(struct pool *pool)
{
	struct boxes *b = pool->boxes;
	struct tx *tx = TAILQ_FIRST(&b->moves);

	if (tx) {
		TAILQ_REMOVE(&b->moves, tx, queue);
		tx->in_moves = false;
		if (tx_move_some(pool, tx, move_clock() + STEP_NS)) {
			if (pool->ops && pool->ops->space)
				pool->ops->space(pool->arg, tx->box);
		} else {
			tx->in_moves = true;
			TAILQ_INSERT_TAIL(&b->moves, tx, queue);
		}
	}
	b->mover = !TAILQ_EMPTY(&b->moves);
	return b->mover;
}

/* Has somebody call tx_moves_go_on().  Return: whether there is anybody. */
static bool tx_find_mover(struct pool *pool)
{
	struct boxes *b = pool->boxes;

	if (!b->mover)
		b->mover = pool->ops && pool->ops->moves &&
			   pool->ops->moves(pool->arg) == 0;
	return b->mover;
}

static int tx_move_begin(struct pool *pool, struct box *box, struct tx *tx,
			 uint64_t size, uid_t uid)
{
	uint64_t have = range_size(tx->range);
	struct range *to;
	int err;

	user_disown(pool, uid, USER_BOX_BYTES, have);
	err = tx_reserve(pool, box, size, uid, &to);
	if (err)
		goto err_own;
	err = range_set_owner(box->ranges, tx->range, RANGE_NOBODY);
	if (err)
		goto err_range;
	tx->to = to;
	tx->moved = 0;
	tx->move_error = 0;
	box->nr_moving++;
	/* Most have little to copy. */
	while (!tx_move_some(pool, tx, INT64_MAX)) {
		if (!tx_find_mover(pool))
			continue; /* at once, then */
		tx->in_moves = true;
		TAILQ_INSERT_TAIL(&pool->boxes->moves, tx, queue);
		break;
	}
	return 0;

err_range:
	tx_release_range(pool, box, to);
err_own:
	user_own(pool, uid, USER_BOX_BYTES, have);
	return err;
}

/* Its sender has the present range back.  Return: the one it moves to. */
static struct range *tx_move_stop(struct pool *pool, struct box *box,
				  struct tx *tx)
{
	uid_t uid = tx_rec(pool, tx->slot)->uid;
	struct range *to = tx->to;

	if (tx->in_moves)
		TAILQ_REMOVE(&pool->boxes->moves, tx, queue);
	tx->in_moves = false;
	tx->to = NULL;
	box->nr_moving--;
	/* Neither needs memory: the sender holds @to. */
	range_set_owner(box->ranges, tx->range, uid);
	user_own(pool, uid, USER_BOX_BYTES, range_size(tx->range));
	return to;
}

int tx_move(struct pool *pool, struct box *box, uint32_t slot, uint64_t size,
	    uid_t uid, struct range **out)
{
	struct tx *tx = tx_mem(pool, slot);
	int err;

	if (!tx->to) {
		err = tx_move_begin(pool, box, tx, size, uid);
		if (err)
			return err;
	}
	/*
	 * If it is there, and too small for this write, then it is for another
	 * one, which waits, too, and is the next to be tried.
	 */
	if (tx->in_moves || (!tx->move_error && size > range_size(tx->to)))
		return -EINPROGRESS;
	err = tx->move_error;
	if (err)
		tx_move_end(pool, box, slot);
	else
		*out = tx_move_stop(pool, box, tx);
	return err;
}

void tx_move_end(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx *tx = tx_mem(pool, slot);

	if (tx->to)
		tx_release_range(pool, box, tx_move_stop(pool, box, tx));
}
