/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of one request: refused, deferred, answered without libfuse, or given
 * to libfuse, which calls fs/ops/.
 *
 * Locks: 1 held.
 */
#include <errno.h>

#include "fs/kind/box.h"
#include "fs/ops/ops.h"
#include "fs/request/forget.h"
#include "fs/worker/worker_priv.h"

/* Return: true: answered. */
static bool worker_refuses(struct worker *w)
{
	struct wire_request *r = &w->request;

	if (!r->resent || !wire_has_reply(r) || w->shared->blame < BLAME_MAX ||
	    w->shared->blamed != r->unique)
		return false;
	wire_reply_error(w->fuse_fd, r->raw_unique, -EIO);
	return true;
}

void worker_handle_locked(struct worker *w, void *buf, size_t len)
{
	struct fuse_buf fbuf = { .mem = buf, .size = len };

	if (!wire_parse(buf, len, &w->request) || worker_refuses(w) ||
	    (w->mode == MODE_CACHED && wait_defer(w, buf, len)))
		return;
	w->requests++;
	w->shared->handling = w->request.unique;
	if (w->request.op == WIRE_TMPFILE)
		wire_as_create(buf);
	if (w->request.op == WIRE_FORGET)
		forget_handle(w, buf, len);
	else if (w->request.op == WIRE_STATX)
		op_statx(w);
	else if (w->request.op != WIRE_WRITE ||
		 inode_kind(w->request.ino) != INODE_BOX + BOX_SEND ||
		 !send_write_fast(w, buf, len))
		fuse_session_process_buf(w->se, &fbuf);
	wait_run(w);
	w->shared->handling = 0;
}
