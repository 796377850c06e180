/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The notifier's queue: see notify.h. */
#include "fs/request/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "fs/request/context.h"

void notify_init(struct worker *w)
{
	pthread_mutex_init(&w->notify.lock, NULL);
	pthread_cond_init(&w->notify.cond, NULL);
	TAILQ_INIT(&w->notify.jobs);
	TAILQ_INIT(&w->notify.stale);
}

static int notify_add(struct worker *w, const struct notify_job *model)
{
	struct notify_job *job = malloc(sizeof(*job));
	struct notify_queue *q = &w->notify;

	if (!job)
		return -ENOMEM;
	*job = *model;
	pthread_mutex_lock(&q->lock);
	TAILQ_INSERT_TAIL(&q->jobs, job, link);
	if (job->kind == NOTIFY_RANGE)
		TAILQ_INSERT_TAIL(&q->stale, job, range.stale);
	pthread_cond_signal(&q->cond);
	pthread_mutex_unlock(&q->lock);
	return 0;
}

/* --- for the notifier --- */

void notify_wait(struct worker *w, struct notify_work *out)
{
	struct notify_queue *q = &w->notify;

	pthread_mutex_lock(&q->lock);
	while (TAILQ_EMPTY(&q->jobs) && !q->events_added && !q->pressure)
		pthread_cond_wait(&q->cond, &q->lock);
	out->job = TAILQ_FIRST(&q->jobs);
	if (out->job)
		TAILQ_REMOVE(&q->jobs, out->job, link);
	out->events_added = q->events_added;
	out->pressure = q->pressure;
	q->events_added = q->pressure = false;
	pthread_mutex_unlock(&q->lock);
}

void notify_again(struct worker *w, struct notify_job *job)
{
	pthread_mutex_lock(&w->notify.lock);
	TAILQ_INSERT_TAIL(&w->notify.jobs, job, link);
	pthread_mutex_unlock(&w->notify.lock);
}

void notify_range_done(struct worker *w, struct notify_job *job)
{
	pthread_mutex_lock(&w->notify.lock);
	TAILQ_REMOVE(&w->notify.stale, job, range.stale);
	pthread_mutex_unlock(&w->notify.lock);
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

	if (job.file.name && notify_add(w, &job))
		free(job.file.name);
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
	struct notify_queue *q = &w->notify;
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
	struct notify_queue *q = &w->notify;
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

/* --- without a job --- */

void notify_attributes(struct worker *w, uint64_t ino)
{
	/* A negative offset: attributes only, and no page is touched. */
	fuse_lowlevel_notify_inval_inode(w->se, ino, -1, 0);
}

void notify_listing(struct worker *w, uint64_t ino)
{
	fuse_lowlevel_notify_inval_inode(w->se, ino, 0, 0);
}

void notify_events(struct worker *w)
{
	pthread_mutex_lock(&w->notify.lock);
	w->notify.events_added = true;
	pthread_cond_signal(&w->notify.cond);
	pthread_mutex_unlock(&w->notify.lock);
}

void notify_pressure(struct worker *w)
{
	pthread_mutex_lock(&w->notify.lock);
	w->notify.pressure = true;
	pthread_cond_signal(&w->notify.cond);
	pthread_mutex_unlock(&w->notify.lock);
}
