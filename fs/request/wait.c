/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that wait: see wait.h. */
#include "fs/request/wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/request/context.h"
#include "fs/request/memory.h"
#include "fs/request/inode.h"

/* A request of so many bytes that is set aside is no burden. */
#define WAIT_SMALL 4096

void waiters_init(struct worker *w)
{
	TAILQ_INIT(&w->waiters.events);
	TAILQ_INIT(&w->waiters.pins);
	TAILQ_INIT(&w->waiters.steps);
}

struct box_waits *box_waits(struct box *box)
{
	struct box_waits *bw = box_private(box);

	if (bw)
		return bw;
	bw = calloc(1, sizeof(*bw));
	if (!bw)
		return NULL;
	TAILQ_INIT(&bw->senders);
	TAILQ_INIT(&bw->movers);
	TAILQ_INIT(&bw->receivers);
	TAILQ_INIT(&bw->deferred);
	box_set_private(box, bw);
	return bw;
}

/*
 * The request being handled, of @uid, waits, with a payload of @len bytes.  One
 * that comes again has waited before, whatever the limits are by now.
 */
static int wait_charge(struct worker *w, uid_t uid, size_t len)
{
	int (*charge)(struct pool *, uid_t, enum user_item, uint64_t) =
		w->request.resent ? user_charge_anyway : user_charge;
	int err = charge(w->pool, uid, USER_WAITING, 1);

	if (!err) {
		err = charge(w->pool, uid, USER_WAITING_BYTES, len);
		if (err)
			user_uncharge(w->pool, uid, USER_WAITING, 1);
	}
	/* ENOSPC is what a full pool answers. */
	return err == -ENOSPC ? -ENOBUFS : err;
}

static void wait_uncharge(struct worker *w, uid_t uid, size_t len)
{
	user_uncharge(w->pool, uid, USER_WAITING, 1);
	user_uncharge(w->pool, uid, USER_WAITING_BYTES, len);
}

static void wait_remove(struct waiter *wt)
{
	struct worker *w = wt->worker;

	TAILQ_REMOVE(wt->queue, wt, link);
	w->waiters.nr--;
	wait_uncharge(w, wt->op.uid, wt->payload.len);
	free(wt->held);
	free(wt);
}

/* libfuse calls it in the loop's thread, which holds lock 1. */
static void wait_interrupted(fuse_req_t req, void *data)
{
	struct waiter *wt = data;

	wt->give_up(wt, EINTR);
	wait_remove(wt);
}

/* The payload must outlast the request: it is copied. */
static int wait_hold(struct worker *w, struct waiter *wt)
{
	struct payload *p = &wt->payload;

	wt->held = NULL;
	if (!p->len)
		return 0;
	if (!w->request.resent && memory_grow(w, p->len, false))
		return -ENOBUFS;
	wt->held = malloc(p->len);
	if (!wt->held)
		return -ENOMEM;
	p->mem = memcpy(wt->held, p->mem, p->len);
	return 0;
}

int wait_add(struct worker *w, struct waiter_queue *queue,
	     const struct waiter *model)
{
	struct waiter *wt;
	int err;

	if (w->closing)
		return -ESHUTDOWN;
	/* Its INTERRUPT can have overtaken it while it was deferred.  libfuse
	 * must not find that out below: it would use the request after the
	 * call that ends it. */
	if (!model->steady && fuse_req_interrupted(model->req))
		return -EINTR;
	err = wait_charge(w, model->op.uid, model->payload.len);
	if (err)
		return err;
	wt = malloc(sizeof(*wt));
	if (wt)
		*wt = *model;
	err = wt ? wait_hold(w, wt) : -ENOMEM;
	if (err)
		goto no_memory;
	wt->worker = w;
	wt->queue = queue;
	wt->seen = w->waiters.pass;
	w->waiters.nr++;
	TAILQ_INSERT_TAIL(queue, wt, link);
	if (!wt->steady)
		fuse_req_interrupt_func(wt->req, wait_interrupted, wt);
	return 0;

no_memory:
	free(wt);
	wait_uncharge(w, model->op.uid, model->payload.len);
	return err;
}

static bool wait_retry(struct waiter *wt)
{
	if (!wt->retry(wt))
		return false;
	wait_remove(wt);
	return true;
}

int wait_for_step(struct worker *w, const struct waiter *model)
{
	bool first = TAILQ_EMPTY(&w->waiters.steps);
	int err = first ? notify_steps(w) : 0;

	return err ? err : wait_add(w, &w->waiters.steps, model);
}

