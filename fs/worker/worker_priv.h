/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the worker, for the files of this folder. */
#ifndef POOLFS_FS_WORKER_PRIV_H
#define POOLFS_FS_WORKER_PRIV_H

#include "fs/request/context.h"
#include "fs/request/inode.h"
#include "fs/worker/worker.h"

/* Bytes of the longest request: a WRITE of 1 MiB and its headers. */
#define REQUEST_MAX ((1u << 20) + 8192)

/* --- worker_session.c --- */

/** worker_session - Return: the session, or NULL. */
struct fuse_session *worker_session(struct worker *w);

/**
 * worker_init_session - the first worker waits for INIT; later ones have it
 * from their keeper.  Return: 0 or -errno; -ENODEV: unmounted meanwhile.
 */
int worker_init_session(struct worker *w);

/* --- worker_passthrough.c --- */

/**
 * worker_choose_mode - what the options ask for, or the best there is; later
 * workers have what the first one chose.  Return: 0 or -errno.
 */
int worker_choose_mode(struct worker *w);

/**
 * worker_drop_sys_resource - the kernel opens the store's files with the loop's
 * credentials: with this capability writers would pass the limits of their
 * users.  The reclaimer's thread keeps it.
 */
void worker_drop_sys_resource(void);

/* --- worker_pool.c --- */

/** worker_open_pool - and its ring of events.  Return: 0 or -errno. */
int worker_open_pool(struct worker *w);

/** worker_make_reclaimer - it is not started.  Return: 0 or -errno. */
int worker_make_reclaimer(struct worker *w);

/* --- worker_loop.c --- */

/**
 * worker_read - one request.
 * @buf: of REQUEST_MAX bytes.
 * Return: its length in bytes, or -errno; -ENODEV: unmounted.
 */
ssize_t worker_read(struct worker *w, void *buf);

/**
 * worker_turn - a request was taken in hand, or was handled.  By the loop only.
 */
void worker_turn(struct worker *w);

/** worker_loop - until the end.  Return: enum worker_status. */
int worker_loop(struct worker *w);

/* --- worker_handle.c --- */

/**
 * worker_handle_locked - handle one request: it is answered, waits, or is kept
 * by the notifier.  Lock 1 held.
 * @buf, @len: as the kernel sent it; changed in place.
 */
void worker_handle_locked(struct worker *w, void *buf, size_t len);

/* --- notifier.c --- */

/** notifier_start - its threads.  Return: 0 or -errno. */
int notifier_start(struct worker *w);

/** notifier_do - one job of a queue, by thread @d.  Takes @job. */
void notifier_do(struct worker *w, struct dropper *d, struct notify_job *job);

/**
 * notifier_finish - what waited for @job goes on; for a job that is done, and
 * for one that was given up.  Takes 1.
 */
void notifier_finish(struct worker *w, const struct notify_job *job);

/** notifier_news - see notify_events() and notify_pressure().  Takes 1. */
void notifier_news(struct worker *w, bool events_added, bool pressure);

/* --- mover.c --- */

/** mover_start - see pool_ops.moves.  Return: 0 or -errno. */
int mover_start(struct worker *w);

/* --- worker_resume.c --- */

/**
 * worker_handle_resent - all requests that earlier workers left unanswered.
 * Takes 1.  Return: 0, or -errno: then another worker must try.
 */
int worker_handle_resent(struct worker *w);

/*
 * Only earlier workers knew what the kernel has cached: these have all of it
 * dropped that may be stale.  Lock 1 held.
 */
/** worker_forget_copies - of boxes' data.  Return: 0 or -ENOMEM. */
int worker_forget_copies(struct worker *w);
void worker_forget_purged(struct worker *w);

/** worker_adopt_pollers - wake what polled files of earlier workers. */
void worker_adopt_pollers(struct worker *w);

#endif
