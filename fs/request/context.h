/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every request handler finds: the worker's state, and the memory that the
 * keeper shares with its workers.
 *
 * A comment "1" or "4" behind a field is the lock of pool/locks.h that guards
 * it.  A field without one is set before the threads start, and read only then.
 */
#ifndef POOLFS_FS_REQUEST_CONTEXT_H
#define POOLFS_FS_REQUEST_CONTEXT_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

#include "fs/kernel/wire.h"
#include "fs/request/events.h"
#include "fs/request/mount_options.h"
#include "fs/request/notify.h"
#include "fs/request/wait.h"
#include "shrinker/clock.h"
#include "shrinker/headroom.h"
#include "shrinker/memwatch.h"

#define INIT_MAX 512 /* bytes of an INIT request */
/* Bytes of the memory that a request is read into. */
#define REQUEST_BUFFER (2u << 20)

/*
 * A request that so much blame has come upon is not tried again: three workers
 * in a row have crashed in it, or somebody has killed many.
 */
#define BLAME_MAX 21
#define BLAME_CRASH 7
#define BLAME_KILL 1

/* Threads that may be in calls that wait at a time: see fs/worker/dropper.c and
 * pool/volatile/hole.c, which have limits. */
#define CALLS_MAX 256

/* How far a FORGET has come: see forget.c. */
struct forget_note {
	uint64_t unique;
	uint32_t begun;
	struct {
		uint64_t ino, left;
	} entry[2];
};

/* What the last READDIRPLUS has looked up, at most: see forget.c.  Others wait
 * meanwhile. */
#define LISTED_MAX 128
struct listed_note {
	uint64_t unique;
	uint32_t nr;
	uint32_t ino[LISTED_MAX];
};

/* Memory that the keeper shares with its workers. */
struct mount_shared {
	unsigned char init[INIT_MAX]; /* the kernel's INIT request */
	_Atomic uint32_t init_len; /* bytes */
	_Atomic uint32_t init_answered;
	_Atomic uint32_t mode; /* enum io_mode, once decided */
	_Atomic uint32_t can_resend;
	_Atomic uint32_t restarts;
	_Atomic uint32_t
		opened; /* a worker of this mount has opened the pool */
	_Atomic uint32_t stopping; /* set by the keeper: the mount ends */
	_Atomic uint32_t ended; /* set by the keeper: it has cleaned up */
	/* Of this worker: counts each request that is read, and counts again
	 * when it was handled. */
	_Atomic uint32_t turns;
	/* The request being handled, 0 between two; and the one that the last
	 * workers in a row have died in, with @blame for all of them. */
	_Atomic uint64_t handling;
	_Atomic uint64_t blamed;
	_Atomic uint32_t blame;
	_Atomic int64_t mounted_ns; /* CLOCK_MONOTONIC */
	pid_t keeper;
	_Atomic int32_t last_backing; /* the newest passthrough id */
	uint64_t device; /* of the mount: see mount_device() */
	uint64_t mount_id; /* see mount_id(); 0: not known */
	/* size= and nr_inodes=, of the mount or as .pool/config has changed
	 * them; inodes: 0: no limit, or the store has none. */
	_Atomic uint64_t size;
	_Atomic uint64_t inodes;
	_Atomic uint32_t inodes_exact; /* the user gave it */
	void *buffer; /* REQUEST_BUFFER bytes, shared, too: see buffer.h */
	struct forget_note forget;
	struct listed_note listed;
	/* Threads in calls that may wait: see fs/worker/calls.h.  0: none. */
	_Atomic int32_t calls[CALLS_MAX];
	char why[256]; /* why the mount failed, for the user */
};

#define WORKER_MAGIC 0x776f726bu

struct worker {
	uint32_t magic; /* WORKER_MAGIC: see worker_of() */
	enum io_mode mode;
	const struct options *options;
	struct mount_shared *shared;
	struct store *store;
	struct fuse_session *se;
	struct fuse_session *mount; /* the keeper's, to unmount with */
	int fuse_fd;
	struct pool *pool;
	struct reclaimer *reclaimer;
	struct timespec started; /* CLOCK_REALTIME */
	struct events events;
	struct notify notify;

	/* INIT: see fs/worker/worker_session.c. */
	struct wire_features features;
	bool init_swallow; /* the kernel has had the answer */
	bool init_pending; /* the answer is still to come */

	struct wire_request request; /* 1: the one being handled */
	uint64_t requests; /* 1: handled by this worker */

	void *buffer; /* requests are read into it: see fs/request/buffer.h */
	void *io_buffer; /* 1: READ is answered from it */

	struct waiters waiters; /* 1 */
	bool closing; /* 1: no request may wait any more */

	/* 1: of all boxes' send: see inode.h; above UINT16_MAX: they come again.
	 */
	uint32_t last_alias;

	struct memwatch memory; /* 1: see fs/request/memory.c */
	struct headroom headroom; /* 1: the same */
	int64_t look_ns; /* 1: CLOCK_MONOTONIC, when to look again */

	char config_error[256]; /* 1: "" when the last write was valid */
	uint32_t config_keys; /* 1: bit i: config_keys[i] was set */
};

/**
 * worker_of - the worker behind a callback's untyped argument; aborts when it
 * is something else.
 */
static inline struct worker *worker_of(void *arg)
{
	struct worker *w = arg;

	if (w->magic != WORKER_MAGIC)
		abort();
	return w;
}

/** worker_uptime - seconds since the mount. */
static inline double worker_uptime(const struct worker *w)
{
	return (clock_ns() - w->shared->mounted_ns) / 1e9;
}

#endif
