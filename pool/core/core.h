/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool's context, as its users see it: callbacks, the request on whose
 * behalf a call is made, and the lock.  What a pool holds is in pool/box/box.h
 * (boxes), pool/tree/tree.h (plain files) and pool/volatile/volatile.h (what of
 * those may be purged).
 *
 * Locks: all calls of the pool are made with pool->lock (1) held; the caller
 * takes it with pool_lock().  Callbacks of shrinkers are the exception.
 */
#ifndef POOLFS_POOL_CORE_H
#define POOLFS_POOL_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;
struct box;

/* A file that was purged, and where it was: 0 and "" if that is not known. */
struct purged_file {
	uint32_t inode; /* 0: the kernel has no reference to it */
	uint32_t parent;
	const char *name;
	const char *path; /* below the mount point */
	uid_t uid; /* whose it was */
	uint64_t pages;
	bool more; /* it had other names */
};

struct pool_ops {
	/* Space was freed in the box, or a transaction has moved: senders that
	 * wait may try again. */
	void (*space)(void *arg, struct box *box);
	/*
	 * Transactions have to be copied: call tx_moves_go_on() until it returns
	 * false, and give others the lock in between.  NULL, or another return
	 * value than 0: they are copied at once.
	 */
	int (*moves)(void *arg);
	/* A transaction was queued: receivers that wait may try again. */
	void (*queued)(void *arg, struct box *box);
	/*
	 * The transaction in @slot is complete, but the kernel's page cache of
	 * the mount may have stale copies of bytes [off, off+len) of the box's
	 * region.  Have them dropped, then call tx_invalidated().  NULL: the
	 * kernel has no copies (passthrough).
	 */
	void (*copies_stale)(void *arg, struct box *box, uint32_t slot,
			     uint64_t off, uint64_t len);
	/*
	 * Reclaim dropped bytes of the region of box @serial: drop the kernel's
	 * copies of them.  No lock is held.
	 */
	void (*invalidate)(void *arg, uint64_t serial, uint64_t off,
			   uint64_t len);
	/*
	 * The same, from a thread that holds pool->lock: must not block, and
	 * have it done soon.
	 */
	void (*invalidate_later)(void *arg, uint64_t serial, uint64_t off,
				 uint64_t len);
	/*
	 * The store is full: reclaim @pages now if possible.  Called with
	 * pool->lock held.  Return: pages freed.
	 */
	uint64_t (*reclaim)(void *arg, uint64_t pages);
	/*
	 * @bytes of memory are about to be allocated by this process.  @own:
	 * for records, which may use up half of what content leaves.  Has
	 * reclaimed what it can before it fails.
	 * Return: 0; -ENOSPC: the process itself may not have so much.
	 */
	int (*grow)(void *arg, uint64_t bytes, bool own);
	/* A volatile file was purged. */
	void (*purged)(void *arg, const struct purged_file *file);
	/* Bytes [off, off+len) of a plain file were purged: now a hole. */
	void (*range_purged)(void *arg, uint32_t inode, uint64_t off,
			     uint64_t len, uint64_t pages);
	/*
	 * The calling thread, which has no lock, begins and ends a system call
	 * in which a client may hold it up.  If it is killed meanwhile, it does
	 * nothing more than to end that call.
	 */
	void (*call_begins)(void *arg);
	void (*call_ends)(void *arg);
	/*
	 * The file was truncated to @off, or has ended (0): purged ranges
	 * behind
	 * @off do not exist any more.
	 */
	void (*range_cut)(void *arg, uint32_t inode, uint64_t off);
	/*
	 * Registers @fd, a plain file that is about to be opened, for
	 * passthrough.  @fd may be closed afterwards.
	 * Return: its backing id, above 0, or -errno.  NULL: cached mode.
	 */
	int (*backing_open)(void *arg, int fd);
	/* The file of that backing id is not open any more. */
	void (*backing_close)(void *arg, int id);
	/* @uid fills the box: see range_suspect(). */
	void (*suspect)(void *arg, struct box *box, uid_t uid, uint64_t bytes,
			uint32_t transactions);
};

/**
 * struct op - a request that asks the pool to change something.
 * @token: identifies the request.  If the last request that was carried out is
 *	sent again with its token, since its worker was killed before it could
 *	answer, it is not carried out twice: the call returns what it returned
 *	the first time.  0: the request cannot be sent again.
 * @uid, @gid, @umask: of the caller; files that are made are owned by them.
 * @pid: the calling process, shown to receivers; 0: unknown.
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
	uint32_t sender_quota; /* percent of a region for a uid not its owner */
	uint32_t user_quota; /* percent of each user_max(): see user.h */
};

/** pool_lock, pool_unlock - take and drop pool->lock (1). */
void pool_lock(struct pool *pool);
void pool_unlock(struct pool *pool);
/** pool_is_mine - does the calling thread hold the lock? */
bool pool_is_mine(struct pool *pool);
/** pool_trylock - Return: whether the lock was taken. */
bool pool_trylock(struct pool *pool);
/**
 * pool_replays - was the request @token the last one that was carried out, or
 * the one that an intent record was written for?
 */
bool pool_replays(struct pool *pool, uint64_t token);
struct pool_config *pool_config(struct pool *pool);

#endif
