/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker does because there was another before it: answers what was left
 * unanswered, and adopts what only earlier workers knew.
 *
 * Locks: worker_handle_resent() takes 1; all else is called with 1 held.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/request/buffer.h"
#include "fs/request/forget.h"
#include "pool/tree/tree.h"

/*
 * Reads one request.  @out: from malloc().  Return: 0; -EAGAIN: there is none.
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
 * Requests that earlier workers left unanswered come again in no order.  At
 * most one of them was carried out, and the journal knows it until the next one
 * is carried out.  So all are read, and that one goes first.
 */
static int worker_read_resent(struct worker *w, struct raw_queue *all)
{
	struct wire_request r = { .resent = true };
	struct raw_request *raw = NULL;
	int err = 0;

	while (!err && (r.resent || !wire_has_reply(&r))) {
		err = worker_read_raw(w, &raw);
		if (err)
			break;
		if (!wire_parse(raw->bytes, raw->len, &r) ||
		    r.op == WIRE_FORGET) {
			/* Not later: it would be lost with this worker. */
			worker_handle_locked(w, raw->bytes, raw->len);
			buffer_done(w->buffer, raw->len);
			free(raw);
			continue;
		}
		if (r.resent)
			listed_resent(w, r.unique);
		if (r.resent && pool_replays(w->pool, r.unique)) {
			TAILQ_INSERT_HEAD(all, raw, link);
		} else {
			TAILQ_INSERT_TAIL(all, raw, link);
		}
	}
	return err == -EAGAIN ? 0 : err;
}

int worker_handle_resent(struct worker *w)
{
	struct raw_queue all = TAILQ_HEAD_INITIALIZER(all);
	struct raw_request *raw;
	int err;

	pool_lock(w->pool);
	/* They end where a read would wait. */
	err = fcntl(w->fuse_fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ? -errno : 0;
	if (!err)
		err = worker_read_resent(w, &all);
	if (fcntl(w->fuse_fd, F_SETFL, O_RDWR) < 0)
		err = -errno;
	while (!err && (raw = TAILQ_FIRST(&all))) {
		TAILQ_REMOVE(&all, raw, link);
		worker_turn(w);
		worker_handle_locked(w, raw->bytes, raw->len);
		worker_turn(w);
		free(raw);
	}
	pool_unlock(w->pool);
	return err;
}

int worker_forget_copies(struct worker *w)
{
	struct box *box = NULL;
	int err = 0;

	while (!err && (box = box_next(w->pool, box ? box_serial(box) : 0)))
		err = notify_box_blocking(w, box, 0, 0, 0);
	return err;
}

static void forget_range(void *arg, uint32_t ino, uint64_t off, uint64_t len)
{
	notify_range_purged(worker_of(arg), ino, off, len);
}

/*
 * The worker that purged them may have been killed before it told the kernel.
 */
void worker_forget_purged(struct worker *w)
{
	uint32_t ino = 0;

	while ((ino = inode_next_known(w->pool, ino, INODE_KNOWN_DEAD)))
		notify_file_purged(w, ino, 0, "", false);
	/* Also of files that the kernel has seen in a listing only, and of
	 * transactions. */
	notify_all_listings(w, true);
	/* In passthrough mode the kernel has no copies. */
	if (w->mode == MODE_CACHED)
		vrange_each_stale(w->pool, forget_range, w);
}

void worker_adopt_pollers(struct worker *w)
{
	struct box *box = NULL;

	while ((box = box_next(w->pool, box ? box_serial(box) : 0))) {
		struct box_waits *bw;

		if (!handle_next_polling(w->pool, box))
			continue;
		bw = box_waits(box);
		if (bw)
			bw->polled = true;
		wait_wake_box(w, box);
	}
	w->waiters.events_polled = true;
	wait_run(w);
}
