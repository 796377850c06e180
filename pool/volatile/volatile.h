/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of plain files is volatile: content that may be purged while nobody uses
 * it.  Whole files, and ranges that were unpinned.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_VOLATILE_H
#define POOLFS_POOL_VOLATILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct pool;

/* --- a pool's (volatile.c) --- */

/* Opens the table, without a look at it.  Return: 0 or -errno. */
int volatile_open(struct pool *pool);
/* What is in memory, from the records.  Return: 0 or -errno. */
int volatile_adopt(struct pool *pool);
/* Registers "volatile-files" and "volatile-ranges".  Return: 0 or -errno. */
int volatile_add_shrinkers(struct pool *pool);
void volatile_close(struct pool *pool);

struct volatile_stat {
	uint64_t ranges; /* unpinned or purged */
	uint64_t range_pages; /* of those that are not purged */
	uint64_t files; /* volatile ones */
	uint64_t available; /* pages of those that nobody has open */
	uint64_t idle; /* pages of those that nobody has mapped either */
	uint64_t purged_files; /* ever, since the worker started */
	uint64_t purged_pages;
};
void volatile_stat(struct pool *pool, struct volatile_stat *out);

/** volatile_check - all invariants (tests); NULL or what is broken. */
const char *volatile_check(struct pool *pool);
/** volatile_check_some - the same, if that takes no time. */
const char *volatile_check_some(struct pool *pool);

/* --- files (vfile*.c) --- */

/**
 * vfile_set_volatile - its content may be purged while nobody has it open or
 * mapped; of a directory: what is made in it from now on is volatile.
 * Return: 0, -EOPNOTSUPP (neither a regular file nor a directory), -ESTALE.
 */
int vfile_set_volatile(struct pool *pool, uint32_t inode, bool on);
bool vfile_is_volatile(struct pool *pool, uint32_t inode);

/** vfile_is_purged - must a listing leave out the file with this number? */
bool vfile_is_purged(struct pool *pool, uint64_t ino);

/**
 * vfile_recheck - looks again whether one of those files is still mapped that
 * were so when they were closed.  Takes a lease of it: not for a hot path.
 */
void vfile_recheck(struct pool *pool);

/* --- ranges (vrange*.c, pin.c) --- */

/*
 * Bytes [off, off+len) of a regular file, whole pages; @len 0: up to its end.
 * Return: as poolfs.h has it: 0 or 1; -EINVAL, -ENOTTY (no regular file),
 * -ESTALE, -ENOSPC, -ENOMEM.
 */
int vrange_unpin(struct pool *pool, uint32_t inode, uint64_t off, uint64_t len);
int vrange_pin(struct pool *pool, const struct op *op, uint32_t inode,
	       uint64_t off, uint64_t len);
int vrange_state(struct pool *pool, uint32_t inode, uint64_t off, uint64_t len);

typedef void vrange_stale_fn(void *arg, uint32_t inode, uint64_t off,
			     uint64_t len);

/**
 * vrange_each_stale - the bytes that have no memory in ranges that were purged and
 * that nobody has pinned since.
 */
void vrange_each_stale(struct pool *pool, vrange_stale_fn *lost, void *arg);

#endif
