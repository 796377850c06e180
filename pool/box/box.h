/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boxes, their transactions, and open files.  Their records are in the store's
 * tables; what is in memory beside them is rebuilt when the pool is opened.
 *
 * Calls that take a struct op are carried out once: see op.token.
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
#define BOX_SIZE_MAX (1ull << 42) /* bytes */

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
 * box_create - make a box with a region of pool_config.box_size bytes.
 * @name: 1 to BOX_NAME_MAX bytes, no "/".
 * @mode: of mkdir(2), after the umask.
 * @out: the box; may be NULL.
 * Return: 0, -EEXIST, -ENAMETOOLONG, -EINVAL, -EDQUOT, -ENOSPC, -ENOMEM.
 */
int box_create(struct pool *pool, const struct op *op, const char *name,
	       mode_t mode, struct box **out);

/**
 * box_remove - Return: 0, -ENOENT, -ENOTEMPTY when a transaction is live,
 * -EBUSY when one is being written.  Files open on the box stay open: receivers
 * read end of file, senders get -EPIPE.
 */
int box_remove(struct pool *pool, const struct op *op, const char *name);

/** box_by_name, box_by_serial - a box, or NULL.  A box that is removed has no
 * name any more. */
struct box *box_by_name(struct pool *pool, const char *name);
struct box *box_by_serial(struct pool *pool, uint64_t serial);
/** box_next - the box with the smallest serial above @serial, or NULL. */
struct box *box_next(struct pool *pool, uint64_t serial);

const char *box_name(const struct box *box);
uint64_t box_serial(const struct box *box);
/** box_slot - below 2^20, the same in each worker; used again after the box.
 * 0: @box is NULL. */
uint32_t box_slot(const struct box *box);
uint64_t box_size(const struct box *box);
bool box_removed(const struct box *box);
void box_getattr(const struct box *box, enum box_inode inode,
		 struct box_attr *out);
/**
 * box_setattr - set all fields of @attr but mtime and ctime.  The owner of
 * BOX_DIR is charged for the box.  Return: 0, -ENOMEM.
 */
int box_setattr(struct pool *pool, const struct op *op, struct box *box,
		enum box_inode inode, const struct box_attr *attr);

/**
 * box_resize - change the size of the region.
 * @size: bytes, 1 to BOX_SIZE_MAX; rounded up to pages.
 * Return: 0, -EBUSY while a transaction is live or being written, -EINVAL (0),
 * -EFBIG, or as region_resize().
 */
int box_resize(struct pool *pool, const struct op *op, struct box *box,
	       uint64_t size);

/** box_region - the region, made at the first call.  Return: 0 or -errno. */
int box_region(struct pool *pool, struct box *box, struct region **out);

/**
 * box_get, box_put - take and drop a reference.  A removed box stays until its
 * last reference is dropped and its last open file is closed.
 */
void box_get(struct box *box);
void box_put(struct pool *pool, struct box *box);

/* Memory of the front end for a box, from malloc(); freed with the box. */
void box_set_private(struct box *box, void *data);
void *box_private(const struct box *box);

/* The passthrough backing id of the region's file, 0 for none. */
int32_t box_backing(const struct box *box);
void box_set_backing(struct box *box, int32_t id);
/* Handles open on this inode of the box. */
uint32_t box_inode_opens(const struct box *box, enum box_inode inode);

/** box_rescan - region_rescan_some() of a box, so many steps as take no time. */
void box_rescan(struct box *box);
/**
 * box_rescan_some - the same, of the next of all boxes.
 * Return: whether there are more until the last one.
 */
bool box_rescan_some(struct pool *pool);

