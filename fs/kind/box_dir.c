/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A box as a directory: data, send, recv, tx/, stat; their attributes; and tx/,
 * which has one file for each live transaction.
 */
#include "fs/kind/box.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/kind/kind.h"
#include "fs/request/listing.h"
#include "fs/request/offset.h"

static const char *const box_names[BOX_INODES] = {
	[BOX_DATA] = "data", [BOX_SEND] = "send", [BOX_RECV] = "recv",
	[BOX_TX] = "tx",     [BOX_STAT] = "stat",
};

static enum box_inode box_inode_of(uint64_t ino)
{
	return inode_kind(ino) - INODE_BOX;
}

static bool box_inode_is_dir(enum box_inode inode)
{
	return inode == BOX_DIR || inode == BOX_TX;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/*
 * When tx/ changed last, beside what its users have removed.  The kernel keeps
 * its listing, and asks for this time whenever a process opens tx/: if it is
 * another one, the listing is old.  Nothing has to be dropped for that, which a
 * client could hold up: see dropper.h.  What earlier workers said is forgotten,
 * so each worker begins with a time of its own.
 */
static struct timespec box_tx_time(struct worker *w, struct box *box)
{
	const struct box_waits *bw = box_private(box);
	struct box_attr attr;

	if (bw && bw->queued.tv_sec)
		return bw->queued;
	box_getattr(box, BOX_TX, &attr);
	return is_later(&attr.mtime, &w->started) ? attr.mtime : w->started;
}

void box_tx_changed(struct worker *w, struct box *box)
{
	struct timespec last = box_tx_time(w, box), now;
	struct box_waits *bw = box_waits(box);

	/* Without memory the listing is kept until the next one is queued. */
	if (!bw)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	/* Never the same twice, also when the clock is set back. */
	if (!is_later(&now, &last)) {
		now = last;
		if (++now.tv_nsec == 1000000000)
			now = (struct timespec){ .tv_sec = last.tv_sec + 1 };
	}
	bw->queued = now;
	/* For one who has it open, and lists it again. */
	if (!bw->unlisted)
		notify_listing(w, inode_of_box(box, BOX_TX));
	bw->unlisted = true;
}

int box_inode_getattr(struct call *c, struct stat *st)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	enum box_inode inode = box_inode_of(c->ino);
	struct box_attr attr;

	if (!box)
		return -ENOENT;
	box_getattr(box, inode, &attr);
	st->st_mode = attr.mode | (box_inode_is_dir(inode) ? S_IFDIR : S_IFREG);
	st->st_nlink = inode == BOX_DIR ? 3 : inode == BOX_TX ? 2 : 1;
	if (box_removed(box))
		st->st_nlink = 0;
	st->st_uid = attr.uid;
	st->st_gid = attr.gid;
	if (inode == BOX_TX)
		attr.mtime = box_tx_time(c->w, box);
	st->st_mtim = st->st_atim = attr.mtime;
	st->st_ctim = attr.ctime;
	/*
	 * send: the largest transaction.  Besides, the kernel lets senders
	 * write in parallel only below the end of the file.
	 */
	if (inode == BOX_DATA || inode == BOX_SEND)
		st->st_size = box_size(box);
	if (inode == BOX_DATA) {
		struct box_stat bs;

		box_stat(c->w->pool, box, &bs);
		st->st_blocks = (bs.pages.used + bs.pages.available) * 8;
	}
	return 0;
}

