/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The notifier: the thread that calls into the kernel's cache of our own mount.
 *
 * The kernel may hold a page locked until we answer a READ, and dropping that
 * page from its cache waits for the lock.  So the thread that answers requests
 * must never do it, and who does must hold no lock that a request needs.
 *
 *	loop: transaction is whole    notifier
 *	-------------------------    --------
 *	queue job, answer sender
 *	defer requests on the box    drop cached pages (no lock)
 *	                             take 1: publish, handle the deferred
 *
 * The kernel does not just drop a page that a mapping has written: it writes it
 * back first.  For a purged range that would fill the hole again, with what is
 * lost.  So until its copies are dropped, what is written back to it goes nowhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

#include "fs/worker/worker.h"

struct settle_job {
	TAILQ_ENTRY(settle_job) link;
	fuse_req_t req; /* to answer, and nothing else: a write of len bytes */
	bool pin; /* or a pin of a plain file's range, to be carried out */
	uint64_t token;
	bool lseek; /* or an lseek, when its node's cache is dropped */
	int whence;
	bool plain; /* serial is a plain file's node */
	TAILQ_ENTRY(settle_job) gone; /* on that list, if plain */
	uint64_t lost; /* up to here what is written back is old */
	uint64_t serial;
	uint64_t off, len; /* 0, 0: all of it */
	uint32_t slot; /* 0: no transaction waits for it */
	bool settling; /* requests on the box wait for it */
	char *name; /* drop it in directory serial; node off is gone */
	bool more; /* it may have been in any other directory, too */
};

static void notify_inval(struct worker *w, uint64_t serial, uint64_t off,
			 uint64_t len)
{
	fuse_lowlevel_notify_inval_inode(
		w->se, node_number(NODE_BOX + BOX_DATA, serial), off, len);
}

void notify_invalidate(void *arg, uint64_t serial, uint64_t off, uint64_t len)
{
	struct worker *w = arg;

	notify_inval(w, serial, off, len);
}

static int notify_add(struct worker *w, const struct settle_job *model)
{
	struct settle_job *job = malloc(sizeof(*job));

	if (!job)
		return -ENOMEM;
	*job = *model;
	pthread_mutex_lock(&w->notify_lock);
	TAILQ_INSERT_TAIL(&w->jobs, job, link);
	if (job->plain)
		TAILQ_INSERT_TAIL(&w->gone, job, gone);
	pthread_cond_signal(&w->notify_cond);
	pthread_mutex_unlock(&w->notify_lock);
	return 0;
}

void notify_invalidate_later(void *arg, uint64_t serial, uint64_t off,
			     uint64_t len)
{
	struct settle_job job = { .serial = serial, .off = off, .len = len };

	/* If not, a mapping shows what its box was sent before, not zeros. */
	notify_add(arg, &job);
}

/* No page is touched: it waits for nobody. */
void notify_attributes(struct worker *w, uint64_t node)
{
	fuse_lowlevel_notify_inval_inode(w->se, node, -1, 0);
}

void notify_file_gone(struct worker *w, uint32_t node, uint32_t parent,
		      const char *name, bool more)
{
	struct settle_job job = { .serial = parent,
				  .off = node,
				  .name = strdup(name),
				  .more = more };

	/* If not, who opens it hears that it is stale, and looks again. */
	if (job.name && notify_add(w, &job))
		free(job.name);
}

/* The kernel keeps those of directories that nobody has changed for a while. */
static void notify_all_listings(struct worker *w)
{
	uint32_t node = 0;

	do {
		pool_lock(w->pool);
		node = tree_next_known(w->pool, node, TREE_KNOWN_DIR);
		pool_unlock(w->pool);
		if (node)
			notify_listing(w, node);
	} while (node);
}

/*
 * Only one of its names is told of.  Where the kernel does not know how to forget
 * the others, they are looked up again when it is found stale.
 */
