/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the stall of one kind grows, and what that means.
 *
 * What it is for: an event may be false, and pressure has no event for its
 * end.  Both are judged here, from the growth of total= alone.
 *
 * States:
 *
 *	      a threshold of stall            growing slower than half
 *	calm ----------------------> hot  <------------------------------> held
 *	                                                                    |
 *	calm <------------------ a whole window without being hot ----------'
 *
 * hot and held are "under pressure".
 *
 * Locks: none.
 *
 * Reclaim meanwhile: it is reclaim that asks.
 *
 * The two windows of a track, as time goes to the right:
 *
 *	prev          start             look     now
 *	 |--- a window --|--- up to a window --|---|
 *
 * An event is measured from prev, so that at least one whole window is always
 * behind it; whether pressure lasts is measured from the last look.  Being hot
 * moves all marks to now: stall that was acted upon is not counted again.
 */
#include "shrinker/psi_track.h"

#define NSEC_PER_USEC 1000ull
/* More stall than this (11 days) at once is not worth telling apart. */
#define GROWTH_MAX_US 1000000000000ull

/* Stall since @mark, in microseconds. */
static uint64_t growth(const struct psi_mark *mark, uint64_t total)
{
	uint64_t grown = total > mark->total ? total - mark->total : 0;

	return grown < GROWTH_MAX_US ? grown : GROWTH_MAX_US;
}

/* Does stall grow by stall_us a window, or @divisor-th part of it? */
static bool ratio_over(const struct psi_track *t, const struct psi_mark *mark,
		       uint64_t total, uint64_t now, unsigned int divisor)
{
	uint64_t elapsed_us = (now - mark->ns) / NSEC_PER_USEC;
	double share = (double)t->stall_us / t->window_us / divisor;

	return growth(mark, total) > 0 &&
	       growth(mark, total) >= share * elapsed_us;
}

/* Was there a whole threshold of stall since @mark, and quickly enough? */
static bool threshold_over(const struct psi_track *t,
			   const struct psi_mark *mark, uint64_t total,
			   uint64_t now)
{
	return growth(mark, total) >= t->stall_us &&
	       ratio_over(t, mark, total, now, 1);
}

void psi_track_reset(struct psi_track *t, uint64_t total, uint64_t now)
{
	t->prev = t->start = t->look = (struct psi_mark){ now, total };
}

/* Stall up to now is accounted for: growth is measured from here. */
void psi_track_heat(struct psi_track *t, uint64_t total, uint64_t now)
{
	t->under = true;
	t->hot = true;
	t->hot_ns = now;
	psi_track_reset(t, total, now);
}

/* Move the marks on to a new value; one that went back starts over. */
static void track_advance(struct psi_track *t, uint64_t total, uint64_t now)
{
	if (total < t->look.total)
		psi_track_reset(t, total, now);
	t->look = (struct psi_mark){ now, total };
	if (now - t->start.ns >= t->window_us * NSEC_PER_USEC) {
		t->prev = t->start;
		t->start = t->look;
	}
}

enum psi_verdict psi_track_look(struct psi_track *t, uint64_t total,
				uint64_t now)
{
	bool begins = !t->under && (threshold_over(t, &t->prev, total, now) ||
				    threshold_over(t, &t->start, total, now));

	/* An event at the same time has been judged already. */
	if (now == t->look.ns)
		return PSI_CALM;
	if (begins || (t->under && ratio_over(t, &t->look, total, now, 2))) {
		psi_track_heat(t, total, now);
		return begins ? PSI_PRESSURE : PSI_CALM;
	}
	t->hot = false;
	if (t->under && now - t->hot_ns >= t->window_us * NSEC_PER_USEC)
		t->under = false;
	track_advance(t, total, now);
	return PSI_CALM;
}

/*
 * An event is believed when stall has grown by half of the threshold: the
 * kernel adds up over other intervals than we do.  The first event of a trigger
 * whose opener lacks CAP_SYS_RESOURCE comes whatever the stall was, so it must
 * be checked.  An event under pressure may be about stall that was seen
 * already, and is treated as a look.
 */
enum psi_verdict psi_track_event(struct psi_track *t, uint64_t total,
				 uint64_t now)
{
	if (t->under) {
		t->events++;
		psi_track_look(t, total, now);
		return PSI_PRESSURE;
	}
	if (growth(&t->prev, total) > t->stall_us / 2) {
		t->events++;
		psi_track_heat(t, total, now);
		return PSI_PRESSURE;
	}
	t->false_events++;
	track_advance(t, total, now);
	return PSI_CALM;
}
