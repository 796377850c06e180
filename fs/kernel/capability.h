/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capabilities of the calling thread; CAP_*: <linux/capability.h>. */
#ifndef POOLFS_FS_KERNEL_CAPABILITY_H
#define POOLFS_FS_KERNEL_CAPABILITY_H

#include <stdbool.h>

/* Who needs one: see the table in capability.c. */
enum capability_user {
	CAPABILITY_KEEPER = 1, /* mounts and unmounts */
	CAPABILITY_WORKER = 2, /* serves */
	CAPABILITY_WATCHER = 4, /* unmounts, removes the store */
	CAPABILITY_ALL = 7,
};

/**
 * capability_limit - give up for good what none of @users needs, also for
 * programs that are executed; what is left takes effect.
 */
void capability_limit(enum capability_user users);

/** capability_use - of what is permitted, what @users need takes effect. */
void capability_use(enum capability_user users);

/**
 * capability_missing - what a mount of root does not hold.
 * @i: where to look on; 0 at first.
 * @without: out: what does not work without it.
 * Return: the name of the next one, or NULL.
 */
const char *capability_missing(int *i, const char **without);

/**
 * capability_set - @cap takes effect or not; a capability that is not permitted
 * stays off.
 */
void capability_set(int cap, bool on);

/** capability_drop - @cap is given up for good. */
void capability_drop(int cap);

#endif
