/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open plain files.  In passthrough mode the kernel itself reads and writes the
 * store's file; in cached mode its page cache sends READ and WRITE.
 */
#include "fs/kind/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/poolfs.h"
#include "fs/request/backing.h"
#include "fs/request/buffer.h"
#include "fs/request/memory.h"
#include "pool/tree/tree.h"

/* Supplementary groups of a caller that are looked at.  A caller in more groups
 * may clear a set-group-ID bit that it could have kept. */
#define GROUPS_MAX 256

/* @how: TREE_KILL_*; @bits: of the mode, those that it can clear. */
static int plain_kill(struct call *c, uint32_t ino, uint32_t how, mode_t bits)
{
	gid_t groups[GROUPS_MAX + 1] = { c->ctx->gid };
	struct tree_attr kill = { .set = how, .groups = groups };
	struct worker *w = c->w;
	struct statx stx;
	int n, err;

	err = inode_stat(w->pool, ino, &stx);
	if (err || !(stx.stx_mode & bits))
		return err;
	n = fuse_req_getgroups(c->req, GROUPS_MAX, groups + 1);
	kill.nr_groups = 1 + (n > GROUPS_MAX ? GROUPS_MAX : n > 0 ? n : 0);
	err = tree_setattr(w->pool, ino, &kill);
	notify_attributes(w, ino);
	return err;
}

/* FUSE_HANDLE_KILLPRIV_V2: the kernel does not clear them itself, and does not
 * look at the mode again. */
int plain_kill_suidgid(struct call *c, uint32_t ino)
{
	return plain_kill(c, ino, TREE_KILL_SUIDGID, S_ISUID | S_ISGID);
}

/* No request asks for it.  The store would not do it, since root sets the list
 * there. */
int plain_kill_sgid(struct call *c, uint32_t ino)
{
	return c->ctx->uid ? plain_kill(c, ino, TREE_KILL_SGID, S_ISGID) : 0;
}

/* --- passthrough --- */

/* All opens of a file must name the same backing id. */
static int plain_backing(struct worker *w, uint32_t ino, int32_t *id)
{
	int fd;

	*id = inode_backing(w->pool, ino);
	if (*id > 0)
		return 0;
	fd = inode_fd(w->pool, ino, false);
	if (fd < 0)
		return fd;
	*id = backing_open(w, fd);
	if (*id < 0)
		return *id;
	inode_set_backing(w->pool, ino, *id);
	return 0;
}

static void plain_backing_drop(struct worker *w, uint32_t ino)
{
	int32_t id = inode_valid(w->pool, ino) ? inode_backing(w->pool, ino)
					       : 0;

	if (id <= 0)
		return;
	backing_close(w, id);
	inode_set_backing(w->pool, ino, 0);
}

/*
 * A file with set-ID bits: the kernel would write to the store with the
 * worker's credentials, which may keep the bits.  So such writes are sent to
 * the worker.
 */
static bool plain_has_setid(struct worker *w, uint32_t ino)
{
	struct statx stx;

	return inode_stat(w->pool, ino, &stx) == 0 &&
	       stx.stx_mode & (S_ISUID | S_ISGID);
}

/* What OPEN and CREATE reply of the file. */
static int plain_how(struct worker *w, uint32_t ino, int flags,
		     struct wire_open *out)
{
	int32_t id;
	int err;

	/* Later requests need to know no more than the access mode. */
	*out = (struct wire_open){ .fh = flags & O_ACCMODE,
				   .flags = WIRE_NOFLUSH };
	if (w->mode != MODE_PASSTHROUGH) {
		out->flags |= WIRE_KEEP_CACHE;
		return 0;
	}
	err = plain_backing(w, ino, &id);
	if (err)
		return err;
	out->flags |= WIRE_PASSTHROUGH;
	out->backing_id = id;
	if ((flags & O_ACCMODE) != O_RDONLY && plain_has_setid(w, ino))
		out->flags |= WIRE_DIRECT_IO;
	return 0;
}

/* --- open and release --- */

void plain_open(struct call *c, struct fuse_file_info *fi)
{
	struct worker *w = c->w;
	struct wire_open out;
	int err = -ESTALE;

	if (inode_valid(w->pool, c->index))
		err = plain_how(w, c->index, fi->flags, &out);
	if (!err && w->request.kill_suidgid)
		err = plain_kill_suidgid(c, c->index);
	/* Last, since it counts the open, and once only. */
	if (!err)
		err = tree_open(w->pool, c->index, fi->flags);
	if (err) {
		if (!inode_opens(w->pool, c->index))
			plain_backing_drop(w, c->index);
		inode_fd_done(w->pool, c->index);
		fuse_reply_err(c->req, -err);
		return;
	}
	reply_open(c, out.fh, out.flags, out.backing_id);
	memory_trim(w);
}

/* The open and the look-up that tree_create() has counted. */
static void create_undo(struct worker *w, uint32_t ino)
{
	pool_set_token(w->pool, 0);
	tree_close(w->pool, ino);
	inode_forget(w->pool, ino, 1);
}

void plain_create(struct call *c, const char *name, mode_t mode,
		  struct fuse_file_info *fi)
{
	struct worker *w = c->w;
	struct tree_cred cred = plain_cred(c);
	struct fuse_entry_param e;
	struct wire_create reply;
	struct wire_open out;
	uint64_t fixed;
	uint32_t ino;
	int err;

