/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of pool/volatile/ share, and what pool/tree/ tells them.
 *
 * Ranges are runs of pages of plain files that were unpinned, with a record of
 * each in the store:
 *
 *	file 7	[0..........4)    [9..12)	by place, never overlapping
 *	file 9	      [2...5)
 *
 *	oldest [9..12) - [2...5) youngest	by age, if not purged: the LRU
 *
 * Locks: pool->lock (1).
 */
#ifndef POOLFS_POOL_VOLATILE_PRIV_H
#define POOLFS_POOL_VOLATILE_PRIV_H

#include "pool/inode/inode_priv.h"
#include "pool/lib/avl.h"
#include "pool/volatile/volatile.h"

enum {
	VRANGE_FREE,
	VRANGE_UNPINNED,
	VRANGE_PURGED,
	VRANGE_PURGING /* its hole may not be punched yet */
};

/* Changed by plain stores: what they can be torn into is another range. */
struct vrange_rec {
	uint32_t state;
	uint32_t inode;
	uint64_t first, end; /* pages */
	uint64_t stamp;
};
_Static_assert(sizeof(struct vrange_rec) == 32, "vrange_rec");
#define VRANGE_MAX (1u << 20)

struct vrange {
	struct avl_node by_place;
	struct extent_link link; /* on the LRU, unless purged */
	uint32_t inode;
	uint64_t first, end; /* pages */
	uint64_t memory; /* pages of them that are not holes; as last seen */
	bool purged;
};

#define RECHECK_MAX 64

struct volatiles {
	uint32_t magic;
	/* Files that nobody has open, oldest first, one extent each. */
	struct extent_list files;
	/* Those that were mapped when they were looked at: a ring. */
	uint32_t recheck[RECHECK_MAX];
	uint32_t nr_recheck, next_recheck;
	uint32_t nr_files, nr_purged;
	struct shrinker *file_shrinker;

	/* Ranges that are unpinned or purged. */
	struct table ranges;
	struct avl_tree by_place;
	struct vrange *range; /* by the number of its record */
	uint32_t range_top; /* those above have no memory */
	uint32_t nr_ranges;
	struct extent_list unpinned; /* oldest first */
	struct shrinker *range_shrinker;

	uint64_t stamp; /* the youngest of both; it only grows */
	_Atomic uint64_t purged_files, purged_pages; /* ever */
};

#define VOLATILES_MAGIC 0x766f6c61u /* "vola" */

/* The owner of a list of ranges. */
static inline struct volatiles *volatiles_of(void *owner)
{
	struct volatiles *v = owner;

	magic_check(v->magic, VOLATILES_MAGIC);
	return v;
}

static inline struct vrange_rec *vrange_rec(struct volatiles *t,
					    const struct vrange *v)
{
	/* It has the number of its record. */
	return table_record(&t->ranges, v - t->range);
}

/* --- vfile.c: looking at a file --- */

/* A regular file that is volatile and not purged. */
bool vfile_is_purgeable(const struct inode_rec *rec);
/* What it would give back; the file must be where the inode says. */
int vfile_pages(struct pool *pool, uint32_t inode, uint32_t *pages,
		uint32_t *nlink);
/* Has an orphan other names, which the kernel may have forgotten? */
bool vfile_has_names(struct pool *pool, uint32_t inode);
/* Does that error mean that there is no such file? */
bool means_no_file(int err);
/*
 * The file's descriptor, -EBUSY: somebody has it mapped, or -errno.  While it
 * is open nobody else can open it.
 */
int vfile_purge_open(struct pool *pool, uint32_t inode, struct inode_path *p);
/* Is nobody but us at the file of an inode that nobody has open? */
bool vfile_is_idle(struct pool *pool, uint32_t inode);

/* --- vfile_list.c: the LRU of files --- */

void vfile_list_init(struct pool *pool);
/* To the young end, without a new stamp. */
void vfile_list_add(struct pool *pool, uint32_t inode);
void vfile_list_del(struct pool *pool, uint32_t inode);
/* It is closed and listed: is it mapped? */
void vfile_look(struct pool *pool, uint32_t inode);
/* The flag, and how many have it. */
void vfile_mark(struct volatiles *v, struct inode_rec *rec, bool on);
/* An inode that was just made in @parent is about to be seen. */
void vfile_inherit(struct pool *pool, uint32_t inode, uint32_t parent,
		   mode_t mode);
