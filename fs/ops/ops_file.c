/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on open files, from OPEN to RELEASE.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->open)
		c.ops->open(&c, fi);
	else
		fuse_reply_err(req, EACCES);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->read)
		c.ops->read(&c, size, off, fi);
	else
		fuse_reply_err(req, EBADF);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->write)
		c.ops->write(&c, buf, size, off, fi);
	else
		fuse_reply_err(req, EPERM);
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->flush)
		c.ops->flush(&c, fi);
	else
		fuse_reply_err(req, 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->fsync)
		c.ops->fsync(&c, fi);
	else
		fuse_reply_err(req, 0);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->release)
		c.ops->release(&c, fi);
	if (inode_kind(ino) != INODE_PLAIN)
		handle_close(c.w->pool, &c.op, fi->fh);
	fuse_reply_err(req, 0);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	int err = c.ops->fallocate ? c.ops->fallocate(&c, mode, off, len)
				   : -EOPNOTSUPP;

	if (err != REPLY_LATER)
		fuse_reply_err(req, -err);
}

/* The kernel sends these itself, when it has looked what the caller may. */
static bool is_fileattr(unsigned int cmd)
{
	return cmd == FS_IOC_GETFLAGS || cmd == FS_IOC_SETFLAGS ||
	       cmd == FS_IOC_FSGETXATTR || cmd == FS_IOC_FSSETXATTR;
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
	      struct fuse_file_info *fi, unsigned int flags, const void *in,
	      size_t in_size, size_t out_size)
{
	struct call c = call_of(req, ino);

	if (c.ops->fileattr && is_fileattr(cmd))
		c.ops->fileattr(&c, cmd, in, in_size);
	else if (c.ops->ioctl && !(flags & FUSE_IOCTL_DIR))
		c.ops->ioctl(&c, cmd, fi->fh, in, in_size);
	else
		fuse_reply_err(req, ENOTTY);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);

	if (c.ops->lseek)
		c.ops->lseek(&c, off, whence);
	else
		fuse_reply_err(req, EINVAL);
}

void op_copy_range(fuse_req_t req, fuse_ino_t ino, off_t off,
		   struct fuse_file_info *fi, fuse_ino_t to, off_t to_off,
		   struct fuse_file_info *to_fi, size_t len, int flags)
{
	struct call c = call_of(req, ino);
	ssize_t n = -EXDEV;

	if (c.ops->copy_range && c.ops == kind_ops(to))
		n = c.ops->copy_range(&c, off, to, to_off, len);
	if (n < 0)
		fuse_reply_err(req, -n);
	else
		fuse_reply_write(req, n);
}

void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph)
{
	struct call c = call_of(req, ino);

	if (c.ops->poll)
		c.ops->poll(&c, ph ? c.w->request.poll_key : 0, fi);
	else
		fuse_reply_poll(req,
				POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	if (ph)
		fuse_pollhandle_destroy(ph);
}