	if (name && c->index == INODE_ROOT && !fixed_root_find(name, &fixed))
		err = fi->flags & O_EXCL ? -EEXIST : -EISDIR;
	else
		err = tree_create(w->pool, c->index, name, fi->flags,
				  S_IFREG | (mode & ~S_IFMT), &cred, &ino);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	err = plain_how(w, ino, fi->flags, &out);
	if (!err)
		err = entry_of(c, &plain_ops, ino, &e);
	if (err) {
		create_undo(w, ino);
		fuse_reply_err(c->req, -err);
		return;
	}
	if (w->mode == MODE_PASSTHROUGH)
		inode_fd_close(w->pool, ino);
	wire_create_fill(&reply, ino, &e.attr, e.entry_timeout, e.attr_timeout,
			 &out);
	fuse_reply_buf(c->req, (const char *)&reply, sizeof(reply));
	memory_trim(w);
}

void plain_release(struct call *c, struct fuse_file_info *fi)
{
	if (inode_opens(c->w->pool, c->index) == 1)
		plain_backing_drop(c->w, c->index);
	tree_close(c->w->pool, c->index);
	memory_trim(c->w);
}

void plain_fsync(struct call *c, struct fuse_file_info *fi)
{
	int fd = inode_fd(c->w->pool, c->index, false);
	int err = fd < 0 ? fd : 0;

	if (!err && fsync(fd) < 0)
		err = -errno;
	fuse_reply_err(c->req, -err);
}

/* --- reading and writing --- */

void plain_read(struct call *c, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	struct worker *w = c->w;
	int fd = inode_fd(w->pool, c->index, false);
	ssize_t n = fd;

	if (size > REQUEST_BUFFER)
		size = REQUEST_BUFFER;
	if (!w->io_buffer)
		w->io_buffer = buffer_get(w);
	if (!w->io_buffer)
		n = -ENOMEM;
	else if (fd >= 0 && (n = pread(fd, w->io_buffer, size, off)) < 0)
		n = -errno;
	if (n < 0)
		fuse_reply_err(c->req, -n);
	else
		fuse_reply_buf(c->req, w->io_buffer, n);
}

/* What a mapping has written.  Bytes that were purged since then are discarded:
 * see notifier.c. */
static ssize_t plain_write_back(struct call *c, const char *buf, size_t size,
				off_t off)
{
	size_t done = 0;

	while (done < size) {
		bool stale;
		ssize_t n = notify_stale(c->w, c->index, off + done,
					 size - done, &stale);

		if (!stale)
			n = tree_write(c->w->pool, c->index, buf + done, n,
				       off + done);
		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += n;
	}
	return done;
}

void plain_write(struct call *c, const void *buf, size_t size, off_t off,
		 struct fuse_file_info *fi)
{
	struct worker *w = c->w;
	ssize_t n = fi->writepage
			    ? plain_write_back(c, buf, size, off)
			    : tree_write(w->pool, c->index, buf, size, off);

	if (n >= 0 && w->request.kill_suidgid)
		plain_kill_suidgid(c, c->index);
	if (n < 0)
		fuse_reply_err(c->req, -n);
	else
		fuse_reply_write(c->req, n);
}

int plain_fallocate(struct call *c, int mode, off_t off, off_t len)
{
	int err = tree_fallocate(c->w->pool, c->index, mode, off, len);

	/* FALLOCATE does not say whether the caller may keep the bits. */
	if (!err && c->ctx->uid)
		plain_kill_suidgid(c, c->index);
	return err;
}

void plain_lseek(struct call *c, off_t off, int whence)
{
	off_t at;
	int fd;

	if (c->w->mode == MODE_CACHED &&
	    !notify_then_lseek(c->w, c->req, c->index, off, whence))
		return;
	fd = inode_fd(c->w->pool, c->index, false);
	at = fd < 0 ? fd : lseek(fd, off, whence);
	if (at < 0)
		fuse_reply_err(c->req, fd < 0 ? -fd : errno);
	else
		fuse_reply_lseek(c->req, at);
}

/*
 * Return: true: the notifier will answer; false: go on, with error *@err if
 * that is not 0.
 */
static bool plain_pin_later(struct call *c, const struct poolfs_range *r,
			    int *err)
{
	struct worker *w = c->w;

	if (w->mode != MODE_CACHED || !notify_has_stale(w, c->index) ||
	    pool_replays(w->pool, w->request.unique))
		return false;
	*err = notify_then_pin(w, c->req, c->index, r->offset, r->length);
	return *err == 0;
}

void plain_ioctl(struct call *c, unsigned int cmd, uint64_t fh, const void *in,
		 size_t in_size)
{
	struct pool *pool = c->w->pool;
	const struct poolfs_range *r = in;
	int result = -ENOTTY, err = 0;

	if (_IOC_TYPE(cmd) == _IOC_TYPE(POOLFS_IOC_PIN) && in_size < sizeof(*r))
		result = -ENOTTY;
	else if (cmd == POOLFS_IOC_PIN && plain_pin_later(c, r, &err))
		return;
	else if (cmd == POOLFS_IOC_PIN)
		result = err ? err
			     : vrange_pin(pool, c->index, r->offset, r->length);
	else if (cmd == POOLFS_IOC_UNPIN && fh == O_RDONLY)
		result = -EBADF;
	else if (cmd == POOLFS_IOC_UNPIN)
		result = vrange_unpin(pool, c->index, r->offset, r->length);
	else if (cmd == POOLFS_IOC_STATE)
		result = vrange_state(pool, c->index, r->offset, r->length);
	if (result < 0)
		fuse_reply_err(c->req, -result);
	else
		fuse_reply_ioctl(c->req, result, NULL, 0);
}

ssize_t plain_copy_range(struct call *c, off_t off, uint64_t to, off_t to_off,
			 size_t len)
{
	ssize_t n = tree_copy_range(c->w->pool, c->index, off, to, to_off, len);

	if (n > 0 && c->ctx->uid)
		plain_kill_suidgid(c, to);
	return n;
}
