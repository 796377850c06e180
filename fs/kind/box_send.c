/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * send: what is written through one open file is one transaction.  It is queued
 * at the last close, at fsync, or by each write that is synchronous (O_DSYNC,
 * RWF_DSYNC).
 */
#include "fs/kind/box.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/kernel/process.h"
#include "fs/kind/kind.h"

/*
 * A process that our PID namespace does not show has pid 0.  Whether it was
 * killed in the middle cannot be found out, so it sends nothing.
 */
static bool is_visible(pid_t tid)
{
	return tid > 0;
}

static void send_open(struct call *c, struct fuse_file_info *fi)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	uint32_t handle;
	int err;

	if (!box || box_removed(box))
		err = -ENXIO;
	else if ((fi->flags & O_ACCMODE) != O_WRONLY)
		err = -EACCES;
	else if (!is_visible(c->ctx->pid))
		err = -ESRCH;
	else
		err = open_handle(c, HANDLE_SEND, box, 0, &handle);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	reply_open(c, handle,
		   WIRE_DIRECT_IO | WIRE_STREAM | WIRE_PARALLEL_DIRECT_WRITES,
		   0);
}

/* --- a sender that waits --- */

static bool send_retry(struct waiter *wt)
{
	struct worker *w = wt->worker;
	int err = tx_write(w->pool, &wt->op, wt->handle, &wt->payload,
			   wt->commit);

	if (err == -EINPROGRESS || (err == -EAGAIN && !wt->moves_only))
		return false;
	if (err)
		fuse_reply_err(wt->req, -err);
	else
		fuse_reply_write(wt->req, wt->payload.len);
	return true;
}

static void send_give_up(struct waiter *wt, int error)
{
	tx_interrupted(wt->worker->pool, wt->handle);
	fuse_reply_err(wt->req, error);
}

/*
 * A sender that appends cannot wait for space: it holds the inode's lock, on
 * which all other senders would wait, uninterruptibly.
 */
static bool send_may_wait(const struct fuse_file_info *fi)
{
	return !(fi->flags & (O_NONBLOCK | O_APPEND));
}

/* @why: -EAGAIN or -EINPROGRESS. */
static int send_wait(struct call *c, struct box *box, const struct payload *p,
		     const struct fuse_file_info *fi, int why)
{
	struct box_waits *bw = box_waits(box);
	int err;
	struct waiter wt = { .req = c->req,
			     .op = c->op,
			     .handle = fi->fh,
			     .payload = *p,
			     .commit = fi->flags & O_DSYNC,
			     .moves_only = !send_may_wait(fi),
			     .retry = send_retry,
			     .give_up = send_give_up };

	if (!bw)
		err = -ENOMEM;
	else
		err = wait_add(
			c->w, why == -EAGAIN ? &bw->senders : &bw->movers, &wt);
	if (err)
		tx_interrupted(c->w->pool, fi->fh);
	return err;
}

/* Others wait already, and not for space that this sender holds. */
static bool send_must_queue(struct worker *w, struct box *box, uint32_t handle)
{
	struct box_waits *bw = box_private(box);

	return bw && !TAILQ_EMPTY(&bw->senders) &&
	       !tx_has_space(w->pool, handle);
}

static void send_note_writer(struct worker *w, uint32_t handle, pid_t tid)
{
	bool known = tx_is_writer(w->pool, handle, tid);

	tx_writer(w->pool, handle, known ? tid : process_of(tid));
}

static void send_write(struct call *c, const void *buf, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	struct payload p = { .mem = buf, .len = size };
	struct box *box;
	int err;

	if (handle_lookup(c->w->pool, fi->fh, &box) != HANDLE_SEND) {
		fuse_reply_err(c->req, EBADF);
		return;
	}
	if (!is_visible(c->ctx->pid)) {
		tx_interrupted(c->w->pool, fi->fh);
		fuse_reply_err(c->req, ESRCH);
		return;
	}
	send_note_writer(c->w, fi->fh, c->ctx->pid);
	if (send_must_queue(c->w, box, fi->fh))
		err = tx_write_later(c->w->pool, &c->op, fi->fh, size);
	else
		err = tx_write(c->w->pool, &c->op, fi->fh, &p,
			       fi->flags & O_DSYNC);
	if (err == -EINPROGRESS || (err == -EAGAIN && send_may_wait(fi))) {
		err = send_wait(c, box, &p, fi, err);
		if (!err)
			return;
	}
	if (err)
		fuse_reply_err(c->req, -err);
	else
		fuse_reply_write(c->req, size);
}

/*
 * Most writes succeed at once.  libfuse's bookkeeping of a request costs as
 * much as all that the write itself does, so these are answered without it.
 */
bool send_write_fast(struct worker *w, const void *buf, size_t len)
{
	struct op op = { .token = w->request.unique };
	struct wire_write wr;
	struct payload p;
	struct box *box;

	if (!wire_parse_write(buf, len, &wr) ||
	    handle_lookup(w->pool, wr.fh, &box) != HANDLE_SEND ||
	    !is_visible(wr.pid) || send_must_queue(w, box, wr.fh))
		return false;
	send_note_writer(w, wr.fh, wr.pid);
	p = (struct payload){ .mem = wr.payload, .len = wr.len };
	/* After an error send_write() finds the same error, and may wait. */
	if (tx_write(w->pool, &op, wr.fh, &p, wr.flags & O_DSYNC))
		return false;
	wire_reply_write(w->fuse_fd, buf, wr.len);
	return true;
}

/* --- the end of a sender --- */

static void send_flush(struct call *c, struct fuse_file_info *fi)
{
	enum process_end end = process_end(c->ctx->pid, c->ctx->uid,
					   c->ctx->gid);

	if (end != PROCESS_LIVES)
		tx_writer_gone(c->w->pool, fi->fh, process_of(c->ctx->pid),
			       end == PROCESS_KILLED);
	fuse_reply_err(c->req, 0);
}

static void send_fsync(struct call *c, struct fuse_file_info *fi)
{
	fuse_reply_err(c->req, -tx_commit(c->w->pool, &c->op, fi->fh));
}

static void send_poll(struct call *c, uint64_t key, struct fuse_file_info *fi)
{
	unsigned int ready = 0;
	struct box_stat bs;
	struct box *box;

	if (handle_lookup(c->w->pool, fi->fh, &box) != HANDLE_SEND) {
		fuse_reply_err(c->req, EBADF);
		return;
	}
	box_stat(c->w->pool, box, &bs);
	if (box_removed(box))
		ready = POLLERR;
	else if (bs.ranges.largest_free)
		ready = POLLOUT | POLLWRNORM;
	if (!ready)
		poll_register(c, box, key, fi->fh);
	fuse_reply_poll(c->req, ready);
}

const struct inode_ops box_send_ops = {
	.getattr = box_inode_getattr,
	.setattr = box_inode_setattr,
	.open = send_open,
	.write = send_write,
	.flush = send_flush,
	.fsync = send_fsync,
	.poll = send_poll,
};
