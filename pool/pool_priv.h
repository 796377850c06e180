/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What opening and adopting a pool share. */
#ifndef POOLFS_POOL_PRIV_H
#define POOLFS_POOL_PRIV_H

#include "pool/pool.h"

/* Nothing of it is open; pool_close() frees it. */
struct pool *pool_new(const struct pool_options *opts);
/* Opens all tables, and reads no record.  Return: 0 or -errno. */
int pool_open_tables(struct pool *pool);
/* After that: finishes what the journal has.  @forget: as journal_open(). */
int pool_open_journal(struct pool *pool, bool forget);

/** pool_content - bytes that users have written, Available or not. */
uint64_t pool_content(struct pool *pool);

#endif
