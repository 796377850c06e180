/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operations on all kinds of inodes share: see call.h. */
#include "fs/request/call.h"

#include <errno.h>
#include <string.h>

#include "fs/kernel/process.h"
#include "pool/tree/tree.h"

int call_getattr(struct call *c, struct stat *st)
{
	int err;

	memset(st, 0, sizeof(*st));
	if (!c->ops->getattr)
		return -ENOENT;
	/* Before the attributes are had, which may be kept if all have gone. */
	if (inode_kind(c->ino) == INODE_PLAIN)
		inode_check_writers(c->w->pool, c->index);
	err = c->ops->getattr(c, st);
	if (inode_kind(c->ino) == INODE_PLAIN)
		return err;
	st->st_ino = inode_shown(c->w->pool, c->ino);
	st->st_blksize = 4096;
	return err;
}

double attr_timeout(struct worker *w, uint64_t ino, mode_t mode)
{
	enum inode_kind kind = inode_kind(ino);

	/* A write clears these bits, and its answer cannot say so. */
	if (kind == INODE_PLAIN && S_ISREG(mode) && mode & (S_ISUID | S_ISGID))
		return 0;
	/* A mapping changes times and blocks, and the kernel does not know. */
	if (kind == INODE_PLAIN && inode_is_written(w->pool, ino))
		return 0;
	/* So is the entry's, and the look-up before each open brings them. */
	if (kind == INODE_BOX + BOX_SEND)
		return SHORT_TIMEOUT;
	return kind == INODE_BOX + BOX_TX || kind == INODE_FIXED ? 0
								 : LONG_TIMEOUT;
}

/* A shrinker comes and goes by itself, and send has another alias each time. */
static double entry_timeout(uint64_t ino)
{
	enum inode_kind kind = inode_kind(ino);

	return kind == INODE_SHRINKER || kind == INODE_BOX + BOX_SEND
		       ? 0
		       : LONG_TIMEOUT;
}

int entry_of(const struct call *c, const struct inode_ops *ops, uint64_t child,
	     struct fuse_entry_param *e)
{
	struct call of = *c;
	int err;

	memset(e, 0, sizeof(*e));
	of.ino = child;
	of.index = inode_index(child);
	of.ops = ops;
	err = call_getattr(&of, &e->attr);
	e->ino = child;
	if (inode_kind(child) == INODE_PLAIN)
		e->generation = inode_generation(c->w->pool, child);
	e->attr_timeout = attr_timeout(c->w, child, e->attr.st_mode);
	e->entry_timeout = entry_timeout(child);
	return err;
}

void reply_open(struct call *c, uint32_t handle, uint32_t flags,
		int32_t backing_id)
{
	struct wire_open out = { .fh = handle,
				 .flags = flags,
				 .backing_id = backing_id };

	fuse_reply_buf(c->req, (const char *)&out, sizeof(out));
}

int open_handle(struct call *c, enum handle_kind kind, struct box *box,
		uint32_t tx, uint32_t *handle)
{
	struct op op = c->op;

	op.pid = process_of(c->ctx->pid);
	return handle_open(c->w->pool, &op, kind, box, tx, handle);
}

int open_text(struct call *c, const char *text, uint32_t *handle)
{
	struct op op = c->op;

	op.pid = process_of(c->ctx->pid);
	return handle_open_text(c->w->pool, &op, text, strlen(text), handle);
}

void poll_register(struct call *c, struct box *box, uint64_t key,
		   uint32_t handle)
{
	struct box_waits *bw = box ? box_waits(box) : NULL;

	if (!key)
		return;
	handle_set_poll_key(c->w->pool, handle, key);
	if (bw)
		bw->polled = true;
	else
		c->w->waiters.events_polled = true;
}
