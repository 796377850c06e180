/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files whose text is made when they are opened, so that all reads of one open
 * file see the same state, also when a new worker has started.
 */
#include "fs/kind/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fs/kind/box.h"
#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"

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

void text_open_as(struct call *c, const char *text, int err,
		  struct fuse_file_info *fi)
{
	uint32_t handle;

	if (!err)
		err = open_text(c, text ? text : "", &handle);
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
		text = render_text(c->w, c->ino, c->op.uid, &err);
	text_open_as(c, text, err, fi);
	free(text);
}

void text_read(struct call *c, size_t size, off_t off,
	       struct fuse_file_info *fi)
{
	char *buf = malloc(size);

	if (!buf) {
		fuse_reply_err(c->req, ENOMEM);
		return;
	}
	size = handle_text_read(c->w->pool, fi->fh, buf, size, off);
	fuse_reply_buf(c->req, buf, size);
	free(buf);
}

int text_setattr_writable(struct call *c, const struct stat *st, int to_set)
{
	/* The kernel's flag to clear set-ID bits has the number of KILL_SUID. */
	return to_set & ~(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME |
			  FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME |
			  FUSE_SET_ATTR_KILL_SUID)
		       ? -EPERM
		       : 0;
}

const struct inode_ops text_ops = {
	.getattr = text_getattr,
	.setattr = text_setattr,
	.open = text_open,
	.read = text_read,
};
