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
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/poolfs.h"
#include "fs/request/buffer.h"
#include "fs/request/memory.h"
#include "fs/request/notify.h"
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
	/* The kernel asks for the mode of a file that has had such bits again:
	 * see attr_timeout(). */
	return tree_setattr(w->pool, ino, &kill);
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

void plain_give_up(struct waiter *wt, int error)
{
	fuse_reply_err(wt->req, error);
}

/* --- open and release --- */

/* What OPEN and CREATE reply of the file. */
static struct wire_open plain_how(const struct worker *w, int flags,
				  const struct tree_opened *opened)
{
	/* Later requests need to know no more than the access mode. */
	struct wire_open out = { .fh = flags & O_ACCMODE,
				 .flags = WIRE_NOFLUSH,
				 .backing_id = opened->backing };

	if (opened->backing > 0)
		out.flags |= WIRE_PASSTHROUGH;
	else if (w->mode == MODE_CACHED)
		out.flags |= WIRE_KEEP_CACHE;
	else
		out.flags |= WIRE_DIRECT_IO;
	if (opened->appends && (flags & O_ACCMODE) != O_RDONLY)
		out.flags |= WIRE_DIRECT_IO;
	/* The kernel writes with our credentials, which may keep these bits. */
	if (opened->setid)
		out.flags |= WIRE_DIRECT_IO;
	return out;
}

/*
 * Of reads from its cache the kernel tells nothing.  So in cached mode who opens a
 * file only to read it counts as a reader, when it is opened, and once more at the
 * end if it has changed meanwhile.
 */
static void plain_access(struct call *c, int flags)
{
	if (c->w->mode == MODE_CACHED && (flags & O_ACCMODE) == O_RDONLY &&
	    !(flags & O_NOATIME) && tree_access(c->w->pool, c->index))
		notify_attributes(c->w, c->index);
}

void plain_open(struct call *c, struct fuse_file_info *fi)
{
	struct tree_opened opened;
	struct worker *w = c->w;
	struct wire_open out;
	int err = 0;

	if (w->request.kill_suidgid)
		err = plain_kill_suidgid(c, c->index);
	if (!err)
		err = tree_open(w->pool, &c->op, c->index, fi->flags, &opened);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	/* Who has the file open holds its inode: this waits for nobody. */
	if (opened.first_writer)
		notify_attributes(w, c->ino);
	plain_access(c, fi->flags);
	out = plain_how(w, fi->flags, &opened);
	reply_open(c, out.fh, out.flags, out.backing_id);
	memory_trim(w);
}

void plain_create(struct call *c, const char *name, mode_t mode,
		  struct fuse_file_info *fi)
{
	struct worker *w = c->w;
	struct tree_opened opened;
	struct wire_create reply;
	struct wire_entry e;
	struct stat st = { 0 };
	struct wire_open out;
	struct statx stx;
	uint64_t fixed;
	int err;

	if (name && c->index == INODE_ROOT && !fixed_root_find(name, &fixed))
		err = fi->flags & O_EXCL ? -EEXIST : -EISDIR;
	else
		err = tree_create(w->pool, &c->op, c->index, name, fi->flags,
				  S_IFREG | (mode & ~S_IFMT), &opened, &stx);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	out = plain_how(w, fi->flags, &opened);
	stx.stx_ino = inode_shown_plain(stx.stx_ino);
	plain_stat_of(&stx, &st);
	e = (struct wire_entry){
		.ino = opened.inode,
		.generation = inode_generation(w->pool, opened.inode),
		.entry_timeout = LONG_TIMEOUT,
		.attr_timeout = attr_timeout(w, opened.inode, st.st_mode),
	};
	wire_create_fill(&reply, &e, &st, &out);
	fuse_reply_buf(c->req, (const char *)&reply, sizeof(reply));
	memory_trim(w);
}

void plain_release(struct call *c, struct fuse_file_info *fi)
{
	plain_access(c, fi->flags);
	tree_close(c->w->pool, &c->op, c->index);
	memory_trim(c->w);
}

