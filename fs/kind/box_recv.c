/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recv: a read gives the header of the next transaction, or waits for one; and
 * tx/ID: the payload of one transaction as a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "fs/kind/box.h"
#include "fs/kind/kind.h"

static void recv_open(struct call *c, struct fuse_file_info *fi)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	uint32_t handle;
	int err;

	if (!box || box_removed(box))
		err = -ENXIO;
	else if ((fi->flags & O_ACCMODE) != O_RDONLY)
		err = -EACCES;
	else
		err = open_handle(c, HANDLE_RECV, box, 0, &handle);
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_open(c, handle,
			   WIRE_DIRECT_IO | WIRE_STREAM | WIRE_NOFLUSH, 0);
}

/* Return: 0: answered; -EAGAIN: nothing is queued. */
static int recv_some(struct worker *w, fuse_req_t req, const struct op *op,
		     uint32_t handle, size_t size)
{
	char buf[4096];
	size_t len;
	int err;

	if (size > sizeof(buf))
		size = sizeof(buf);
	err = tx_receive(w->pool, op, handle, buf, size, &len);
	if (err == -EAGAIN)
		return err;
	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_buf(req, buf, len);
	return 0;
}

static bool recv_retry(struct waiter *wt)
{
	return recv_some(wt->worker, wt->req, &wt->op, wt->handle, wt->size) ==
	       0;
}

static void recv_give_up(struct waiter *wt, int error)
{
	/* At the end of the mount receivers read end of file. */
	if (error == ESHUTDOWN)
		fuse_reply_buf(wt->req, NULL, 0);
	else
		fuse_reply_err(wt->req, error);
}

static void recv_read(struct call *c, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	struct waiter wt = { .req = c->req,
			     .op = c->op,
			     .handle = fi->fh,
			     .size = size,
			     .retry = recv_retry,
			     .give_up = recv_give_up };
	struct box_waits *bw;
	struct box *box;
	int err;

	if (handle_lookup(c->w->pool, fi->fh, &box) != HANDLE_RECV) {
		fuse_reply_err(c->req, EBADF);
		return;
	}
	if (call_walks(fi)) {
		fuse_reply_buf(c->req, NULL, 0);
		return;
	}
	if (recv_some(c->w, c->req, &c->op, fi->fh, size) == 0)
		return;
	if (fi->flags & O_NONBLOCK) {
		fuse_reply_err(c->req, EAGAIN);
		return;
	}
	bw = box_waits(box);
	err = bw ? wait_add(c->w, &bw->receivers, &wt) : -ENOMEM;
	if (err == -ESHUTDOWN)
		fuse_reply_buf(c->req, NULL, 0);
	else if (err)
		fuse_reply_err(c->req, -err);
}

static void recv_poll(struct call *c, uint64_t key, struct fuse_file_info *fi)
{
	unsigned int ready = 0;
	struct box_stat bs;
	struct box *box;

	if (handle_lookup(c->w->pool, fi->fh, &box) != HANDLE_RECV) {
		fuse_reply_err(c->req, EBADF);
		return;
	}
	box_stat(c->w->pool, box, &bs);
	if (bs.queued)
		ready = POLLIN | POLLRDNORM;
	if (box_removed(box))
		ready |= POLLHUP;
	if (!ready)
		poll_register(c, box, key, fi->fh);
	fuse_reply_poll(c->req, ready);
}

const struct inode_ops box_recv_ops = {
	.getattr = box_inode_getattr,
	.setattr = box_inode_setattr,
	.open = recv_open,
	.read = recv_read,
	.poll = recv_poll,
};

/* --- tx/ID --- */

static int tx_getattr(struct call *c, struct stat *st)
{
	struct box_attr attr;
	struct tx_info tx;
	struct box *box;
	int err;

	err = tx_by_slot(c->w->pool, c->index >> 32, c->index, &box, &tx);
	if (err)
		return err;
	box_getattr(box, BOX_TX, &attr);
	st->st_mode = S_IFREG | (attr.mode & 0444);
	st->st_nlink = 1;
	st->st_uid = attr.uid;
	st->st_gid = attr.gid;
	st->st_size = tx.size;
	st->st_blocks = (tx.size + 511) / 512;
	st->st_mtim = st->st_atim = st->st_ctim = tx.time;
	return 0;
}

static void tx_open(struct call *c, struct fuse_file_info *fi)
{
	struct tx_info tx;
	struct box *box;
	uint32_t handle;
	int err;

	err = tx_by_slot(c->w->pool, c->index >> 32, c->index, &box, &tx);
	if (!err && (fi->flags & O_ACCMODE) != O_RDONLY)
		err = -EACCES;
	if (!err)
		err = open_handle(c, HANDLE_TX, box, tx.slot, &handle);
	/* Its content never changes, so the kernel may keep it. */
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_open(c, handle, WIRE_KEEP_CACHE | WIRE_NOFLUSH, 0);
}

static void tx_file_read(struct call *c, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	char *buf = malloc(size);
	size_t len = size;
	struct box *box;
	int err = -ENOMEM;

	if (handle_lookup(c->w->pool, fi->fh, &box) != HANDLE_TX)
		err = -EBADF;
	else if (buf)
		err = tx_read(c->w->pool, fi->fh, off, buf, &len);
	if (err)
		fuse_reply_err(c->req, -err);
	else
		fuse_reply_buf(c->req, buf, len);
	free(buf);
}

const struct inode_ops tx_ops = {
	.getattr = tx_getattr,
	.open = tx_open,
	.read = tx_file_read,
};
