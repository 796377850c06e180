/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of plain files, counted to the users who own the files: tmpfs takes an
 * inode of nr_inodes= for each file, and for each further name of it.
 *
 * Most files have no record, so the counts are in the store (table "users"),
 * and what is about to change one is there beside them:
 *
 *	record 1: the change	records of users
 *	is written ------------> a name is made, lost, or changes its owner
 *	                         the count is stored
 *	is over <---------------
 *
 * A worker that finds a change which is not over looks whether it was made: it
 * asks the journal for the request that makes a name, and else the file itself,
 * by its handle (open_by_handle_at(2)).  It then stores what the count was
 * before, or is by now, so it does not matter how far the worker before got.
 *
 * Files of the pool's owner are not counted.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_INODE_NAMES_H
#define POOLFS_POOL_INODE_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct pool;
struct users;

int names_open(struct pool *pool);
/* After the journal was opened, before any name changes.  Return: 0 or -errno. */
int names_adopt(struct pool *pool);
void names_close(struct pool *pool);
/* Calls users_recount() for each user. */
void names_count_users(struct pool *pool, struct users *counts);

/* --- a name is made --- */

/**
 * names_take - @uid is about to have a name more.
 * @again: the request may have made it before: whatever the limits.
 * Return: 0; -EDQUOT: its share is used up; -ENOSPC: only the owner's reserve is
 * left; -ENOMEM.
 */
int names_take(struct pool *pool, uid_t uid, bool again);
/**
 * names_may_take - may @uid take @n inodes that are not counted to it?  tmpfs
 * takes them for attributes, too.
 * Return: 0; -EDQUOT: with its names it would have more than its share;
 * -ENOSPC: only the owner's reserve is left.
 */
int names_may_take(struct pool *pool, uid_t uid, uint64_t n);
/** names_put - it was not made. */
void names_put(struct pool *pool, uid_t uid);
/**
 * names_made - around the commit of request @token that made the name which
 * names_take() was for.
 */
void names_made_begin(struct pool *pool, uint64_t token, uid_t uid);
void names_made_end(struct pool *pool);

/* --- a name is lost, or its file changes hands --- */

/* A file that loses a name, if it is counted. */
struct name_lost {
	bool counted;
	struct stat st;
};

/**
 * name_lose_begin, name_lose_end - around the system call that takes the name
 * @path from its file.  Its space is counted, too.
 * @not: the number of a file that does not lose it, 0: none.
 * @done: the call succeeded.
 */
void name_lose_begin(struct pool *pool, int dirfd, const char *path,
		     uint64_t not, struct name_lost *lost);
void name_lose_end(struct pool *pool, const struct name_lost *lost, bool done);

/** name_unlink - unlinkat(2), with both.  Return: 0 or -errno. */
int name_unlink(struct pool *pool, int dirfd, const char *path, int flags);

/**
 * names_chown_begin, names_chown_end - around the system call that makes @uid
 * the owner of the file at @path.
 * Return: 0 or -ENOMEM, -ENOSPC (no record); then it is not to be made.
 */
int names_chown_begin(struct pool *pool, int dirfd, const char *path,
		      uid_t uid);
void names_chown_end(struct pool *pool, bool done);

#endif
