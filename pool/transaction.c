/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: reserved, written, queued, delivered, freed.
 *
 * States: drawn in pool_internal.h.  A payload is written straight to its place
 * in the region; what makes it a transaction is one journal commit after that,
 * so a worker killed anywhere leaves either all of it or nothing.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: only ever sees pages that no transaction touches.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool_internal.h"

/* --- slots, indices, queue --- */

static int tx_key_id(const void *key, const struct avl_node *n)
{
	uint64_t x = *(const uint64_t *)key;
	uint64_t y = avl_entry(n, struct tx, by_id)->id;

	return x < y ? -1 : x > y;
}

static struct tx *tx_slot_memory(struct pool *pool, struct box *box,
				 uint32_t slot)
{
	struct tx **chunk = &pool->tx_chunk[slot / TX_CHUNK];
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
	tx->holders = 0;
	return tx;
}

int tx_slot_alloc(struct pool *pool, struct box *box, uint32_t *slot)
{
	uint32_t new;
	int err = table_alloc(&pool->txs, &new);

	if (err)
		return err;
	if (!tx_slot_memory(pool, box, new)) {
		table_free(&pool->txs, new);
		return -ENOMEM;
	}
	tx_rec(pool, new)->box = box->slot;
	*slot = new;
	return 0;
}

/* It becomes visible: in tx/, and, when it is queued, to receivers. */
static void tx_show(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx *tx = tx_mem(pool, slot);

	tx->id = tx_rec(pool, slot)->id;
	avl_insert(&box->txs, &tx->by_id);
	pool->nr_live++;
}

static void tx_hide(struct pool *pool, struct box *box, uint32_t slot)
{
	avl_erase(&box->txs, &tx_mem(pool, slot)->by_id);
	pool->nr_live--;
}

static void tx_enqueue(struct pool *pool, struct box *box, uint32_t slot)
{
	TAILQ_INSERT_TAIL(&box->queue, tx_mem(pool, slot), queue);
	box->nr_queued++;
	if (pool->ops && pool->ops->queued)
		pool->ops->queued(pool->arg, box);
}

static void tx_dequeue(struct pool *pool, struct box *box, uint32_t slot)
{
	TAILQ_REMOVE(&box->queue, tx_mem(pool, slot), queue);
	box->nr_queued--;
}

/* --- space --- */

static void tx_pages_unused(struct box *box, const struct page_run *run)
{
	if (run->nr)
		region_stop_using_range(box->region, run->first, run->nr);
}

static void tx_release_range(struct pool *pool, struct box *box,
			     struct range *range)
{
	struct page_run unused;

	if (!range)
		return;
	range_free(box->ranges, range, &unused);
	tx_pages_unused(box, &unused);
	if (pool->ops && pool->ops->space)
		pool->ops->space(pool->arg, box);
}

void tx_forget(struct pool *pool, struct box *box, uint32_t slot)
{
	struct tx *tx = tx_mem(pool, slot);

	tx_release_range(pool, box, tx->range);
	tx->range = NULL;
	table_free(&pool->txs, slot);
}

static uint64_t tx_quota(struct pool *pool, struct box *box, uid_t uid)
{
	if (uid == box->rec->uid[BOX_DIR])
		return UINT64_MAX;
	return box->rec->size / 100 * pool->config.sender_quota;
}

/* Low on space, and this sender has most of it: say so, once. */
static void tx_suspect(struct pool *pool, struct box *box, uid_t uid)
{
	uid_t owner = box->rec->uid[BOX_DIR];
	struct range_stat st;
	uint64_t bytes;
	uint32_t nr;

	if (uid == owner || !pool->ops || !pool->ops->suspect)
		return;
	range_stat(box->ranges, &st);
	bytes = st.reserved - range_owner_bytes(box->ranges, owner, &nr);
	if (!range_suspect(box->ranges, box->rec->size / 2, bytes, uid))
		return;
	bytes = range_owner_bytes(box->ranges, uid, &nr);
	pool->ops->suspect(pool->arg, box, uid, bytes, nr);
}

