/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker does because there was another before it: answers what was
 * left unanswered, refuses what has crashed others, adopts what only they knew.
 *
 * Locks: worker_handle_resent() takes 1; all else is called with 1 held.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Crashes in a row that a request is blamed for. */
#define CRASHES_MAX 3

/* A request that has killed one worker after another is not tried again. */
bool worker_refuses(struct worker *w)
{
	struct wire_request *r = &w->request;

	if (!r->resent || r->op == WIRE_UNANSWERED ||
	    w->shared->crashes < CRASHES_MAX || w->shared->blamed != r->unique)
		return false;
	wire_reply_error(w->fuse_fd, r->raw_unique, -EIO);
	return true;
}

/* Reads one request into memory of its own.  Return: 0, -EAGAIN: none is there.
 */
static int worker_read_raw(struct worker *w, struct raw_request **out)
{
	struct raw_request *raw;
	ssize_t n;

	do
		n = read(w->fuse_fd, w->buffer, REQUEST_MAX);
	while (n < 0 && (errno == EINTR || errno == ENOENT));
	if (n < 0)
		return -errno;
	raw = malloc(sizeof(*raw) + n);
	if (!raw)
		return -ENOMEM;
	raw->len = n;
	memcpy(raw->bytes, w->buffer, n);
	*out = raw;
	return 0;
}

/*
 * What earlier workers left unanswered comes again in no order, and only the
 * last thing that was carried out is known to have been: it must be answered
 * before another is carried out.  So all are read, and that one goes first.
 */
static int worker_read_resent(struct worker *w, struct raw_queue *all)
{
	struct wire_request r = { .resent = true };
	struct raw_request *raw = NULL;
	int err = 0;

	while (!err && (r.resent || r.op == WIRE_UNANSWERED)) {
		err = worker_read_raw(w, &raw);
		if (err)
			break;
		if (wire_parse(raw->bytes, raw->len, &r) && r.resent &&
		    pool_replays(w->pool, r.unique))
			TAILQ_INSERT_HEAD(all, raw, link);
		else
			TAILQ_INSERT_TAIL(all, raw, link);
	}
	return err == -EAGAIN ? 0 : err;
}

int worker_handle_resent(struct worker *w)
{
	struct raw_queue all = TAILQ_HEAD_INITIALIZER(all);
	struct raw_request *raw;
	int err;

	pool_lock(w->pool);
	/* Where their end is: nothing more can be read at once. */
	err = fcntl(w->fuse_fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ? -errno : 0;
	if (!err)
		err = worker_read_resent(w, &all);
	if (fcntl(w->fuse_fd, F_SETFL, O_RDWR) < 0)
		err = -errno;
	while (!err && (raw = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, raw, link);
		worker_handle_locked(w, raw->bytes, raw->len);
		free(raw);
	}
	pool_unlock(w->pool);
	return err;
}

/* Whether the kernel has listings, only earlier workers knew. */
void worker_forget_listings(struct worker *w)
{
	struct box *box = NULL;

	notify_listing(w, node_number(NODE_FIXED, FIXED_SHRINKERS));
	while ((box = box_next(w->pool, box ? box_serial(box) : 0)))
		notify_listing(w, node_of_box(box, BOX_TX));
}

static void forget_range(void *arg, uint32_t node, uint64_t off, uint64_t len)
{
	notify_range_gone(arg, node, off, len);
}

/* The worker that purged it may have been killed before it said so. */
void worker_forget_purged(struct worker *w)
{
	uint32_t node = 0;

	while ((node = tree_next_known(w->pool, node, TREE_KNOWN_GONE)))
		notify_file_gone(w, node, 0, "", false);
	/* nor of a file that the kernel has seen in a listing only */
	notify_file_gone(w, 0, 0, "", true);
	/* In passthrough mode there are no copies. */
	if (w->mode == MODE_CACHED)
		tree_each_lost(w->pool, forget_range, w);
}

/* Pollers of before are known by their handles only. */
void worker_adopt_pollers(struct worker *w)
{
	struct box *box = NULL;

	while ((box = box_next(w->pool, box ? box_serial(box) : 0))) {
		struct box_waits *bw;

		if (!handle_next_polling(w->pool, box, 0))
			continue;
		bw = box_waits(box);
		if (bw)
			bw->polled = true;
		wait_wake_box(w, box);
	}
	w->waiters.events_polled = true;
	wait_run(w);
}