/* It is freed, or its file is dead. */
void vfile_evict(struct pool *pool, uint32_t inode);
/* Somebody opens it: off the LRU. */
void vfile_unlist(struct pool *pool, uint32_t inode);
/* Nobody has it open any more, or its size has changed: to the young end. */
void vfile_list(struct pool *pool, uint32_t inode);
/* It has less memory than before; its age stays. */
void vfile_remeasure(struct pool *pool, uint32_t inode);
/* It has got or lost its name. */
void vfile_renamed(struct pool *pool, uint32_t inode);
/* It is mapped: the pool has to hold it, like what is open. */
void vfile_not_idle(struct pool *pool, uint32_t inode);
const char *vfiles_check(struct pool *pool);

/* --- vfile_adopt.c --- */

int vfiles_adopt(struct pool *pool);
/* Files that have come back to where their inodes say. */
void vfile_relist(struct pool *pool);

/* --- vfile_purge.c --- */

struct volatile_walk {
	struct pool *pool;
	uint64_t scanned, freed; /* pages; @fn counts */
};
/* A shrinker's scan of one of the two lists; @fn is given a volatile_walk. */
unsigned long volatile_walk(struct pool *pool, struct extent_list *list,
			    enum lru_status (*fn)(struct extent_list *list,
						  struct extent *extent,
						  void *arg),
			    struct shrink_control *sc);
/* Removes @name of a file that has been purged.  Return: whether it was. */
bool vfile_sweep(struct pool *pool, uint32_t inode, const struct inode_path *p);
/* A worker may have been killed between its mark and the end of its content. */
void vfile_purge_finish(struct pool *pool, uint32_t inode);
int vfile_add_shrinker(struct pool *pool);

/* --- vrange.c: the set of ranges --- */

/** vrange_find - the first that has a page in [first, end), or NULL. */
struct vrange *vrange_find(struct volatiles *t, uint32_t inode, uint64_t first,
			   uint64_t end);

/** vrange_new - Return: one in no state yet, or NULL and *@err. */
struct vrange *vrange_new(struct pool *pool, int *err);
/** vrange_cancel - that was not shown after all; NULL is fine. */
void vrange_cancel(struct volatiles *t, struct vrange *v);

/** vrange_publish - place and state of a new one are set: it counts, youngest. */
void vrange_publish(struct pool *pool, struct vrange *v);

/** vrange_join - the same; it takes in whatever it touches. */
void vrange_join(struct pool *pool, struct vrange *v);

/** vrange_resize - its place in both orders stays. */
void vrange_resize(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end);

/** vrange_set_purged - off the LRU; the next worker purges it, too. */
void vrange_set_purged(struct pool *pool, struct vrange *v);

void vrange_drop(struct pool *pool, struct vrange *v);

/** vrange_update_flag - the ranges of an inode have changed. */
void vrange_update_flag(struct pool *pool, uint32_t inode);

/**
 * vrange_punch - the hole where it is.  Return: pages given back, or -errno.
 * In vrange_purge.c.
 */
int64_t vrange_punch(struct pool *pool, const struct vrange *v);

/* [first, end) is taken out of all ranges; @spare is for one that is split. */
void vrange_cut(struct pool *pool, uint32_t inode, uint64_t first, uint64_t end,
		struct vrange **spare);
/* A file has more or less memory than before. */
void vrange_remeasure(struct pool *pool, uint32_t inode);
/* What is behind @size is no more. */
void vrange_truncate(struct pool *pool, uint32_t inode, uint64_t size);
void vrange_drop_all(struct pool *pool, uint32_t inode);
int vranges_open(struct pool *pool);
int vranges_adopt(struct pool *pool);
void vranges_close(struct pool *pool);
const char *vranges_check(struct pool *pool);

/* --- vrange_purge.c --- */

int vrange_add_shrinker(struct pool *pool);

#endif
