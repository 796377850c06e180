/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the range allocator compare it with: how many reserved
 * bytes each page holds.  A page is used while that is not 0.
 */
#ifndef POOLFS_RANGE_MODEL_H
#define POOLFS_RANGE_MODEL_H

#include <stdint.h>
#include <string.h>

#include "pool/range/range.h"
#include "tests/unit/tap.h"

#define MODEL_MAX_PAGES 512

struct model {
	uint64_t page_size;
	uint32_t nr_used;
	int64_t bytes[MODEL_MAX_PAGES];
};

/*
 * Bytes [from, to) become reserved (@sign 1) or free (-1).  Returns the pages
 * that changed state thereby, which must be one run.
 */
struct page_run model_move(struct model *m, uint64_t from, uint64_t to,
			   int sign);

bool same_run(struct page_run a, struct page_run b);

void must_be_sound(const struct range_allocator *ra);

struct range_stat stat_of(const struct range_allocator *ra);

/* xorshift64: the same numbers in every run. */
uint64_t random_u64(uint64_t *x);

#endif
