/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile content of plain files: it may be purged while it is not in use.
 * Whole files (vfile_*), and ranges of pages that were unpinned (vrange_*).
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_VOLATILE_H
#define POOLFS_POOL_VOLATILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct op;
struct pool;
struct users;
struct wrongs;

/* --- opening and closing (volatile.c) --- */

/* Opens the table of ranges, and reads no record.  Return: 0 or -errno. */
int volatile_open(struct pool *pool);
/*
 * Looks at each record of a store that comes from elsewhere, before
 * volatile_adopt(), and frees it if something is wrong.  Return: 0.
 */
int volatile_validate(struct pool *pool, struct wrongs *w);
/* Rebuilds what is in memory from the records.  Return: 0 or -errno. */
int volatile_adopt(struct pool *pool);
/* Registers "volatile-files" and "volatile-ranges".  Return: 0 or -errno. */
int volatile_add_shrinkers(struct pool *pool);
/* Removes the shrinkers and frees all memory. */
void volatile_close(struct pool *pool);

struct volatile_stat {
	uint64_t ranges; /* unpinned or purged */
	uint64_t range_pages; /* of those that are not purged */
	uint64_t files; /* volatile files and directories */
	uint64_t available; /* pages of volatile files that are not open */
	uint64_t idle; /* pages of those that are not mapped either */
	uint64_t purged_files; /* since the worker started */
	uint64_t purged_pages; /* the same, of files and ranges */
};
void volatile_stat(struct pool *pool, struct volatile_stat *out);

/**
 * volatile_reclaimable - pages that purges could free.  They change without a
 * request when clients write to mappings, or unmap.
 * @look: find out, unless there is too much to look at: UINT64_MAX then.
 */
uint64_t volatile_reclaimable(struct pool *pool, bool look);

/** volatile_check - all invariants (tests); NULL or what is broken. */
const char *volatile_check(struct pool *pool);
/** vranges_count_users - adds those charged for ranges: see users_check(). */
void vranges_count_users(struct pool *pool, struct users *counts);
/** volatile_check_some - the same, if there is little to check. */
const char *volatile_check_some(struct pool *pool);

/* --- files (vfile*.c) --- */

/**
 * vfile_set_volatile - make a file volatile: it may be purged while it is
 * neither open nor mapped.  Files made in a volatile directory are volatile.
 * @flags: XATTR_CREATE: it must not be volatile, or -EEXIST; XATTR_REPLACE: it
 * must be, or -ENODATA; or 0.
 * Return: 0; -EOPNOTSUPP (neither a regular file nor a directory); -ESTALE;
 * -ENOSPC: not volatile any more, it would take the pool above its size.
 */
int vfile_set_volatile(struct pool *pool, const struct op *op, uint32_t inode,
		       bool on, int flags);
bool vfile_is_volatile(struct pool *pool, uint32_t inode);

/**
 * vfile_is_purged - was the file with inode number @ino purged?  Listings leave
 * out its names then.
 */
bool vfile_is_purged(struct pool *pool, uint64_t ino);

/**
 * vfile_recheck - of the files that were mapped when they were closed, check
 * one again.  Opens it and takes a lease: not for a hot path.
 */
void vfile_recheck(struct pool *pool);

/* --- ranges (vrange*.c, pin.c) --- */

/*
 * Bytes [off, off+len) of a regular file, whole pages; @len 0: up to its end.
 * vrange_unpin() returns 0; vrange_pin() returns whether any of it was purged,
 * 0 or 1, and forgets it; vrange_state() returns one of the three, and changes
 * nothing.  Errors: -EINVAL, -ENOTTY (not a regular file), -ESTALE, -EDQUOT,
 * -ENOSPC, -ENOMEM.  (The rules are those of Android's ashmem.)
 */
enum {
	VRANGE_STATE_PINNED, /* all of it */
	VRANGE_STATE_UNPINNED, /* some of it; nothing is lost */
	VRANGE_STATE_PURGED /* some of it was purged and not pinned since */
};
/**
 * vrange_take_back - to be called before vrange_pin(), which would take the pool
 * above its size: it purges the ranges then, and vrange_pin() tells.
 */
void vrange_take_back(struct pool *pool, uint32_t inode, uint64_t off,
		      uint64_t len);
int vrange_unpin(struct pool *pool, const struct op *op, uint32_t inode,
		 uint64_t off, uint64_t len);
int vrange_pin(struct pool *pool, const struct op *op, uint32_t inode,
	       uint64_t off, uint64_t len);
int vrange_state(struct pool *pool, uint32_t inode, uint64_t off, uint64_t len);

typedef void vrange_stale_fn(void *arg, uint32_t inode, uint64_t off,
			     uint64_t len);

/**
 * vrange_each_stale - call @fn for each hole in ranges that were purged and not
 * pinned since.  The kernel may have stale copies of those bytes.
 */
void vrange_each_stale(struct pool *pool, vrange_stale_fn *fn, void *arg);

#endif
