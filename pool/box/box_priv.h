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
 *	FREE ----------------> WRITING --------------> QUEUED
 *	 ^                       |   '--> SETTLING --->  |  ^
 *	 |        drop           |   (old copies go)     |  | header not read
 *	 |<----------------------'                       v  | to the end
 *	 |<----------------------------------------- DELIVERED
 *	 |   rm, nobody holds it                         |
 *	 '<--------------- HELD <------------------------'
 *	   last holder      rm, while files are open on it
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

enum {
	BOX_REC_FREE,
	BOX_REC_LIVE,
	BOX_REC_REMOVED
};

struct box_rec {
	uint32_t state;
	int32_t backing; /* passthrough id, 0 for none */
	uint64_t serial; /* never used again */
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

enum {
	TX_FREE,
	TX_WRITING,
	TX_INVALIDATING,
	TX_QUEUED,
	TX_DELIVERED,
	TX_HELD
};

struct tx_rec {
	uint32_t state;
	uint32_t box; /* slot */
	uint64_t id; /* in the order of queueing; 0 while WRITING */
	uint64_t offset;
	uint64_t size; /* bytes of payload */
	uint64_t reserved; /* bytes of the range, 0: none */
	int64_t time_ns;
	/* Above is what changes, in one piece; below is what does not. */
	uint32_t uid, gid, pid;
	uint32_t pad;
};
_Static_assert(sizeof(struct tx_rec) == 64, "tx_rec");

#define HANDLE_WRITERS 4

/* What the last close of a sender's file is to queue. */
enum send_stage {
	SEND_NOTHING, /* all of it is queued, or what there was is dropped */
	SEND_OPENED, /* nothing was written: an empty transaction */
	SEND_WRITTEN, /* what was written since */
};

struct handle_rec {
	uint32_t kind;
	uint32_t box; /* slot, 0 for none */
	/* The part that sending changes, in one piece. */
	struct handle_work {
		uint32_t tx; /* slot: being written, received, or held */
		uint32_t stage; /* send: enum send_stage */
		uint32_t stalled; /* send: the last write was given up */
		uint32_t nr_writers;
		int32_t error; /* send: what a write met, told at fsync */
		uint32_t pad;
	} work;
	uint64_t cursor; /* recv: bytes of the header read; else the owner's */
	uint64_t poll_key;
	uint32_t uid, gid, pid;
	uint32_t writer[HANDLE_WRITERS];
	uint32_t header; /* recv: bytes of the header being read */
	uint32_t pad[12];
};
_Static_assert(sizeof(struct handle_rec) == 128, "handle_rec");

/* Record 1 of the transactions' table is the pool's own. */
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
	TAILQ_ENTRY(tx) queue; /* QUEUED only */
	struct box *box;
	uint32_t slot;
	struct range *range; /* NULL: none reserved */
	uint32_t holders; /* files that are open on it or reading it */
};
TAILQ_HEAD(tx_queue, tx);

/* An open file, beside its record. */
struct handle {
	LIST_ENTRY(handle) link; /* of its box's, or of those of no box */
	uint32_t slot;
};
LIST_HEAD(handle_list, handle);

struct box {
	uint32_t magic;
	struct avl_node by_name; /* live ones only */
	struct avl_node by_serial; /* removed ones too, while open */
	struct box_rec *rec;
	struct region *region; /* made at the first use */
	struct range_allocator *ranges;
	struct avl_tree txs;
	struct tx_queue queue;
	uint32_t slot;
	uint32_t nr_queued, nr_delivered, nr_writing, nr_held, nr_invalidating;
	struct handle_list handles;
	uint32_t nr_handles;
	uint32_t nr_holds; /* the front end's */
	uint32_t node_opens[BOX_INODES];
	void *private;
	struct pool *pool;
	_Atomic uint64_t serial; /* also read by reclaim, with no lock */
	TAILQ_ENTRY(box) spare;
};
TAILQ_HEAD(box_list, box);

/* So many of a kind come into being together. */
#define TX_CHUNK 1024
#define HANDLE_CHUNK 1024

#define BOX_MAGIC 0x626f7821u