void plain_fsync(struct call *c, struct fuse_file_info *fi)
{
	int fd = inode_fd(c->w->pool, c->index, false);
	int err = fd < 0 ? fd : 0;

	if (!err && fsync(fd) < 0)
		err = -errno;
	if (fd >= 0)
		inode_fd_done(c->w->pool, c->index, fd);
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
		w->io_buffer = buffer_alloc();
	if (!w->io_buffer)
		n = -ENOMEM;
	else if (fd >= 0 && (n = pread(fd, w->io_buffer, size, off)) < 0)
		n = -errno;
	if (fd >= 0)
		inode_fd_done(w->pool, c->index, fd);
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

/* Return: as tree_fallocate(). */
static int fallocate_some(struct call *c, int mode, off_t off, off_t len,
			  struct tree_steps *steps)
{
	int err = tree_fallocate(c->w->pool, c->index, mode, off, len, steps);

	/* FALLOCATE does not say whether the caller may keep the bits. */
	if (!err && c->ctx->uid)
		plain_kill_suidgid(c, c->index);
	return err;
}

static bool fallocate_step(struct waiter *wt)
{
	struct call c = { .w = wt->worker,
			  .req = wt->req,
			  .ino = wt->handle,
			  .index = wt->handle,
			  .ctx = fuse_req_ctx(wt->req),
			  .op = wt->op };
	int err = fallocate_some(&c, wt->mode, wt->off, wt->len, &wt->steps);

	if (err == -EINPROGRESS)
		return false;
	fuse_reply_err(wt->req, -err);
	return true;
}

int plain_fallocate(struct call *c, int mode, off_t off, off_t len)
{
	struct waiter wt = { .req = c->req,
			     .op = c->op,
			     .handle = c->index,
			     .off = off,
			     .len = len,
			     .mode = mode,
			     .steady = true,
			     .steps.again = c->w->request.resent,
			     .retry = fallocate_step,
			     .give_up = plain_give_up };
	int err = fallocate_some(c, mode, off, len, &wt.steps), no;

	if (err != -EINPROGRESS)
		return err;
	no = wait_for_step(c->w, &wt);
	if (!no)
		return REPLY_LATER;
	/* It may not wait: all of it goes back now. */
	wt.steps.err = no;
	do
		err = fallocate_some(c, mode, off, len, &wt.steps);
	while (err == -EINPROGRESS);
	return err;
}

void plain_lseek(struct call *c, off_t off, int whence)
{
	off_t at;

	if (c->w->mode == MODE_CACHED &&
	    !notify_then_lseek(c->w, c->req, c->index, off, whence))
		return;
	at = tree_lseek(c->w->pool, c->index, off, whence);
	if (at < 0)
		fuse_reply_err(c->req, -at);
	else
		fuse_reply_lseek(c->req, at);
}

/*
 * Makes the size hold before a pin.  Return: true: the notifier will answer;
 * false: go on, with error *@err if that is not 0.
 */
static bool plain_pin_later(struct call *c, const struct poolfs_range *r,
			    int *err)
{
	struct worker *w = c->w;

	if (pool_replays(w->pool, w->request.unique))
		return false;
	vrange_take_back(w->pool, c->index, r->offset, r->length);
	if (w->mode != MODE_CACHED || !notify_has_stale(w, c->index))
		return false;
	*err = notify_then_pin(w, c->req, c->index, r->offset, r->length);
	return *err == 0;
}

static void pin_reply(fuse_req_t req, int result)
{
	if (result < 0)
		fuse_reply_err(req, -result);
	else
		fuse_reply_ioctl(req, result, NULL, 0);
}

static bool pin_retry(struct waiter *wt)
{
	int result = vrange_pin(wt->worker->pool, &wt->op, wt->handle, wt->off,
				wt->len);

	if (result == -EINPROGRESS)
		return false;
	pin_reply(wt->req, result);
	return true;
}

/* Waits for a hole that is late.  Return: 0 or -errno: the caller must answer. */
static int pin_wait(struct call *c, const struct poolfs_range *r)
{
	struct waiter wt = { .req = c->req,
			     .op = c->op,
			     .handle = c->index,
			     .off = r->offset,
			     .len = r->length,
			     .retry = pin_retry,
			     .give_up = plain_give_up };

	return wait_add(c->w, &c->w->waiters.pins, &wt);
}

/*
 * A pin takes the news of a purge away from whoever would make the content
 * again: that is not for readers.
 */
static bool range_changes(unsigned int cmd)
{
	return cmd == POOLFS_IOC_PIN || cmd == POOLFS_IOC_UNPIN;
}

void plain_ioctl(struct call *c, unsigned int cmd, uint64_t fh, const void *in,
		 size_t in_size)
{
	struct pool *pool = c->w->pool;
	const struct poolfs_range *r = in;
	int result = -ENOTTY, err = 0;

	if (_IOC_TYPE(cmd) == _IOC_TYPE(POOLFS_IOC_PIN) && in_size < sizeof(*r))
		result = -ENOTTY;
	else if (range_changes(cmd) && fh == O_RDONLY)
		result = -EBADF;
	else if (cmd == POOLFS_IOC_PIN && plain_pin_later(c, r, &err))
		return;
	else if (cmd == POOLFS_IOC_PIN)
		result = err ? err
			     : vrange_pin(pool, &c->op, c->index, r->offset,
					  r->length);
	else if (cmd == POOLFS_IOC_UNPIN)
		result = vrange_unpin(pool, &c->op, c->index, r->offset,
				      r->length);
	else if (cmd == POOLFS_IOC_STATE)
		result = vrange_state(pool, c->index, r->offset, r->length);
	if (result == -EINPROGRESS) {
		result = pin_wait(c, r);
		if (!result)
			return;
	}
	pin_reply(c->req, result);
}

void plain_fileattr(struct call *c, unsigned int cmd, const void *in,
		    size_t in_size)
{
	char arg[TREE_FILEATTR_SIZE] = { 0 };
	size_t size;
	int err;

	if (in_size)
		memcpy(arg, in, in_size < sizeof(arg) ? in_size : sizeof(arg));
	err = tree_fileattr(c->w->pool, c->index, cmd, arg, &size);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	/* Its time of change is another. */
	if (in_size)
		notify_attributes(c->w, c->index);
	fuse_reply_ioctl(c->req, 0, arg, in_size ? 0 : size);
}

ssize_t plain_copy_range(struct call *c, off_t off, uint64_t to, off_t to_off,
			 size_t len)
{
	ssize_t n = tree_copy_range(c->w->pool, c->index, off, to, to_off, len);

	if (n > 0 && c->ctx->uid)
		plain_kill_suidgid(c, to);
	return n;
}
