/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker moves to the processor that its client runs on.
 *
 * A client waits for its answer, and the worker for the next request: one of
 * the two runs at a time.  On two processors that are idle otherwise each
 * request pays for two wake-ups of a sleeping processor, which in a virtual
 * machine take several times as long as the request itself; on one processor it
 * pays for two context switches.  The scheduler wakes a worker where it ran
 * last, so it is enough to move there once; the worker may leave again.
 *
 *	requests of one thread in a row
 *	................|...............................|............
 *	              look: another processor?        look again: apart
 *	              go there                        once more?  then wait
 *	                                              twice as long
 */
#ifndef POOLFS_FS_WORKER_FOLLOW_H
#define POOLFS_FS_WORKER_FOLLOW_H

#include <stdint.h>

struct follow {
	uint32_t tid; /* the client of the last request */
	uint64_t nr; /* requests of it in a row */
	uint64_t look; /* the next look at its processor is at this one */
	uint64_t pause; /* requests from a move to the next look */
};

/**
 * follow_client - a request of thread @tid has been handled.  Moves the calling
 * thread only.
 * @tid: 0: the request was the kernel's own.
 */
void follow_client(struct follow *f, uint32_t tid);

#endif
