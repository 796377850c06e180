/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listings of directories: a reply is filled until it is full.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <stdlib.h>

bool dir_add(struct dir_reply *d, const char *name, uint64_t node, mode_t type,
	     off_t next)
{
	struct fuse_entry_param e = { .attr = { .st_ino = node,
						.st_mode = type } };
	size_t need;

	/* Without a node, the kernel takes the name alone. */
	if (d->plus)
		return dir_add_plus(d, name, &e, next);
	need = fuse_add_direntry(d->req, d->buf + d->used, d->size - d->used,
				 name, &e.attr, next);
	if (need > d->size - d->used)
		return false;
	d->used += need;
	return true;
}

bool dir_add_plus(struct dir_reply *d, const char *name,
		  const struct fuse_entry_param *e, off_t next)
{
	size_t need = fuse_add_direntry_plus(d->req, d->buf + d->used,
					     d->size - d->used, name, e, next);

	if (need > d->size - d->used)
		return false;
	d->used += need;
	return true;
}

bool dir_add_dots(struct dir_reply *d, uint64_t self, off_t off)
{
	if (off < 1 && !dir_add(d, ".", self, S_IFDIR, 1))
		return false;
	return off >= 2 || dir_add(d, "..", self, S_IFDIR, 2);
}

/*
 * Said once, neither OPENDIR nor RELEASEDIR is sent any more, and the kernel
 * keeps listings.  What changes by itself is said to it: notify_listing().
 */
void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static void list_dir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		     bool plus)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	struct dir_reply d = { .req = req, .size = size, .plus = plus };

	if (!ops->readdir) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	d.buf = malloc(size);
	if (!d.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	c.w->listing_changes = 0;
	if (node_kind(node) == NODE_PLAIN)
		ops->readdir(&c, &d, off);
	else if (dir_add_dots(&d, node, off))
		ops->readdir(&c, &d, off < 2 ? 2 : off);
	fuse_reply_buf(req, d.buf, d.used);
	if (c.w->listing_changes)
		notify_listing(c.w, c.w->listing_changes);
	free(d.buf);
}

void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	list_dir(req, node, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	list_dir(req, node, size, off, true);
}