static void notify_gone(struct worker *w, struct settle_job *job)
{
	if (job->off)
		notify_attributes(w, job->off);
	/* Waits for whoever changes that directory now. */
	if (job->off && job->serial)
		fuse_lowlevel_notify_inval_entry(w->se, job->serial, job->name,
						 strlen(job->name));
	if (job->off)
		wire_notify_prune(w->fuse_fd, job->off);
	if (job->serial)
		notify_listing(w, job->serial);
	if (job->more)
		notify_all_listings(w);
	free(job->name);
	free(job);
}

void notify_reply_write(struct worker *w, fuse_req_t req, size_t len)
{
	struct settle_job job = { .req = req, .len = len };

	if (notify_add(w, &job))
		fuse_reply_write(req, len);
}

int notify_then_lseek(struct worker *w, fuse_req_t req, uint32_t node,
		      off_t off, int whence)
{
	struct settle_job job = { .req = req,
				  .lseek = true,
				  .serial = node,
				  .off = off,
				  .whence = whence };

	return notify_add(w, &job);
}

static void notify_lseek(struct worker *w, const struct settle_job *job)
{
	off_t at;
	int fd;

	fuse_lowlevel_notify_inval_inode(w->se, job->serial, 0, 0);
	pool_lock(w->pool);
	fd = tree_fd(w->pool, job->serial, false);
	at = fd < 0 ? fd : lseek(fd, job->off, job->whence);
	if (at < 0)
		fuse_reply_err(job->req, fd < 0 ? -fd : errno);
	else
		fuse_reply_lseek(job->req, at);
	pool_unlock(w->pool);
}

void notify_range_gone(struct worker *w, uint32_t node, uint64_t off,
		       uint64_t len)
{
	struct settle_job job = {
		.plain = true, .serial = node, .off = off, .len = len
	};

	job.lost = off + len;
	notify_add(w, &job);
}

uint64_t notify_lost(struct worker *w, uint32_t node, uint64_t off,
		     uint64_t len, bool *gone)
{
	struct settle_job *job;
	uint64_t end = off + len;

	*gone = false;
	pthread_mutex_lock(&w->notify_lock);
	for (job = TAILQ_FIRST(&w->gone); job; job = TAILQ_NEXT(job, gone)) {
		if (job->serial != node || job->lost <= off || job->off >= end)
			continue;
		end = job->off > off ? job->off : MIN(end, job->lost);
		*gone = job->off <= off;
		if (*gone)
			break;
	}
	pthread_mutex_unlock(&w->notify_lock);
	return end - off;
}

void notify_range_cut(struct worker *w, uint32_t node, uint64_t off)
{
	struct settle_job *job;

	pthread_mutex_lock(&w->notify_lock);
	for (job = TAILQ_FIRST(&w->gone); job; job = TAILQ_NEXT(job, gone)) {
		if (job->serial == node && job->lost > off)
			job->lost = MAX(off, job->off);
	}
	pthread_mutex_unlock(&w->notify_lock);
}

static void notify_range(struct worker *w, struct settle_job *job)
{
	fuse_lowlevel_notify_inval_inode(w->se, job->serial, job->off,
					 job->len);
	pthread_mutex_lock(&w->notify_lock);
	TAILQ_REMOVE(&w->gone, job, gone);
	pthread_mutex_unlock(&w->notify_lock);
}

bool notify_has_lost(struct worker *w, uint32_t node)
{
	bool gone;

	return notify_lost(w, node, 0, UINT64_MAX, &gone) < UINT64_MAX || gone;
}

int notify_then_pin(struct worker *w, fuse_req_t req, uint32_t node,
		    uint64_t off, uint64_t len)
{
	struct settle_job job = { .req = req,
				  .pin = true,
				  .token = w->request.unique,
				  .serial = node,
				  .off = off,
				  .len = len };

	return notify_add(w, &job);
}

/*
 * Carried out and answered under one lock: the journal knows only of the last
 * request that was.
 */
static void notify_pin(struct worker *w, struct settle_job *job)
{
	int result;

	pool_lock(w->pool);
	if (notify_has_lost(w, job->serial)) {
		/* purged once more meanwhile */
		pthread_mutex_lock(&w->notify_lock);
		TAILQ_INSERT_TAIL(&w->jobs, job, link);
		pthread_mutex_unlock(&w->notify_lock);
		pool_unlock(w->pool);
		return;
	}
	pool_set_token(w->pool, job->token);
	result = tree_pin_range(w->pool, job->serial, job->off, job->len);
	if (result < 0)
		fuse_reply_err(job->req, -result);
	else
		fuse_reply_ioctl(job->req, result, NULL, 0);
	pool_unlock(w->pool);
	free(job);
}