/* Pages for a new range; memory is asked from reclaim if there is none. */
static int tx_use_pages(struct pool *pool, struct box *box,
			const struct page_run *run)
{
	uint32_t missing;
	int err;

	if (!run->nr)
		return 0;
	err = region_use_range(box->region, run->first, run->nr, &missing);
	if (err == -ENOSPC && pool->ops && pool->ops->reclaim &&
	    pool->ops->reclaim(pool->arg, run->nr))
		err = region_use_range(box->region, run->first, run->nr,
				       &missing);
	return err;
}

static int tx_reserve(struct pool *pool, struct box *box, uint64_t size,
		      uid_t uid, struct range **out)
{
	struct page_run used, unused;
	struct range *range;
	int err;

	err = range_reserve(box->ranges, size, uid, tx_quota(pool, box, uid),
			    &range, &used);
	if (err)
		return err;
	err = tx_use_pages(pool, box, &used);
	if (err) {
		range_free(box->ranges, range, &unused);
		return err;
	}
	*out = range;
	tx_suspect(pool, box, uid);
	return 0;
}

/* Makes @range larger where it stands. */
static int tx_grow(struct pool *pool, struct box *box, struct range *range,
		   uint64_t size, uid_t uid)
{
	uint64_t before = range_size(range);
	struct page_run used, unused;
	int err;

	err = range_resize(box->ranges, range, size, tx_quota(pool, box, uid),
			   &used, &unused);
	if (err)
		return err;
	err = tx_use_pages(pool, box, &used);
	if (err)
		range_resize(box->ranges, range, before, UINT64_MAX, &used,
			     &unused);
	return err;
}

static int tx_copy(struct region *region, uint64_t to, uint64_t from,
		   uint64_t len)
{
	char buf[16384];
	int err = 0;

	while (len && !err) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		err = region_read(region, from, buf, n);
		if (!err)
			err = region_write(region, to, buf, n);
		from += n;
		to += n;
		len -= n;
	}
	return err;
}

/*
 * Space for @total bytes, of which tx_rec->size are written already.
 * @out: the range to use; the old one, if it is another, is still reserved.
 */
static int tx_room(struct pool *pool, struct box *box, uint32_t slot,
		   uint64_t total, uid_t uid, struct range **out)
{
	struct tx_rec *rec = tx_rec(pool, slot);
	struct tx *tx = tx_mem(pool, slot);
	struct range *range = NULL;
	struct page_run unused;
	int err;

	if (!tx->range)
		return tx_reserve(pool, box, total, uid, out);
	err = 0;
	if (total > range_size(tx->range))
		err = tx_grow(pool, box, tx->range, total, uid);
	if (err != -ENOSPC) {
		*out = tx->range;
		return err;
	}
	/* Somebody is behind it: move, with room to grow if there is. */
	err = -ENOSPC;
	if (total <= box->rec->size / 2)
		err = tx_reserve(pool, box, total * 2, uid, &range);
	if (err)
		err = tx_reserve(pool, box, total, uid, &range);
	if (err)
		return err;
	err = tx_copy(box->region, range_offset(range), rec->offset, rec->size);
	if (err) {
		range_free(box->ranges, range, &unused);
		tx_pages_unused(box, &unused);
		return err;
	}
	*out = range;
	return 0;
}

static int tx_write_payload(struct pool *pool, struct box *box, uint64_t off,
			    const struct payload *p)
{
	int err;

	if (!p->mem)
		return region_write_pipe(box->region, off, p->pipe_fd, p->len);
	err = region_write(box->region, off, p->mem, p->len);
	if (err == -ENOSPC && pool->ops && pool->ops->reclaim &&
	    pool->ops->reclaim(pool->arg, p->len / pool->page_size + 1))
		err = region_write(box->region, off, p->mem, p->len);
	return err;
}

/* --- writing --- */

/* Nobody who could make room will: every holder of space is waiting too. */
static bool tx_deadlocked(struct pool *pool, struct box *box, uint32_t slot)
{
	if (!tx_mem(pool, slot)->range || box->nr_queued || box->nr_settling ||
	    box->nr_delivered || box->nr_held)
		return false;
	table_for_each(&pool->handles, i) {
		struct handle_rec *h = handle_rec(pool, i);

		if (h->kind == HANDLE_SEND && h->box == box->slot && h->tx &&
		    h->tx != slot && tx_mem(pool, h->tx)->range && !h->stalled)
			return false;
	}
	return true;
}

