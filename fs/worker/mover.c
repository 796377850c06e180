/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mover: a thread that copies transactions which move to where they have
 * room to grow (pool/box/move.c), and ends when there are no more.
 *
 * It calls nothing that a client can hold up, so it is not the notifier.
 *
 * Locks: takes 1 for each step, and leaves it to others in between.
 */
#include <pthread.h>
#include <unistd.h>

#include "fs/worker/worker_priv.h"

/* Between two steps. */
#define PAUSE_US 200

static void *mover_thread(void *arg)
{
	struct worker *w = arg;
	bool more;

	do {
		usleep(PAUSE_US);
		pool_lock(w->pool);
		more = tx_moves_go_on(w->pool);
		wait_run(w);
		pool_unlock(w->pool);
	} while (more);
	return NULL;
}

int mover_start(struct worker *w)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, mover_thread, w);

	if (!err)
		pthread_detach(thread);
	return -err;
}
