/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on attributes.
 */
#include "fs/ops/ops_priv.h"

#include <errno.h>

#include "fs/kind/plain.h"
#include "pool/tree/tree.h"

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

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);
	struct stat st;
	int err = call_getattr(&c, &st);

	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, attr_timeout(c.w, ino, st.st_mode));
}

/* Only plain files have a time of birth. */
void op_statx(struct worker *w)
{
	struct call c = { .w = w,
			  .ino = w->request.ino,
			  .index = inode_index(w->request.ino),
			  .ops = kind_ops(w->request.ino) };
	struct wire_statx reply;
	struct statx stx = { 0 };
	int err;

	if (inode_kind(c.ino) == INODE_PLAIN) {
		inode_check_writers(w->pool, c.index);
		err = plain_statx(w, c.index, &stx);
	} else {
		struct stat st;

		err = call_getattr(&c, &st);
		statx_of_stat(&st, &stx);
	}
	if (!err) {
		wire_statx_fill(&reply, &stx,
				attr_timeout(w, c.ino, stx.stx_mode));
		wire_reply(w->fuse_fd, w->request.raw_unique, &reply,
			   sizeof(reply));
	} else {
		wire_reply_error(w->fuse_fd, w->request.raw_unique, err);
	}
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct call c = call_of(req, ino);
	int err = c.ops->setattr ? c.ops->setattr(&c, attr, to_set) : -EPERM;

	if (err < 0)
		fuse_reply_err(req, -err);
	else if (err != REPLY_LATER)
		op_getattr(req, ino, fi);
}
