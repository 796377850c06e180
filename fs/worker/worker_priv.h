/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the worker, for the worker*.c files. */
#ifndef POOLFS_WORKER_PRIV_H
#define POOLFS_WORKER_PRIV_H

#include "fs/worker/worker.h"

/* A WRITE of 1 MiB and its headers. */
#define REQUEST_MAX ((1u << 20) + 8192)

/* worker_session.c.  Return: the session, or NULL. */
struct fuse_session *worker_session(struct worker *w);
/** worker_init_session - the first worker waits for INIT, later ones have it
 * from their keeper.  Return: 0 or -errno; -ENODEV: unmounted meanwhile. */
int worker_init_session(struct worker *w);

/* worker_passthrough.c */
/** worker_choose_mode - what the options ask for, or the best there is; later
 * workers have what the first one chose.  Return: 0 or -errno. */
int worker_choose_mode(struct worker *w);
void worker_close_lost_backing(struct worker *w);
void worker_drop_sys_resource(void);

/* worker_pool.c.  Both return 0 or -errno. */
int worker_open_pool(struct worker *w);
int worker_start_reclaimer(struct worker *w);

/* worker_memory.c */
/** worker_reclaim - what the pool asks for.  Return: pages given back. */
uint64_t worker_reclaim(void *arg, uint64_t pages);

/* worker_loop.c */
/** worker_read - one request into @buf, of REQUEST_MAX bytes.  Return: its
 * length, or -errno; -ENODEV: unmounted. */
ssize_t worker_read(struct worker *w, void *buf);
/** worker_loop - until the end.  Return: enum worker_status. */
int worker_loop(struct worker *w);

/* worker_resume.c */
/** worker_refuses - of the request being handled.  Return: true: answered. */
bool worker_refuses(struct worker *w);
/** worker_handle_resent - all that earlier workers left unanswered; takes 1.
 * Return: 0, or -errno: then another worker must try. */
int worker_handle_resent(struct worker *w);
void worker_forget_listings(struct worker *w);
void worker_forget_purged(struct worker *w);
void worker_adopt_pollers(struct worker *w);

#endif