/* Has requests on the box wait until the kernel's copies are dropped. */
static int notify_queue(struct worker *w, struct box *box, uint32_t slot,
			uint64_t off, uint64_t len)
{
	struct settle_job job = { .serial = box_serial(box),
				  .off = off,
				  .len = len,
				  .slot = slot,
				  .settling = true };
	struct box_waits *bw = box_waits(box);

	if (!bw)
		return -ENOMEM;
	if (notify_add(w, &job))
		return -ENOMEM;
	bw->settling++;
	/* What is deferred must be answered, even if the box is removed. */
	box_hold(box);
	return 0;
}

void notify_settle(void *arg, struct box *box, uint32_t slot, uint64_t off,
		   uint64_t len)
{
	struct worker *w = arg;

	/* A reader of a mapping may see old bytes of this box: the lesser
	 * evil, against a transaction that never arrives. */
	if (notify_queue(w, box, slot, off, len))
		pool_settled(w->pool, slot);
}

int notify_forget(struct worker *w)
{
	struct box *box = NULL;
	int err = 0;

	while (!err && (box = box_next(w->pool, box ? box_serial(box) : 0)))
		err = notify_queue(w, box, 0, 0, 0);
	return err;
}

void notify_listing(struct worker *w, uint64_t node)
{
	fuse_lowlevel_notify_inval_inode(w->se, node, 0, 0);
}

void notify_events(struct worker *w)
{
	pthread_mutex_lock(&w->notify_lock);
	w->events_added = true;
	pthread_cond_signal(&w->notify_cond);
	pthread_mutex_unlock(&w->notify_lock);
}

/* Memory that only readers have touched is to be had now, too. */
void notify_pressure(struct worker *w)
{
	pthread_mutex_lock(&w->notify_lock);
	w->pressure = true;
	pthread_cond_signal(&w->notify_cond);
	pthread_mutex_unlock(&w->notify_lock);
}

static void notify_do(struct worker *w, struct settle_job *job)
{
	struct box *box;

	if (job->name) {
		notify_gone(w, job);
		return;
	}
	if (job->lseek) {
		notify_lseek(w, job);
		free(job);
		return;
	}
	if (job->pin) {
		notify_pin(w, job);
		return;
	}
	if (job->plain)
		notify_range(w, job);
	else if (!job->req)
		notify_inval(w, job->serial, job->off, job->len);
	pool_lock(w->pool);
	if (job->req)
		fuse_reply_write(job->req, job->len);
	if (job->slot)
		pool_settled(w->pool, job->slot);
	box = job->settling ? box_by_serial(w->pool, job->serial) : NULL;
	if (box)
		wait_settled(w, box);
	wait_run(w);
	pool_unlock(w->pool);
	free(job);
}

static void *notify_thread(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		struct settle_job *job;
		bool added, pressure;

		pthread_mutex_lock(&w->notify_lock);
		while (TAILQ_EMPTY(&w->jobs) && !w->events_added &&
		       !w->pressure)
			pthread_cond_wait(&w->notify_cond, &w->notify_lock);
		job = TAILQ_FIRST(&w->jobs);
		if (job)
			TAILQ_REMOVE(&w->jobs, job, link);
		added = w->events_added;
		pressure = w->pressure;
		w->events_added = w->pressure = false;
		pthread_mutex_unlock(&w->notify_lock);
		if (job)
			notify_do(w, job);
		if (!added && !pressure)
			continue;
		pool_lock(w->pool);
		if (added)
			wait_run_events(w);
		if (pressure)
			box_rescan(w->pool, NULL);
		pool_unlock(w->pool);
	}
	return NULL;
}

int notify_start(struct worker *w)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, notify_thread, w);

	if (!err)
		pthread_detach(thread);
	return -err;
}
