/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOLFS_SHRINKER_CLOCK_H
#define POOLFS_SHRINKER_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_ns - CLOCK_MONOTONIC, nanoseconds. */
static inline int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

#endif
