/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool as a whole: opened over a store, rebuilt from its tables, and
 * registered as a shrinker.
 *
 * States: open or closed.
 * Locks: pool->lock (1) is pool_lock(); the shrinker's callbacks run without it
 * and take 3, then try 2.
 * Reclaim: box_pages_scan() is what it calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* Pages a scan is asked for at a time: the 2 MiB that one hole can be. */
#define BOX_PAGES_BATCH ((1 << REGION_CHUNK_SHIFT) / 4096)
/* Made again by whoever sends the next time: the cheapest there is. */
#define BOX_PAGES_SEEKS 1

static unsigned long box_pages_count(struct shrinker *shrinker,
				     struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t n = lru_count(pool->lru, sc->nid);

	return n ? n : SHRINK_EMPTY;
}

static unsigned long box_pages_scan(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t scanned = 0, freed;

	freed = lru_shrink(pool->lru, sc->nid, sc->nr_to_scan, sc->fs_allowed,
			   &scanned);
	sc->nr_scanned = scanned;
	/* Everything is busy, or may not be touched from here. */
	return scanned ? freed : SHRINK_STOP;
}

int pool_add_shrinker(struct pool *pool, const char *name, unsigned int flags,
		      const struct shrinker *kind, struct shrinker **out)
{
	struct shrinker *s = shrinker_alloc(flags, "%s", name);
	int err;

	if (!s)
		return -errno;
	s->count_objects = kind->count_objects;
	s->scan_objects = kind->scan_objects;
	s->batch = kind->batch;
	s->seeks = kind->seeks;
	s->private_data = pool;
	err = shrinker_register(s);
	if (err) {
		shrinker_free(s);
		return err;
	}
	*out = s;
	return 0;
}

static int pool_register_shrinker(struct pool *pool)
{
	static const struct shrinker kind = {
		.count_objects = box_pages_count,
		.scan_objects = box_pages_scan,
		.batch = BOX_PAGES_BATCH,
		.seeks = BOX_PAGES_SEEKS,
	};

	return pool_add_shrinker(pool, "box-pages", SHRINKER_NUMA_AWARE, &kind,
				 &pool->shrinker);
}

static int pool_open_tables(struct pool *pool, bool fresh)
{
	struct table *tables[] = { &pool->boxes, &pool->txs, &pool->handles,
				   &pool->tree->nodes };
	int dirfd = pool->store->dirfd;
	uint32_t slot;
	int err;

	err = table_open(&pool->boxes, dirfd, "boxes", sizeof(struct box_rec),
			 BOX_MAX);
	if (!err)
		err = table_open(&pool->txs, dirfd, "transactions",
				 sizeof(struct tx_rec), TX_MAX);
	if (!err)
		err = table_open(&pool->handles, dirfd, "handles",
				 sizeof(struct handle_rec), HANDLE_MAX);
	if (!err)
		err = table_open(&pool->tree->nodes, dirfd, "nodes",
				 sizeof(struct node_rec), NODE_MAX);
	if (!err)
		err = table_open(&pool->tree->ranges, dirfd, "ranges",
				 sizeof(struct vrange_rec), VRANGE_MAX);
	if (!err)
		err = journal_open(&pool->journal, dirfd, tables, 4, fresh);
	if (err)
		return err;
	/* Free lists were made before the journal finished its work. */
	for (int i = 0; i < 4; i++)
		table_rescan(tables[i]);
	table_rescan(&pool->tree->ranges);
	pool->rec = table_get(&pool->txs, POOL_REC);
	if (table_live(&pool->txs, POOL_REC))
		return 0;
	err = table_alloc(&pool->txs, &slot);
	if (err)
		return err;
	if (slot != POOL_REC)
		return -EUCLEAN;
	pool->rec = table_get(&pool->txs, POOL_REC);
	pool->rec->next_id = 1;
	pool->rec->next_serial = 1;
	pool->rec->state = 1;
	return 0;
}

static int pool_adopt(struct pool *pool, bool fresh)
{
	int err;

	table_for_each (&pool->boxes, i) {
		err = box_adopt(pool, i);
		if (err)
			return err;
		if (fresh)
			box_set_backing(box_of_slot(pool, i), 0);
	}
	table_for_each (&pool->txs, i) {
		err = i == POOL_REC ? 0 : tx_adopt(pool, i);
		if (err)
			return err;
	}
	for (uint32_t i = 0; i < pool->nr_box_mem; i++)
		if (pool->box_mem[i])
			tx_adopt_queue(pool, pool->box_mem[i]);
	table_for_each (&pool->handles, i)
		handle_adopt(pool, i);
	return 0;
}

