/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's context, as its users see it: what they are told, on whose behalf
 * they ask, and the lock that they hold meanwhile.  What a pool holds is in
 * pool/box/box.h (boxes), pool/tree/tree.h (plain files) and
 * pool/volatile/volatile.h (what of those may be purged).
 *
 * Locks: every call of the pool but the callbacks of its shrinkers is made with
 * pool->lock (1) held by the caller, who takes it with pool_lock().
 */
#ifndef POOLFS_POOL_CORE_H
#define POOLFS_POOL_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;
struct box;

struct pool_ops {
	/* Space was freed in the box: senders that wait may try again. */
	void (*space)(void *arg, struct box *box);
	/* A transaction was queued: receivers that wait may try again. */
	void (*queued)(void *arg, struct box *box);
	/*
	 * The transaction in @slot is whole, but copies of what its bytes were
	 * before stand in front of the store.  Have them dropped, then call
	 * tx_invalidated().  NULL: there are never such copies.
	 */
	void (*copies_stale)(void *arg, struct box *box, uint32_t slot,
			     uint64_t off, uint64_t len);
	/* Reclaim dropped bytes of the region.  No lock is held. */
	void (*invalidate)(void *arg, uint64_t serial, uint64_t off,
			   uint64_t len);
	/*
	 * The same, from a thread that must not wait for it and holds the
	 * pool's lock: have it done soon.
	 */
	void (*invalidate_later)(void *arg, uint64_t serial, uint64_t off,
				 uint64_t len);
	/* Memory is short: free @pages now if possible; how many were freed. */
	uint64_t (*reclaim)(void *arg, uint64_t pages);
	/*
	 * A volatile file was purged.  @inode: what the kernel knows it by, 0:
	 * it does not.  @parent, @name: where it was; @path: the same for
	 * people.  0 and "": that is not known.  @more: it had other names.
	 */
	void (*purged)(void *arg, uint32_t inode, uint32_t parent,
		       const char *name, const char *path, uint64_t pages,
		       bool more);
	/* So were bytes of a plain file that were unpinned. */
	void (*range_purged)(void *arg, uint32_t inode, uint64_t off,
			     uint64_t len, uint64_t pages);
	/* It is cut at @off: what is behind it is new, or another file's. */
	void (*range_cut)(void *arg, uint32_t inode, uint64_t off);
	/*
	 * Registers @fd, a plain file that is about to be opened, so that the
	 * kernel reads and writes it without us.  @fd may be closed afterwards.
	 * Return: its id, above 0, or -errno.  NULL: none is registered.
	 */
	int (*backing_open)(void *arg, int fd);
	/* Nobody has the file of that id open any more. */
	void (*backing_close)(void *arg, int id);
	/* @uid fills the box. */
	void (*suspect)(void *arg, struct box *box, uid_t uid, uint64_t bytes,
			uint32_t transactions);
};

/**
 * struct op - a request that asks the pool to change something.
 * @token: names it.  When the request that was carried out last comes again
 *	with its token (its worker was killed before it could answer), it is not
 *	carried out twice: it returns what it returned.  0: it cannot come again.
 * @uid, @gid, @umask: on whose behalf; what is made belongs to them.
 * @pid: the process, for those who receive; 0: unknown.
 */
struct op {
	uint64_t token;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	pid_t pid;
};

/* What can change at run time. */
struct pool_config {
	uint64_t box_size; /* bytes of a new box's region */
	uint32_t sender_quota; /* percent of a region, for one foreign uid */
};

void pool_lock(struct pool *pool);
void pool_unlock(struct pool *pool);
/** pool_is_mine - does the calling thread hold the lock? */
bool pool_is_mine(struct pool *pool);
bool pool_trylock(struct pool *pool);
/** pool_replays - was @token's operation the last that was carried out? */
bool pool_replays(struct pool *pool, uint64_t token);
struct pool_config *pool_config(struct pool *pool);

/**
 * pool_raise_limit - the store may hold @bytes more for now: what the pool
 * itself keeps there must not fail because users have filled it.
 * Return: whether it may.
 */
bool pool_raise_limit(struct pool *pool, uint64_t bytes);

#endif