int box_inode_setattr(struct call *c, const struct stat *st, int to_set)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	enum box_inode inode = box_inode_of(c->ino);
	struct box_attr attr;
	int err;

	if (!box)
		return -ENOENT;
	if (to_set & FUSE_SET_ATTR_SIZE) {
		/* A shell's > truncates send and recv, which has no effect. */
		if (inode == BOX_STAT)
			return -EPERM;
		if (inode == BOX_DATA) {
			err = box_resize(c->w->pool, &c->op, box, st->st_size);
			if (err)
				return err;
		}
	}
	if (!(to_set &
	      (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
		return 0;
	box_getattr(box, inode, &attr);
	if (to_set & FUSE_SET_ATTR_MODE)
		attr.mode = st->st_mode & 07777;
	if (to_set & FUSE_SET_ATTR_UID)
		attr.uid = st->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		attr.gid = st->st_gid;
	if (inode == BOX_TX || inode == BOX_SEND) {
		err = notify_then_setattr(c->w, c->req, c->ino);
		if (err)
			return err;
	}
	err = box_setattr(c->w->pool, &c->op, box, inode, &attr);
	/* The job waits for the lock, and for this; of these it does not fail. */
	return inode == BOX_TX || inode == BOX_SEND ? REPLY_LATER : err;
}

size_t box_followers(struct worker *w, uint64_t ino, uint64_t *next,
		     uint64_t *out, size_t max)
{
	struct box *box = box_by_serial(w->pool, inode_index(ino));
	struct tx_info tx;
	size_t n = 0;

	if (!box || box_inode_of(ino) != BOX_TX)
		return 0;
	for (; n < max && tx_next(w->pool, box, *next, &tx) == 0; n++) {
		*next = tx.id;
		out[n] = inode_of_tx(&tx);
	}
	return n;
}

/*
 * While send is open, the next sender gets a new alias.  While it is not, the
 * last alias is used again, which saves the kernel from making a new inode.
 */
static uint64_t box_send_alias(struct call *c, struct box *box)
{
	struct box_waits *bw = box_waits(box);
	uint64_t send = inode_of_box(box, BOX_SEND);

	if (!bw)
		return send;
	if (box_inode_opens(box, BOX_SEND))
		bw->alias = ++c->w->last_alias;
	return inode_of_alias(send, bw->alias);
}

static int box_dir_lookup(struct call *c, const char *name, uint64_t *child)
{
	struct box *box = box_by_serial(c->w->pool, c->index);

	if (!box || box_removed(box))
		return -ENOENT;
	for (int i = BOX_DATA; i < BOX_INODES; i++) {
		if (!strcmp(name, box_names[i])) {
			*child = i == BOX_SEND ? box_send_alias(c, box)
					       : inode_of_box(box, i);
			return 0;
		}
	}
	return -ENOENT;
}

static void box_dir_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	struct box *box = box_by_serial(c->w->pool, c->index);

	if (!box || box_removed(box))
		return;
	for (off_t i = off - 2 + BOX_DATA; i < BOX_INODES; i++)
		if (!dir_add_inode(d, box_names[i], inode_of_box(box, i),
				   box_inode_is_dir(i) ? S_IFDIR : S_IFREG,
				   i + 3 - BOX_DATA))
			return;
}

/* --- tx/ --- */

/* A name is an id as we print it: "7", not "07" or "+7". */
static int tx_parse_name(const char *name, uint64_t *id)
{
	char again[24];
	char *end;

	errno = 0;
	*id = strtoull(name, &end, 10);
	snprintf(again, sizeof(again), "%" PRIu64, *id);
	return *end || errno || strcmp(again, name) ? -ENOENT : 0;
}

static int box_tx_lookup(struct call *c, const char *name, uint64_t *child)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	struct tx_info tx;
	uint64_t id;

	if (!box || tx_parse_name(name, &id) ||
	    tx_by_id(c->w->pool, box, id, &tx))
		return -ENOENT;
	*child = inode_of_tx(&tx);
	return 0;
}

static void box_tx_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	struct box_waits *bw = box ? box_waits(box) : NULL;
	uint64_t id, oldest;
	struct tx_info tx;
	char name[24];

	if (bw)
		bw->unlisted = false;
	if (!box || tx_next(c->w->pool, box, 0, &tx))
		return;
	oldest = tx.id;
	id = offset_id(off, oldest);
	while (tx_next(c->w->pool, box, id, &tx) == 0) {
		id = tx.id;
		snprintf(name, sizeof(name), "%" PRIu64, id);
		if (!dir_add_inode(d, name, inode_of_tx(&tx), S_IFREG,
				   offset_of_id(id, oldest)))
			return;
	}
}

static int box_tx_unlink(struct call *c, const char *name)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	uint64_t id;

	if (!box || tx_parse_name(name, &id))
		return -ENOENT;
	return tx_free(c->w->pool, &c->op, box, id);
}

const struct inode_ops box_dir_ops = {
	.getattr = box_inode_getattr,
	.setattr = box_inode_setattr,
	.lookup = box_dir_lookup,
	.readdir = box_dir_readdir,
};

const struct inode_ops box_tx_dir_ops = {
	.getattr = box_inode_getattr,
	.setattr = box_inode_setattr,
	.lookup = box_tx_lookup,
	.readdir = box_tx_readdir,
	.unlink = box_tx_unlink,
};
