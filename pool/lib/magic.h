/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Magic words: the first field of a long-lived structure that comes back
 * through a void pointer.  A wrong word is a bug of poolfs.  The worker aborts
 * before it writes to memory of something else, and the keeper starts the next
 * one.
 */
#ifndef POOLFS_POOL_LIB_MAGIC_H
#define POOLFS_POOL_LIB_MAGIC_H

#include <stdint.h>
#include <stdlib.h>

static inline void magic_check(uint32_t is, uint32_t should_be)
{
	if (__builtin_expect(is != should_be, 0))
		abort();
}

#endif
