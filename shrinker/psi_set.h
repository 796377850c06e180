/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All the sources one reclaimer listens to.
 *
 *	paths given                      these and no others
 *	none given, that is by default   /proc/pressure/memory,
 *	                                 our own cgroup's memory.pressure,
 *	                                 $MEMORY_PRESSURE_WATCH
 *
 * A path comes in once.  No locks inside: one thread at a time.
 */
#ifndef POOLFS_SHRINKER_PSI_SET_H
#define POOLFS_SHRINKER_PSI_SET_H

#include <poll.h>

#include "shrinker/cgroup.h"
#include "shrinker/psi_source.h"

#define PSI_SET_MAX 16
#define PSI_SET_POLLFDS (PSI_SET_MAX * PSI_NR_KINDS)

struct psi_set {
	int nr;
	struct psi_source *source[PSI_SET_MAX];
};

/**
 * psi_set_init - take these sources; nothing is opened.
 * @paths, @nr: as above; @nr 0 takes the default.
 * @cg: for the default; NULL when there is no cgroup.
 * Return: 0; -E2BIG for more than PSI_SET_MAX; -ENOMEM.  @set is fit for
 * psi_set_release() in any case.
 */
int psi_set_init(struct psi_set *set, const char *const *paths, int nr,
		 const struct cgroup *cg);
void psi_set_release(struct psi_set *set); /* zeroed is fine */

/** psi_set_arm - (re)arm every source; each remembers how that went. */
void psi_set_arm(struct psi_set *set, const struct psi_limits *limits,
		 uint64_t now);

/**
 * psi_set_pollfds - fill @fds, room for PSI_SET_POLLFDS.
 * @owner: out, the index of the source that each belongs to.
 * Return: how many.
 */
int psi_set_pollfds(const struct psi_set *set, struct pollfd *fds, int *owner);

/** psi_set_has_events - does any source send events by itself? */
bool psi_set_has_events(const struct psi_set *set);

/* Pressure over all sources, as bits (1 << kind). */
struct psi_pressure {
	unsigned int under;
	unsigned int hot; /* stall was still growing at the last look */
};
struct psi_pressure psi_set_pressure(const struct psi_set *set);

/**
 * psi_base64_decode - the usual alphabet; padding is needed, blanks are not
 * allowed.
 * Return: bytes; -EINVAL; -ENOSPC when they are more than @size.
 */
ssize_t psi_base64_decode(const char *text, void *buf, size_t size);

#endif
