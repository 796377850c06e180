/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The notifier's queues: see notify.h. */
#include "fs/request/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "fs/request/context.h"

/*
 * How long a call may take before the thread is given up.  Data: what is behind
 * it may be shown before the kernel's copies are dropped, so it must be more
 * than a busy machine takes.  Names: nothing goes wrong, but those of other
 * directories wait.
 */
#define DATA_PATIENCE_NS 5000000000ll
#define NAMES_PATIENCE_NS 200000000ll

static void queue_init(struct worker *w, struct notify_queue *q,
		       int64_t patience_ns)
{
	pthread_condattr_t attr;

	q->worker = w;
	q->patience_ns = patience_ns;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->added, NULL);
	pthread_cond_init(&q->begun, &attr);
	pthread_cond_init(&q->done, NULL);
	pthread_condattr_destroy(&attr);
	TAILQ_INIT(&q->jobs);
	TAILQ_INIT(&q->stale);
	TAILQ_INIT(&q->hung);
}

void notify_init(struct worker *w)
{
	queue_init(w, &w->notify.data, DATA_PATIENCE_NS);
	queue_init(w, &w->notify.names, NAMES_PATIENCE_NS);
	queue_init(w, &w->notify.asked, DATA_PATIENCE_NS);
	queue_init(w, &w->notify.seeks, DATA_PATIENCE_NS);
}

static struct notify_queue *queue_of(struct worker *w, enum notify_kind kind)
{
	switch (kind) {
	case NOTIFY_FILE:
	case NOTIFY_LISTING:
	case NOTIFY_LISTINGS:
		return &w->notify.names;
	case NOTIFY_SETATTR:
	case NOTIFY_POLLERS:
	case NOTIFY_RECEIVERS:
		return &w->notify.asked;
	case NOTIFY_LSEEK:
		return &w->notify.seeks;
	default:
		return &w->notify.data;
	}
}

static int notify_add(struct worker *w, const struct notify_job *model)
{
	struct notify_job *job = malloc(sizeof(*job));
	struct notify_queue *q = queue_of(w, model->kind);

	if (!job)
		return -ENOMEM;
	*job = *model;
	pthread_mutex_lock(&q->lock);
	TAILQ_INSERT_TAIL(&q->jobs, job, link);
	if (job->kind == NOTIFY_RANGE)
		TAILQ_INSERT_TAIL(&q->stale, job, range.stale);
	pthread_cond_signal(&q->added);
	pthread_mutex_unlock(&q->lock);
	return 0;
}

/* --- for the notifier --- */

void notify_again(struct notify_queue *q, struct notify_job *job)
{
	pthread_mutex_lock(&q->lock);
	TAILQ_INSERT_TAIL(&q->jobs, job, link);
	pthread_cond_signal(&q->added);
	pthread_mutex_unlock(&q->lock);
}

void notify_first(struct notify_queue *q, const struct notify_job *job)
{
	struct notify_job *next = malloc(sizeof(*next));

	if (!next)
		return;
	*next = *job;
	next->finished = false;
	pthread_mutex_lock(&q->lock);
	TAILQ_INSERT_HEAD(&q->jobs, next, link);
	pthread_cond_signal(&q->added);
	pthread_mutex_unlock(&q->lock);
}

bool notify_finish_locked(struct notify_queue *q, struct notify_job *job)
{
	if (job->finished)
		return false;
	job->finished = true;
	if (job->kind == NOTIFY_RANGE)
		TAILQ_REMOVE(&q->stale, job, range.stale);
	return true;
}

void notify_box_done(struct notify_queue *q, const struct notify_job *job)
{
	if (!job->box.done)
		return;
	pthread_mutex_lock(&q->lock);
	*job->box.done = true;
	pthread_cond_broadcast(&q->done);
	pthread_mutex_unlock(&q->lock);
}

/* --- copies of a box's data --- */

void notify_box(struct worker *w, uint64_t serial, uint64_t off, uint64_t len)
{
	struct notify_job job = {
		.kind = NOTIFY_BOX,
		.box = { .serial = serial, .off = off, .len = len }
	};

	notify_add(w, &job);
}

