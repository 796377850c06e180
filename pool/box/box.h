/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boxes, their transactions, and the open files on them.  All of it lives in the
 * store's tables; what is in memory is rebuilt when the pool is opened.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_BOX_H
#define POOLFS_POOL_BOX_H

#include <time.h>

#include "pool/core/core.h"
#include "pool/range/range.h"
#include "pool/region/region.h"

#define BOX_NAME_MAX 255
#define BOX_DEFAULT_SIZE (4u << 20)
#define BOX_DEFAULT_QUOTA 50 /* percent: pool_config.sender_quota */
#define BOX_SIZE_MAX (1ull << 42)

/* --- boxes (box.c) --- */

enum box_inode {
	BOX_DIR,
	BOX_DATA,
	BOX_SEND,
	BOX_RECV,
	BOX_TX,
	BOX_STAT,
	BOX_INODES
};

struct box_attr {
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	struct timespec ctime;
};

/**
 * box_create - Return: 0, -EEXIST, -ENAMETOOLONG, -EINVAL, -ENOSPC, -ENOMEM.
 */
int box_create(struct pool *pool, const struct op *op, const char *name,
	       mode_t mode, struct box **out);

/**
 * box_remove - Return: 0, -ENOENT, -ENOTEMPTY when a transaction is live,
 * -EBUSY when one is being written.  Files open on it stay open: their
 * receivers read end of file, their senders get -EPIPE.
 */
int box_remove(struct pool *pool, const struct op *op, const char *name);

struct box *box_by_name(struct pool *pool, const char *name);
struct box *box_by_serial(struct pool *pool, uint64_t serial);
/** box_next - the box with the smallest serial above @serial, or NULL. */
struct box *box_next(struct pool *pool, uint64_t serial);

const char *box_name(const struct box *box);
uint64_t box_serial(const struct box *box);
uint64_t box_size(const struct box *box);
bool box_removed(const struct box *box);
void box_attr_get(const struct box *box, enum box_inode node,
		  struct box_attr *out);
/** box_attr_set - all fields of @attr but mtime and ctime.  Return: 0. */
int box_attr_set(struct pool *pool, const struct op *op, struct box *box,
		 enum box_inode node, const struct box_attr *attr);

/**
 * box_resize - @size bytes, rounded up to pages.  Return: 0, -EBUSY while a
 * transaction is live or being written, -EINVAL (0), -EFBIG.
 */
int box_resize(struct pool *pool, const struct op *op, struct box *box,
	       uint64_t size);

/** box_region - the region, made if need be.  Return: 0 or -errno. */
int box_region(struct pool *pool, struct box *box, struct region **out);

/**
 * box_get, box_put - a box that is removed stays until it is let go as often
 * as it was held.
 */
void box_get(struct box *box);
void box_put(struct pool *pool, struct box *box);

/* What the front end keeps for a box, from malloc(); freed with the box. */
void box_set_private(struct box *box, void *data);
void *box_private(const struct box *box);

/* The passthrough backing id of the region's file, 0 for none. */
int32_t box_backing(const struct box *box);
void box_set_backing(struct box *box, int32_t id);
/* Handles open on this node of the box. */
uint32_t box_inode_opens(const struct box *box, enum box_inode node);

/**
 * box_rescan - find memory that readers of the region made by touching its
 * holes, and make it Available.  @box: NULL for all of them, when pressure
 * finds nothing else.  Looks at every page: not for a hot path.
 */
void box_rescan(struct pool *pool, struct box *box);

/* Of all boxes together. */
struct boxes_stat {
	uint64_t boxes;
	uint64_t transactions; /* live */
	uint64_t handles;
	uint64_t sent; /* ever, since the worker started */
	uint64_t sent_bytes;
	uint64_t delivered;
	uint64_t freed;
	uint64_t dropped; /* half written, not delivered */
};
void boxes_stat(struct pool *pool, struct boxes_stat *out);

struct box_stat {
	uint64_t size;
	struct region_stat pages;
	struct range_stat ranges;
	uint32_t queued;
	uint32_t delivered;
	uint32_t writing;
	uint32_t handles;
};
void box_stat(struct pool *pool, struct box *box, struct box_stat *out);

/* --- open files (handle.c) --- */

enum handle_kind {
	HANDLE_NONE,
	HANDLE_DATA,
	HANDLE_SEND,
	HANDLE_RECV,
	HANDLE_TX,
	HANDLE_CONTROL,
};

/**
 * handle_open - Return: 0, -ENOENT (no such transaction), -ENOSPC, -ENOMEM.
 * @box: NULL for HANDLE_CONTROL.
 * @tx: slot, for HANDLE_TX only.
 * @handle: out; stays valid across workers.
 */
int handle_open(struct pool *pool, const struct op *op, enum handle_kind kind,
		struct box *box, uint32_t tx, uint32_t *handle);

