/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory this process may still have before a limit of its cgroup, or
 * of one above it, is reached and the kernel kills.  Exact at the moment it is
 * asked, and cheap enough to be asked before each allocation.
 */
#ifndef POOLFS_SHRINKER_HEADROOM_H
#define POOLFS_SHRINKER_HEADROOM_H

#include <stdbool.h>
#include <stdint.h>

struct cgroup;

#define HEADROOM_LEVELS 16
#define HEADROOM_NONE UINT64_MAX /* no limit */

struct headroom {
	const struct cgroup *cg; /* NULL: no limits */
	int64_t next_ns; /* CLOCK_MONOTONIC: when to look for limits again */
	uint64_t limit; /* bytes, the tightest; HEADROOM_NONE */
	int nr;
	struct headroom_level {
		uint64_t limit; /* bytes */
		int usage_fd; /* kept open */
		uint64_t spare; /* bytes that the kernel would reclaim first */
		int64_t spare_ns; /* when that was found out; 0: never */
		char *dir;
		int version; /* of cgroups */
	} level[HEADROOM_LEVELS];
};

/** headroom_init - @cg: outlives it; NULL is fine. */
void headroom_init(struct headroom *h, const struct cgroup *cg);
void headroom_release(struct headroom *h); /* zeroed is fine */

/**
 * headroom_has - do all limits leave @want bytes, which the caller then takes,
 * and @margin beside them?
 */
bool headroom_has(struct headroom *h, uint64_t want, uint64_t margin);

/** headroom_left - bytes that all limits leave, HEADROOM_NONE without one. */
uint64_t headroom_left(struct headroom *h);

/**
 * headroom_margin - what of the limit is to be left for the process itself, and
 * for others in its group.
 */
uint64_t headroom_margin(const struct headroom *h);

#endif