/* Of all boxes together. */
struct boxes_stat {
	uint64_t boxes;
	uint64_t transactions; /* live */
	uint64_t handles;
	uint64_t sent; /* from here on: since the worker started */
	uint64_t sent_bytes;
	uint64_t delivered;
	uint64_t freed;
	uint64_t dropped; /* incomplete, not delivered */
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
 * handle_open - open a file of a box, or a control file.
 * @box: NULL for HANDLE_CONTROL.
 * @tx: slot of the transaction, for HANDLE_TX; else 0.
 * @handle: out; valid across workers, until handle_close().
 * Return: 0, -ENOENT (no such transaction), -EDQUOT, -ENOSPC, -ENOMEM.
 */
int handle_open(struct pool *pool, const struct op *op, enum handle_kind kind,
		struct box *box, uint32_t tx, uint32_t *handle);

/**
 * handle_close - the last descriptor is closed.  A sender's transaction is
 * queued if it is complete and dropped if not.  If a receiver has not read a
 * header to its end, the transaction is queued again, in the order of ids.
 * Return: 0, -EBADF.
 */
int handle_close(struct pool *pool, const struct op *op, uint32_t handle);

/**
 * handle_open_text - open a control file that reads as @text, in this worker
 * and in later ones, until handle_close().
 * @len: bytes.
 * Return: as handle_open(); -EDQUOT, -ENOSPC: too many texts (user.h).
 */
int handle_open_text(struct pool *pool, const struct op *op, const char *text,
		     size_t len, uint32_t *handle);
/** handle_text_read - Return: bytes, 0 at the end. */
size_t handle_text_read(struct pool *pool, uint32_t handle, char *buf,
			size_t size, uint64_t off);

/**
 * handle_lookup - the kind of a handle; HANDLE_NONE if there is no such handle.
 * @box: out, NULL for HANDLE_CONTROL.
 */
enum handle_kind handle_lookup(struct pool *pool, uint32_t handle,
			       struct box **box);
/* Who has opened it. */
uid_t handle_uid(struct pool *pool, uint32_t handle);
/* The key of the FUSE poll notification that the kernel has asked for; 0 for
 * none. */
uint64_t handle_poll_key(struct pool *pool, uint32_t handle);
void handle_set_poll_key(struct pool *pool, uint32_t handle, uint64_t key);
/*
 * A read position of the front end (events).  A read starts at
 * handle_cursor_start() and sets the cursor before it answers.  A request that
 * is sent again starts where it did the first time.
 */
uint64_t handle_cursor(struct pool *pool, uint32_t handle);
uint64_t handle_cursor_start(struct pool *pool, const struct op *op,
			     uint32_t handle);
void handle_set_cursor(struct pool *pool, const struct op *op, uint32_t handle,
		       uint64_t cursor);
/**
 * handle_next_polling - a handle of @box that has a poll key.
 * @box: NULL for control files.  Return: it, or 0 if none has.
 */
uint32_t handle_next_polling(struct pool *pool, struct box *box);

/* --- transactions (transaction.c) --- */

/* Bytes to be sent. */
struct payload {
	const void *mem;
	size_t len;
};

/**
 * tx_write - append to the transaction of a sender's handle.
 * @commit: also queue it, as a write and an fsync in one.
 * Return: 0; -EAGAIN: the box is full, wait for pool_ops.space and call again;
 * -EINPROGRESS: the transaction moves to another place, do the same, or call
 * tx_interrupted(); -EMSGSIZE, -EDQUOT, -ENOSPC, -EPIPE (the box is removed),
 * -ECANCELED (another writer of it was killed), -EDEADLK (all transactions in
 * the box are incomplete, and each waits for space), -ENOMEM.
 *
 * After -EAGAIN and -ENOMEM the transaction is not delivered unless a later
 * write succeeds.  After another error it is dropped; if anything had been
 * written, the error is returned by each later write and by the next
 * tx_commit().
 */
int tx_write(struct pool *pool, const struct op *op, uint32_t handle,
	     const struct payload *p, bool commit);

/**
 * tx_write_later - a write of @len bytes, before which others wait for space.
 * Return: -EAGAIN: it must wait, too; or the error that tx_write() gives however
 * much space there is.
 */
int tx_write_later(struct pool *pool, const struct op *op, uint32_t handle,
		   size_t len);

/** tx_has_space - does the sender's transaction have a range? */
bool tx_has_space(struct pool *pool, uint32_t handle);

/** tx_interrupted - a write that waited was interrupted. */
void tx_interrupted(struct pool *pool, uint32_t handle);

/**
 * tx_moves_go_on - see pool_ops.moves: one step, of a MiB at most.
 * Return: false: that was the last one.
 */
bool tx_moves_go_on(struct pool *pool);

/**
 * tx_commit - queue what was written (fsync).
 * Return: 0; or the error of an earlier write: then the transaction is dropped,
 * and the next write starts another one.
 */
int tx_commit(struct pool *pool, const struct op *op, uint32_t handle);

/**
 * tx_writer - process @pid has written to the handle.
 * tx_writer_gone - the process has closed it or exited; @killed: by a signal.
 * tx_is_writer - has @pid written to the handle, or opened it?
 */
bool tx_is_writer(struct pool *pool, uint32_t handle, pid_t pid);
void tx_writer(struct pool *pool, uint32_t handle, pid_t pid);
void tx_writer_gone(struct pool *pool, uint32_t handle, pid_t pid, bool killed);

/** tx_invalidated - see pool_ops.copies_stale. */
void tx_invalidated(struct pool *pool, uint32_t slot);
/**
 * tx_invalidate_again - after pool_open(): call pool_ops.copies_stale for the
 * transactions that a killed worker left in TX_INVALIDATING.
 */
void tx_invalidate_again(struct pool *pool);

/**
 * tx_receive - the next bytes of the header line of the next transaction.
 * @buf, @size: the buffer and its bytes.
 * @len: out, bytes written to @buf; 0: end of file, the box is removed.
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

/*
 * Transactions that tx/ shows: QUEUED and DELIVERED.  Return: 0, -ENOENT.
 * @id_low: the low 32 bits of the id that the slot must have.
 */
int tx_by_id(struct pool *pool, struct box *box, uint64_t id,
	     struct tx_info *out);
int tx_by_slot(struct pool *pool, uint32_t slot, uint32_t id_low,
	       struct box **box, struct tx_info *out);
/** tx_next - the one with the smallest id above @id.  Return: 0, -ENOENT. */
int tx_next(struct pool *pool, struct box *box, uint64_t id,
	    struct tx_info *out);

/**
 * tx_read - read the payload of the transaction of a HANDLE_TX.
 * @len: in, bytes wanted; out, bytes read; 0 at the end.
 * Return: 0, or as region_read().
 */
int tx_read(struct pool *pool, uint32_t handle, uint64_t off, void *buf,
	    size_t *len);

/**
 * tx_free - remove a transaction.  Its bytes are kept while files are open on
 * it.  Return: 0, -ENOENT.
 */
int tx_free(struct pool *pool, const struct op *op, struct box *box,
	    uint64_t id);

#endif
