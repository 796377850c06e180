/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The notifier: threads that call into the kernel's cache of our own mount.
 *
 * The kernel may hold a page locked until we answer a READ, and to drop that
 * page from its cache it waits for the page's lock.  So the thread that answers
 * requests must never have a page dropped, and the thread that does must hold
 * no lock that a request needs.
 *
 *	loop: transaction is whole    notifier
 *	--------------------------    --------
 *	queue a job, answer sender
 *	defer requests on the box     drop cached pages (no lock)
 *	                              take 1: show the transaction, handle
 *	                              the deferred requests
 *
 * A client can hold the kernel's locks, too.  A job that it holds up is given
 * up after a while: then what waited for the job goes on without, see dropper.h.
 *
 * The kernel does not just drop a page that a mapping has written: it writes
 * the page back first.  In a purged range that would fill the hole again, with
 * stale bytes.  So until the kernel's copies are dropped, what is written back
 * there is discarded: see notify_stale().
 *
 * Locks: none while the kernel is called; then 1.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/kind/box.h"
#include "fs/ops/ops.h"
#include "fs/worker/dropper.h"
#include "fs/worker/worker_priv.h"
#include "pool/tree/tree.h"

/* Between two steps, so that others have the lock. */
#define PAUSE_US 500

/* Requests that were woken meanwhile are tried again. */
static void notifier_run_waiters(struct worker *w)
{
	pool_lock(w->pool);
	wait_run(w);
	pool_unlock(w->pool);
}

/* --- what waits for a job goes on --- */

#define DEFERRED_AT_ONCE 64

static void notifier_let_others(struct worker *w)
{
	wait_run(w);
	pool_unlock(w->pool);
	usleep(PAUSE_US);
	pool_lock(w->pool);
}

static void finish_box_blocking(struct worker *w, const struct notify_job *job)
{
	struct raw_request *raw;
	unsigned int n = 0;
	struct box *box;

	pool_lock(w->pool);
	if (job->box.slot)
		tx_invalidated(w->pool, job->box.slot);
	box = box_by_serial(w->pool, job->box.serial);
	if (box) {
		box_waits(box)->invalidations--;
		while ((raw = wait_next_deferred(w, box))) {
			worker_handle_locked(w, raw->bytes, raw->len);
			free(raw);
			if (++n % DEFERRED_AT_ONCE == 0)
				notifier_let_others(w);
		}
		box_put(w->pool, box);
	}
	wait_run(w);
	pool_unlock(w->pool);
}

void notifier_finish(struct worker *w, const struct notify_job *job)
{
	switch (job->kind) {
	case NOTIFY_BOX:
		notifier_run_waiters(w);
		notify_box_done(&w->notify.data, job);
		break;
	case NOTIFY_BOX_BLOCKING:
		finish_box_blocking(w, job);
		break;
	case NOTIFY_RANGE:
		notifier_run_waiters(w);
		break;
	case NOTIFY_FILE:
		notify_unused_names(w, job->file.ino);
		break;
	case NOTIFY_LISTINGS:
		notify_first(&w->notify.names, job);
		break;
	default:
		break;
	}
}

/* Unless it was given up, and finished by another thread. */
static void finish(struct worker *w, struct dropper *d, struct notify_job *job)
{
	struct notify_queue *q = dropper_queue(d);
	bool mine;

	pthread_mutex_lock(&q->lock);
	mine = notify_finish_locked(q, job);
	pthread_mutex_unlock(&q->lock);
	if (mine)
		notifier_finish(w, job);
}

/* --- names and listings --- */

/*
 * The kernel is told one of the names, and so who watches the file; only then is
 * it told to prune the others, which would prune that one, too.  Where it does
 * not know how to prune, it looks them up again when it finds them stale.  With
 * new attributes of the directory, which wait for nothing, the kernel finds that
 * its listing is old.
 *
 * The kernel ends the file that the name leads to if it has this number, so the
 * number is held meanwhile.
 */
static void notifier_file(struct worker *w, struct dropper *d,
			  struct notify_job *job)
{
	uint32_t ino = job->file.ino, parent = job->file.parent;

