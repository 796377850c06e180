/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Magic words: the first field of what lives long and comes back through a
 * pointer without a type.  A wrong one is a bug of ours, and ends the process
 * before it can write to what is not its own: the next worker goes on.
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
