/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on names: look them up, make, move and remove them.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <limits.h>

#include "pool/tree/tree.h"

static void reply_entry(struct call *c, uint64_t child)
{
	struct fuse_entry_param e;
	int err = entry_of(c, kind_ops(child), child, &e);

	if (!err) {
		fuse_reply_entry(c->req, &e);
		return;
	}
	if (inode_kind(child) == INODE_PLAIN)
		inode_forget(c->w->pool, child, 1);
	fuse_reply_err(c->req, -err);
}

/* Plain files are made by requests only: the kernel may keep that a name is not
 * there. */
static void reply_no_entry(struct call *c)
{
	struct fuse_entry_param e = { .entry_timeout = LONG_TIMEOUT };

	fuse_reply_entry(c->req, &e);
}

static void reply_made(struct call *c, int err, uint64_t child)
{
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_entry(c, child);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	uint64_t child = 0;
	int err = c.ops->lookup ? c.ops->lookup(&c, name, &child) : -ENOTDIR;

	if (err == -ENOENT && inode_kind(parent) == INODE_PLAIN)
		reply_no_entry(&c);
	else
		reply_made(&c, err, child);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct call c = call_of(req, parent);
	uint64_t child = 0;
	int err = c.ops->mkdir ? c.ops->mkdir(&c, name, mode, &child) : -EPERM;

	reply_made(&c, err, child);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	int err = c.ops->rmdir ? c.ops->rmdir(&c, name) : -EPERM;

	if (err != REPLY_LATER)
		fuse_reply_err(req, -err);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);

	fuse_reply_err(req, c.ops->unlink ? -c.ops->unlink(&c, name) : EPERM);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	struct call c = call_of(req, parent);
	uint64_t child = 0;
	int err = c.ops->mknod ? c.ops->mknod(&c, name, mode, rdev, &child)
			       : -EPERM;

	reply_made(&c, err, child);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct call c = call_of(req, parent);

	if (!c.ops->create)
		fuse_reply_err(req, EPERM);
	else if (c.w->request.op == WIRE_TMPFILE)
		c.ops->create(&c, NULL, mode, fi);
	else
		c.ops->create(&c, name, mode, fi);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	struct call c = call_of(req, parent);
	uint64_t child = 0;
	int err = c.ops->symlink ? c.ops->symlink(&c, name, target, &child)
				 : -EPERM;

	reply_made(&c, err, child);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
	     const char *name)
{
	struct call c = call_of(req, parent);
	int err = c.ops->link ? c.ops->link(&c, ino, name) : -EPERM;

	reply_made(&c, err, ino);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t to, const char *to_name, unsigned int flags)
{
	struct call c = call_of(req, parent);

	int err = c.ops->rename ? c.ops->rename(&c, name, to, to_name, flags)
				: -EPERM;

	if (err != REPLY_LATER)
		fuse_reply_err(req, -err);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct call c = call_of(req, ino);
	char target[PATH_MAX + 1];
	ssize_t n = c.ops->readlink
			    ? c.ops->readlink(&c, target, sizeof(target))
			    : -EINVAL;

	if (n < 0)
		fuse_reply_err(req, -n);
	else
		fuse_reply_readlink(req, target);
}