/* The transaction cannot be whole any more: give its space back now. */
static int tx_fail(struct pool *pool, struct box *box, struct handle_rec *h,
		   int err)
{
	struct tx_rec *rec = tx_rec(pool, h->tx);
	struct tx *tx = tx_mem(pool, h->tx);
	struct range *range = tx->range;
	bool had = rec->size > 0;

	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->size, 0);
	jset(&pool->journal, rec->reserved, 0);
	jset(&pool->journal, h->stalled, 0);
	/* With nothing lost there is nothing to report at fsync. */
	jset(&pool->journal, h->error, had ? err : 0);
	jset(&pool->journal, h->begun, had ? 2 : 0);
	journal_commit(&pool->journal, err);
	tx->range = NULL;
	tx_release_range(pool, box, range);
	return err;
}

static bool tx_error_is_final(int err)
{
	return err != -EAGAIN && err != -ENOMEM;
}

/* A slot for what the handle writes next. */
static int tx_begin(struct pool *pool, struct box *box, struct handle_rec *h)
{
	struct tx_rec *rec;
	uint32_t slot;
	int err;

	if (h->tx)
		return 0;
	err = tx_slot_alloc(pool, box, &slot);
	if (err)
		return err;
	rec = tx_rec(pool, slot);
	rec->uid = h->uid;
	rec->gid = h->gid;
	rec->pid = h->pid;
	journal_begin(&pool->journal, 0);
	jset(&pool->journal, rec->state, TX_WRITING);
	jset(&pool->journal, h->tx, slot);
	journal_commit(&pool->journal, 0);
	box->nr_writing++;
	return 0;
}

int tx_write(struct pool *pool, uint32_t handle, const struct payload *p,
	     bool commit)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);
	struct range *range, *old;
	struct tx_rec *rec;
	struct tx *tx;
	uint32_t slot;
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, pool->token, &done))
		return done;
	if (box_removed(box))
		return -EPIPE;
	if (h->error)
		return h->error;
	err = box_open_region(pool, box);
	if (!err)
		err = tx_begin(pool, box, h);
	if (err)
		return err;
	slot = h->tx;
	rec = tx_rec(pool, slot);
	tx = tx_mem(pool, slot);
	if (p->len > box->rec->size - rec->size)
		return tx_fail(pool, box, h, -EMSGSIZE);
	err = tx_room(pool, box, slot, rec->size + p->len, h->uid, &range);
	if (err == -ENOSPC) {
		struct range_stat st;

		/* No room in the region, or no memory in the pool? */
		range_stat(box->ranges, &st);
		if (st.largest_free < ((rec->size + p->len + 7) & ~7ull))
			err = -EAGAIN;
	}
	if (err == -EAGAIN) {
		h->stalled = 1;
		if (tx_deadlocked(pool, box, slot))
			err = -EDEADLK;
	}
	if (err)
		return tx_error_is_final(err) ? tx_fail(pool, box, h, err)
					      : err;
	err = tx_write_payload(pool, box, range_offset(range) + rec->size, p);
	old = tx->range;
	if (err) {
		if (range != old)
			tx_release_range(pool, box, range);
		return tx_fail(pool, box, h, err);
	}
	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->offset, range_offset(range));
	jset(&pool->journal, rec->size, rec->size + p->len);
	jset(&pool->journal, rec->reserved, range_size(range));
	jset(&pool->journal, h->begun, 2);
	jset(&pool->journal, h->stalled, 0);
	if (commit)
		tx_commit_journal(pool, h);
	journal_commit(&pool->journal, 0);
	tx->range = range;
	if (old && old != range)
		tx_release_range(pool, box, old);
	if (commit)
		tx_commit_finish(pool, box, slot);
	return 0;
}

bool tx_has_space(struct pool *pool, uint32_t handle)
{
	struct handle_rec *h = handle_rec(pool, handle);

	return h->tx && tx_mem(pool, h->tx)->range;
}

void tx_interrupted(struct pool *pool, uint32_t handle)
{
	handle_rec(pool, handle)->stalled = 1;
}

