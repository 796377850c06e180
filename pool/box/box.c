/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boxes: made, found and removed.
 *
 * States (of the record): FREE -> LIVE -> REMOVED -> FREE.  A removed box has
 * no name any more.  It keeps its region and its serial until the last file on
 * it is closed and the last reference is dropped.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: reads box->serial with no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool/box/box_priv.h"

static const struct {
	mode_t mask; /* bits that are taken from mkdir's mode */
	mode_t always; /* bits that are set besides */
} box_modes[BOX_INODES] = {
	[BOX_DIR] = { 01777, 0 },
	[BOX_DATA] = { 0444, 0200 }, /* the owner may resize it */
	[BOX_SEND] = { 0222, 0 },
	[BOX_RECV] = { 0444, 0 },
	[BOX_TX] = { 01777, 0 },
	[BOX_STAT] = { 0444, 0 },
};

int box_cmp_name(const struct avl_node *a, const struct avl_node *b)
{
	return strcmp(avl_entry(a, struct box, by_name)->rec->name,
		      avl_entry(b, struct box, by_name)->rec->name);
}

static int box_key_name(const void *key, const struct avl_node *n)
{
	return strcmp(key, avl_entry(n, struct box, by_name)->rec->name);
}

int box_cmp_serial(const struct avl_node *a, const struct avl_node *b)
{
	uint64_t x = avl_entry(a, struct box, by_serial)->serial;
	uint64_t y = avl_entry(b, struct box, by_serial)->serial;

	return x < y ? -1 : x > y;
}

static int box_key_serial(const void *key, const struct avl_node *n)
{
	uint64_t x = *(const uint64_t *)key;
	uint64_t y = avl_entry(n, struct box, by_serial)->serial;

	return x < y ? -1 : x > y;
}

static int box_cmp_tx(const struct avl_node *a, const struct avl_node *b)
{
	const struct tx *x = avl_entry(a, struct tx, by_id);
	const struct tx *y = avl_entry(b, struct tx, by_id);

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Frames of pages come 2 MiB at a time. */
uint64_t box_charged_bytes(uint64_t size)
{
	return (size + EXTENT_BYTES - 1) & ~(EXTENT_BYTES - 1);
}

int box_charge(struct pool *pool, uid_t uid, uint64_t size,
	       int (*charge)(struct pool *pool, uid_t uid, enum user_item item,
			     uint64_t n))
{
	int err = charge(pool, uid, USER_BOXES, 1);

	if (err)
		return err;
	err = charge(pool, uid, USER_REGION_BYTES, box_charged_bytes(size));
	if (err)
		user_uncharge(pool, uid, USER_BOXES, 1);
	return err;
}

void box_uncharge(struct pool *pool, uid_t uid, uint64_t size)
{
	user_uncharge(pool, uid, USER_BOXES, 1);
	user_uncharge(pool, uid, USER_REGION_BYTES, box_charged_bytes(size));
}

struct box *box_of_slot(struct pool *pool, uint32_t slot)
{
	return slot && slot < pool->boxes->nr_box_mem
		       ? pool->boxes->box_mem[slot]
		       : NULL;
}

static struct box *box_new(struct pool *pool, uint32_t slot)
{
	struct box *box = TAILQ_FIRST(&pool->boxes->spare_boxes);

	if (slot >= pool->boxes->nr_box_mem) {
		uint32_t nr = slot + 256;
		struct box **mem = realloc(pool->boxes->box_mem,
					   nr * sizeof(*mem));

		if (!mem)
			return NULL;
		memset(mem + pool->boxes->nr_box_mem, 0,
		       (nr - pool->boxes->nr_box_mem) * sizeof(*mem));
		pool->boxes->box_mem = mem;
		pool->boxes->nr_box_mem = nr;
	}
	if (box) {
		TAILQ_REMOVE(&pool->boxes->spare_boxes, box, spare);
	} else {
		box = calloc(1, sizeof(*box));
		if (!box)
			return NULL;
	}
	box->magic = BOX_MAGIC;
	box->pool = pool;
	box->slot = slot;
	box->rec = box_rec(pool, slot);
	box->serial = box->rec->serial;
	box->txs = (struct avl_tree){ .cmp = box_cmp_tx };
	TAILQ_INIT(&box->queue);
	LIST_INIT(&box->handles);
	LIST_INIT(&box->polling);
	box->nr_holding = box->nr_stalled = 0;
	box->nr_queued = box->nr_delivered = box->nr_writing = 0;
	box->nr_held = box->nr_invalidating = box->nr_handles = 0;
	box->nr_refs = 0;
	memset(box->nr_opens, 0, sizeof(box->nr_opens));
	pool->boxes->box_mem[slot] = box;
	return box;
}

static void box_free_memory(struct pool *pool, struct box *box)
{
	range_allocator_free(box->ranges);
	region_free(box->region);
	free(box->private);
	box->ranges = NULL;
	box->region = NULL;
	box->private = NULL;
	pool->boxes->box_mem[box->slot] = NULL;
	TAILQ_INSERT_HEAD(&pool->boxes->spare_boxes, box, spare);
}

int box_adopt(struct pool *pool, uint32_t slot)
{
	struct box *box = box_new(pool, slot);
	int err;

	if (!box)
		return -ENOMEM;
	err = box_charge(pool, box->rec->uid[BOX_DIR], box->rec->size,
			 user_charge_anyway);
	if (err)
		return err;
	avl_insert(box_removed(box) ? &pool->boxes->removed
				    : &pool->boxes->by_serial,
		   &box->by_serial);
	if (!box_removed(box)) {
		avl_insert(&pool->boxes->by_name, &box->by_name);
		pool->boxes->nr_boxes++;
	}
	return 0;
}

void box_forget_all(struct pool *pool)
{
	struct box *box;

	for (uint32_t i = 0; i < pool->boxes->nr_box_mem; i++)
		if (pool->boxes->box_mem[i])
			box_free_memory(pool, pool->boxes->box_mem[i]);
	while ((box = TAILQ_FIRST(&pool->boxes->spare_boxes))) {
		TAILQ_REMOVE(&pool->boxes->spare_boxes, box, spare);
		free(box);
	}
	free(pool->boxes->box_mem);
}

int box_check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return -EINVAL;
	return len > BOX_NAME_MAX ? -ENAMETOOLONG : 0;
}

