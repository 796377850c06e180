/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of pool/box/ share: the records in the store and what is kept
 * beside them in memory.
 *
 *	store, survives the worker	memory, rebuilt
 *	--------------------------	---------------
 *	boxes[]		box_rec   <---	struct box -- region, range allocator
 *	transactions[]	tx_rec	  <---	struct tx  -- range, place in the queue
 *	handles[]	handle_rec
 *	journal		the change being made
 *
 * A transaction's states:
 *
 *	          reserve at open          commit
 *	FREE ----------------> WRITING -----------------> QUEUED
 *	 ^                       |   '-> INVALIDATING ->  |  ^
 *	 |        drop           |   (stale copies are    |  | header not read
 *	 |<----------------------'    dropped)            v  | to the end
 *	 |<-------------------------------------------- DELIVERED
 *	 |   rm                                           |
 *	 '<--------------- HELD <-------------------------'
 *	   last file       rm, while files are open on it
 *	   closed
 */
#ifndef POOLFS_POOL_BOX_PRIV_H
#define POOLFS_POOL_BOX_PRIV_H

#include <sys/queue.h>

#include "pool/box/box.h"
#include "pool/core/core_priv.h"
#include "pool/lib/avl.h"

#define BOX_MAX (1u << 20)
#define TX_MAX (1u << 24)
#define HANDLE_MAX (1u << 20)
#define TEXT_MAX (1u << 22)

enum box_state {
	BOX_REC_FREE,
	BOX_REC_LIVE,
	BOX_REC_REMOVED
};

struct box_rec {
	uint32_t state; /* enum box_state */
	int32_t backing; /* passthrough id, 0 for none */
	uint64_t serial; /* unique for ever */
	uint64_t size; /* bytes of the region */
	int64_t ctime_ns;
	int64_t mtime_ns;
	uint32_t uid[BOX_INODES];
	uint32_t gid[BOX_INODES];
	uint16_t mode[BOX_INODES];
	char name[BOX_NAME_MAX + 1];
	char pad[156];
};
_Static_assert(sizeof(struct box_rec) == 512, "box_rec");

enum tx_state {
	TX_FREE,
	TX_WRITING,
	TX_INVALIDATING, /* complete; the kernel may have stale copies */
	TX_QUEUED,
	TX_DELIVERED, /* a receiver has had the header */
	TX_HELD /* removed, but files are open on it */
};

struct tx_rec {
	uint32_t state; /* enum tx_state */
	uint32_t box; /* slot */
	uint64_t id; /* in the order of queueing; 0 while WRITING */
	uint64_t offset; /* of the range; bytes, in the region */
	uint64_t size; /* bytes of payload */
	uint64_t reserved; /* bytes of the range, 0: none */
	int64_t time_ns; /* of queueing */
	/* tx_journal() writes the fields above by one entry, none below. */
	uint32_t uid, gid, pid; /* of the process that opened "send" */
	uint32_t pad;
};
_Static_assert(sizeof(struct tx_rec) == 64, "tx_rec");

#define HANDLE_WRITERS 4

/* What the last close of a sender's file queues. */
enum send_stage {
	SEND_NOTHING, /* nothing: all was queued or dropped */
	SEND_OPENED, /* an empty transaction: nothing was written */
	SEND_WRITTEN, /* what was written since it was opened or committed */
};

struct handle_rec {
	uint32_t kind; /* enum handle_kind */
	uint32_t box; /* slot, 0 for none */
	/* What sending changes; written by one journal entry. */
	struct handle_work {
		/* Slot: being written, received, or read; control: of its text,
		 * 0 for none. */
		uint32_t tx;
		uint32_t stage; /* send: enum send_stage */
		uint32_t stalled; /* send: the last write found no space */
		uint32_t nr_writers; /* send: may be above HANDLE_WRITERS */
		int32_t error; /* send: -errno of a write, for fsync */
		uint32_t pad;
	} work;
	uint64_t cursor; /* recv: bytes of the header read; control: fs/'s */
	uint64_t poll_key; /* see handle_poll_key() */
	uint32_t uid, gid, pid; /* of the process that opened it */
	uint32_t writer[HANDLE_WRITERS]; /* pids */
	uint32_t header; /* recv: bytes of the header being read */
	uint32_t pad[12];
};
_Static_assert(sizeof(struct handle_rec) == 128, "handle_rec");

#define TEXT_BYTES 500

/* A part of the text of an open control file: see handle_text.c. */
struct text_rec {
	uint32_t state; /* 1 */
	uint32_t next; /* slot, 0: the last */
	uint32_t len; /* bytes; TEXT_BYTES but for the last */
	char bytes[TEXT_BYTES];
};
_Static_assert(sizeof(struct text_rec) == 512, "text_rec");

/* Record 1 of the transactions' table: counters of the pool. */
#define POOL_REC 1
struct pool_rec {
	uint32_t state; /* always 1 */
	uint32_t pad;
	uint64_t next_id;
	uint64_t next_serial;
	char rest[40];
};
_Static_assert(sizeof(struct pool_rec) == sizeof(struct tx_rec), "pool_rec");

struct tx {
	struct avl_node by_id; /* of its box: QUEUED and DELIVERED */
	uint64_t id;
	TAILQ_ENTRY(tx) queue; /* of box.queue: QUEUED; of boxes.moves */
	struct box *box;
	uint32_t slot;
	struct range *range; /* NULL: none reserved */
	/* WRITING: see move.c. */
	struct range *to; /* where it moves, NULL: nowhere */
	uint64_t moved; /* bytes that are there */
	int move_error; /* -errno: it cannot */
	bool in_moves; /* listed in boxes.moves */
	uint32_t holders; /* open files that read it, or a part of its header */
};
TAILQ_HEAD(tx_queue, tx);

/* An open file, beside its record. */
struct handle {
	LIST_ENTRY(handle) link; /* of box.handles, or boxes.control */
	LIST_ENTRY(handle) poll; /* the same, if it has a poll key */
	uint32_t slot;
	/* As counted in its box: see handle_recount(). */
	bool holding, stalled;
};
LIST_HEAD(handle_list, handle);

struct box {
	uint32_t magic;
	struct avl_node by_name; /* LIVE only */
	struct avl_node by_serial; /* of boxes.by_serial, or boxes.removed */
	struct box_rec *rec;
	struct region *region; /* made at the first use */
	struct range_allocator *ranges; /* the same */
	struct avl_tree txs; /* by id: QUEUED and DELIVERED */
	struct tx_queue queue; /* QUEUED, by id */
	uint32_t slot;
	uint32_t nr_queued, nr_delivered, nr_writing, nr_held, nr_invalidating;
	struct handle_list handles, polling;
	uint32_t nr_handles;
	uint32_t nr_holding; /* senders whose transaction has a range */
	uint32_t nr_stalled; /* of those that found no space for more */
	uint32_t nr_moving; /* transactions with tx.to */
	uint32_t nr_refs; /* box_get() */
	uint32_t nr_opens[BOX_INODES]; /* handles */
	void *private; /* the front end's */
	struct pool *pool;
	_Atomic uint64_t serial; /* also read by reclaim, with no lock */
	TAILQ_ENTRY(box) spare; /* in boxes.spare_boxes */
};
TAILQ_HEAD(box_list, box);

/* So many of a kind are allocated together. */
#define TX_CHUNK 1024
#define HANDLE_CHUNK 1024

#define BOX_MAGIC 0x626f7821u

struct boxes {
	struct table boxes, txs, handles, texts;
	struct pool_rec *rec;
	struct avl_tree by_name, by_serial; /* LIVE */
	struct avl_tree removed; /* by serial: REMOVED */
	struct box **box_mem; /* by slot */
	uint32_t nr_box_mem;
	/*
	 * Reclaim calls region_ops.invalidate with no lock held, so it may read
	 * a box that has just been freed.  Memory of boxes is therefore reused
	 * for boxes only, until the pool is closed.  An invalidation of another
	 * box than meant does no harm.
	 */
	struct box_list spare_boxes;
	struct tx *tx_chunk[TX_MAX / TX_CHUNK];
	struct handle *handle_chunk[HANDLE_MAX / HANDLE_CHUNK];
	struct handle_list control, control_polling; /* of no box */
	struct tx_queue moves; /* transactions that are being copied */
	bool mover; /* pool_ops.moves was called, and has not come to the end */
	uint32_t rescanned; /* the slot at which box_rescan_some() goes on */
	struct shrinker *shrinker;
	uint64_t nr_boxes, nr_live /* transactions */, nr_handles;
	uint64_t sent, sent_bytes, delivered, freed, dropped;
};

static inline struct box_rec *box_rec(struct pool *pool, uint32_t slot)
{
	return table_record(&pool->boxes->boxes, slot);
}

static inline struct tx_rec *tx_rec(struct pool *pool, uint32_t slot)
{
	return table_record(&pool->boxes->txs, slot);
}

static inline struct handle_rec *handle_rec(struct pool *pool, uint32_t slot)
{
	return table_record(&pool->boxes->handles, slot);
}

static inline struct tx *tx_mem(struct pool *pool, uint32_t slot)
{
	return &pool->boxes->tx_chunk[slot / TX_CHUNK][slot % TX_CHUNK];
}

static inline struct handle *handle_mem(struct pool *pool, uint32_t slot)
{
	return &pool->boxes->handle_chunk[slot / HANDLE_CHUNK]
					 [slot % HANDLE_CHUNK];
}

/* boxes.c */
/* Opens the tables, and reads no record.  Return: 0 or -errno. */
int boxes_open(struct pool *pool);
/*
 * box_validate.c: looks at each record of a store that comes from elsewhere,
 * before boxes_adopt(), and frees it if something is wrong.  Return: 0, or
 * -errno if it could not look.
 */
int boxes_validate(struct pool *pool, struct wrongs *w);
/*
 * Rebuilds what is in memory from the records, after the journal was applied.
 * @fresh: a new mount, no file is open.  Return: 0 or -errno.
 */
int boxes_adopt(struct pool *pool, bool fresh);
void boxes_close(struct pool *pool);

/* box_check.c: NULL or the first invariant that is broken (tests). */
const char *boxes_check(struct pool *pool);
/* The same of one box, the @n-th, in bounded time. */
const char *boxes_check_some(struct pool *pool, uint32_t n);
/* Adds what users are charged for to @counts: see users_check(). */
void boxes_count_users(struct pool *pool, struct users *counts);

/* box.c */
/* Return: 0, -EINVAL or -ENAMETOOLONG. */
int box_check_name(const char *name);
struct box *box_of_slot(struct pool *pool, uint32_t slot);
int box_adopt(struct pool *pool, uint32_t slot);
/* What a region of @size bytes is charged as: see USER_REGION_BYTES. */
uint64_t box_charged_bytes(uint64_t size);
/* @charge: user_charge(), or user_charge_anyway() for a box that is there. */
int box_charge(struct pool *pool, uid_t uid, uint64_t size,
	       int (*charge)(struct pool *pool, uid_t uid, enum user_item item,
			     uint64_t n));
void box_uncharge(struct pool *pool, uid_t uid, uint64_t size);
/* Frees a removed box without handles, references and held transactions. */
void box_free_unused(struct pool *pool, struct box *box);
void box_forget_all(struct pool *pool);
int box_cmp_name(const struct avl_node *a, const struct avl_node *b);
int box_cmp_serial(const struct avl_node *a, const struct avl_node *b);

/* box_region.c */
/*
 * For store_each_region(), with all boxes adopted.  A region with memory in it
 * must be known to the LRU; most boxes may have none, so they are not asked.
 */
int box_adopt_region(void *arg, uint64_t serial);
int box_open_region(struct pool *pool, struct box *box);

/* transaction.c */
int tx_adopt(struct pool *pool, uint32_t slot);
void tx_adopt_queue(struct pool *pool, struct box *box);
/* A free record, with its memory, for a sender in @box.  Return: as
 * pool_user_record(). */
int tx_slot_alloc(struct pool *pool, struct box *box, uid_t uid, gid_t gid,
		  pid_t pid, uint32_t *slot);
/* Makes it visible: in tx/, and by tx_enqueue() to receivers. */
void tx_show(struct pool *pool, struct box *box, uint32_t slot);
void tx_enqueue(struct pool *pool, struct box *box, uint32_t slot);
void tx_dequeue(struct pool *pool, struct box *box, uint32_t slot);
/* The record's state is FREE by now: frees its range and the record. */
void tx_forget(struct pool *pool, struct box *box, uint32_t slot);

/* tx_space.c */
/*
 * Would @total bytes be more than the quotas of @uid allow?  It does not matter
 * who else has what in the box, and who waits.  Return: 0, -EDQUOT.
 */
int tx_check_quota(struct pool *pool, struct box *box, uint32_t slot,
		   uint64_t total, uid_t uid);
/*
 * Finds a range for @total bytes, of which tx_rec->size are written already,
 * after tx_check_quota().
 * @out: the range to use.  If it is not the present one, the bytes were copied
 *	to it, and the present one is still reserved.
 * Return: 0; -EAGAIN: no room in the box now; -EINPROGRESS: it moves, see
 * move.c; -ENOSPC: the pool or its store is full; -EMSGSIZE, -ENOMEM.
 */
int tx_room(struct pool *pool, struct box *box, uint32_t slot, uint64_t total,
	    uid_t uid, struct range **out);
int tx_write_payload(struct pool *pool, struct box *box, uint64_t off,
		     const struct payload *p);
/* region_stop_using_range() of @run. */
void tx_pages_unused(struct box *box, const struct page_run *run);
/* Frees the range, if it is not NULL, and calls pool_ops.space. */
void tx_release_range(struct pool *pool, struct box *box, struct range *range);
/* Reserves a range of @size bytes for @uid.  Return: as tx_room(). */
int tx_reserve(struct pool *pool, struct box *box, uint64_t size, uid_t uid,
	       struct range **out);

/* move.c */
/*
 * Moves the transaction to a range of @size bytes, or goes on with that.
 * Return: 0: *@out is the new range, the bytes are there, and the present one
 * is still reserved; -EINPROGRESS: call again
 * after pool_ops.space; -EAGAIN: there is no such range now; or another error.
 */
int tx_move(struct pool *pool, struct box *box, uint32_t slot, uint64_t size,
	    uid_t uid, struct range **out);
/* Gives up the move, if there is one: the transaction stays where it is. */
void tx_move_end(struct pool *pool, struct box *box, uint32_t slot);

/* send.c */
/* Journals the new values of @rec and @work. */
void tx_journal(struct pool *pool, uint32_t slot, const struct tx_rec *rec,
		struct handle_rec *h, const struct handle_work *work);
/*
 * Frees the range of a transaction that cannot be completed.
 * @stage, @error: the handle's new values.
 * Return: @result.
 */
int tx_drop(struct pool *pool, const struct op *op, struct box *box,
	    struct handle_rec *h, enum send_stage stage, int error, int result);

/* commit.c */
/*
 * Queueing a transaction, the part in the journal: sets the new values of @rec
 * and @work, for tx_journal(), and journals the next id.
 */
void tx_commit_journal(struct pool *pool, struct tx_rec *rec,
		       struct handle_work *work);
/* Queueing a transaction, the part in memory, after journal_commit(). */
void tx_commit_finish(struct pool *pool, struct box *box, uint32_t slot);

/* receive.c */
/* Formats the header line into @line.  Return: its length. */
size_t tx_header(struct pool *pool, uint32_t slot, char *line, size_t size);
/* DELIVERED -> QUEUED, in memory. */
void tx_requeue(struct pool *pool, struct box *box, uint32_t slot);

/* handle.c */
/* Does a receiver read a header, and has not come to its end? */
bool handle_reads_header(const struct handle_rec *h);
/* Is it a sender whose transaction has a range? */
bool handle_holds_range(struct pool *pool, const struct handle *handle);
/* That, or whether it is stalled, may have changed: counts it in @box. */
void handle_recount(struct pool *pool, struct box *box, uint32_t handle);
int handle_adopt(struct pool *pool, uint32_t slot);
/** handle_text_free - the text of @uid that begins with record @first. */
void handle_text_free(struct pool *pool, uid_t uid, uint32_t first);
/** handle_text_bytes - memory of the records of an open handle's text. */
uint64_t handle_text_bytes(struct pool *pool, uint32_t handle);
/** handle_texts_tidy - frees texts of no handle, and counts the others.
 * Return: 0, -ENOMEM. */
int handle_texts_tidy(struct pool *pool);

/* box_shrink.c */
/* Registers the shrinker of Available pages.  Return: 0 or -errno. */
int box_add_shrinker(struct pool *pool);
void box_remove_shrinker(struct pool *pool);

#define TX_HEADER_MAX 256

#endif
