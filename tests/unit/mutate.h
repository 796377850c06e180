/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores that were damaged at random, or by somebody who means harm. */
#ifndef POOLFS_MUTATE_H
#define POOLFS_MUTATE_H

#include <stdint.h>

/**
 * mutate - damages the store in the directory @dirfd in one to four ways.  The
 * same @seed damages the same store in the same way.
 */
void mutate(int dirfd, uint64_t seed);

#endif
