/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that a request needs, or finds missing, and has reclaimed.
 *
 * Locks: 1 is held by all callers; the shrinkers only try what they need.
 */
#ifndef POOLFS_FS_REQUEST_MEMORY_H
#define POOLFS_FS_REQUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

/** memory_reclaim - at least @pages if possible.  Return: pages freed. */
uint64_t memory_reclaim(struct worker *w, uint64_t pages);

/** memory_grow - see pool_ops.grow. */
int memory_grow(struct worker *w, uint64_t bytes, bool own);

/**
 * memory_left - bytes that the cgroup of the worker leaves.
 * @limit: out, of the group.
 * Return: HEADROOM_NONE: there is no limit.
 */
uint64_t memory_left(struct worker *w, uint64_t *limit);

/**
 * memory_trim - purge what the store holds beyond the pool's size, and what the
 * machine is short of.  In passthrough mode writers send no request, so it is
 * called at each open and release of a plain file.
 */
void memory_trim(struct worker *w);

#endif
