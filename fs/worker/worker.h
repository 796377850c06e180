/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker: the process that does the work.  It may be killed at any
 * instruction; the keeper starts another, which goes on.
 *
 * Threads and what they may hold (numbers of pool/locks.h):
 *
 *	loop		reads a request, takes 1, handles it, answers, lets 1 go
 *	reclaimer	3, tries 2; never 1
 *	notifier	calls into the kernel with no lock, then takes 1
 *	signals		waits for SIGTERM, then takes 1 and answers all waiters
 */
#ifndef POOLFS_WORKER_H
#define POOLFS_WORKER_H

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "fs/request/events.h"
#include "fs/request/inode.h"
#include "fs/options.h"
#include "fs/request/wait.h"
#include "fs/kernel/wire.h"
#include "pool/pool.h"
#include "pool/tree/tree.h"
#include "shrinker/memwatch.h"
#include "shrinker/reclaim.h"

#define INIT_MAX 512
/* Memory that a request is read into: a huge page. */
#define REQUEST_BUFFER (2u << 20)

/* Memory that the keeper shares with its workers. */
struct mount_shared {
	unsigned char init[INIT_MAX]; /* the kernel's INIT request */
	_Atomic uint32_t init_len;
	_Atomic uint32_t init_answered;
	_Atomic uint32_t mode; /* enum io_mode, once decided */
	_Atomic uint32_t can_resend;
	_Atomic uint32_t restarts;
	_Atomic uint32_t stopping; /* by the keeper: clients are to be told */
	/* The request being handled, 0 between two; and which one, how many
	 * workers in a row have crashed in. */
	_Atomic uint64_t handling;
	_Atomic uint64_t blamed;
	_Atomic uint32_t crashes;
	_Atomic int64_t mounted_ns; /* CLOCK_MONOTONIC */
	pid_t keeper;
	_Atomic int32_t last_backing; /* passthrough id that was made last */
	uint64_t device; /* of the mount: see mount_device() */
	char why[256]; /* the mount failed: what to tell */
};

/* Statuses that a worker ends with. */
enum worker_status {
	WORKER_UNMOUNTED = 0,
	WORKER_FAILED = 3, /* could not start; mount_shared.why says why */
	WORKER_STOPPED = 4, /* by SIGTERM */
};

struct settle_job;
TAILQ_HEAD(settle_jobs, settle_job);

struct worker {
	const struct options *options;
	struct mount_shared *shared;
	struct store *store;
	struct fuse_session *se;
	struct fuse_session *mount;
	int fuse_fd;
	struct pool *pool;
	struct reclaimer *reclaimer;
	struct memwatch memory; /* the loop's own look at it */
	int64_t look_ns; /* CLOCK_MONOTONIC: when to look again */
	struct events events;
	enum io_mode mode;
	struct wire_features features;
	uint64_t init_unique;
	bool init_swallow;
	bool init_pending;

	/* Of the request being handled; guarded by 1. */
	struct wire_request request;

	/* Where requests are read into; one that waits may keep it. */
	void *buffer;
	void *spare_buffer; /* 1 */

	struct waiters waiters; /* 1 */
	bool closing; /* 1: nobody waits any more */
	uint16_t last_door; /* 1: of all sends */

	pthread_mutex_t notify_lock; /* 4 */
	pthread_cond_t notify_cond;
	struct settle_jobs jobs; /* notify_lock */
	struct settle_jobs gone; /* notify_lock: ranges the kernel has still */
	bool events_added; /* notify_lock */
	bool pressure; /* notify_lock: it has begun */
	char config_error[256]; /* 1 */
	uint32_t config_keys; /* 1; bits: set since the defaults */
	struct timespec started; /* CLOCK_REALTIME */
	uint64_t requests; /* 1: handled by this worker */
	uint64_t listing_changes; /* 1: see list_ended() */
	void *io_buffer; /* 1: what READ is answered from */
};

/**
 * worker_run - in the child.  Return: enum worker_status, to exit with.
 * @mount: the keeper's session, to unmount with should the keeper be gone.
 */