/* --- committing --- */

void tx_commit_journal(struct pool *pool, struct handle_rec *h)
{
	struct tx_rec *rec = tx_rec(pool, h->tx);
	/* Whether old copies stand in front is settled before it is shown. */
	uint32_t state = pool->ops && pool->ops->settle ? TX_SETTLING
							: TX_QUEUED;

	jset(&pool->journal, rec->state, state);
	jset(&pool->journal, rec->id, pool->rec->next_id);
	jset(&pool->journal, rec->time_ns, pool_now());
	jset(&pool->journal, pool->rec->next_id, pool->rec->next_id + 1);
	jset(&pool->journal, h->tx, 0);
	jset(&pool->journal, h->begun, 0);
	jset(&pool->journal, h->nr_writers, 0);
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

	box->nr_writing--;
	pool->sent++;
	pool->sent_bytes += rec->size;
	tx_trim(pool, box, slot);
	if (rec->state == TX_SETTLING) {
		if (tx_is_cached(pool, box, slot)) {
			box->nr_settling++;
			pool->ops->settle(pool->arg, box, slot, rec->offset,
					  rec->size);
			return;
		}
		rec->state = TX_QUEUED;
	}
	tx_show(pool, box, slot);
	tx_enqueue(pool, box, slot);
}

void pool_settled(struct pool *pool, uint32_t slot)
{
	struct box *box = tx_mem(pool, slot)->box;

	tx_rec(pool, slot)->state = TX_QUEUED;
	box->nr_settling--;
	tx_show(pool, box, slot);
	tx_enqueue(pool, box, slot);
}

void pool_resettle(struct pool *pool)
{
	table_for_each(&pool->txs, i) {
		struct tx_rec *rec = tx_rec(pool, i);

		if (i == POOL_REC || rec->state != TX_SETTLING)
			continue;
		if (pool->ops && pool->ops->settle)
			pool->ops->settle(pool->arg, tx_mem(pool, i)->box, i,
					  rec->offset, rec->size);
		else
			pool_settled(pool, i);
	}
}

int tx_commit(struct pool *pool, uint32_t handle)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);
	uint32_t slot = h->tx;
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, pool->token, &done))
		return done;
	err = box_removed(box) ? -EPIPE : h->error;
	if (!err && h->begun != 2)
		return 0;
	journal_begin(&pool->journal, pool->token);
	if (!err) {
		tx_commit_journal(pool, h);
	} else {
		jset(&pool->journal, h->error, 0);
		jset(&pool->journal, h->begun, 0);
	}
	journal_commit(&pool->journal, err);
	if (!err)
		tx_commit_finish(pool, box, slot);
	return err;
}

/* --- who writes --- */

void tx_writer(struct pool *pool, uint32_t handle, pid_t pid)
{
	struct handle_rec *h = handle_rec(pool, handle);

	for (uint32_t i = 0; i < h->nr_writers && i < HANDLE_WRITERS; i++)
		if (h->writer[i] == (uint32_t)pid)
			return;
	if (h->nr_writers < HANDLE_WRITERS)
		h->writer[h->nr_writers] = pid;
	h->nr_writers++; /* above HANDLE_WRITERS: there were more */
}

void tx_writer_gone(struct pool *pool, uint32_t handle, pid_t pid, bool killed)
{
	struct handle_rec *h = handle_rec(pool, handle);
	uint32_t n = h->nr_writers;

	if (n > HANDLE_WRITERS) {
		if (killed)
			h->killed = 1;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (h->writer[i] != (uint32_t)pid)
			continue;
		if (killed) {
			h->killed = 1;
			return;
		}
		h->writer[i] = h->writer[n - 1];
		h->nr_writers = n - 1;
		return;
	}
}

/* --- receiving --- */

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