int box_create(struct pool *pool, const struct op *op, const char *name,
	       mode_t mode, struct box **out)
{
	struct box_rec *rec;
	struct box *box;
	uint32_t slot;
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, op->token, &done)) {
		if (done == 0 && out)
			*out = box_by_name(pool, name);
		return done;
	}
	err = box_check_name(name);
	if (err)
		return err;
	if (box_by_name(pool, name))
		return -EEXIST;
	err = box_charge(pool, op->uid, pool->config.box_size, user_charge);
	if (err)
		return err;
	err = pool_record(pool, &pool->boxes->boxes, &slot);
	if (err)
		goto err_charge;
	rec = box_rec(pool, slot);
	rec->serial = pool->boxes->rec->next_serial;
	rec->size = pool->config.box_size;
	rec->ctime_ns = rec->mtime_ns = pool_now();
	strcpy(rec->name, name);
	for (int i = 0; i < BOX_INODES; i++) {
		rec->mode[i] = (mode & box_modes[i].mask) | box_modes[i].always;
		rec->uid[i] = op->uid;
		rec->gid[i] = op->gid;
	}
	box = box_new(pool, slot);
	if (!box) {
		err = -ENOMEM;
		table_free(&pool->boxes->boxes, slot);
		goto err_charge;
	}
	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->state, BOX_REC_LIVE);
	jset(&pool->journal, pool->boxes->rec->next_serial, rec->serial + 1);
	journal_commit(&pool->journal, 0);
	avl_insert(&pool->boxes->by_serial, &box->by_serial);
	avl_insert(&pool->boxes->by_name, &box->by_name);
	pool->boxes->nr_boxes++;
	if (out)
		*out = box;
	return 0;

err_charge:
	box_uncharge(pool, op->uid, pool->config.box_size);
	return err;
}

void box_free_unused(struct pool *pool, struct box *box)
{
	struct box_rec *rec = box->rec;
	uint32_t slot = box->slot;

	if (rec->state != BOX_REC_REMOVED || box->nr_handles || box->nr_held ||
	    box->nr_refs)
		return;
	store_region_unlink(pool->store, box->serial);
	avl_erase(&pool->boxes->removed, &box->by_serial);
	box_free_memory(pool, box);
	box_uncharge(pool, rec->uid[BOX_DIR], rec->size);
	/* One word needs no journal, whose token must stay as it is. */
	rec->state = BOX_REC_FREE;
	table_free(&pool->boxes->boxes, slot);
}

int box_remove(struct pool *pool, const struct op *op, const char *name)
{
	struct box *box;
	int64_t done;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	box = box_by_name(pool, name);
	if (!box)
		return -ENOENT;
	if (box->nr_queued || box->nr_delivered || box->nr_invalidating)
		return -ENOTEMPTY;
	/* A sender that has written nothing does not count. */
	if (box->nr_holding)
		return -EBUSY;
	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, box->rec->state, BOX_REC_REMOVED);
	journal_commit(&pool->journal, 0);
	avl_erase(&pool->boxes->by_name, &box->by_name);
	avl_erase(&pool->boxes->by_serial, &box->by_serial);
	avl_insert(&pool->boxes->removed, &box->by_serial);
	pool->boxes->nr_boxes--;
	/* Requests that wait are tried again, and find the box removed. */
	if (pool->ops && pool->ops->queued)
		pool->ops->queued(pool->arg, box);
	if (pool->ops && pool->ops->space)
		pool->ops->space(pool->arg, box);
	box_free_unused(pool, box);
	return 0;
}

struct box *box_by_name(struct pool *pool, const char *name)
{
	struct avl_node *n = avl_find(&pool->boxes->by_name, name,
				      box_key_name);

	return n ? avl_entry(n, struct box, by_name) : NULL;
}

struct box *box_by_serial(struct pool *pool, uint64_t serial)
{
	struct avl_node *n = avl_find(&pool->boxes->by_serial, &serial,
				      box_key_serial);

	if (!n)
		n = avl_find(&pool->boxes->removed, &serial, box_key_serial);
	return n ? avl_entry(n, struct box, by_serial) : NULL;
}

struct box *box_next(struct pool *pool, uint64_t serial)
{
	struct avl_node *n;

	serial++;
	n = avl_lower_bound(&pool->boxes->by_serial, &serial, box_key_serial);
	return n ? avl_entry(n, struct box, by_serial) : NULL;
}

void box_get(struct box *box)
{
	box->nr_refs++;
}

void box_put(struct pool *pool, struct box *box)
{
	box->nr_refs--;
	box_free_unused(pool, box);
}
