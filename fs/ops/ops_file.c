/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on open files, from OPEN to RELEASE.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <poll.h>

#include "fs/kernel/process.h"

void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->open)
		ops->open(&c, fi);
	else
		fuse_reply_err(req, EACCES);
}

void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->read)
		ops->read(&c, size, off, fi);
	else
		fuse_reply_err(req, EBADF);
}

void op_write(fuse_req_t req, fuse_ino_t node, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->write)
		ops->write(&c, buf, size, off, fi);
	else
		fuse_reply_err(req, EPERM);
}

void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->flush)
		ops->flush(&c, fi);
	else
		fuse_reply_err(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync,
	      struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->fsync)
		ops->fsync(&c, fi);
	else
		fuse_reply_err(req, 0);
}

void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->release)
		ops->release(&c, fi);
	if (node_kind(node) != NODE_PLAIN)
		handle_close(c.w->pool, fi->fh);
	fuse_reply_err(req, 0);
}

void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	fuse_reply_err(req, ops->fallocate ? -ops->fallocate(&c, mode, off, len)
					   : EOPNOTSUPP);
}

void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_size, size_t out_size)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->ioctl && !(flags & FUSE_IOCTL_DIR))
		ops->ioctl(&c, cmd, fi->fh, in, in_size);
	else
		fuse_reply_err(req, ENOTTY);
}

void op_lseek(fuse_req_t req, fuse_ino_t node, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	off_t at;

	if (node_kind(node) == NODE_PLAIN && c.w->mode == MODE_CACHED &&
	    !notify_then_lseek(c.w, req, node, off, whence))
		return;
	at = ops->lseek ? ops->lseek(&c, off, whence) : -EINVAL;
	if (at < 0)
		fuse_reply_err(req, -at);
	else
		fuse_reply_lseek(req, at);
}

void op_copy_range(fuse_req_t req, fuse_ino_t node, off_t off,
		   struct fuse_file_info *fi, fuse_ino_t to, off_t to_off,
		   struct fuse_file_info *to_fi, size_t len, int flags)
{
	struct call c = call_of(req, node);
	ssize_t n = -EXDEV;

	if (node_kind(node) == NODE_PLAIN && node_kind(to) == NODE_PLAIN)
		n = plain_copy_range(&c, off, to, to_off, len);
	if (n < 0)
		fuse_reply_err(req, -n);
	else
		fuse_reply_write(req, n);
}

void op_poll(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->poll)
		ops->poll(&c, ph ? c.w->request.poll_key : 0, fi);
	else
		fuse_reply_poll(req,
				POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	if (ph)
		fuse_pollhandle_destroy(ph);
}

void reply_open(struct call *c, uint32_t handle, uint32_t flags,
		int32_t backing_id)
{
	struct wire_open out = { .fh = handle,
				 .flags = flags,
				 .backing_id = backing_id };

	fuse_reply_buf(c->req, (const char *)&out, sizeof(out));
}

int open_handle(struct call *c, enum handle_kind kind, struct box *box,
		uint32_t tx, int flags, uint32_t *handle)
{
	return handle_open(c->w->pool, kind, box, tx, flags, c->ctx->uid,
			   c->ctx->gid, process_of(c->ctx->pid), handle);
}

void poll_register(struct call *c, struct box *box, uint64_t key,
		   uint32_t handle)
{
	struct box_waits *bw = box ? box_waits(box) : NULL;

	if (!key)
		return;
	handle_set_poll_key(c->w->pool, handle, key);
	if (bw)
		bw->polled = true;
	else
		c->w->waiters.events_polled = true;
}
