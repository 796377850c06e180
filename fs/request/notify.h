/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs for the notifier, the threads that call into the kernel's cache of our
 * own mount: fs/worker/notifier.c says why these are threads of their own.  Here
 * are their queues: one of jobs on data, which others wait for; one of jobs on
 * names and listings, which every client can hold up; and two of jobs for whom
 * only the one waits whose request it is.
 *
 * Any thread may add a job, with any locks held but 4.
 */
#ifndef POOLFS_FS_REQUEST_NOTIFY_H
#define POOLFS_FS_REQUEST_NOTIFY_H

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/pool.h"

struct worker;

enum notify_kind {
	NOTIFY_BOX, /* drop copies of a box's data */
	NOTIFY_BOX_BLOCKING, /* the same; requests on the box wait for it */
	NOTIFY_RANGE, /* drop copies of a plain file's bytes */
	NOTIFY_FILE, /* drop the names and attributes of a purged file */
	NOTIFY_LISTING, /* drop the listing of a directory */
	NOTIFY_LISTINGS, /* the same for all of them, one after another */
	NOTIFY_WRITE, /* answer a WRITE behind all jobs that came before it */
	NOTIFY_PIN, /* pin a range behind them, then answer */
	NOTIFY_LSEEK, /* write back a file's dirty pages, then answer */
	NOTIFY_SETATTR, /* drop attributes that follow those of ino, or wait
			 * until they are old; answer */
	NOTIFY_RECEIVERS, /* have those who wait for a transaction try again */
	NOTIFY_POLLERS, /* tell those who poll a box or .pool/events */
	NOTIFY_STEPS, /* requests that go on in steps */
};

struct notify_job {
	TAILQ_ENTRY(notify_job) link;
	enum notify_kind kind;
	bool finished; /* 4: nobody waits for it any more */
	union {
		struct {
			uint64_t serial;
			uint64_t off, len; /* bytes; 0, 0: all of it */
			uint32_t slot; /* transaction to be shown; 0: none */
			bool *done; /* 4: set for one who waits; or NULL */
		} box;
		struct {
			TAILQ_ENTRY(notify_job) stale;
			uint32_t ino;
			uint64_t off, len; /* bytes */
			/* Up to here what is written back is stale. */
			uint64_t stale_end;
		} range;
		struct {
			uint32_t ino; /* 0: the kernel does not know it */
			uint32_t parent; /* 0: not known */
			char *name; /* in @parent; from malloc() */
			bool more; /* other directories had names of it, too */
		} file;
		struct {
			uint64_t ino; /* of the directory */
		} listing;
		struct {
			bool boxes; /* those of tx/, too, but they come last */
			uint32_t ino; /* done up to here */
			uint64_t serial; /* the same for boxes */
		} listings;
		struct {
			fuse_req_t req;
			size_t len; /* bytes written */
		} write;
		struct {
			fuse_req_t req;
			uint64_t token;
			uint32_t ino;
			uint64_t off, len; /* bytes */
		} pin;
		struct {
			fuse_req_t req;
			uint32_t ino;
			off_t off;
			int whence;
		} lseek;
		struct {
			fuse_req_t req;
			uint64_t ino; /* of a box */
			uint64_t next; /* for box_followers() */
			int64_t since_ns; /* CLOCK_MONOTONIC */
		} setattr;
		struct {
			uint64_t serial; /* of the box; 0: events */
		} pollers, receivers;
	};
};
TAILQ_HEAD(notify_jobs, notify_job);

struct dropper;
TAILQ_HEAD(droppers, dropper);

/* Jobs, and the threads that do them: see fs/worker/dropper.h. */
struct notify_queue {
	struct worker *worker;
	int64_t patience_ns; /* for one call into the kernel */
	pthread_mutex_t lock; /* 4: of all below */
	pthread_cond_t added; /* to the thread that does the jobs */
	pthread_cond_t begun; /* to its successor: a call has begun */
	pthread_cond_t done; /* to those who wait for a job */
	struct notify_jobs jobs;
	struct notify_jobs stale; /* NOTIFY_RANGE jobs that are not done */
	bool events_added; /* readers of .pool/events may go on */
	bool pressure; /* look for memory that only readers have touched */
	struct dropper *turn; /* the thread that does the jobs */
	bool successor; /* there is one */
	bool asleep; /* the successor, until it is woken */
	struct droppers hung; /* those that were given up */
	uint32_t nr_hung;
};

struct notify {
	struct notify_queue data; /* boxes, ranges, requests, news */
	struct notify_queue names; /* files, listings */
	/* For the one who asks, of whom others must not wait. */
	struct notify_queue asked; /* attributes, pollers */
	struct notify_queue seeks; /* LSEEK: a whole file is written back */
};

void notify_init(struct worker *w);

/* --- for the notifier --- */

/** notify_again - @job, which was taken, goes to the end of queue @q. */
void notify_again(struct notify_queue *q, struct notify_job *job);

/** notify_first - a copy of @job is what comes next. */
void notify_first(struct notify_queue *q, const struct notify_job *job);

/**
 * notify_finish_locked - nobody is to wait for @job any more.  q->lock held.
 * Return: false: somebody has finished it.
 */
bool notify_finish_locked(struct notify_queue *q, struct notify_job *job);

