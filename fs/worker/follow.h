/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going where the client is.
 *
 * A client waits for its answer, and the worker for the next request: one of the
 * two runs at a time.  On two processors that are idle otherwise each request
 * pays two wake-ups of a processor that sleeps, which in a virtual machine takes
 * several times as long as the request itself; on one it pays two context
 * switches.  The scheduler leaves a worker that sleeps where it was last, so it
 * is enough to go to the client's processor once, with the right to leave it.
 *
 *	requests of one thread in a row
 *	................|...............................|............
 *	              look: another processor?        look again: apart
 *	              go there                        once more?  then wait
 *	                                              twice as long
 */
#ifndef POOLFS_FOLLOW_H
#define POOLFS_FOLLOW_H

#include <stdint.h>

struct follow {
	uint32_t tid; /* who has asked last */
	uint64_t nr; /* requests of it in a row */
	uint64_t look; /* at which of them to look where it is */
	uint64_t pause; /* to the next look when we have gone */
};

/**
 * follow_client - a request of thread @tid has been handled; 0: of nobody's.
 * Moves the calling thread, and nothing else.
 */
void follow_client(struct follow *f, uint32_t tid);

#endif
