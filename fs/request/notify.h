/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs for the notifier, the thread that calls into the kernel's cache of our
 * own mount: fs/worker/notifier.c says why it is a thread of its own.  Here is
 * its queue.
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
	NOTIFY_WRITE, /* answer a WRITE behind all jobs that came before it */
	NOTIFY_PIN, /* pin a range behind them, then answer */
	NOTIFY_LSEEK, /* write back a file's dirty pages, then answer */
};

struct notify_job {
	TAILQ_ENTRY(notify_job) link;
	enum notify_kind kind;
	union {
		struct {
			uint64_t serial;
			uint64_t off, len; /* bytes; 0, 0: all of it */
			uint32_t slot; /* transaction to be shown; 0: none */
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
	};
};
TAILQ_HEAD(notify_jobs, notify_job);

struct notify_queue {
	pthread_mutex_t lock; /* 4: of all below */
	pthread_cond_t cond;
	struct notify_jobs jobs;
	struct notify_jobs stale; /* NOTIFY_RANGE jobs that are not done */
	bool events_added;
	bool pressure;
};

void notify_init(struct worker *w);

/* --- for the notifier --- */

/* What there is to do. */
struct notify_work {
	struct notify_job *job; /* or NULL; the caller's to free */
	bool events_added; /* readers of .pool/events may go on */
	bool pressure; /* look for memory that only readers have touched */
};

/** notify_wait - until there is something to do. */
void notify_wait(struct worker *w, struct notify_work *out);

/** notify_again - @job, which was taken, goes to the end of the queue. */
void notify_again(struct worker *w, struct notify_job *job);

/** notify_range_done - the kernel has no copies of @job's range any more. */
void notify_range_done(struct worker *w, struct notify_job *job);

/* --- copies of a box's data, in cached mode --- */

/**
 * notify_box - drop those of bytes [@off, @off + @len) of box @serial.  Without
 * memory for the job, mappings go on showing what the box was sent before.
 */
void notify_box(struct worker *w, uint64_t serial, uint64_t off, uint64_t len);

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

/* --- without a job: these calls into the kernel wait for nothing --- */

/** notify_attributes - the kernel must ask for those of @ino again. */
void notify_attributes(struct worker *w, uint64_t ino);

/**
 * notify_listing - the kernel must not keep its listing of directory @ino.  Its
 * pages are never locked for longer than a copy takes.
 */
void notify_listing(struct worker *w, uint64_t ino);

/* --- news for the notifier that needs no memory --- */

/** notify_events - something was added to the ring of events. */
void notify_events(struct worker *w);

/**
 * notify_pressure - have memory that only readers have touched made Available.
 */
void notify_pressure(struct worker *w);

#endif
