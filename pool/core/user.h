/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users: who holds how much of what the pool has a limited number of.
 *
 *	0 |------- one user's share -------|                    | reserve | max
 *	  |<--------------- all users together -------------------------->|
 *	  |<------- users but the owner, and what the owner has --------->|
 *
 * A user other than the owner of the pool holds at most a share of each item
 * (pool_config.user_quota percent of its maximum), and all that is left to the
 * others ends where the owner's reserve begins.  The owner is who mounted the
 * pool; root is the owner's equal.
 *
 * Counts are memory of the worker.  Each is the sum of records in the store,
 * or of what ends with the worker, so the next worker counts the same anew.
 * Of inodes, which have no record each, the count itself is in the store.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_CORE_USER_H
#define POOLFS_POOL_CORE_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;
struct user;
struct users;

#define USER_DEFAULT_QUOTA 25 /* percent: pool_config.user_quota */

enum user_item {
	USER_BOXES, /* of the owner of the box */
	USER_REGION_BYTES, /* the sizes of their regions, in steps of 2 MiB */
	USER_BOX_BYTES, /* in boxes, of the sender; of the pool's size */
	USER_HANDLES, /* open files of boxes and of .pool/, of who opened them */
	USER_TRANSACTIONS, /* live, or being written, of the sender */
	USER_RANGES, /* unpinned or purged, of who unpinned them */
	USER_TEXT_BYTES, /* of control files that are open */
	/* Names of plain files, of their owners: each takes an inode of tmpfs.
	 * The pool's owner has none of them: see pool/inode/names.h. */
	USER_INODES,
	/* Those that no record says. */
	USER_WAITING, /* requests that wait */
	USER_WAITING_BYTES, /* their payloads */
	/* Of plain files, of their owners, where they can be counted: see
	 * space.c.  It has one share with USER_BOX_BYTES, and no reserve. */
	USER_FILE_BYTES,
	USER_ITEMS
};

/** user_item_name - as .pool/stats has it. */
const char *user_item_name(enum user_item item);

/**
 * user_charge - @uid takes @n more of @item.
 * Return: 0; -EDQUOT: its share is used up; -ENOSPC: only the owner's reserve
 * is left, or nothing; -ENOMEM.
 */
int user_charge(struct pool *pool, uid_t uid, enum user_item item, uint64_t n);

/** user_may_charge - what user_charge() would return; nothing changes. */
int user_may_charge(struct pool *pool, uid_t uid, enum user_item item,
		    uint64_t n);

/**
 * user_charge_anyway - the same for what is there already, whatever the limits.
 * Return: 0 or -ENOMEM.
 */
int user_charge_anyway(struct pool *pool, uid_t uid, enum user_item item,
		       uint64_t n);

/** user_uncharge - @uid gives back @n that it was charged for. */
void user_uncharge(struct pool *pool, uid_t uid, enum user_item item,
		   uint64_t n);

/**
 * user_disown - @n of what @uid was charged for are nobody's, but there.
 * user_own - they are @uid's again.  Return: 0; -ENOMEM, not if it has anything.
 */
void user_disown(struct pool *pool, uid_t uid, enum user_item item, uint64_t n);
int user_own(struct pool *pool, uid_t uid, enum user_item item, uint64_t n);

/** user_is_owner - may @uid use the reserve? */
bool user_is_owner(const struct pool *pool, uid_t uid);

/* Of one user, and of all of them together; of inodes, what there are. */
uint64_t user_held(struct pool *pool, uid_t uid, enum user_item item);
uint64_t user_total(const struct pool *pool, enum user_item item);

/**
 * user_names - where @uid, who holds something, has the number of its record of
 * names; 0: none.
 */
uint32_t *user_names(struct pool *pool, uid_t uid);

/** user_max - the most that all users together may hold. */
uint64_t user_max(const struct pool *pool, enum user_item item);
/** user_set_max - an item whose maximum does not follow the pool's size. */
void user_set_max(struct pool *pool, enum user_item item, uint64_t max);
/** user_percent - @percent of @max. */
uint64_t user_percent(uint64_t max, uint32_t percent);
/** user_share - the most that one user but the owner may hold. */
uint64_t user_share(const struct pool *pool, enum user_item item);

/**
 * user_next - users that hold anything, in the order of their ids.
 * @after: NULL: the first one.  Return: NULL at the end.
 */
const struct user *user_next(const struct pool *pool, const struct user *after);
uid_t user_uid(const struct user *user);

/* --- the pool opens, closes and checks them --- */

/**
 * users_open - nobody holds anything yet.
 * @owner: of the pool.
 * Return: 0 or -ENOMEM.
 */
int users_open(struct pool *pool, uid_t owner);
/** users_fit - the maxima follow pool->size, which has changed. */
void users_fit(struct pool *pool);
void users_close(struct pool *pool);

/**
 * users_check - compare the counts of items below USER_WAITING with those of
 * the records (tests).
 * @count: calls users_recount() for each record.
 * Return: NULL or what is broken.
 */
const char *users_check(struct pool *pool,
			void (*count)(struct pool *pool, struct users *counts));
void users_recount(struct users *counts, uid_t uid, enum user_item item,
		   uint64_t n);

#endif