/* Nothing is open in a new mount: what was half done before is dropped. */
static void pool_close_handles(struct pool *pool)
{
	pool->token = 0;
	table_for_each (&pool->handles, i) {
		handle_rec(pool, i)->work.error = -ECANCELED;
		handle_close(pool, i);
	}
}

/* What a kill between two stores can leave, none of it visible. */
static void pool_tidy(struct pool *pool)
{
	table_for_each (&pool->txs, i) {
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
			/* Its sender was counted only to find those without. */
			tx->holders = 0;
		}
	}
	for (uint32_t i = 0; i < pool->nr_box_mem; i++)
		if (pool->box_mem[i])
			box_put(pool, pool->box_mem[i]);
}

static uint64_t pool_tables_bytes(const struct pool *pool)
{
	return table_bytes(&pool->boxes) + table_bytes(&pool->txs) +
	       table_bytes(&pool->handles) + table_bytes(&pool->tree->nodes) +
	       table_bytes(&pool->tree->ranges);
}

int pool_open(const struct pool_options *opts, struct pool **out)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int err;

	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pool->store = opts->store;
	pool->size = opts->size;
	pool->leases = opts->leases;
	pool->page_size = sysconf(_SC_PAGESIZE);
	pool->config.box_size = BOX_DEFAULT_SIZE;
	pool->config.sender_quota = 50;
	pool->by_name.cmp = box_cmp_name;
	pool->by_serial.cmp = box_cmp_serial;
	TAILQ_INIT(&pool->spare_boxes);
	pool->lru = lru_new(opts->nr_nodes, UINT64_MAX);
	err = pool->lru ? 0 : -errno;
	pool->tree = calloc(1, sizeof(*pool->tree));
	if (!err && !pool->tree)
		err = -ENOMEM;
	if (!err)
		err = pool_open_tables(pool, opts->fresh);
	if (!err)
		err = pool_adopt(pool, opts->fresh);
	if (!err && opts->fresh)
		pool_close_handles(pool);
	if (!err)
		err = tree_open_all(pool, opts->fresh);
	if (!err) {
		pool_tidy(pool);
		err = pool_register_shrinker(pool);
	}
	if (!err)
		err = volatile_start(pool);
	if (!err)
		err = ranges_start(pool);
	if (err) {
		pool_close(pool);
		return err;
	}
	pool->fixed_bytes = store_tables_bytes(pool->store) -
			    pool_tables_bytes(pool);
	pool_fit_limit(pool);
	lru_set_limit(pool->lru, opts->size / pool->page_size);
	/* Not before: what is rebuilt wakes nobody. */
	pool->ops = opts->ops;
	pool->arg = opts->arg;
	*out = pool;
	return 0;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	if (pool->shrinker)
		shrinker_free(pool->shrinker);
	volatile_stop(pool);
	ranges_stop(pool);
	box_forget_all(pool);
	lru_free(pool->lru);
	tree_close_all(pool);
	journal_release(&pool->journal);
	table_release(&pool->handles);
	table_release(&pool->txs);
	table_release(&pool->boxes);
	for (uint32_t i = 0; i < TX_MAX / TX_CHUNK; i++)
		free(pool->tx_chunk[i]);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* The limit is not raised for less than this part of the size. */
#define LIMIT_STEPS 256

/* Bytes of the store that are not content. */
static uint64_t pool_overhead(const struct pool *pool)
{
	return pool->fixed_bytes + pool_tables_bytes(pool);
}

void pool_fit_limit(struct pool *pool)
{
	struct volatile_stat vs;
	struct lru_stat ls;
	uint64_t want, step = pool->size / LIMIT_STEPS;

	if (!pool->store->detached)
		return;
	volatile_look(pool);
	volatile_stat(pool, &vs);
	lru_stat(pool->lru, &ls);
	want = pool->size + pool_overhead(pool) +
	       (vs.idle + pool->tree->range_memory + ls.available) *
		       pool->page_size;
	if (want == pool->limit ||
	    (pool->limit && want > pool->limit && want - pool->limit < step))
		return;
	/* It may hold more now: then the limit stays until that is reclaimed. */
	if (store_set_limit(pool->store, want) == 0)
		pool->limit = want;
}

