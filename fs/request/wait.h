/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that wait: a sender for space, a receiver for a transaction, a
 * reader of .pool/events for news, and requests on a box whose last
 * transaction is still settling (cached mode).
 *
 * All of it is guarded by pool->lock (1).
 */
#ifndef POOLFS_WAIT_H
#define POOLFS_WAIT_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/pool.h"

struct worker;
struct waiter;
TAILQ_HEAD(waiter_queue, waiter);

struct waiter {
	TAILQ_ENTRY(waiter) link; /* of its queue */
	struct waiter_queue *queue;
	struct worker *worker;
	fuse_req_t req;
	uint64_t unique;
	uint32_t handle;
	size_t size; /* a reader's buffer */
	bool commit; /* a sender's: queue it at once */
	struct payload payload; /* a sender's */
	void *held; /* where that is: a copy, or a whole request buffer */
	size_t cost; /* bytes of that */
	bool keeps_buffer;
	/* Tries again: true when it has answered. */
	bool (*retry)(struct waiter *);
	/* A signal, or the end of the mount: answers. */
	void (*give_up)(struct waiter *, int error);
};

struct raw_request {
	TAILQ_ENTRY(raw_request) link;
	size_t len;
	char bytes[];
};
TAILQ_HEAD(raw_queue, raw_request);

/* What the front end keeps for a box; box_private(). */
struct box_waits {
	struct waiter_queue senders;
	struct waiter_queue receivers;
	struct raw_queue deferred;
	uint32_t settling;
	uint16_t door; /* the last one of its send: see node.h */
	bool polled;
	bool woken; /* its serial is in waiters.woken */
	bool listed; /* the kernel may have a listing of its tx/ */
};

struct waiters {
	struct waiter_queue events;
	uint64_t *woken; /* serials of boxes to look at */
	uint32_t nr_woken, max_woken;
	uint64_t bytes; /* payloads held for senders */
	uint32_t nr;
	bool events_polled;
};

void waiters_init(struct worker *w);

/** box_waits - of a box, made if need be; NULL: no memory. */
struct box_waits *box_waits(struct box *box);

/**
 * wait_add - the request waits.
 * @model: copied; its payload's bytes too.
 * Return: 0, -ENOMEM, -ENOBUFS (too much is waiting already), -EINTR,
 * -ESHUTDOWN; the caller answers then.
 */
int wait_add(struct worker *w, struct waiter_queue *queue,
	     const struct waiter *model);

/** wait_wake_box - there may be something new for those who wait on it. */
void wait_wake_box(struct worker *w, struct box *box);

/** wait_run - retry whoever has been woken.  After a request was answered. */
void wait_run(struct worker *w);
void wait_run_events(struct worker *w);

/** wait_give_up_all - the mount ends. */
void wait_give_up_all(struct worker *w, int error);

/** wait_defer - must the request wait until its box has settled?  Then it is
 * kept and comes again by itself. */
bool wait_defer(struct worker *w, const void *buf, size_t len);
void wait_settled(struct worker *w, struct box *box);

#endif