	if (ino)
		notify_attributes(w, ino);
	if (parent)
		notify_attributes(w, parent);
	if (parent)
		drop_pages(d, parent, 0, 0);
	/* Waits for a request that changes the directory now. */
	if (ino && parent)
		drop_name(d, parent, ino, job->file.name);
	if (ino) {
		finish(w, d, job);
		pool_lock(w->pool);
		inode_hold(w->pool, ino, false);
		pool_unlock(w->pool);
	}
	if (job->file.more)
		notify_all_listings(w, false);
	free(job->file.name);
}

/* The kernel keeps those of directories that have not changed for a while. */
static void notifier_listings(struct worker *w, struct dropper *d,
			      struct notify_job *job)
{
	struct box *box = NULL;
	uint64_t ino;

	pool_lock(w->pool);
	ino = inode_next_known(w->pool, job->listings.ino, INODE_KNOWN_DIR);
	if (ino) {
		job->listings.ino = ino;
	} else if (job->listings.boxes) {
		job->listings.ino = UINT32_MAX;
		box = box_next(w->pool, job->listings.serial);
	}
	if (box) {
		job->listings.serial = box_serial(box);
		ino = inode_of_box(box, BOX_TX);
	}
	pool_unlock(w->pool);
	if (!ino)
		return;
	drop_pages(d, ino, 0, 0);
	finish(w, d, job);
}

/* --- requests --- */

/* Behind the jobs of both queues.  Return: true: it goes to the other one. */
static bool notifier_write(struct worker *w, struct dropper *d,
			   struct notify_job *job)
{
	if (dropper_queue(d) != &w->notify.names) {
		notify_again(&w->notify.names, job);
		return true;
	}
	pool_lock(w->pool);
	fuse_reply_write(job->write.req, job->write.len);
	wait_run(w);
	pool_unlock(w->pool);
	return false;
}

/*
 * Carried out and answered under one lock: the journal knows only the last
 * request that was carried out.
 *
 * Return: false: more of the file was purged meanwhile, it must wait again.
 */
static bool notifier_pin(struct worker *w, const struct notify_job *job)
{
	struct op op = { .token = job->pin.token };
	bool again;
	int result;

	pool_lock(w->pool);
	again = notify_has_stale(w, job->pin.ino);
	if (!again) {
		result = vrange_pin(w->pool, &op, job->pin.ino, job->pin.off,
				    job->pin.len);
		if (result < 0)
			fuse_reply_err(job->pin.req, -result);
		else
			fuse_reply_ioctl(job->pin.req, result, NULL, 0);
	}
	pool_unlock(w->pool);
	return !again;
}

static void notifier_lseek(struct worker *w, struct dropper *d,
			   const struct notify_job *job)
{
	off_t at;

	drop_pages(d, job->lseek.ino, 0, 0);
	pool_lock(w->pool);
	at = tree_lseek(w->pool, job->lseek.ino, job->lseek.off,
			job->lseek.whence);
	if (at < 0)
		fuse_reply_err(job->lseek.req, -at);
	else
		fuse_reply_lseek(job->lseek.req, at);
	pool_unlock(w->pool);
}

/* Until what the kernel has of attributes with SHORT_TIMEOUT is old. */
static void wait_for_ticks(int64_t since_ns)
{
	struct timespec tick;
	int64_t us;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	us = (since_ns + 2 * tick.tv_nsec - clock_ns()) / 1000 + 1000;
	if (us > 0)
		usleep(us);
}

#define FOLLOWERS_AT_ONCE 256

/* Return: false: there are more, and other jobs come first. */
static bool notifier_setattr(struct worker *w, struct notify_job *job)
{
	uint64_t ino[FOLLOWERS_AT_ONCE];
	size_t n;

	pool_lock(w->pool);
	n = box_followers(w, job->setattr.ino, &job->setattr.next, ino,
			  FOLLOWERS_AT_ONCE);
	pool_unlock(w->pool);
	for (size_t i = 0; i < n; i++)
		notify_attributes(w, ino[i]);
	if (n == FOLLOWERS_AT_ONCE)
		return false;
	if (inode_kind(job->setattr.ino) == INODE_BOX + BOX_SEND)
		wait_for_ticks(job->setattr.since_ns);
	pool_lock(w->pool);
	worker_ops.getattr(job->setattr.req, job->setattr.ino, NULL);
	pool_unlock(w->pool);
	return true;
}

