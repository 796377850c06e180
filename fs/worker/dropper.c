/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dropper.h. */
#include "fs/worker/dropper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/worker/calls.h"
#include "fs/worker/worker_priv.h"

/*
 * Threads of a queue that may wait in the kernel.  When there are so many, no
 * more calls are made until one of them returns.
 */
#define HUNG_MAX 32

struct dropper {
	TAILQ_ENTRY(dropper) link; /* of q->hung */
	struct notify_queue *q;
	struct notify_job *job; /* in hand */
	uint64_t ino; /* of its last call */
	int64_t since_ns; /* when the call that it is in began; 0: it is in none */
	bool hung; /* given up: another has the turn */
	bool again; /* a call on this inode was left out meanwhile */
};

/* The calling thread, if it may call into the kernel's cache. */
static _Thread_local struct dropper *self;

struct notify_queue *dropper_queue(const struct dropper *d)
{
	return d->q;
}

/* --- calls --- */

/* Return: false: the call must be left out. */
static bool call_begin(struct dropper *d, uint64_t ino)
{
	struct notify_queue *q = d->q;
	struct dropper *other;
	bool may;

	/* From the loop, or under a lock, one client could stop all others. */
	if (self != d || pool_is_mine(q->worker->pool))
		abort();
	pthread_mutex_lock(&q->lock);
	TAILQ_FOREACH(other, &q->hung, link)
	if (other != d && other->ino == ino)
		break;
	if (other)
		other->again = true;
	may = d->hung || (!other && q->nr_hung < HUNG_MAX);
	if (may && !d->hung) {
		d->ino = ino;
		d->since_ns = clock_ns();
		if (q->asleep)
			pthread_cond_signal(&q->begun);
	}
	pthread_mutex_unlock(&q->lock);
	if (may)
		calls_begin(q->worker);
	return may;
}

static void call_end(struct dropper *d)
{
	calls_end();
	pthread_mutex_lock(&d->q->lock);
	d->since_ns = 0;
	pthread_mutex_unlock(&d->q->lock);
}

void drop_pages(struct dropper *d, uint64_t ino, uint64_t off, uint64_t len)
{
	if (!call_begin(d, ino))
		return;
	fuse_lowlevel_notify_inval_inode(d->q->worker->se, ino, off, len);
	call_end(d);
}

void drop_name(struct dropper *d, uint64_t parent, uint64_t ino,
	       const char *name)
{
	if (!call_begin(d, parent))
		return;
	fuse_lowlevel_notify_delete(d->q->worker->se, parent, ino, name,
				    strlen(name));
	call_end(d);
}

/* --- whose turn it is --- */

static int64_t turn_ends(const struct notify_queue *q)
{
	return q->turn->since_ns + q->patience_ns;
}

/* Lock held.  Until the turn may be over. */
static void turn_wait(struct notify_queue *q)
{
	struct timespec until;
	int64_t ns;

	if (!q->turn->since_ns) {
		q->asleep = true;
		pthread_cond_wait(&q->begun, &q->lock);
		q->asleep = false;
		return;
	}
	ns = turn_ends(q);
	until = (struct timespec){ ns / 1000000000, ns % 1000000000 };
	pthread_cond_timedwait(&q->begun, &q->lock, &until);
}

/*
 * Lock held.  Nobody waits for a job of the other kinds but the process whose
 * request it is.  Return: is @left, a copy of the job in hand, to be finished?
 */
static bool turn_give_up(struct notify_queue *q, struct notify_job *left)
{
	struct dropper *d = q->turn;
	struct notify_job *job = d->job;
	bool waited_for = job->kind == NOTIFY_BOX ||
			  job->kind == NOTIFY_RANGE ||
			  (job->kind == NOTIFY_FILE && job->file.ino) ||
			  job->kind == NOTIFY_BOX_BLOCKING ||
			  job->kind == NOTIFY_LISTINGS;

	d->hung = true;
	TAILQ_INSERT_TAIL(&q->hung, d, link);
	q->nr_hung++;
	if (!waited_for || !notify_finish_locked(q, job))
		return false;
	*left = *job;
	return true;
}

/* Return: as turn_give_up(). */
static bool turn_take(struct dropper *d, struct notify_job *left)
{
	struct notify_queue *q = d->q;
	bool any = false;

	pthread_mutex_lock(&q->lock);
	while (q->turn && (!q->turn->since_ns || clock_ns() < turn_ends(q)))
		turn_wait(q);
	if (q->turn)
		any = turn_give_up(q, left);
	q->turn = d;
	q->successor = false;
	pthread_mutex_unlock(&q->lock);
	return any;
}

/* --- the threads --- */

/* What there is to do. */
struct work {
	bool events_added, pressure, successor;
};

static void work_wait(struct dropper *d, struct work *out)
{
	struct notify_queue *q = d->q;

	pthread_mutex_lock(&q->lock);
	while (TAILQ_EMPTY(&q->jobs) && !q->events_added && !q->pressure)
		pthread_cond_wait(&q->added, &q->lock);
	d->job = TAILQ_FIRST(&q->jobs);
	if (d->job)
		TAILQ_REMOVE(&q->jobs, d->job, link);
	out->events_added = q->events_added;
	out->pressure = q->pressure;
	out->successor = q->successor;
	q->events_added = q->pressure = false;
	pthread_mutex_unlock(&q->lock);
}

/* Return: is it still this thread's turn? */
static bool work_done(struct dropper *d)
{
	bool mine;

	pthread_mutex_lock(&d->q->lock);
	d->job = NULL;
	mine = !d->hung;
	pthread_mutex_unlock(&d->q->lock);
	return mine;
}

/* The call of a thread that was given up has returned. */
static void dropper_end(struct dropper *d)
{
	struct notify_queue *q = d->q;

	pthread_mutex_lock(&q->lock);
	while (d->again) {
		d->again = false;
		pthread_mutex_unlock(&q->lock);
		drop_pages(d, d->ino, 0, 0);
		pthread_mutex_lock(&q->lock);
	}
	TAILQ_REMOVE(&q->hung, d, link);
	q->nr_hung--;
	pthread_mutex_unlock(&q->lock);
}

static void *dropper_thread(void *arg)
{
	struct notify_queue *q = arg;
	struct dropper d = { .q = q };
	struct worker *w = q->worker;
	struct notify_job left;
	struct work work;

	self = &d;
	if (turn_take(&d, &left))
		notifier_finish(w, &left);
	do {
		work_wait(&d, &work);
		if (!work.successor)
			dropper_start(q);
		if (d.job)
			notifier_do(w, &d, d.job);
		if (work.events_added || work.pressure)
			notifier_news(w, work.events_added, work.pressure);
	} while (work_done(&d));
	dropper_end(&d);
	return NULL;
}

int dropper_start(struct notify_queue *q)
{
	pthread_t thread;
	int err;

	pthread_mutex_lock(&q->lock);
	err = pthread_create(&thread, NULL, dropper_thread, q);
	if (!err)
		q->successor = true;
	pthread_mutex_unlock(&q->lock);
	if (!err)
		pthread_detach(thread);
	return -err;
}
