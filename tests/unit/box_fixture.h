/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small pool for the programs that test boxes and transactions, and what it has
 * called back.
 */
#ifndef POOLFS_BOX_FIXTURE_H
#define POOLFS_BOX_FIXTURE_H

#include "tests/unit/pool_fixture.h"

#define PAGE 4096
#define SIZE (1ull << 20)

struct heard {
	uint32_t space, queued, suspects, settles;
	uint32_t early; /* space of an operation that is not carried out yet */
	uid_t suspect;
	uint32_t settle_slot;
	uint64_t reclaim;
};
extern struct heard heard;

extern const struct pool_ops box_ops;

/** box_fixture - a directory for the pool. */
void box_fixture(void);

/** box_begin - a new pool with these callbacks, @ops may be NULL: box_ops. */
void box_begin(uint64_t size, const struct pool_ops *ops);

/** box_again - the next worker, with the callbacks of box_begin(). */
void box_again(void);

/** box_remount - the same for a new mount of the store. */
void box_remount(void);

/** box_reopened - box_again().  Return: the box. */
struct box *box_reopened(uint64_t serial);

/** box_end - @what was tested. */
void box_end(const char *what);

#endif
