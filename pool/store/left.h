/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Temporary stores whose pools have ended without removing them. */
#ifndef POOLFS_POOL_LEFT_H
#define POOLFS_POOL_LEFT_H

#include <stdbool.h>

/* @err: with @remove, 0 or -errno of removing it. */
typedef void stores_left_fn(void *arg, const char *path, int err);

/**
 * stores_left - find the stores in $XDG_RUNTIME_DIR and /dev/shm that are the
 * caller's, were made without --store, and are used by no pool.
 * @remove: remove them.
 * @fn: called for each; may be NULL.
 */
void stores_left(bool remove, stores_left_fn *fn, void *arg);

#endif
