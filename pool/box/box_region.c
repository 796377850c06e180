/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The region of a box, and the allocator of ranges in it: made at its first use,
 * resized while it is empty.
 *
 * States: none -> box->region and box->ranges, until the box is freed.
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 * Reclaim: drops Available pages of box->region at any time, and reads
 * box->serial with no lock.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/box/box_priv.h"

/* What one box_rescan_some() looks at, at most. */
#define RESCAN_STEPS 256 /* of region_rescan_some() */
#define RESCAN_SLOTS 65536

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

int box_open_region(struct pool *pool, struct box *box)
{
	int fd;

	if (box->region)
		return 0;
	fd = store_region_open(pool->store, box->serial, true);
	return fd < 0 ? fd : box_use_file(pool, box, fd);
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
	uint32_t steps = RESCAN_STEPS;

	if (box->region)
		region_rescan_some(box->region, &steps);
}

bool box_rescan_some(struct pool *pool)
{
	struct boxes *b = pool->boxes;
	uint32_t steps = RESCAN_STEPS, slots = 0;

	for (; steps && slots < RESCAN_SLOTS; slots++) {
		struct box *box = box_of_slot(pool, b->rescanned);

		if (box && box->region &&
		    region_rescan_some(box->region, &steps))
			continue;
		if (++b->rescanned >= b->nr_box_mem) {
			b->rescanned = 0;
			return false;
		}
	}
	return true;
}