/* Copies what is left of the header that @h is reading. */
static void tx_receive_some(struct pool *pool, struct handle_rec *h,
			    uint32_t slot, uint64_t from, char *buf,
			    size_t size, size_t *len)
{
	char line[TX_HEADER_MAX];
	size_t header = tx_header(pool, slot, line, sizeof(line));
	struct tx *tx = tx_mem(pool, slot);
	struct box *box = tx->box;
	bool whole = header - from <= size;
	size_t n = whole ? header : from + size;

	journal_begin(&pool->journal, pool->token);
	if (from == 0)
		jset(&pool->journal, tx_rec(pool, slot)->state, TX_DELIVERED);
	jset(&pool->journal, h->tx, slot);
	jset(&pool->journal, h->header, header);
	jset(&pool->journal, h->cursor, n);
	journal_commit(&pool->journal, n - from);
	memcpy(buf, line + from, n - from);
	*len = n - from;
	/* A header that is read in pieces must stay until its end. */
	if (from == 0 && !whole)
		tx->holders++;
	else if (from > 0 && whole)
		tx->holders--;
	if (from == 0) {
		tx_dequeue(pool, box, slot);
		box->nr_delivered++;
		pool->delivered++;
	}
	if (whole && tx_rec(pool, slot)->state == TX_HELD && !tx->holders) {
		tx_rec(pool, slot)->state = TX_FREE;
		box->nr_held--;
		tx_forget(pool, box, slot);
	}
}

int tx_receive(struct pool *pool, uint32_t handle, char *buf, size_t size,
	       size_t *len)
{
	struct handle_rec *h = handle_rec(pool, handle);
	struct box *box = box_of_slot(pool, h->box);
	char line[TX_HEADER_MAX];
	struct tx *tx;
	int64_t done;

	if (journal_replayed(&pool->journal, pool->token, &done)) {
		tx_header(pool, h->tx, line, sizeof(line));
		memcpy(buf, line + h->cursor - done, done);
		*len = done;
		return 0;
	}
	if (h->cursor < h->header) {
		tx_receive_some(pool, h, h->tx, h->cursor, buf, size, len);
		return 0;
	}
	tx = TAILQ_FIRST(&box->queue);
	if (tx) {
		tx_receive_some(pool, h, tx->slot, 0, buf, size, len);
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

	/* Queues are in the order of their ids, also after a restart. */
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

/* --- looking and freeing --- */

static void tx_info_get(struct pool *pool, uint32_t slot, struct tx_info *out)
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
	tx_info_get(pool, avl_entry(n, struct tx, by_id)->slot, out);
	return 0;
}

int tx_by_slot(struct pool *pool, uint32_t slot, uint32_t id_low,
	       struct box **box, struct tx_info *out)
{
	struct tx_rec *rec;

	if (slot == POOL_REC || !table_live(&pool->txs, slot))
		return -ENOENT;
	rec = tx_rec(pool, slot);
	if (rec->state < TX_QUEUED || (uint32_t)rec->id != id_low)
		return -ENOENT;
	*box = tx_mem(pool, slot)->box;
	tx_info_get(pool, slot, out);
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
	tx_info_get(pool, avl_entry(n, struct tx, by_id)->slot, out);
	return 0;
}

int tx_read(struct pool *pool, uint32_t handle, uint64_t off, void *buf,
	    size_t *len)
{
	struct tx_rec *rec = tx_rec(pool, handle_rec(pool, handle)->tx);
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

int tx_free(struct pool *pool, struct box *box, uint64_t id)
{
	struct avl_node *n;
	struct tx_rec *rec;
	struct tx *tx;
	int64_t done;
	bool held;

	if (journal_replayed(&pool->journal, pool->token, &done))
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
	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->state, held ? TX_HELD : TX_FREE);
	journal_commit(&pool->journal, 0);
	pool->freed++;
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
		table_free(&pool->txs, slot);
		return 0;
	}
	tx = tx_slot_memory(pool, box, slot);
	if (!tx)
		return -ENOMEM;
	if (rec->reserved) {
		err = box_open_region(pool, box);
		if (!err)
			err = range_reserve_at(box->ranges, rec->offset,
					       rec->reserved, rec->uid,
					       &tx->range, &used);
		if (!err && used.nr) {
			uint32_t missing;

			err = region_use_range(box->region, used.first,
					       used.nr, &missing);
		}
		if (err)
			return err;
	}
	switch (rec->state) {
	case TX_WRITING:
		box->nr_writing++;
		break;
	case TX_SETTLING:
		box->nr_settling++;
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