/* Return: false: there are more, and other jobs come first. */
static bool notifier_pollers(struct worker *w, const struct notify_job *job)
{
	uint64_t serial = job->pollers.serial;
	bool more = false;
	struct box *box;

	usleep(PAUSE_US);
	pool_lock(w->pool);
	box = serial ? box_by_serial(w->pool, serial) : NULL;
	if (box || !serial)
		more = wait_tell_pollers(w, box);
	pool_unlock(w->pool);
	return !more;
}

/* Return: false: there are more, and other jobs come first. */
static bool notifier_steps(struct worker *w)
{
	bool more;

	usleep(PAUSE_US);
	pool_lock(w->pool);
	more = wait_step(w);
	wait_run(w);
	pool_unlock(w->pool);
	return !more;
}

/* The same. */
static bool notifier_receivers(struct worker *w, const struct notify_job *job)
{
	bool more = false;
	struct box *box;

	usleep(PAUSE_US);
	pool_lock(w->pool);
	box = box_by_serial(w->pool, job->receivers.serial);
	if (box && box_private(box))
		more = wait_run_receivers(box);
	wait_run(w);
	pool_unlock(w->pool);
	return more;
}

/* --- for the threads --- */

static void drop_box(struct dropper *d, const struct notify_job *job)
{
	drop_pages(d, inode_number(INODE_BOX + BOX_DATA, job->box.serial),
		   job->box.off, job->box.len);
}

void notifier_do(struct worker *w, struct dropper *d, struct notify_job *job)
{
	switch (job->kind) {
	case NOTIFY_BOX:
	case NOTIFY_BOX_BLOCKING:
		drop_box(d, job);
		finish(w, d, job);
		break;
	case NOTIFY_RANGE:
		drop_pages(d, job->range.ino, job->range.off, job->range.len);
		finish(w, d, job);
		break;
	case NOTIFY_FILE:
		notifier_file(w, d, job);
		break;
	case NOTIFY_LISTING:
		drop_pages(d, job->listing.ino, 0, 0);
		break;
	case NOTIFY_LISTINGS:
		notifier_listings(w, d, job);
		break;
	case NOTIFY_WRITE:
		if (notifier_write(w, d, job))
			return;
		break;
	case NOTIFY_PIN:
		if (!notifier_pin(w, job)) {
			notify_again(dropper_queue(d), job);
			return;
		}
		break;
	case NOTIFY_LSEEK:
		notifier_lseek(w, d, job);
		break;
	case NOTIFY_SETATTR:
		if (!notifier_setattr(w, job)) {
			notify_again(dropper_queue(d), job);
			return;
		}
		break;
	case NOTIFY_STEPS:
		if (!notifier_steps(w)) {
			notify_again(dropper_queue(d), job);
			return;
		}
		break;
	case NOTIFY_RECEIVERS:
		if (notifier_receivers(w, job)) {
			notify_again(dropper_queue(d), job);
			return;
		}
		break;
	case NOTIFY_POLLERS:
		if (!notifier_pollers(w, job)) {
			notify_again(dropper_queue(d), job);
			return;
		}
		break;
	}
	free(job);
}

void notifier_news(struct worker *w, bool events_added, bool pressure)
{
	pool_lock(w->pool);
	if (events_added)
		wait_begin_news(w);
	while ((events_added && wait_run_news(w)) ||
	       (pressure && box_rescan_some(w->pool))) {
		pool_unlock(w->pool);
		usleep(PAUSE_US);
		pool_lock(w->pool);
	}
	pool_unlock(w->pool);
}

int notifier_start(struct worker *w)
{
	struct notify *n = &w->notify;
	struct notify_queue *all[] = { &n->data, &n->names, &n->asked,
				       &n->seeks };
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(all) / sizeof(*all); i++)
		err = dropper_start(all[i]);
	return err;
}
