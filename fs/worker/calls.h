/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which threads are in a call that may wait in the kernel, for a client or for
 * an answer of the next worker.  When their worker dies they do nothing more
 * than to end this call, whenever that is, so the keeper, which looks at
 * mount_shared.calls, need not wait for them.
 *
 * Locks: none.
 */
#ifndef POOLFS_FS_WORKER_CALLS_H
#define POOLFS_FS_WORKER_CALLS_H

struct worker;

/** calls_begin - the calling thread begins one. */
void calls_begin(struct worker *w);
/** calls_end - it has returned; also if it has not begun one. */
void calls_end(void);

#endif