bool wait_step(struct worker *w)
{
	struct waiter *wt = TAILQ_FIRST(&w->waiters.steps);

	if (!wt)
		return false;
	/* Each in turn. */
	TAILQ_REMOVE(wt->queue, wt, link);
	TAILQ_INSERT_TAIL(wt->queue, wt, link);
	w->shared->handling = wt->op.token;
	wait_retry(wt);
	w->shared->handling = 0;
	return !TAILQ_EMPTY(&w->waiters.steps);
}

void wait_wake_box(struct worker *w, struct box *box)
{
	struct box_waits *bw = box_private(box);

	if (!bw || bw->woken)
		return;
	if (w->waiters.nr_woken == w->waiters.max_woken) {
		uint32_t max = w->waiters.max_woken * 2 + 16;
		uint64_t *woken = realloc(w->waiters.woken,
					  max * sizeof(*woken));

		if (!woken)
			return;
		w->waiters.woken = woken;
		w->waiters.max_woken = max;
	}
	bw->woken = true;
	w->waiters.woken[w->waiters.nr_woken++] = box_serial(box);
}

/* So many at a time, with lock 1 held: the kernel is called for each. */
#define POLLERS_AT_ONCE 256
#define WAITERS_AT_ONCE 64
#define RECEIVERS_AT_ONCE 256

/* Whether a job tells the rest. */
static bool *wait_telling(struct worker *w, struct box *box)
{
	struct box_waits *bw = box ? box_private(box) : NULL;

	return bw ? &bw->telling : &w->waiters.events_telling;
}

bool wait_tell_pollers(struct worker *w, struct box *box)
{
	uint32_t h;

	for (int i = 0; i < POLLERS_AT_ONCE; i++) {
		h = handle_next_polling(w->pool, box);
		if (!h)
			break;
		wire_notify_poll(w->fuse_fd, handle_poll_key(w->pool, h));
		/* A process that still waits polls again. */
		handle_set_poll_key(w->pool, h, 0);
	}
	*wait_telling(w, box) = handle_next_polling(w->pool, box);
	return *wait_telling(w, box);
}

static void wait_notify_pollers(struct worker *w, struct box *box)
{
	if (*wait_telling(w, box) || !wait_tell_pollers(w, box))
		return;
	/* Without memory for the job, all at once. */
	if (notify_pollers(w, box ? box_serial(box) : 0))
		while (wait_tell_pollers(w, box))
			;
}

/*
 * Those that wait for no space but for a move keep nobody from going on.  The
 * others: first come, first served.  Only a sender that holds space already may
 * overtake others: they wait for that space.
 */
static void wait_run_senders(struct worker *w, struct box_waits *bw)
{
	struct waiter *wt, *next;
	bool blocked = false;

	for (wt = TAILQ_FIRST(&bw->movers); wt; wt = next) {
		next = TAILQ_NEXT(wt, link);
		wait_retry(wt);
	}
	for (wt = TAILQ_FIRST(&bw->senders); wt; wt = next) {
		next = TAILQ_NEXT(wt, link);
		if (blocked && !tx_has_space(w->pool, wt->handle))
			continue;
		if (!wait_retry(wt))
			blocked = true;
	}
}

bool wait_run_receivers(struct box *box)
{
	struct box_waits *bw = box_private(box);
	struct waiter *wt;

	bw->receiving = false;
	for (int i = 0; i < RECEIVERS_AT_ONCE; i++) {
		wt = TAILQ_FIRST(&bw->receivers);
		if (!wt || !wait_retry(wt))
			return false;
	}
	bw->receiving = !TAILQ_EMPTY(&bw->receivers);
	return bw->receiving;
}

static void wait_run_box(struct worker *w, struct box *box)
{
	struct box_waits *bw = box_private(box);

	if (!bw)
		return;
	bw->woken = false;
	wait_run_senders(w, bw);
	/* Else a job does it.  Without memory for one, all at once. */
	if (!bw->receiving && wait_run_receivers(box) &&
	    notify_receivers(w, box_serial(box)))
		while (wait_run_receivers(box))
			;
	if (bw->polled) {
		bw->polled = false;
		wait_notify_pollers(w, box);
	}
}

void wait_wake_pins(struct worker *w)
{
	w->waiters.pins_woken = !TAILQ_EMPTY(&w->waiters.pins);
}

void wait_run(struct worker *w)
{
	/* Running one may wake another. */
	while (w->waiters.nr_woken) {
		uint64_t serial = w->waiters.woken[--w->waiters.nr_woken];
		struct box *box = box_by_serial(w->pool, serial);

		if (box)
			wait_run_box(w, box);
	}
}

void wait_begin_news(struct worker *w)
{
	struct waiters *ws = &w->waiters;

	ws->pass++;
	ws->pins_run = ws->pins_woken;
	ws->pins_woken = false;
}

