/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's loop: reads requests, one after another, and has them answered.
 *
 * Locks: a request is read with none, and handled with 1.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/worker/follow.h"

void worker_handle_locked(struct worker *w, void *buf, size_t len)
{
	struct fuse_buf fbuf = { .mem = buf, .size = len };

	if (!wire_parse(buf, len, &w->request) || worker_refuses(w) ||
	    (w->mode == MODE_CACHED && wait_defer(w, buf, len)))
		return;
	w->requests++;
	/* An INTERRUPT or FORGET changes nothing that a token could name. */
	if (w->request.op != WIRE_UNANSWERED)
		pool_set_token(w->pool, w->request.unique);
	w->shared->handling = w->request.unique;
	if (w->request.op == WIRE_TMPFILE)
		wire_as_create(buf);
	if (w->request.op == WIRE_STATX)
		op_statx(w);
	else if (w->request.op != WIRE_WRITE ||
		 node_kind(w->request.node) != NODE_BOX + BOX_SEND ||
		 !send_write_fast(w, buf, len))
		fuse_session_process_buf(w->se, &fbuf);
	wait_run(w);
	w->shared->handling = 0;
}

ssize_t worker_read(struct worker *w, void *buf)
{
	ssize_t n;

	do
		n = read(w->fuse_fd, buf, REQUEST_MAX);
	while (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT));
	return n < 0 ? -errno : n;
}

/*
 * On a huge page if there is one: the kernel pins it piece by piece.  It is
 * touched beforehand: a worker that is killed while the kernel copies a request
 * gets no page any more, and the request would fail with EIO.
 */
void *worker_buffer_get(struct worker *w)
{
	volatile char *buf = w->spare_buffer;

	w->spare_buffer = NULL;
	if (buf)
		return (void *)buf;
	buf = aligned_alloc(REQUEST_BUFFER, REQUEST_BUFFER);
	if (!buf)
		return NULL;
	madvise((void *)buf, REQUEST_BUFFER, MADV_HUGEPAGE);
	for (size_t at = 0; at < REQUEST_BUFFER; at += 4096)
		buf[at] = 0;
	return (void *)buf;
}

void worker_buffer_put(struct worker *w, void *buffer)
{
	free(w->spare_buffer);
	w->spare_buffer = buffer;
}

int worker_loop(struct worker *w)
{
	struct follow follow = { 0 };
	ssize_t n = -ENOMEM;

	w->buffer = worker_buffer_get(w);
	if (w->buffer)
		n = w->init_swallow ? worker_handle_resent(w) : 0;
	while (n >= 0 && (n = worker_read(w, w->buffer)) > 0) {
		pool_lock(w->pool);
		worker_handle_locked(w, w->buffer, n);
		pool_unlock(w->pool);
		follow_client(&follow, w->request.pid);
	}
	free(w->buffer);
	return n == -ENODEV ? WORKER_UNMOUNTED : WORKER_FAILED;
}
