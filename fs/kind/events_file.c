/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .pool/events: JSON lines; after the last one a reader waits for the next. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"

static int events_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFREG | 0444);
	return 0;
}

static void events_open_file(struct call *c, struct fuse_file_info *fi)
{
	uint32_t handle;
	int err = -EACCES;

	if ((fi->flags & O_ACCMODE) == O_RDONLY)
		err = open_handle(c, HANDLE_CONTROL, NULL, 0, &handle);
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_open(c, handle,
			   WIRE_DIRECT_IO | WIRE_STREAM | WIRE_NOFLUSH, 0);
}

/* Return: 0: answered; -EAGAIN: there is nothing new. */
static int events_some(struct worker *w, fuse_req_t req, const struct op *op,
		       uint32_t handle, size_t size)
{
	uint64_t cursor = handle_cursor_start(w->pool, op, handle);
	char buf[4 * EVENT_LINE];
	size_t len;

	if (size < EVENT_LINE) {
		/* Lines are never cut, and none might fit. */
		fuse_reply_err(req, EINVAL);
		return 0;
	}
	if (size > sizeof(buf))
		size = sizeof(buf);
	len = events_read(&w->events, &cursor, handle_uid(w->pool, handle), buf,
			  size);
	if (!len)
		return -EAGAIN;
	handle_set_cursor(w->pool, op, handle, cursor);
	fuse_reply_buf(req, buf, len);
	return 0;
}

static bool events_retry(struct waiter *wt)
{
	return events_some(wt->worker, wt->req, &wt->op, wt->handle,
			   wt->size) == 0;
}

static void events_give_up(struct waiter *wt, int error)
{
	if (error == ESHUTDOWN)
		fuse_reply_buf(wt->req, NULL, 0);
	else
		fuse_reply_err(wt->req, error);
}

static void events_read_file(struct call *c, size_t size, off_t off,
			     struct fuse_file_info *fi)
{
	struct waiter wt = { .req = c->req,
			     .op = c->op,
			     .handle = fi->fh,
			     .size = size,
			     .retry = events_retry,
			     .give_up = events_give_up };
	int err;

	if (events_some(c->w, c->req, &c->op, fi->fh, size) == 0)
		return;
	if (call_walks(fi)) {
		fuse_reply_buf(c->req, NULL, 0);
		return;
	}
	if (fi->flags & O_NONBLOCK)
		err = -EAGAIN;
	else
		err = wait_add(c->w, &c->w->waiters.events, &wt);
	if (err == -ESHUTDOWN)
		fuse_reply_buf(c->req, NULL, 0);
	else if (err)
		fuse_reply_err(c->req, -err);
}

static void events_poll(struct call *c, uint64_t key, struct fuse_file_info *fi)
{
	uint64_t cursor = handle_cursor(c->w->pool, fi->fh);
	char buf[EVENT_LINE];
	unsigned int ready = 0;

	if (events_read(&c->w->events, &cursor, handle_uid(c->w->pool, fi->fh),
			buf, sizeof(buf)))
		ready = POLLIN | POLLRDNORM;
	else
		poll_register(c, NULL, key, fi->fh);
	fuse_reply_poll(c->req, ready);
}

const struct inode_ops events_ops = {
	.getattr = events_getattr,
	.open = events_open_file,
	.read = events_read_file,
	.poll = events_poll,
};
