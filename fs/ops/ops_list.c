/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listings of directories.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/kind/plain.h"
#include "fs/request/listing.h"
#include "pool/tree/tree.h"

/*
 * After this answer the kernel sends neither OPENDIR nor RELEASEDIR any more,
 * and keeps listings.  For a directory that changes by itself:
 * box_tx_changed(), and notify_listing().
 */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

/* Bytes of an answer, at most: since Linux 6.16 clients may ask for more. */
#define LISTING_MAX (64u << 10)

/* As stat shows it. */
static uint64_t parent_of(const struct call *c)
{
	uint64_t parent = kind_parent(c->ino);
	struct statx stx;

	if (parent != INODE_ROOT)
		return inode_shown(c->w->pool, parent);
	return plain_statx(c->w, parent, &stx) ? INODE_ROOT : stx.stx_ino;
}

static void list_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     bool plus)
{
	struct call c = call_of(req, ino);
	struct dir_reply d = { .req = req, .pool = c.w->pool, .plus = plus };

	if (!c.ops->readdir) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	d.size = size < LISTING_MAX ? size : LISTING_MAX;
	d.buf = malloc(d.size);
	if (!d.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (inode_kind(ino) == INODE_PLAIN)
		c.ops->readdir(&c, &d, off);
	else if (dir_add_dots(&d, ino, parent_of(&c), off))
		c.ops->readdir(&c, &d, off < 2 ? 2 : off);
	fuse_reply_buf(req, d.buf, d.used);
	if (d.changing)
		notify_listing(c.w, ino);
	free(d.buf);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	list_dir(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	list_dir(req, ino, size, off, true);
}
