/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on attributes, and how long the kernel may keep them.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int call_getattr(struct call *c, struct stat *st)
{
	const struct node_ops *ops = node_ops(c->node);
	int err;

	memset(st, 0, sizeof(*st));
	if (!ops->getattr)
		return -ENOENT;
	err = ops->getattr(c, st);
	if (node_kind(c->node) == NODE_PLAIN)
		return err;
	/* All doors of a send are one file. */
	st->st_ino = node_number(node_kind(c->node), c->index);
	st->st_blksize = 4096;
	return err;
}

/*
 * A writer of a mapping changes the times of an open file, and the kernel does
 * not know.
 */
#define MAPPED_TIMEOUT 1.0

double attr_timeout(struct worker *w, uint64_t node)
{
	enum node_kind kind = node_kind(node);

	if (kind == NODE_PLAIN && w->mode == MODE_PASSTHROUGH &&
	    tree_opens(w->pool, node))
		return MAPPED_TIMEOUT;
	return kind == NODE_BOX + BOX_TX || kind == NODE_FIXED ? 0
							       : LONG_TIMEOUT;
}

static struct statx_timestamp statx_time(struct timespec t)
{
	return (struct statx_timestamp){ .tv_sec = t.tv_sec,
					 .tv_nsec = t.tv_nsec };
}

static void statx_of_stat(const struct stat *st, struct statx *out)
{
	*out = (struct statx){ .stx_mask = STATX_BASIC_STATS,
			       .stx_blksize = st->st_blksize,
			       .stx_nlink = st->st_nlink,
			       .stx_uid = st->st_uid,
			       .stx_gid = st->st_gid,
			       .stx_mode = st->st_mode,
			       .stx_ino = st->st_ino,
			       .stx_size = st->st_size,
			       .stx_blocks = st->st_blocks,
			       .stx_atime = statx_time(st->st_atim),
			       .stx_ctime = statx_time(st->st_ctim),
			       .stx_mtime = statx_time(st->st_mtim) };
}

void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	struct stat st;
	int err = call_getattr(&c, &st);

	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, attr_timeout(c.w, node));
}

/* libfuse knows no STATX; only plain files have a time of birth. */
void op_statx(struct worker *w)
{
	struct call c = { .w = w,
			  .node = w->request.node,
			  .index = node_index(w->request.node) };
	struct wire_statx reply;
	struct statx stx = { 0 };
	int err;

	if (node_kind(c.node) == NODE_PLAIN) {
		err = tree_stat(w->pool, c.index, &stx);
	} else {
		struct stat st;

		err = call_getattr(&c, &st);
		statx_of_stat(&st, &stx);
	}
	if (!err) {
		wire_statx_fill(&reply, &stx, attr_timeout(w, c.node));
		wire_reply(w->fuse_fd, w->request.raw_unique, &reply,
			   sizeof(reply));
	} else {
		wire_reply_error(w->fuse_fd, w->request.raw_unique, err);
	}
}

void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	int err = ops->setattr ? ops->setattr(&c, attr, to_set) : -EPERM;

	if (err)
		fuse_reply_err(req, -err);
	else
		op_getattr(req, node, fi);
}

void owner_stat(struct call *c, struct stat *st, mode_t mode)
{
	st->st_mode = mode;
	st->st_nlink = S_ISDIR(mode) ? 2 : 1;
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_mtim = st->st_ctim = st->st_atim = c->w->started;
}
