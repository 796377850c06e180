/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See follow.h.  Locks: none. */
#include "fs/worker/follow.h"

#include <sched.h>

#include "fs/kernel/process.h"

/*
 * Requests of one thread in a row before the first look: several clients that
 * take turns are never followed.
 */
#define FOLLOW_FIRST 16
/* Requests between looks: a look reads a file of /proc, and costs as much as a
 * request. */
#define FOLLOW_LOOK 256
/* Most requests between looks, when the scheduler moves us away again. */
#define FOLLOW_PAUSE_MOST (1u << 20)

/* The thread moves to @cpu, and keeps the processors that it may run on. */
static void follow_to(int cpu)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_getaffinity(0, sizeof(all), &all) < 0 ||
	    !CPU_ISSET(cpu, &all))
		return;
	if (sched_setaffinity(0, sizeof(one), &one) == 0)
		sched_setaffinity(0, sizeof(all), &all);
}

void follow_client(struct follow *f, uint32_t tid)
{
	int cpu;

	if (!tid)
		return;
	if (tid != f->tid)
		*f = (struct follow){ .tid = tid,
				      .look = FOLLOW_FIRST,
				      .pause = FOLLOW_LOOK };
	if (++f->nr < f->look)
		return;
	cpu = process_cpu(tid);
	if (cpu < 0 || cpu >= CPU_SETSIZE || cpu == sched_getcpu()) {
		f->look = f->nr + FOLLOW_LOOK;
		f->pause = FOLLOW_LOOK;
		return;
	}
	follow_to(cpu);
	f->look = f->nr + f->pause;
	if (f->pause < FOLLOW_PAUSE_MOST)
		f->pause *= 2;
}