/** notify_box_done - tell the one who waits for @job, if there is one. */
void notify_box_done(struct notify_queue *q, const struct notify_job *job);

/* --- copies of a box's data, in cached mode --- */

/**
 * notify_box - drop those of bytes [@off, @off + @len) of box @serial.  Without
 * memory for the job, mappings go on showing what the box was sent before.
 */
void notify_box(struct worker *w, uint64_t serial, uint64_t off, uint64_t len);

/**
 * notify_box_wait - the same, and wait until it is done.  No lock held.
 */
void notify_box_wait(struct worker *w, uint64_t serial, uint64_t off,
		     uint64_t len);

/**
 * notify_box_blocking - the same before transaction @slot (0: none) is shown;
 * requests on @box wait meanwhile: see wait_defer().  Lock 1 held.
 * @off, @len: 0, 0: all of the data.
 *
 * Return: 0 or -ENOMEM: nothing will happen.
 */
int notify_box_blocking(struct worker *w, struct box *box, uint32_t slot,
			uint64_t off, uint64_t len);

/* --- plain files --- */

/**
 * notify_file_purged - the kernel must forget a file.  Without memory for the
 * job it hears ESTALE when it next asks for the file, and looks it up again.
 * Lock 1 held.
 * @ino: 0: the kernel does not know it.
 * @parent, @name: one of its names; 0 and "": not known.
 * @more: it may have had other names, in any directory.
 */
void notify_file_purged(struct worker *w, uint32_t ino, uint32_t parent,
			const char *name, bool more);

/**
 * notify_range_purged - bytes [@off, @off + @len) have become a hole: copies of
 * them are stale until the job is done.
 */
void notify_range_purged(struct worker *w, uint32_t ino, uint64_t off,
			 uint64_t len);

/**
 * notify_range_cut - the file was cut at @off: what the kernel has behind it is
 * not stale, but new.
 */
void notify_range_cut(struct worker *w, uint32_t ino, uint64_t off);

/**
 * notify_stale - does the kernel still have stale copies of these bytes?
 * @stale: the answer for the first of them.
 *
 * Return: for how many bytes from @off on *@stale holds, at most @len.
 */
uint64_t notify_stale(struct worker *w, uint32_t ino, uint64_t off,
		      uint64_t len, bool *stale);

/** notify_has_stale - of any byte of the file. */
bool notify_has_stale(struct worker *w, uint32_t ino);

/* --- requests that the notifier answers --- */

/**
 * notify_then_write - WRITE, with @len bytes, when all jobs before it are done;
 * at once if there is no memory for the job.
 */
void notify_then_write(struct worker *w, fuse_req_t req, size_t len);

/**
 * notify_then_pin - the PIN being handled, when no copy of the file is stale
 * any more: its caller finds zeros where the file was purged, and what it
 * writes then is not taken for stale.  Lock 1 held.
 *
 * Return: 0 or -ENOMEM: the caller must answer.
 */
int notify_then_pin(struct worker *w, fuse_req_t req, uint32_t ino,
		    uint64_t off, uint64_t len);

/**
 * notify_then_lseek - what mappings have written may be in the kernel's cache
 * only: it is written back before the answer.
 *
 * Return: 0 or -ENOMEM: the caller must answer.
 */
int notify_then_lseek(struct worker *w, fuse_req_t req, uint32_t ino, off_t off,
		      int whence);

/**
 * notify_then_setattr - SETATTR of an inode of a box, when the kernel has no old
 * attributes of others that follow it: see box_followers().
 *
 * Return: 0 or -ENOMEM: the caller must answer.
 */
int notify_then_setattr(struct worker *w, fuse_req_t req, uint64_t ino);

/* --- who polls --- */

/**
 * notify_pollers - wait_tell_pollers() of box @serial, 0: of .pool/events, until
 * there are no more.  Return: 0 or -ENOMEM.
 */
int notify_pollers(struct worker *w, uint64_t serial);

/** notify_receivers - the same, wait_run_receivers() of box @serial. */
int notify_receivers(struct worker *w, uint64_t serial);

/* --- requests that go on in steps --- */

/** notify_steps - wait_step() until there are no more.  Return: 0 or -ENOMEM. */
int notify_steps(struct worker *w);

/* --- directories --- */

/**
 * notify_listing - the kernel should not keep its listing of directory @ino.
 * Nothing may depend on it: whoever is in the middle of a listing can hold it
 * up.  What a process finds that opens the directory after a change is decided
 * by the directory's time of modification: see box_tx_time().
 */
void notify_listing(struct worker *w, uint64_t ino);

/** notify_all_listings - the same for all.  @boxes: also those of tx/. */
void notify_all_listings(struct worker *w, bool boxes);

/* --- without a job: these calls into the kernel wait for nothing --- */

/** notify_attributes - the kernel must ask for those of @ino again. */
void notify_attributes(struct worker *w, uint64_t ino);

/**
 * notify_unused_names - the kernel must look those of @ino up again that nobody
 * uses now.  Before Linux 6.18 it does nothing.
 */
void notify_unused_names(struct worker *w, uint64_t ino);

/* --- news for the notifier that needs no memory --- */

/** notify_events - something was added to the ring of events. */
void notify_events(struct worker *w);

/**
 * notify_pressure - have memory that only readers have touched made Available.
 */
void notify_pressure(struct worker *w);

#endif
