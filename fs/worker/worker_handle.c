/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of one request: refused, deferred, answered without libfuse, or given
 * to libfuse, which calls fs/ops/.
 *
 * Locks: 1 held.
 */
#include <errno.h>

#include "fs/kernel/process.h"
#include "fs/kernel/wire_caller.h"
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

/* Return: 0 or -errno: who it is cannot be found out. */
static int caller_find(struct worker *w, const void *buf, size_t len,
		       uid_t *uid, gid_t *gid)
{
	bool plain = inode_kind(w->request.ino) == INODE_PLAIN;
	uint64_t fh;
	struct box *box;

	switch (wire_caller(buf, len, plain, &fh)) {
	case CALLER_PROCESS:
		return process_ids(w->request.pid, uid, gid) ? -EOVERFLOW : 0;
	case CALLER_MAY_BE:
		process_ids(w->request.pid, uid, gid);
		return 0;
	case CALLER_HANDLE:
		if (handle_lookup(w->pool, fh, &box) != HANDLE_NONE)
			*uid = handle_uid(w->pool, fh);
		return 0;
	case CALLER_REFUSED:
		return -EOVERFLOW;
	default:
		return 0;
	}
}

/* Return: false: refused. */
static bool worker_knows_caller(struct worker *w, void *buf, size_t len)
{
	uid_t uid = -1;
	gid_t gid = -1;
	int err;

	if (!w->features.idmap || w->request.uid != (uid_t)-1)
		return true;
	err = caller_find(w, buf, len, &uid, &gid);
	if (err) {
		wire_reply_error(w->fuse_fd, w->request.raw_unique, err);
		return false;
	}
	wire_set_caller(buf, uid, gid);
	w->request.uid = uid;
	return true;
}

void worker_handle_locked(struct worker *w, void *buf, size_t len)
{
	struct fuse_buf fbuf = { .mem = buf, .size = len };

	if (!wire_parse(buf, len, &w->request) || worker_refuses(w) ||
	    !worker_knows_caller(w, buf, len) ||
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
