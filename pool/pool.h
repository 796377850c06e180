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
#include "pool/core/user.h"
#include "pool/region/lru.h"
#include "pool/store/store.h"
#include "pool/tree/tree.h"
#include "pool/volatile/volatile.h"

struct pool_options {
	struct store *store;
	uint64_t size; /* bytes that users' content may take */
	uid_t owner; /* who mounted it */
	int nr_nodes; /* NUMA */
	/*
	 * Passthrough: clients open and map the store's files themselves, and
	 * only a write lease tells whether they do.
	 */
	bool leases;
	/*
	 * Bytes of plain files are counted to their owners.  Not with leases:
	 * what clients write themselves, only the file system could count.
	 */
	bool count_files;
	/*
	 * Inodes of plain files are counted to their owners.  In a detached
	 * store with a limit (store.inodes).
	 */
	bool count_names;
	/*
	 * What clients read is no access, of directories or of anything.  Only
	 * for a store in a directory: the mount of one that is detached says it.
	 */
	bool noatime, nodiratime;
	bool fresh; /* first worker of this mount: no open files yet */
	const struct pool_ops *ops;
	void *arg; /* of @ops */
};

/**
 * pool_open - open a pool over an open store: finish what a killed worker had
 * committed, and rebuild what is kept in memory.
 * Locks: none held; no other thread has the pool yet.
 * Return: 0; -ENOMEM; -ENOSPC (no room for tables); -EUCLEAN (the tables are
 * not a pool's); or -errno of the system calls.  *@out is untouched then.
 */
int pool_open(const struct pool_options *opts, struct pool **out);
/**
 * pool_close - free all memory; the store stays as it is.  No lock is held, and
 * no other thread uses the pool.  NULL is fine.
 */
void pool_close(struct pool *pool);

/**
 * pool_check - check all invariants (tests).  pool->lock (1) is held.
 * Return: NULL or a sentence that names the first one broken.
 */
const char *pool_check(struct pool *pool);

/** pool_used - pages of all files that are in use: not Available, not idle. */
uint64_t pool_used(struct pool *pool);

/**
 * pool_excess - pages of content that the store holds beyond the pool's size; so
 * much has to be reclaimed.  0 if the store is not a file system of its own.
 */
uint64_t pool_excess(struct pool *pool);

/**
 * pool_could_free - could all of reclaim free @bytes?  May measure what clients
 * change without a request.
 */
bool pool_could_free(struct pool *pool, uint64_t bytes);

/* Bytes of the store. */
struct pool_space {
	uint64_t content; /* what users have written, Available or not */
	uint64_t limit; /* the most that this may be now */
	uint64_t records;
};
void pool_space(struct pool *pool, struct pool_space *out);

/**
 * pool_resize - @size bytes are the most that may be in use from now on.  What is
 * Available and no longer has room is reclaimed first.
 * Return: 0; -EBUSY: more is in use; -EOPNOTSUPP: clients write past the pool
 * into a directory; or -errno of the system calls.  On failure the size is what
 * it was.
 */
int pool_resize(struct pool *pool, uint64_t size);

/**
 * pool_limit_inodes - users may have @nr files from now on; volatile ones that
 * are too many are purged first.
 * Return: 0; -EBUSY: more are in use; -EOPNOTSUPP: there is no such limit; or
 * -errno of the system calls.
 */
int pool_limit_inodes(struct pool *pool, uint64_t nr);

struct pool_stat {
	uint64_t size; /* bytes */
	struct lru_stat pages;
	struct boxes_stat boxes;
};
void pool_stat(struct pool *pool, struct pool_stat *out);

#endif
