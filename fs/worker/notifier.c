/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The notifier: the thread that calls into the kernel's cache of our own mount.
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
 * The kernel does not just drop a page that a mapping has written: it writes
 * the page back first.  In a purged range that would fill the hole again, with
 * stale bytes.  So until the kernel's copies are dropped, what is written back
 * there is discarded: see notify_stale().
 *
 * Locks: none while the kernel is called; then 1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/worker/worker_priv.h"
#include "pool/tree/tree.h"

void notifier_drop_box(struct worker *w, uint64_t serial, uint64_t off,
		       uint64_t len)
{
	fuse_lowlevel_notify_inval_inode(
		w->se, inode_number(INODE_BOX + BOX_DATA, serial), off, len);
}

/* Requests that were woken meanwhile are tried again. */
static void notifier_run_waiters(struct worker *w)
{
	pool_lock(w->pool);
	wait_run(w);
	pool_unlock(w->pool);
}

static void notifier_box(struct worker *w, const struct notify_job *job)
{
	notifier_drop_box(w, job->box.serial, job->box.off, job->box.len);
	notifier_run_waiters(w);
}

static void notifier_box_blocking(struct worker *w,
				  const struct notify_job *job)
{
	struct raw_request *raw;
	struct box *box;

	notifier_drop_box(w, job->box.serial, job->box.off, job->box.len);
	pool_lock(w->pool);
	if (job->box.slot)
		tx_invalidated(w->pool, job->box.slot);
	box = box_by_serial(w->pool, job->box.serial);
	if (box) {
		box_waits(box)->invalidations--;
		while ((raw = wait_next_deferred(box))) {
			worker_handle_locked(w, raw->bytes, raw->len);
			free(raw);
		}
		box_put(w->pool, box);
	}
	wait_run(w);
	pool_unlock(w->pool);
}

static void notifier_range(struct worker *w, struct notify_job *job)
{
	fuse_lowlevel_notify_inval_inode(w->se, job->range.ino, job->range.off,
					 job->range.len);
	notify_range_done(w, job);
	notifier_run_waiters(w);
}

/* --- purged files --- */

/* The kernel keeps those of directories that have not changed for a while. */
static void notifier_all_listings(struct worker *w)
{
	uint32_t ino = 0;

	do {
		pool_lock(w->pool);
		ino = inode_next_known(w->pool, ino, INODE_KNOWN_DIR);
		pool_unlock(w->pool);
		if (ino)
			notify_listing(w, ino);
	} while (ino);
}

/*
 * The kernel is told one of the names.  Where it does not know how to prune the
 * others, it looks them up again when it finds them stale.
 */
static void notifier_file(struct worker *w, struct notify_job *job)
{
	uint32_t ino = job->file.ino, parent = job->file.parent;

	if (ino)
		notify_attributes(w, ino);
	/* Waits for a request that changes the directory now. */
	if (ino && parent)
		fuse_lowlevel_notify_inval_entry(w->se, parent, job->file.name,
						 strlen(job->file.name));
	if (ino)
		wire_notify_prune(w->fuse_fd, ino);
	if (parent)
		notify_listing(w, parent);
	if (job->file.more)
		notifier_all_listings(w);
	free(job->file.name);
}

/* --- requests --- */

static void notifier_write(struct worker *w, const struct notify_job *job)
{
	pool_lock(w->pool);
	fuse_reply_write(job->write.req, job->write.len);
	wait_run(w);
	pool_unlock(w->pool);
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

static void notifier_lseek(struct worker *w, const struct notify_job *job)
{
	off_t at;

	fuse_lowlevel_notify_inval_inode(w->se, job->lseek.ino, 0, 0);
	pool_lock(w->pool);
	at = tree_lseek(w->pool, job->lseek.ino, job->lseek.off,
			job->lseek.whence);
	if (at < 0)
		fuse_reply_err(job->lseek.req, -at);
	else
		fuse_reply_lseek(job->lseek.req, at);
	pool_unlock(w->pool);
}

/* --- the thread --- */

static void notifier_do(struct worker *w, struct notify_job *job)
{
	switch (job->kind) {
	case NOTIFY_BOX:
		notifier_box(w, job);
		break;
	case NOTIFY_BOX_BLOCKING:
		notifier_box_blocking(w, job);
		break;
	case NOTIFY_RANGE:
		notifier_range(w, job);
		break;
	case NOTIFY_FILE:
		notifier_file(w, job);
		break;
	case NOTIFY_WRITE:
		notifier_write(w, job);
		break;
	case NOTIFY_PIN:
		if (!notifier_pin(w, job)) {
			notify_again(w, job);
			return;
		}
		break;
	case NOTIFY_LSEEK:
		notifier_lseek(w, job);
		break;
	}
	free(job);
}

static void *notifier_thread(void *arg)
{
	struct worker *w = worker_of(arg);
	struct notify_work work;

	for (;;) {
		notify_wait(w, &work);
		if (work.job)
			notifier_do(w, work.job);
		if (!work.events_added && !work.pressure)
			continue;
		pool_lock(w->pool);
		if (work.events_added)
			wait_run_events(w);
		if (work.pressure)
			box_rescan(w->pool, NULL);
		pool_unlock(w->pool);
	}
	return NULL;
}

int notifier_start(struct worker *w)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, notifier_thread, w);

	if (!err)
		pthread_detach(thread);
	return -err;
}
