/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the stall of one kind grows: is an event real, does pressure last?
 * Pure state, no file; times are CLOCK_MONOTONIC nanoseconds and never go
 * back, totals are microseconds and should not.
 */
#ifndef POOLFS_SHRINKER_PSI_TRACK_H
#define POOLFS_SHRINKER_PSI_TRACK_H

#include <stdbool.h>
#include <stdint.h>

enum psi_verdict {
	PSI_CALM, /* nothing, or not enough */
	PSI_PRESSURE, /* stall has grown by the threshold */
	PSI_GONE, /* the source has become PSI_SOURCE_LOST (sources only) */
};

/* A value of total= and when it was read. */
struct psi_mark {
	uint64_t ns;
	uint64_t total;
};

struct psi_track {
	uint64_t stall_us; /* the threshold: this much ... */
	uint64_t window_us; /* ... in so long */
	struct psi_mark prev; /* at least a window ago, once there was one */
	struct psi_mark start; /* where the running window began */
	struct psi_mark look; /* the last value */
	bool under; /* pressure began and has not ended */
	bool hot; /* and stall was growing at the last look */
	uint64_t hot_ns; /* when it was hot last */
	uint64_t events; /* believed */
	uint64_t false_events;
};

/** psi_track_reset - growth is measured from here. */
void psi_track_reset(struct psi_track *t, uint64_t total, uint64_t now);

/** psi_track_heat - there is pressure, whatever the figures say. */
void psi_track_heat(struct psi_track *t, uint64_t total, uint64_t now);

/**
 * psi_track_event - the source says that the threshold was passed.
 * @total: its total=, microseconds.
 * @now: CLOCK_MONOTONIC, nanoseconds.
 * Return: PSI_PRESSURE; PSI_CALM: the event was false.
 */
enum psi_verdict psi_track_event(struct psi_track *t, uint64_t total,
				 uint64_t now);

/**
 * psi_track_look - total= was read without an event.
 * @total, @now: as above.
 * Return: PSI_PRESSURE when it shows that pressure began.
 */
enum psi_verdict psi_track_look(struct psi_track *t, uint64_t total,
				uint64_t now);

#endif
