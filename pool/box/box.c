/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boxes: made, found, described, resized and removed.
 *
 * States (of the record): FREE -> LIVE -> REMOVED -> FREE.  A removed box has
 * no name any more.  It keeps its region and its serial until the last file on
 * it is closed and the last reference is dropped.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: drops Available pages of box->region at any time, and reads
 * box->serial with no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/box/box_priv.h"

/* What one box_rescan_some() looks at, at most. */
#define RESCAN_REGIONS 256
#define RESCAN_SLOTS 65536

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

/* @charge: user_charge(), or user_charge_anyway() for a box that is there. */
static int box_charge(struct pool *pool, uid_t uid, uint64_t size,
		      int (*charge)(struct pool *pool, uid_t uid,
				    enum user_item item, uint64_t n))
{
	int err = charge(pool, uid, USER_BOXES, 1);

	if (err)
		return err;
	err = charge(pool, uid, USER_REGION_BYTES, box_charged_bytes(size));
	if (err)
		user_uncharge(pool, uid, USER_BOXES, 1);
	return err;
}

static void box_uncharge(struct pool *pool, uid_t uid, uint64_t size)
{
	user_uncharge(pool, uid, USER_BOXES, 1);
	user_uncharge(pool, uid, USER_REGION_BYTES, box_charged_bytes(size));
}

static struct box *box_of(void *owner)
{
	struct box *box = owner;

	magic_check(box->magic, BOX_MAGIC);
	return box;
}

/* Reclaim calls it with the region's lock held, which keeps the box. */
static int box_reopen(void *owner)
{
	struct box *box = box_of(owner);

	return store_region_open(box->pool->store, box->serial, false);
}

static void box_invalidate(void *owner, uint64_t off, uint64_t len)
{
	struct box *box = box_of(owner);
	struct pool *pool = box->pool;

	if (pool->ops && pool->ops->invalidate)
		pool->ops->invalidate(pool->arg, box->serial, off, len);
}

static void box_invalidate_later(void *owner, uint64_t off, uint64_t len)
{
	struct box *box = box_of(owner);
	struct pool *pool = box->pool;

	if (pool->ops && pool->ops->invalidate_later)
		pool->ops->invalidate_later(pool->arg, box->serial, off, len);
}

static const struct region_ops box_region_ops = {
	.open = box_reopen,
	.invalidate = box_invalidate,
	.invalidate_later = box_invalidate_later,
};

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

/*
 * A worker that was killed in box_resize() may have left a file that is larger
 * than the record says.  The box was empty then: the file is truncated.
 */
static int box_cut_file(struct box *box, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > box->rec->size &&
	    ftruncate(fd, box->rec->size) < 0)
		return -errno;
	return 0;
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

/* Takes over @fd, the box's region file, also when it fails. */
static int box_use_file(struct pool *pool, struct box *box, int fd)
{
	struct range_allocator *ranges;
	int err;

	ranges = range_allocator_new(box->rec->size, pool->page_size);
	if (ranges)
		box->region = region_new(pool->lru, fd, box->rec->size,
					 &box_region_ops, box);
	if (box->region) {
		box->ranges = ranges;
		return 0;
	}
	err = -errno;
	range_allocator_free(ranges);
	close(fd);
	return err;
}

int box_adopt_region(void *arg, uint64_t serial)
{
	struct pool *pool = arg;
	struct box *box = box_by_serial(pool, serial);
	int fd, err;

	if (!box)
		return 0;
	fd = store_region_open(pool->store, serial, false);
	if (fd < 0)
		return fd;
	err = box_cut_file(box, fd);
	if (!err)
		return box_use_file(pool, box, fd);
	close(fd);
	return err;
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

int box_open_region(struct pool *pool, struct box *box)
{
	int fd;

	if (box->region)
		return 0;
	fd = store_region_open(pool->store, box->serial, true);
	return fd < 0 ? fd : box_use_file(pool, box, fd);
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

const char *box_name(const struct box *box)
{
	return box->rec->name;
}

uint64_t box_serial(const struct box *box)
{
	return box->serial;
}

uint64_t box_size(const struct box *box)
{
	return box->rec->size;
}

bool box_removed(const struct box *box)
{
	return box->rec->state != BOX_REC_LIVE;
}

static struct timespec box_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000,
				  .tv_nsec = ns % 1000000000 };
}

void box_getattr(const struct box *box, enum box_inode inode,
		 struct box_attr *out)
{
	const struct box_rec *rec = box->rec;

	out->mode = rec->mode[inode];
	out->uid = rec->uid[inode];
	out->gid = rec->gid[inode];
	out->mtime = box_timespec(rec->mtime_ns);
	out->ctime = box_timespec(rec->ctime_ns);
}

int box_setattr(struct pool *pool, const struct op *op, struct box *box,
		enum box_inode inode, const struct box_attr *attr)
{
	struct box_rec *rec = box->rec;
	uid_t before = rec->uid[BOX_DIR];
	bool moves = inode == BOX_DIR && attr->uid != before;
	int err = 0;

