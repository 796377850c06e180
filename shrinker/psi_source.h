/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One source of pressure readings, by path:
 *
 *	kernel	/proc/pressure/memory or a cgroup's memory.pressure: two
 *		triggers, one for some and one for full; POLLPRI
 *	stream	a FIFO or a listening unix socket: writers send lines as the
 *		kernel prints them, each a reading and an event; POLLIN
 *	plain	any other regular file, or a pressure file that may be read but
 *		not armed: no events, it is read at each look
 *
 * An event is believed only when total= has grown by what the trigger was
 * armed for; pressure seen goes on until total= has grown slower than half of
 * that, for a whole window.
 *
 * No locks inside: one thread at a time.
 */
#ifndef POOLFS_SHRINKER_PSI_SOURCE_H
#define POOLFS_SHRINKER_PSI_SOURCE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "shrinker/psi.h"
#include "shrinker/psi_track.h"

struct psi_source;

enum psi_source_state {
	PSI_SOURCE_ARMED, /* events come */
	PSI_SOURCE_READ, /* no events, but it can be read at each look */
	PSI_SOURCE_UNREADABLE, /* it could never be used; see err */
	PSI_SOURCE_LOST, /* it could be used, and failed later; see err */
};

const char *psi_source_state_name(enum psi_source_state state);

/* What triggers are armed for, in microseconds. */
struct psi_limits {
	uint64_t stall_us[PSI_NR_KINDS];
	uint64_t window_us;
};

/* Seconds between attempts to get a source back. */
#define PSI_SOURCE_RETRY_S 30

/**
 * psi_source_new - a source that is not opened yet.
 * @explicit: a trigger to be used for its kind whatever the limits say, or
 *	NULL.
 * @bare: whatever a stream sends is an event, also without a newline.
 * Return: it, or NULL with errno ENOMEM.
 */
struct psi_source *psi_source_new(const char *path,
				  const struct psi_threshold *explicit,
				  bool bare);
void psi_source_free(struct psi_source *s); /* closes; NULL is fine */

/**
 * psi_source_arm - open and arm, or arm again with other limits.
 * @now: CLOCK_MONOTONIC, nanoseconds.
 *
 * The window is rounded up to a multiple of 2 s where the kernel demands it,
 * the stall with it.
 *
 * Return: 0 (armed, or read at each look); otherwise it is unreadable or lost
 * and will be tried again by psi_source_retry(): -ENOENT, -EACCES, -EOPNOTSUPP
 * (the kernel's PSI is off), -ENODEV (its cgroup was removed), -EINVAL (not a
 * pressure file), ...
 */
int psi_source_arm(struct psi_source *s, const struct psi_limits *limits,
		   uint64_t now);

/**
 * psi_source_retry - arm it again, if it is unreadable or lost and
 * PSI_SOURCE_RETRY_S have passed.
 * @now: CLOCK_MONOTONIC, nanoseconds.
 * Return: true: it is armed or can be read.
 */
bool psi_source_retry(struct psi_source *s, const struct psi_limits *limits,
		      uint64_t now);

/** psi_source_pollfds - at most PSI_NR_KINDS entries.  Return: how many. */
int psi_source_pollfds(const struct psi_source *s, struct pollfd *fds);

/**
 * psi_source_event - poll() returned @revents for @fd, one of its own.  @now:
 * as above.
 */
enum psi_verdict psi_source_event(struct psi_source *s, int fd, short revents,
				  uint64_t now);

/** psi_source_look - read it without an event.  @now: as above. */
enum psi_verdict psi_source_look(struct psi_source *s, uint64_t now);

/**
 * psi_source_pressure - is there pressure of this kind?
 * @hot: out, whether stall was still growing at the last look.
 */
bool psi_source_pressure(const struct psi_source *s, enum psi_kind kind,
			 bool *hot);

struct psi_source_status {
	const char *path; /* lives as long as the source */
	enum psi_source_state state;
	int err; /* errno, 0 if none; see psi_source_strerror() */
	uint64_t malformed; /* lines or readings that were no PSI */
	struct {
		uint64_t stall_us; /* as armed; 0 if nothing is */
		uint64_t window_us;
		struct psi_line last; /* present: false until one was read */
		uint64_t events; /* believed */
		uint64_t false_events;
	} kind[PSI_NR_KINDS];
};
void psi_source_status(const struct psi_source *s,
		       struct psi_source_status *out);

/** psi_source_strerror - what @err means for a pressure file. */
const char *psi_source_strerror(int err);

#endif