bool pool_lend_limit(struct pool *pool, uint64_t bytes)
{
	struct statvfs st;

	if (store_space(pool->store, &st) == 0 && st.f_files && !st.f_favail)
		store_set_inodes(pool->store, st.f_files + 1);
	if (!pool->limit ||
	    store_set_limit(pool->store, pool->limit + bytes) < 0)
		return false;
	pool->limit += bytes;
	return true;
}

uint64_t pool_used(struct pool *pool)
{
	uint64_t tables = store_tables_bytes(pool->store), used;
	struct volatile_stat vs;
	struct lru_stat ls;
	struct statvfs st;

	lru_stat(pool->lru, &ls);
	volatile_stat(pool, &vs);
	if (!pool->store->detached || store_space(pool->store, &st)) {
		used = ls.used + space_used(pool) / pool->page_size;
		return used > vs.idle ? used - vs.idle : 0;
	}
	used = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
	used = used > tables ? (used - tables) / pool->page_size : 0;
	return used > vs.idle + ls.available ? used - vs.idle - ls.available
					     : 0;
}

uint64_t pool_excess(struct pool *pool)
{
	uint64_t used, allowed = pool->size + pool_overhead(pool);
	struct statvfs st;

	if (!pool->store->detached || store_space(pool->store, &st))
		return 0;
	used = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
	return used > allowed ? (used - allowed) / pool->page_size : 0;
}

int pool_record(struct pool *pool, struct table *table, uint32_t *slot)
{
	uint64_t before = table_bytes(table);
	int err = table_alloc(table, slot);

	/* Tables are not what the pool's size limits. */
	if (err == -ENOSPC && pool_lend_limit(pool, 2 * TABLE_STEP))
		err = table_alloc(table, slot);
	if (err == -ENOSPC && pool->ops && pool->ops->reclaim &&
	    pool->ops->reclaim(pool->arg, TABLE_STEP / pool->page_size))
		err = table_alloc(table, slot);
	/* What a table takes is not taken from anybody. */
	if (table_bytes(table) != before)
		pool_fit_limit(pool);
	return err;
}

void pool_lock(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->holder = pthread_self();
}

bool pool_trylock(struct pool *pool)
{
	if (pthread_mutex_trylock(&pool->lock))
		return false;
	pool->holder = pthread_self();
	return true;
}

bool pool_is_mine(struct pool *pool)
{
	return pthread_equal(pool->holder, pthread_self());
}

void pool_unlock(struct pool *pool)
{
	pool->holder = 0;
	pthread_mutex_unlock(&pool->lock);
}

void pool_set_token(struct pool *pool, uint64_t token)
{
	pool->token = token;
}

bool pool_replays(struct pool *pool, uint64_t token)
{
	int64_t done;

	return journal_replayed(&pool->journal, token, &done) ||
	       journal_noted(&pool->journal, token, NULL);
}

struct pool_config *pool_config(struct pool *pool)
{
	return &pool->config;
}

struct lru *pool_lru(struct pool *pool)
{
	return pool->lru;
}

void pool_stat(struct pool *pool, struct pool_stat *out)
{
	memset(out, 0, sizeof(*out));
	out->size = pool->size;
	lru_stat(pool->lru, &out->pages);
	out->boxes = pool->nr_boxes;
	out->transactions = pool->nr_live;
	out->handles = pool->nr_handles;
	out->sent = pool->sent;
	out->sent_bytes = pool->sent_bytes;
	out->delivered = pool->delivered;
	out->freed = pool->freed;
	out->dropped = pool->dropped;
}

/* --- invariants --- */

static const char *pool_check_box(struct pool *pool, struct box *box)
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

const char *pool_check(struct pool *pool)
{
	const char *broken = NULL;

	for (uint32_t i = 0; i < pool->nr_box_mem && !broken; i++)
		if (pool->box_mem[i])
			broken = pool_check_box(pool, pool->box_mem[i]);
	if (!broken &&
	    (!avl_check(&pool->by_name) || !avl_check(&pool->by_serial)))
		broken = "the index of boxes is out of order";
	if (!broken)
		broken = tree_check(pool);
	return broken ? broken : lru_check(pool->lru);
}
