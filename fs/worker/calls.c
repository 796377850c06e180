/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See calls.h. */
#include "fs/worker/calls.h"

#include <unistd.h>

#include "fs/worker/worker_priv.h"

static _Thread_local pid_t tid; /* 0: not known yet */
static _Thread_local _Atomic int32_t *shown; /* NULL: it is in none */

void calls_begin(struct worker *w)
{
	_Atomic int32_t *calls = w->shared->calls;

	if (!tid)
		tid = gettid();
	for (int i = 0; i < CALLS_MAX && !shown; i++) {
		int32_t none = 0;

		if (atomic_compare_exchange_strong(&calls[i], &none, tid))
			shown = &calls[i];
	}
}

void calls_end(void)
{
	if (shown)
		*shown = 0;
	shown = NULL;
}