/**
 * handle_close - the last use of it.  A sender's transaction is queued if it
 * is whole and dropped if not; a receiver that has not read its header to the
 * end gives it back to the head of the queue.
 */
int handle_close(struct pool *pool, const struct op *op, uint32_t handle);

/** handle_get - its kind and box; HANDLE_NONE when there is no such handle. */
enum handle_kind handle_get(struct pool *pool, uint32_t handle,
			    struct box **box);
/* The key under which the kernel wants to hear that poll() should look again;
 * 0 for none. */
uint64_t handle_poll_key(struct pool *pool, uint32_t handle);
void handle_set_poll_key(struct pool *pool, uint32_t handle, uint64_t key);
/*
 * A cursor of the front end's (events).  A read starts at handle_cursor_start()
 * and sets the cursor before it answers: a request that comes again starts where
 * it did before, and one that was answered does not come again.
 */
uint64_t handle_cursor(struct pool *pool, uint32_t handle);
uint64_t handle_cursor_start(struct pool *pool, const struct op *op,
			     uint32_t handle);
void handle_set_cursor(struct pool *pool, const struct op *op, uint32_t handle,
		       uint64_t cursor);
/** handle_next_polling - handles of @box with a poll key, for wake-ups. */
uint32_t handle_next_polling(struct pool *pool, struct box *box,
			     uint32_t after);

/* --- transactions (transaction.c) --- */

/* Bytes to send. */
struct payload {
	const void *mem;
	size_t len;
};

/**
 * tx_write - add to the transaction of a sender's handle.
 * @commit: and queue it at once, as write and fsync in one.
 * Return: 0; -EAGAIN: the box is full, wait for pool_ops.space and call again;
 * -EMSGSIZE, -EDQUOT, -ENOSPC, -EPIPE (the box is gone), -ECANCELED (another
 * writer of it was killed), -EDEADLK (only half written transactions are in the
 * box, and none of them can go on), -ENOMEM.  After an error what was written
 * so far is not delivered, unless a later write succeeds (after -EAGAIN and
 * -ENOMEM only; after the others each write and the next fsync say it again).
 */
int tx_write(struct pool *pool, const struct op *op, uint32_t handle,
	     const struct payload *p, bool commit);

/** tx_has_space - has the sender reserved any of the box? */
bool tx_has_space(struct pool *pool, uint32_t handle);

/** tx_interrupted - a write that waited has been given up. */
void tx_interrupted(struct pool *pool, uint32_t handle);

/**
 * tx_commit - queue what was written.  Return: 0, or the error that an earlier
 * write met, after which the handle starts anew.
 */
int tx_commit(struct pool *pool, const struct op *op, uint32_t handle);

/**
 * tx_writer - process @pid has written; tx_writer_gone - it has ended.
 * tx_is_writer - has it been named before, as a writer or by handle_open()?
 */
bool tx_is_writer(struct pool *pool, uint32_t handle, pid_t pid);
void tx_writer(struct pool *pool, uint32_t handle, pid_t pid);
void tx_writer_gone(struct pool *pool, uint32_t handle, pid_t pid, bool killed);

/** tx_invalidated - see pool_ops.copies_stale. */
void tx_invalidated(struct pool *pool, uint32_t slot);
/** tx_invalidate_again - after pool_open(): ask again for those that a killed worker
 * left unsettled. */
void tx_invalidate_again(struct pool *pool);

/**
 * tx_receive - the next bytes of the header line of the next transaction.
 * @len: out, bytes written to @buf; 0: end of file, the box is gone.
 * Return: 0, -EAGAIN: nothing is queued.
 */
int tx_receive(struct pool *pool, const struct op *op, uint32_t handle,
	       char *buf, size_t size, size_t *len);

struct tx_info {
	uint64_t id;
	uint32_t slot;
	uint64_t offset; /* bytes, in data */
	uint64_t size; /* bytes */
	struct timespec time;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool delivered;
};

/* Those that tx/ shows.  Return: 0, -ENOENT. */
int tx_by_id(struct pool *pool, struct box *box, uint64_t id,
	     struct tx_info *out);
int tx_by_slot(struct pool *pool, uint32_t slot, uint32_t id_low,
	       struct box **box, struct tx_info *out);
/** tx_next - the one with the smallest id above @id. */
int tx_next(struct pool *pool, struct box *box, uint64_t id,
	    struct tx_info *out);

/**
 * tx_read - payload bytes of the transaction that a HANDLE_TX holds.
 * @len: in, wanted; out, read; 0 at its end.
 */
int tx_read(struct pool *pool, uint32_t handle, uint64_t off, void *buf,
	    size_t *len);

/**
 * tx_free - remove it.  Its bytes are kept while files are open on it.
 * Return: 0, -ENOENT.
 */
int tx_free(struct pool *pool, const struct op *op, struct box *box,
	    uint64_t id);

#endif