int worker_run(const struct options *options, struct mount_shared *shared,
	       struct store *store, struct fuse_session *mount);

/** worker_buffer - memory for a request, and back; the pages are kept. */
void *worker_buffer_get(struct worker *w);
void worker_buffer_put(struct worker *w, void *buffer);

/** worker_make_room - a file of the front end's found the store full.  Holds 1.
 * Return: whether it is worth to try again. */
bool worker_make_room(struct worker *w, size_t bytes);

/** worker_trim - writers do not tell us how much they write: have what the pool
 * holds beyond its size, or beyond what memory is left, purged.  Holds 1. */
void worker_trim(struct worker *w);

/** worker_backing_open - as wire_backing_open(). */
int worker_backing_open(struct worker *w, int fd);

/** worker_handle - give one raw request to libfuse.  Holds 1. */
void worker_handle_locked(struct worker *w, void *buf, size_t len);

extern const struct fuse_lowlevel_ops worker_ops; /* ops.c */

/* ops_attr.c */
/** op_statx - answers the STATX being handled. */
void op_statx(struct worker *w);

/* box_send.c: answers a WRITE to send, if that can be done at once. */
bool send_write_fast(struct worker *w, const void *buf, size_t len);

/* notify.c */
int notify_start(struct worker *w);
/** notify_forget - an earlier worker knew what the kernel has copies of, and
 * this one does not: have all of them dropped.  Return: 0 or -ENOMEM. */
int notify_forget(struct worker *w);
/**
 * notify_file_gone - plain file @node, if that is not 0, is gone by itself; so is
 * its @name in directory @parent, if that is not 0; and if @more, names that
 * nobody knows of, in any directory.
 */
void notify_file_gone(struct worker *w, uint32_t node, uint32_t parent,
		      const char *name, bool more);
void notify_events(struct worker *w);
/** notify_attributes - the kernel must look at them again. */
void notify_attributes(struct worker *w, uint64_t node);
/** notify_listing - the kernel must not keep its listing of directory @node.
 * Its pages are never locked for longer than a copy takes. */
void notify_listing(struct worker *w, uint64_t node);
void notify_pressure(struct worker *w);
void notify_settle(void *arg, struct box *box, uint32_t slot, uint64_t off,
		   uint64_t len);
void notify_invalidate(void *arg, uint64_t serial, uint64_t off, uint64_t len);
void notify_invalidate_later(void *arg, uint64_t serial, uint64_t off,
			     uint64_t len);
/** notify_reply_write - when all that was asked for before is done. */
void notify_reply_write(struct worker *w, fuse_req_t req, size_t len);
/**
 * notify_then_pin - the request in hand, when nothing is lost of the file any
 * more: the caller finds zeros, and nothing that it writes is taken for old.
 * Return: 0, or -ENOMEM: nothing will come.
 */
int notify_then_pin(struct worker *w, fuse_req_t req, uint32_t node,
		    uint64_t off, uint64_t len);
/**
 * notify_then_lseek - what mappings have written is in the kernel's cache only:
 * have it written, then answer.  Return: 0, or -ENOMEM: nothing will come.
 */
int notify_then_lseek(struct worker *w, fuse_req_t req, uint32_t node,
		      off_t off, int whence);
/** notify_range_gone - copies of these bytes of a plain file are old. */
void notify_range_gone(struct worker *w, uint32_t node, uint64_t off,
		       uint64_t len);
/**
 * notify_lost - does the kernel still have old copies of these bytes?
 * Return: for how many from @off on *@gone is the answer; all of @len if for all.
 */
uint64_t notify_lost(struct worker *w, uint32_t node, uint64_t off,
		     uint64_t len, bool *gone);
/** notify_has_lost - of any byte of the file. */
bool notify_has_lost(struct worker *w, uint32_t node);
/** notify_range_cut - what it has from @off on is not old, or no more. */
void notify_range_cut(struct worker *w, uint32_t node, uint64_t off);

#endif
