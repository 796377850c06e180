/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on names: look-ups, and what makes, moves and removes them.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* A shrinker comes and goes by itself, and send has another door each time. */
static double entry_timeout(uint64_t node)
{
	enum node_kind kind = node_kind(node);

	return kind == NODE_SHRINKER || kind == NODE_BOX + BOX_SEND
		       ? 0
		       : LONG_TIMEOUT;
}

int entry_of(struct call *c, uint64_t child, struct fuse_entry_param *e)
{
	struct call of = *c;
	int err;

	memset(e, 0, sizeof(*e));
	of.node = child;
	of.index = node_index(child);
	err = call_getattr(&of, &e->attr);
	e->ino = child;
	e->attr_timeout = attr_timeout(c->w, child);
	e->entry_timeout = entry_timeout(child);
	return err;
}

static void reply_entry(struct call *c, uint64_t child)
{
	struct fuse_entry_param e;
	int err = entry_of(c, child, &e);

	if (!err) {
		fuse_reply_entry(c->req, &e);
		return;
	}
	if (node_kind(child) == NODE_PLAIN)
		tree_forget(c->w->pool, child, 1);
	fuse_reply_err(c->req, -err);
}

/* Nobody but the kernel makes plain files: it may know what is not there. */
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
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->lookup ? ops->lookup(&c, name, &child) : -ENOTDIR;

	if (err == -ENOENT && node_kind(parent) == NODE_PLAIN)
		reply_no_entry(&c);
	else
		reply_made(&c, err, child);
}

void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t n)
{
	struct worker *w = fuse_req_userdata(req);

	if (node_kind(node) == NODE_PLAIN)
		tree_forget(w->pool, node, n);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets)
{
	struct worker *w = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		if (node_kind(forgets[i].ino) == NODE_PLAIN)
			tree_forget(w->pool, forgets[i].ino,
				    forgets[i].nlookup);
	fuse_reply_none(req);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->mkdir ? ops->mkdir(&c, name, mode, &child) : -EPERM;

	reply_made(&c, err, child);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	fuse_reply_err(req, ops->rmdir ? -ops->rmdir(&c, name) : EPERM);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	fuse_reply_err(req, ops->unlink ? -ops->unlink(&c, name) : EPERM);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->mknod ? ops->mknod(&c, name, mode, rdev, &child)
			     : -EPERM;

	reply_made(&c, err, child);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	if (!ops->create)
		fuse_reply_err(req, EPERM);
	else if (c.w->request.op == WIRE_TMPFILE)
		ops->create(&c, NULL, mode, fi);
	else
		ops->create(&c, name, mode, fi);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->symlink ? ops->symlink(&c, name, target, &child)
			       : -EPERM;

	reply_made(&c, err, child);
}

void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent,
	     const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	int err = ops->link ? ops->link(&c, node, name) : -EPERM;

	reply_made(&c, err, node);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t to, const char *to_name, unsigned int flags)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	fuse_reply_err(req, ops->rename
				    ? -ops->rename(&c, name, to, to_name, flags)
				    : EPERM);
}

void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	char target[PATH_MAX + 1];
	ssize_t n = ops->readlink ? ops->readlink(&c, target, sizeof(target))
				  : -EINVAL;

	if (n < 0)
		fuse_reply_err(req, -n);
	else
		fuse_reply_readlink(req, target);
}
