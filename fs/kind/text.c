/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files whose text is made when they are opened, so that all reads of one open
 * file see the same state.  The text is kept in the store, so that a reader can
 * go on when a new worker has started.
 */
#include "fs/kind/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/kind/box.h"
#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/request/memory.h"
#include "pool/store/store.h"

static int text_getattr(struct call *c, struct stat *st)
{
	if (inode_kind(c->ino) == INODE_BOX + BOX_STAT)
		return box_inode_getattr(c, st);
	owner_stat(c, st, S_IFREG | 0444);
	return 0;
}

static int text_setattr(struct call *c, const struct stat *st, int to_set)
{
	if (inode_kind(c->ino) == INODE_BOX + BOX_STAT)
		return box_inode_setattr(c, st, to_set);
	return -EPERM;
}

static int text_file(struct worker *w, uint32_t handle, int flags)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%u", handle);
	fd = openat(w->store->openfd, name, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int text_save(struct worker *w, uint32_t handle, const char *text)
{
	size_t len = strlen(text);
	int fd = text_file(w, handle, O_WRONLY | O_CREAT | O_TRUNC);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, len);
	close(fd);
	return n == (ssize_t)len ? 0 : -ENOSPC;
}

void text_open_as(struct call *c, const char *text, int err,
		  struct fuse_file_info *fi)
{
	uint32_t handle;

	if (!err)
		err = open_handle(c, HANDLE_CONTROL, NULL, 0, &handle);
	if (!err && text) {
		err = text_save(c->w, handle, text);
		if (err == -ENOSPC && memory_make_room(c->w, strlen(text)))
			err = text_save(c->w, handle, text);
		if (err) {
			/* The token names the open: not for this close. */
			struct op op = { 0 };

			handle_close(c->w->pool, &op, handle);
		}
	}
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_open(c, handle, WIRE_DIRECT_IO | WIRE_NOFLUSH, 0);
}

static void text_open(struct call *c, struct fuse_file_info *fi)
{
	int err = 0;
	char *text = NULL;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		err = -EACCES;
	else
		text = render_text(c->w, c->ino, &err);
	text_open_as(c, text, err, fi);
	free(text);
}

void text_read(struct call *c, size_t size, off_t off,
	       struct fuse_file_info *fi)
{
	int fd = text_file(c->w, fi->fh, O_RDONLY);
	char *buf = malloc(size);
	ssize_t n = -1;

	if (fd >= 0 && buf)
		n = pread(fd, buf, size, off);
	if (n < 0)
		fuse_reply_err(c->req, fd < 0 ? -fd : EIO);
	else
		fuse_reply_buf(c->req, buf, n);
	if (fd >= 0)
		close(fd);
	free(buf);
}

void text_release(struct call *c, struct fuse_file_info *fi)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", (uint32_t)fi->fh);
	unlinkat(c->w->store->openfd, name, 0);
}

int text_setattr_writable(struct call *c, const struct stat *st, int to_set)
{
	return to_set & ~(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME |
			  FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)
		       ? -EPERM
		       : 0;
}

const struct inode_ops text_ops = {
	.getattr = text_getattr,
	.setattr = text_setattr,
	.open = text_open,
	.read = text_read,
	.release = text_release,
};
