/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that wait: a sender for space, a receiver for a transaction, a
 * reader of .pool/events for news, and, in cached mode, any request on a box
 * for the kernel's stale copies of its data to be dropped.
 *
 * Locks: pool->lock (1) guards all of it, and is held by all callers.
 */
#ifndef POOLFS_FS_REQUEST_WAIT_H
#define POOLFS_FS_REQUEST_WAIT_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "pool/pool.h"

struct worker;
struct waiter;
TAILQ_HEAD(waiter_queue, waiter);

struct waiter {
	TAILQ_ENTRY(waiter) link; /* of its queue */
	struct waiter_queue *queue;
	struct worker *worker;
	fuse_req_t req;
	struct op op; /* as when it came first */
	uint32_t handle;
	size_t size; /* bytes of a reader's buffer */
	uint64_t off, len; /* bytes that a pin is for; @handle: its inode */
	uint32_t seen; /* the pass of wait_run_news() that has tried it */
	bool commit; /* a sender's: queue the transaction at once */
	bool moves_only; /* a sender's that does not wait for space */
	bool steady; /* an INTERRUPT does not end it */
	int mode; /* of an allocation */
	struct tree_steps steps; /* the same */
	struct payload payload; /* a sender's */
	void *held; /* the payload's memory */
	/* Tries again.  Return: true when it has answered. */
	bool (*retry)(struct waiter *);
	/* Answers: @error is EINTR, or ESHUTDOWN at the end of the mount. */
	void (*give_up)(struct waiter *, int error);
};

/* A request as the kernel sent it. */
struct raw_request {
	TAILQ_ENTRY(raw_request) link;
	size_t len;
	uid_t uid; /* whose it is */
	bool charged; /* as one that waits */
	_Alignas(8) char bytes[]; /* as the headers in it */
};
TAILQ_HEAD(raw_queue, raw_request);

/* What the front end keeps for a box; box_private(). */
struct box_waits {
	struct waiter_queue senders; /* for space */
	struct waiter_queue movers; /* their transactions move: see move.c */
	struct waiter_queue receivers;
	struct raw_queue deferred; /* while there are invalidations */
	uint32_t invalidations; /* NOTIFY_BOX_BLOCKING jobs that are not done */
	uint16_t alias; /* the newest one of its send: see inode.h */
	bool polled;
	bool receiving; /* a job has more receivers try again */
	bool telling; /* there are more of them than were told at once */
	bool woken; /* its serial is in waiters.woken */
	bool unlisted; /* the kernel has no listing of its tx/ */
	/* CLOCK_REALTIME, by this worker, 0: never: see box_tx_changed(). */
	struct timespec queued;
};

struct waiters {
	struct waiter_queue events;
	struct waiter_queue pins; /* for holes that are late */
	struct waiter_queue steps; /* for their next step */
	bool pins_woken, pins_run; /* by the next pass; by this one */
	uint32_t pass; /* of wait_run_news() */
	uint64_t *woken; /* serials of boxes to look at */
	uint32_t nr_woken, max_woken;
	uint32_t nr;
	bool events_polled;
	bool events_telling; /* as box_waits.telling */
};

void waiters_init(struct worker *w);

/** box_waits - of a box, made if need be; NULL: no memory. */
struct box_waits *box_waits(struct box *box);

/**
 * wait_add - the request being handled waits; whatever wakes it, it is answered
 * by @model's callbacks.
 * @model: copied, with the bytes of its payload.
 *
 * Return: 0; -EDQUOT: too much of its user waits; -ENOBUFS: of all users but
 * the pool's owner; -ENOMEM; -EINTR; -ESHUTDOWN.  After an error the caller must
 * answer.
 */
int wait_add(struct worker *w, struct waiter_queue *queue,
	     const struct waiter *model);

/**
 * wait_for_step - the request being handled has done a part of its work, and
 * does the rest in steps (@model's retry), as -EINPROGRESS says.  Others are
 * handled between them.
 * Return: as wait_add().
 */
int wait_for_step(struct worker *w, const struct waiter *model);

/** wait_step - one step, of one such request.  Return: whether there are more. */
bool wait_step(struct worker *w);

/** wait_wake_box - requests that wait on @box may go on; see wait_run(). */
void wait_wake_box(struct worker *w, struct box *box);

/** wait_wake_pins - the same for pins, when a file has a hole. */
void wait_wake_pins(struct worker *w);

/** wait_run - retry what was woken.  When the request in hand is answered. */
void wait_run(struct worker *w);

/**
 * wait_tell_pollers - tell some of those who poll @box, NULL: .pool/events, to
 * poll again.  Return: whether there are more.
 */
bool wait_tell_pollers(struct worker *w, struct box *box);

/**
 * wait_run_receivers - retry some of those who wait for a transaction of @box,
 * which has a box_private().  Return: whether there are more.
 */
bool wait_run_receivers(struct box *box);

/**
 * wait_begin_news - something was added to .pool/events: wait_run_news() goes
 * through its readers, and through pins that were woken.
 */
void wait_begin_news(struct worker *w);

/** wait_run_news - retry some of them.  Return: may there be more? */
bool wait_run_news(struct worker *w);

/** wait_give_up_all - at the end of the mount; from then on nothing waits. */
void wait_give_up_all(struct worker *w, int error);

/**
 * wait_defer - must the request being handled wait until copies of its box's
 * data are invalidated?
 * @buf, @len: the request; copied.
 *
 * Return: true: it is kept, for wait_next_deferred(); or it was a write of a
 * user who has too much waiting, and was answered.
 */
bool wait_defer(struct worker *w, const void *buf, size_t len);

/**
 * wait_next_deferred - the oldest deferred request on @box, the caller's to
 * handle and free.
 *
 * Return: NULL: none, or there are invalidations that it must wait for.
 */
struct raw_request *wait_next_deferred(struct worker *w, struct box *box);

#endif