/*
 * What was tried goes to the end of the queue; who comes there meanwhile has
 * looked for itself.  Return: are there more?
 */
static bool wait_run_some(struct waiters *ws, struct waiter_queue *queue)
{
	struct waiter *wt;

	for (int i = 0; i < WAITERS_AT_ONCE; i++) {
		wt = TAILQ_FIRST(queue);
		if (!wt || wt->seen == ws->pass)
			return false;
		wt->seen = ws->pass;
		if (wait_retry(wt))
			continue;
		TAILQ_REMOVE(queue, wt, link);
		TAILQ_INSERT_TAIL(queue, wt, link);
	}
	return true;
}

bool wait_run_news(struct worker *w)
{
	struct waiters *ws = &w->waiters;

	if (wait_run_some(ws, &ws->events) ||
	    (ws->pins_run && wait_run_some(ws, &ws->pins)))
		return true;
	ws->pins_run = false;
	if (ws->events_polled) {
		ws->events_polled = false;
		wait_notify_pollers(w, NULL);
	}
	return false;
}

static void wait_give_up_queue(struct waiter_queue *queue, int error)
{
	struct waiter *wt;

	while ((wt = TAILQ_FIRST(queue))) {
		wt->give_up(wt, error);
		wait_remove(wt);
	}
}

void wait_give_up_all(struct worker *w, int error)
{
	struct box *box = NULL;

	w->closing = true;
	wait_give_up_queue(&w->waiters.events, error);
	wait_give_up_queue(&w->waiters.pins, error);
	wait_give_up_queue(&w->waiters.steps, error);
	while ((box = box_next(w->pool, box ? box_serial(box) : 0))) {
		struct box_waits *bw = box_private(box);

		if (!bw)
			continue;
		wait_give_up_queue(&bw->senders, error);
		wait_give_up_queue(&bw->movers, error);
		wait_give_up_queue(&bw->receivers, error);
	}
}

static struct box *wait_box_of(struct worker *w, uint64_t ino)
{
	uint64_t index = inode_index(ino);
	struct box *box = NULL;
	struct tx_info tx;

	if (inode_kind(ino) == INODE_TX)
		tx_by_slot(w->pool, index >> 32, index, &box, &tx);
	else if (inode_kind(ino) >= INODE_BOX)
		box = box_by_serial(w->pool, index);
	return box;
}

/* A sender whose bytes were refused has not sent a whole transaction. */
static void wait_refuse(struct worker *w, const void *buf, size_t len, int err)
{
	struct wire_write wr;
	struct box *box;

	if (wire_parse_write(buf, len, &wr) &&
	    handle_lookup(w->pool, wr.fh, &box) == HANDLE_SEND)
		tx_interrupted(w->pool, wr.fh);
	wire_reply_error(w->fuse_fd, w->request.raw_unique, err);
}

bool wait_defer(struct worker *w, const void *buf, size_t len)
{
	struct raw_request *raw;
	struct box_waits *bw;
	struct box *box;
	int err;

	/* It was carried out before the last worker was killed, and must be
	 * answered before another one is carried out. */
	if (pool_replays(w->pool, w->request.unique))
		return false;
	/* The kernel may need these answered to drop its copies. */
	if (!wire_has_reply(&w->request) ||
	    (w->request.op == WIRE_READ &&
	     inode_kind(w->request.ino) == INODE_BOX + BOX_DATA))
		return false;
	box = wait_box_of(w, w->request.ino);
	bw = box ? box_private(box) : NULL;
	if (!bw || !bw->invalidations)
		return false;
	raw = malloc(sizeof(*raw) + len);
	if (!raw)
		return false;
	raw->len = len;
	raw->uid = w->request.uid;
	/* What is small may be what frees memory: it is never refused. */
	raw->charged = w->request.op == WIRE_WRITE || len > WAIT_SMALL;
	err = raw->charged ? wait_charge(w, raw->uid, len) : 0;
	if (err) {
		free(raw);
		wait_refuse(w, buf, len, err);
		return true;
	}
	memcpy(raw->bytes, buf, len);
	TAILQ_INSERT_TAIL(&bw->deferred, raw, link);
	return true;
}

struct raw_request *wait_next_deferred(struct worker *w, struct box *box)
{
	struct box_waits *bw = box_private(box);
	struct raw_request *raw;

	raw = bw->invalidations ? NULL : TAILQ_FIRST(&bw->deferred);
	if (!raw)
		return NULL;
	TAILQ_REMOVE(&bw->deferred, raw, link);
	if (raw->charged)
		wait_uncharge(w, raw->uid, raw->len);
	return raw;
}
