/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reclaimer: one thread that sleeps until memory runs short and then has
 * the shrinkers give some back, a little at first, more as it lasts.
 *
 *	PSI triggers ---.
 *	FIFO, socket ---+-- poll() --> pressure? --> shrink_slab(priority 12..0)
 *	MemAvailable ---|                 |
 *	stop, configure-'                 `--> reclaim_event
 */
#ifndef POOLFS_SHRINKER_RECLAIM_H
#define POOLFS_SHRINKER_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "shrinker/psi_set.h"
#include "shrinker/shrinker.h"

struct reclaimer;

/* Why there is pressure, as bits. */
enum reclaim_why {
	RECLAIM_SOME = 1 << PSI_SOME,
	RECLAIM_FULL = 1 << PSI_FULL,
	RECLAIM_MEMORY = 1 << PSI_NR_KINDS, /* under min_free */
};

/** reclaim_why_name - "some", "some+memory", ..., "none" for 0. */
const char *reclaim_why_name(unsigned int why);

enum reclaim_event_type {
	RECLAIM_BEGIN, /* why */
	RECLAIM_PASS, /* why, priority, freed, ns */
	RECLAIM_END,
	RECLAIM_SOURCE_LOST, /* path, err */
	RECLAIM_SOURCE_ARMED, /* path, err (why it can only be read, or 0) */
};

/** reclaim_event_name - "pressure-begin", "pass", "pressure-end", ... */
const char *reclaim_event_name(enum reclaim_event_type type);

struct reclaim_event {
	enum reclaim_event_type type;
	unsigned int why; /* enum reclaim_why */
	int priority; /* of the pass, 12 (little) to 0 (all) */
	unsigned long freed; /* objects */
	uint64_t ns; /* the pass took */
	uint64_t available; /* bytes of memory at the last look */
	const char *path; /* of the source; lives as long as the reclaimer */
	int err; /* errno */
};

/* What can change at run time; 0 means the default. */
struct reclaim_tuning {
	uint64_t some_stall_us; /* 100 ms ... */
	uint64_t full_stall_us; /* ... or 50 ms of stall ... */
	uint64_t window_us; /* ... within 1 s */
	uint64_t min_free; /* bytes; under it reclaim runs whatever PSI says */
	uint64_t floor; /* objects left alone under mere some pressure */
};

struct reclaim_options {
	struct reclaim_tuning tuning;

	/* Sources; nr_psi_paths 0 takes the default of psi_set.h. */
	const char *const *psi_paths;
	int nr_psi_paths;
	const char *meminfo_path; /* NULL: /proc/meminfo */
	const char *cgroup_root; /* NULL: "/"; see cgroup_new() */

	/*
	 * Told about everything, from the reclaimer's thread alone, with no
	 * lock held.  May call reclaimer_status() and reclaimer_configure(),
	 * not reclaimer_stop().  May be NULL.
	 */
	void (*event)(void *arg, const struct reclaim_event *ev);
	/* Objects that could be freed; NULL: what all shrinkers count. */
	unsigned long (*available)(void *arg);
	void *arg;

	/* NULL: shrink_slab(). */
	unsigned long (*shrink)(int nid, int priority,
				const struct shrink_scope *scope);
};

/**
 * reclaimer_new - arm the sources; everything is copied from @options.
 *
 * A source that cannot be used is no failure: it is in the status, tried again
 * now and then, and MemAvailable is relied upon meanwhile.
 *
 * Return: it, or NULL with errno EINVAL (not 0 < stall <= window <= 10 s),
 * E2BIG (more than PSI_SET_MAX paths), ENOMEM, EMFILE.
 */
struct reclaimer *reclaimer_new(const struct reclaim_options *options);

/** reclaimer_start - make the thread.  Return: 0, -EAGAIN. */
int reclaimer_start(struct reclaimer *r);

/**
 * reclaimer_triggers - the descriptors of the kernel's triggers.  A process
 * that closes one for the last time waits for a grace period of RCU, tens of
 * milliseconds, also when it ends: who must be gone sooner has another process
 * keep them open.
 * @fds: out, room for PSI_SET_POLLFDS.
 * Before reclaimer_start() only.
 * Return: how many.
 */
int reclaimer_triggers(const struct reclaimer *r, int *fds);

/**
 * reclaimer_stop - end the thread, if there is one, and free everything; NULL
 * is fine.  Waits for a shrink call that is running, for nothing else.
 */
void reclaimer_stop(struct reclaimer *r);

/**
 * reclaimer_configure - new thresholds; triggers are armed again.
 *
 * The status shows them at once; the thread follows as soon as it is awake,
 * and tells of each source that it has armed.
 *
 * Return: 0, -EINVAL as above, and then nothing changes.
 */
int reclaimer_configure(struct reclaimer *r,
			const struct reclaim_tuning *tuning);

/**
 * reclaim_direct - have memory given back on behalf of a request: the caller
 * is serving our own mount, so nothing waits and file-system code is not
 * entered.  From 12 priority falls until @want objects are freed or nothing
 * more is to be had.  The floor does not hold here.
 *
 * Any thread; whatever locks the shrinkers only try may be held.
 *
 * Return: objects freed.
 */
unsigned long reclaim_direct(struct reclaimer *r, unsigned long want);

struct reclaim_status {
	struct reclaim_tuning tuning; /* in force, with no zeros but floor */
	int priority; /* of the last pass; 12 without pressure */
	unsigned int why; /* 0: no pressure */
	uint64_t pressures; /* times that pressure began */
	uint64_t passes;
	uint64_t freed; /* objects, by passes */
	uint64_t direct_calls;
	uint64_t direct_freed; /* objects */
	/* From waking up to the end of the first shrink that freed. */
	uint64_t reaction_ns; /* of the last time; 0: never yet */
	uint64_t wakeups;

	uint64_t mem_total; /* bytes: the machine's or the cgroup's limit */
	uint64_t mem_available; /* bytes, in the last look */
	bool mem_limited; /* it is a cgroup that limits */
	int mem_err; /* errno when MemAvailable cannot be had, or 0 */
	unsigned int interval_ms; /* until the next look, if nothing comes */

	int nr_sources;
	struct psi_source_status source[PSI_SET_MAX];
};
void reclaimer_status(struct reclaimer *r, struct reclaim_status *out);

#endif
