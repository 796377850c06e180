/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be seen of a box, and changed: attributes, counts, and what its users
 * keep with it.
 *
 * Locks: pool->lock (1) held by all callers; region calls take 2 and 3.
 */
#include <string.h>

#include "pool/box/box_priv.h"

const char *box_name(const struct box *box)
{
	return box->rec->name;
}

uint64_t box_serial(const struct box *box)
{
	return box->serial;
}

uint32_t box_slot(const struct box *box)
{
	return box ? box->slot : 0;
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
