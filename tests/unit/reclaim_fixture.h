/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reclaimer, driven through FIFOs and a file in the place of meminfo.  Its
 * shrink function is a fake: a heap of objects, of which a pass gives two
 * shares of heap >> priority, as shrink_slab() asks of the usual shrinker.
 *
 * The machine may have other things to do: what is waited for may take a
 * minute, and who asserts how long something takes tries again.
 */
#ifndef POOLFS_RECLAIM_FIXTURE_H
#define POOLFS_RECLAIM_FIXTURE_H

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "shrinker/reclaim.h"
#include "tests/unit/tap.h"

#define MSEC 1000000ull
#define PATIENCE_MS 60000
#define TRIES 50 /* for what a busy machine may spoil */

/* The monitors: nothing of the machine itself. */
extern char fifo[2][64];
extern char meminfo[64];

/* The fake heap. */
extern atomic_ulong heap;
extern atomic_int last_priority, fake_calls;
extern atomic_ullong freed_at; /* first time something was freed */
extern atomic_bool saw_block, saw_fs;

/* Makes the directory and what is in it; reclaim_tidy() removes it. */
void reclaim_prepare(void);
void reclaim_tidy(void);

uint64_t clock_ns(void);
void sleep_ms(unsigned int ms);

void heap_fill(unsigned long objects);

/* Up to @want objects; other threads take some at the same time. */
unsigned long heap_take(unsigned long want);

/* What the reclaimer told. */
int count_events(enum reclaim_event_type type);
struct reclaim_event last_event(enum reclaim_event_type type);

/* Is @event, the index, there?  In the order in which they were told. */
bool event_at(int index, struct reclaim_event *event);

/* Have there been @nr of them?  They may take their time. */
bool wait_event(enum reclaim_event_type type, int nr);

/* Does @cond, which looks at *@st, become true? */
#define becomes(r, st, cond)                     \
	({                                       \
		int left_ms = PATIENCE_MS;       \
                                                 \
		reclaimer_status(r, st);         \
		while (!(cond) && left_ms--) {   \
			sleep_ms(1);             \
			reclaimer_status(r, st); \
		}                                \
		left_ms >= 0;                    \
	})

void set_available(unsigned long mib);
void set_memory(unsigned long total_mib, unsigned long mib);
void say(int which, const char *kind, unsigned long total);

struct reclaimer *reclaim_start(const char *const *paths, int nr,
				struct reclaim_tuning tuning);
struct reclaimer *start_fifo(struct reclaim_tuning tuning);

/* With the shrinkers that are registered, not the fake. */
struct reclaimer *start_real(struct reclaim_tuning tuning);

#endif
