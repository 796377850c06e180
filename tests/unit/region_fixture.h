/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One region on one LRU, for the test programs that look at regions. */
#ifndef POOLFS_REGION_FIXTURE_H
#define POOLFS_REGION_FIXTURE_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "pool/region/region.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmpfs.h"

#define MIB (1ul << 20)

extern uint64_t P; /* page size */
extern struct lru *lru;
extern struct region *region;

bool intact(void);

void region_start_on(int fd, uint64_t size, uint64_t limit);

void region_start(uint64_t pages, uint64_t limit);

void region_finish(void);

uint64_t memory(void);

bool counts(uint64_t used, uint64_t available);

char *pattern(size_t len, unsigned int seed);

/* Whether bytes [off, off+len) are what @expect says; NULL: zeros. */
bool holds(uint64_t off, const char *expect, size_t len);

#endif