void notify_box_wait(struct worker *w, uint64_t serial, uint64_t off,
		     uint64_t len)
{
	struct notify_queue *q = &w->notify.data;
	bool done = false;
	struct notify_job job = { .kind = NOTIFY_BOX,
				  .box = { .serial = serial,
					   .off = off,
					   .len = len,
					   .done = &done } };

	if (notify_add(w, &job))
		return;
	pthread_mutex_lock(&q->lock);
	while (!done)
		pthread_cond_wait(&q->done, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

int notify_box_blocking(struct worker *w, struct box *box, uint32_t slot,
			uint64_t off, uint64_t len)
{
	struct notify_job job = { .kind = NOTIFY_BOX_BLOCKING,
				  .box = { .serial = box_serial(box),
					   .off = off,
					   .len = len,
					   .slot = slot } };
	struct box_waits *bw = box_waits(box);

	if (!bw)
		return -ENOMEM;
	if (notify_add(w, &job))
		return -ENOMEM;
	bw->invalidations++;
	/* Deferred requests must be answered, even if the box is removed. */
	box_get(box);
	return 0;
}

/* --- plain files --- */

void notify_file_purged(struct worker *w, uint32_t ino, uint32_t parent,
			const char *name, bool more)
{
	struct notify_job job = { .kind = NOTIFY_FILE,
				  .file = { .ino = ino,
					    .parent = parent,
					    .name = strdup(name),
					    .more = more } };

	if (!job.file.name)
		return;
	if (ino)
		inode_hold(w->pool, ino, true);
	if (notify_add(w, &job)) {
		free(job.file.name);
		if (ino)
			inode_hold(w->pool, ino, false);
	}
}

void notify_range_purged(struct worker *w, uint32_t ino, uint64_t off,
			 uint64_t len)
{
	struct notify_job job = { .kind = NOTIFY_RANGE,
				  .range = { .ino = ino,
					     .off = off,
					     .len = len,
					     .stale_end = off + len } };

	notify_add(w, &job);
}

void notify_range_cut(struct worker *w, uint32_t ino, uint64_t off)
{
	struct notify_queue *q = &w->notify.data;
	struct notify_job *job;

	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->stale, range.stale)
	{
		if (job->range.ino == ino && job->range.stale_end > off)
			job->range.stale_end = MAX(off, job->range.off);
	}
	pthread_mutex_unlock(&q->lock);
}

uint64_t notify_stale(struct worker *w, uint32_t ino, uint64_t off,
		      uint64_t len, bool *stale)
{
	struct notify_queue *q = &w->notify.data;
	struct notify_job *job;
	uint64_t end = off + len;

	*stale = false;
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(job, &q->stale, range.stale)
	{
		if (job->range.ino != ino || job->range.stale_end <= off ||
		    job->range.off >= end)
			continue;
		end = job->range.off > off ? job->range.off
					   : MIN(end, job->range.stale_end);
		*stale = job->range.off <= off;
		if (*stale)
			break;
	}
	pthread_mutex_unlock(&q->lock);
	return end - off;
}

bool notify_has_stale(struct worker *w, uint32_t ino)
{
	bool stale;

	return notify_stale(w, ino, 0, UINT64_MAX, &stale) < UINT64_MAX ||
	       stale;
}

/* --- requests that the notifier answers --- */

void notify_then_write(struct worker *w, fuse_req_t req, size_t len)
{
	struct notify_job job = { .kind = NOTIFY_WRITE,
				  .write = { .req = req, .len = len } };

	if (notify_add(w, &job))
		fuse_reply_write(req, len);
}

int notify_then_pin(struct worker *w, fuse_req_t req, uint32_t ino,
		    uint64_t off, uint64_t len)
{
	struct notify_job job = { .kind = NOTIFY_PIN,
				  .pin = { .req = req,
					   .token = w->request.unique,
					   .ino = ino,
					   .off = off,
					   .len = len } };

	return notify_add(w, &job);
}

int notify_then_lseek(struct worker *w, fuse_req_t req, uint32_t ino, off_t off,
		      int whence)
{
	struct notify_job job = { .kind = NOTIFY_LSEEK,
				  .lseek = { .req = req,
					     .ino = ino,
					     .off = off,
					     .whence = whence } };

	return notify_add(w, &job);
}

int notify_then_setattr(struct worker *w, fuse_req_t req, uint64_t ino)
{
	struct notify_job job = {
		.kind = NOTIFY_SETATTR,
		.setattr = { .req = req, .ino = ino, .since_ns = clock_ns() }
	};

	return notify_add(w, &job);
}

int notify_pollers(struct worker *w, uint64_t serial)
{
	struct notify_job job = { .kind = NOTIFY_POLLERS,
				  .pollers = { .serial = serial } };

	return notify_add(w, &job);
}

int notify_receivers(struct worker *w, uint64_t serial)
{
	struct notify_job job = { .kind = NOTIFY_RECEIVERS,
				  .receivers = { .serial = serial } };

	return notify_add(w, &job);
}

int notify_steps(struct worker *w)
{
	struct notify_job job = { .kind = NOTIFY_STEPS };

	return notify_add(w, &job);
}

/* --- directories --- */

void notify_listing(struct worker *w, uint64_t ino)
{
	struct notify_job job = { .kind = NOTIFY_LISTING,
				  .listing = { .ino = ino } };

	notify_add(w, &job);
}

void notify_all_listings(struct worker *w, bool boxes)
{
	struct notify_job job = { .kind = NOTIFY_LISTINGS,
				  .listings = { .boxes = boxes } };

	notify_add(w, &job);
}

/* --- without a job --- */

void notify_attributes(struct worker *w, uint64_t ino)
{
	/* A negative offset: attributes only, and no page is touched. */
	fuse_lowlevel_notify_inval_inode(w->se, ino, -1, 0);
}

void notify_unused_names(struct worker *w, uint64_t ino)
{
	/* It takes the locks of names, and not that of a directory. */
	wire_notify_prune(w->fuse_fd, ino);
}

static void notify_news(struct notify_queue *q, bool *news)
{
	pthread_mutex_lock(&q->lock);
	*news = true;
	pthread_cond_signal(&q->added);
	pthread_mutex_unlock(&q->lock);
}

void notify_events(struct worker *w)
{
	notify_news(&w->notify.data, &w->notify.data.events_added);
}

void notify_pressure(struct worker *w)
{
	notify_news(&w->notify.data, &w->notify.data.pressure);
}
