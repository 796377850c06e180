/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's loop: reads requests, one after another, and has them answered.
 *
 * Locks: a request is read with none, and handled with 1.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "fs/request/buffer.h"
#include "fs/worker/follow.h"

ssize_t worker_read(struct worker *w, void *buf)
{
	ssize_t n;

	do
		n = read(w->fuse_fd, buf, REQUEST_MAX);
	while (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT));
	return n < 0 ? -errno : n;
}

void worker_turn(struct worker *w)
{
	uint32_t turns = atomic_load_explicit(&w->shared->turns,
					      memory_order_relaxed);

	atomic_store_explicit(&w->shared->turns, turns + 1,
			      memory_order_relaxed);
}

/*
 * Files to be ended at a time, while there is no request, and after one.  None after
 * a request that forgets: the kernel sends up to 16 of those, which may name one inode
 * each, before one that somebody waits for.
 */
#define END_SOME 8
#define END_AFTER 2

/* One request waits for a part of it at most. */
static void worker_end_more(struct worker *w)
{
	struct pollfd fuse = { .fd = w->fuse_fd, .events = POLLIN };
	bool more = true;

	while (more && poll(&fuse, 1, 0) == 0) {
		pool_lock(w->pool);
		more = inodes_end_some(w->pool, END_SOME);
		pool_unlock(w->pool);
	}
}

int worker_loop(struct worker *w)
{
	struct follow follow = { 0 };
	bool more;
	ssize_t n = w->init_swallow ? worker_handle_resent(w) : 0;

	worker_end_more(w);
	while (n >= 0 && (n = worker_read(w, w->buffer)) > 0) {
		worker_turn(w);
		pool_lock(w->pool);
		worker_handle_locked(w, w->buffer, n);
		buffer_done(w->buffer, n);
		more = inodes_end_some(
			w->pool, w->request.op == WIRE_FORGET ? 0 : END_AFTER);
		pool_unlock(w->pool);
		worker_turn(w);
		if (more)
			worker_end_more(w);
		follow_client(&follow, w->request.pid);
	}
	return n == -ENODEV ? WORKER_UNMOUNTED : WORKER_FAILED;
}
