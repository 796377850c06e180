/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole pool: opened over a store, closed, measured and checked.
 *
 *	pool/tree/       names, attributes and content of plain files
 *	pool/volatile/   what of them may be purged
 *	pool/inode/      their inodes
 *	pool/box/        boxes, transactions, open files on them
 *	pool/core/       the context: lock, records, limit
 *	pool/region/     page states and the extent LRU
 *	pool/range/      the range allocator
 *	pool/store/      store, tables, journal
 *	pool/lib/        trees and lists
 */
#ifndef POOLFS_POOL_H
#define POOLFS_POOL_H

#include "pool/box/box.h"
#include "pool/core/core.h"
#include "pool/region/lru.h"
#include "pool/store/store.h"
#include "pool/tree/tree.h"
#include "pool/volatile/volatile.h"

struct pool_options {
	struct store *store;
	uint64_t size; /* bytes, of all regions together */
	int nr_nodes; /* NUMA */
	/* Others map the store's files: only a lease tells whether they do. */
	bool leases;
	bool fresh; /* first worker of this mount: no open files yet */
	const struct pool_ops *ops;
	void *arg;
};

/**
 * pool_open - over an open store.  Return: 0 or -errno, *@out untouched then.
 */
int pool_open(const struct pool_options *opts, struct pool **out);
/** pool_close - no lock is held, and nobody else has the pool; NULL is fine. */
void pool_close(struct pool *pool);

/** pool_check - all invariants (tests); NULL or what is broken. */
const char *pool_check(struct pool *pool);

/** pool_used - pages of all files that somebody needs. */
uint64_t pool_used(struct pool *pool);

/** pool_excess - pages that the store holds beyond the pool's size.  Those are
 * Available, and to be reclaimed. */
uint64_t pool_excess(struct pool *pool);

struct pool_stat {
	uint64_t size; /* bytes */
	struct lru_stat pages;
	struct boxes_stat boxes;
};
void pool_stat(struct pool *pool, struct pool_stat *out);

#endif