	/* As with disk quotas, the new owner may be above its share. */
	if (moves)
		err = box_charge(pool, attr->uid, rec->size,
				 user_charge_anyway);
	if (err)
		return err;
	/* Idempotent, so journal_replayed() is not asked. */
	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->mode[inode], attr->mode & 07777);
	jset(&pool->journal, rec->uid[inode], attr->uid);
	jset(&pool->journal, rec->gid[inode], attr->gid);
	jset(&pool->journal, rec->ctime_ns, pool_now());
	journal_commit(&pool->journal, 0);
	if (moves)
		box_uncharge(pool, before, rec->size);
	return 0;
}

static bool box_has_ranges(const struct box *box)
{
	struct range_stat st = { 0 };

	if (box->ranges)
		range_stat(box->ranges, &st);
	return st.nr_reserved;
}

/* @ranges: out, those for the new size. */
static int box_resize_region(struct pool *pool, struct box *box, uint64_t size,
			     struct range_allocator **ranges)
{
	struct range_allocator *new = range_allocator_new(size,
							  pool->page_size);
	int err;

	if (!new)
		return -errno;
	err = region_resize(box->region, size);
	if (err)
		range_allocator_free(new);
	else
		*ranges = new;
	return err;
}

int box_resize(struct pool *pool, const struct op *op, struct box *box,
	       uint64_t size)
{
	struct range_allocator *ranges = NULL;
	uint64_t mask = pool->page_size - 1, before, after;
	uid_t uid = box->rec->uid[BOX_DIR];
	int64_t done;
	int err;

	if (journal_replayed(&pool->journal, op->token, &done))
		return done;
	if (size == 0)
		return -EINVAL;
	if (size > BOX_SIZE_MAX)
		return -EFBIG;
	size = (size + mask) & ~mask;
	if (box->nr_queued || box->nr_delivered || box->nr_invalidating ||
	    box->nr_held)
		return -EBUSY;
	if (box_has_ranges(box))
		return -EBUSY;
	before = box_charged_bytes(box->rec->size);
	after = box_charged_bytes(size);
	err = user_charge(pool, uid, USER_REGION_BYTES,
			  after > before ? after - before : 0);
	if (err)
		return err;
	err = box->ranges ? box_resize_region(pool, box, size, &ranges) : 0;
	if (err) {
		user_uncharge(pool, uid, USER_REGION_BYTES,
			      after > before ? after - before : 0);
		return err;
	}
	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, box->rec->size, size);
	jset(&pool->journal, box->rec->mtime_ns, pool_now());
	journal_commit(&pool->journal, 0);
	user_uncharge(pool, uid, USER_REGION_BYTES,
		      before > after ? before - after : 0);
	if (ranges) {
		range_allocator_free(box->ranges);
		box->ranges = ranges;
	}
	if (pool->ops && pool->ops->space)
		pool->ops->space(pool->arg, box);
	return 0;
}

int box_region(struct pool *pool, struct box *box, struct region **out)
{
	int err = box_open_region(pool, box);

	if (!err)
		*out = box->region;
	return err;
}

void box_rescan(struct box *box)
{
	if (box->region)
		region_rescan(box->region);
}

bool box_rescan_some(struct pool *pool)
{
	struct boxes *b = pool->boxes;
	uint32_t regions = 0, slots = 0;

	for (; regions < RESCAN_REGIONS && slots < RESCAN_SLOTS; slots++) {
		struct box *box = box_of_slot(pool, b->rescanned);

		if (box && box->region) {
			region_rescan(box->region);
			regions++;
		}
		if (++b->rescanned >= b->nr_box_mem) {
			b->rescanned = 0;
			return false;
		}
	}
	return true;
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

void box_set_private(struct box *box, void *data)
{
	box->private = data;
}

void *box_private(const struct box *box)
{
	return box->private;
}

int32_t box_backing(const struct box *box)
{
	return box->rec->backing;
}

void box_set_backing(struct box *box, int32_t id)
{
	box->rec->backing = id;
}

uint32_t box_inode_opens(const struct box *box, enum box_inode inode)
{
	return box->nr_opens[inode];
}

void box_stat(struct pool *pool, struct box *box, struct box_stat *out)
{
	memset(out, 0, sizeof(*out));
	out->size = box->rec->size;
	out->pages.pages = out->size / pool->page_size;
	out->ranges.size = out->ranges.largest_free = out->size;
	out->ranges.nr_free = 1;
	if (box->region) {
		region_stat(box->region, &out->pages);
		range_stat(box->ranges, &out->ranges);
	}
	out->queued = box->nr_queued + box->nr_invalidating;
	out->delivered = box->nr_delivered;
	out->writing = box->nr_writing;
	out->handles = box->nr_handles;
}