struct boxes {
	struct table boxes, txs, handles;
	struct pool_rec *rec;
	struct avl_tree by_name, by_serial;
	struct box **box_mem; /* by slot */
	uint32_t nr_box_mem;
	/*
	 * Reclaim calls region_ops.invalidate with no lock held, so it may look
	 * at a box that has just gone: their memory is used again for boxes
	 * only.  A needless invalidation does no harm.
	 */
	struct box_list spare_boxes;
	struct tx *tx_chunk[TX_MAX / TX_CHUNK];
	struct handle *handle_chunk[HANDLE_MAX / HANDLE_CHUNK];
	struct handle_list control; /* those of no box: control files */
	struct shrinker *shrinker;
	uint64_t nr_boxes, nr_live, nr_handles;
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
/* Opens the tables, without a look at them. */
int boxes_open(struct pool *pool);
/*
 * What is in memory, from the records, which the journal has finished; @fresh:
 * nobody of before has anything open.
 */
int boxes_adopt(struct pool *pool, bool fresh);
void boxes_close(struct pool *pool);

/* box_check.c: NULL or the first invariant that is broken (tests). */
const char *boxes_check(struct pool *pool);
/* The same of one box, the @n-th; bounded in time. */
const char *boxes_check_some(struct pool *pool, uint32_t n);

/* box.c */
struct box *box_of_slot(struct pool *pool, uint32_t slot);
int box_adopt(struct pool *pool, uint32_t slot);
int box_open_region(struct pool *pool, struct box *box);
/* Frees a removed box that nothing needs any more. */
void box_free_unused(struct pool *pool, struct box *box);
void box_forget_all(struct pool *pool);
int box_cmp_name(const struct avl_node *a, const struct avl_node *b);
int box_cmp_serial(const struct avl_node *a, const struct avl_node *b);

/* transaction.c */
int tx_adopt(struct pool *pool, uint32_t slot);
void tx_adopt_queue(struct pool *pool, struct box *box);
/* A free record, with its memory, of a sender in @box. */
int tx_slot_alloc(struct pool *pool, struct box *box, uid_t uid, gid_t gid,
		  pid_t pid, uint32_t *slot);
/* It becomes visible: in tx/, and by tx_enqueue() to receivers. */
void tx_show(struct pool *pool, struct box *box, uint32_t slot);
void tx_enqueue(struct pool *pool, struct box *box, uint32_t slot);
void tx_dequeue(struct pool *pool, struct box *box, uint32_t slot);
/* The slot's state is FREE by now: let its range and record go. */
void tx_forget(struct pool *pool, struct box *box, uint32_t slot);

/* tx_space.c */
/*
 * Space for @total bytes, of which tx_rec->size are written already.
 * @out: the range to use; the old one, if it is another, is still reserved.
 * Return: 0; -EAGAIN: no room in the box now; -ENOSPC: no memory in the pool.
 */
int tx_room(struct pool *pool, struct box *box, uint32_t slot, uint64_t total,
	    uid_t uid, struct range **out);
int tx_write_payload(struct pool *pool, struct box *box, uint64_t off,
		     const struct payload *p);
void tx_pages_unused(struct box *box, const struct page_run *run);
void tx_release_range(struct pool *pool, struct box *box, struct range *range);

/* send.c */
/*
 * The journal part of queueing a transaction: @rec as it is to be, and what its
 * handle is to know after it.
 */
void tx_commit_journal(struct pool *pool, struct tx_rec *rec,
		       struct handle_work *work);
/* @rec's and @work's new values go into the journal. */
void tx_journal(struct pool *pool, uint32_t slot, const struct tx_rec *rec,
		struct handle_rec *h, const struct handle_work *work);
/* The part in memory, after the journal's. */
void tx_commit_finish(struct pool *pool, struct box *box, uint32_t slot);

/* receive.c */
/* Length of the header line; also in @line when that is not NULL. */
size_t tx_header(struct pool *pool, uint32_t slot, char *line, size_t size);
void tx_requeue(struct pool *pool, struct box *box, uint32_t slot);

/* handle.c */
/* Is it a sender that has reserved any of its box? */
bool handle_holds_range(struct pool *pool, const struct handle *handle);
int handle_adopt(struct pool *pool, uint32_t slot);

/* box_shrink.c */
/* Registers the shrinker of Available pages.  Return: 0 or -errno. */
int box_add_shrinker(struct pool *pool);
void box_remove_shrinker(struct pool *pool);

#define TX_HEADER_MAX 256

#endif
