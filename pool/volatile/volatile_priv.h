/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of pool/volatile/ share, and what pool/tree/ calls.
 *
 * Ranges are runs of pages of plain files that were unpinned.  Each has a
 * record in the store:
 *
 *	file 7	[0..........4)    [9..12)	by place, never overlapping
 *	file 9	      [2...5)
 *
 *	oldest [9..12) - [2...5) youngest	by age, if they have memory and are
 *						not purged: the LRU
 *
 * Locks: pool->lock (1).
 */
#ifndef POOLFS_POOL_VOLATILE_PRIV_H
#define POOLFS_POOL_VOLATILE_PRIV_H

#include "pool/inode/inode_priv.h"
#include "pool/lib/avl.h"
#include "pool/volatile/hole.h"
#include "pool/volatile/volatile.h"

/* A pinned page is in no range. */
enum vrange_state {
	VRANGE_FREE, /* no range */
	VRANGE_UNPINNED,
	VRANGE_PURGED, /* a hole; vrange_pin() has to say so */
	VRANGE_PURGING /* PURGED, but the hole may not be punched yet */
};

/*
 * Changed by plain stores, in an order such that a kill leaves overlapping
 * ranges at worst.  vranges_adopt() joins those.
 */
struct vrange_rec {
	uint32_t state; /* enum vrange_state */
	uint32_t inode;
	uint64_t first, end; /* pages */
	uint64_t stamp; /* of the unpin; see volatiles.stamp */
	uint32_t uid; /* who is charged for it */
	uint32_t pad[7];
};
_Static_assert(sizeof(struct vrange_rec) == 64, "vrange_rec");
#define VRANGE_MAX (1u << 20)

struct vrange {
	struct avl_node by_place;
	struct extent_link link; /* on the LRU, if it has memory */
	uint32_t inode;
	uint64_t first, end; /* pages */
	/* Pages that are not holes, when last measured; 0 if purged.  What it
	 * weighs on the LRU, and what of it is in pool->unpinned_pages. */
	uint64_t memory, counted;
	bool purged; /* PURGED or PURGING */
	bool made; /* PURGED: all of it is a hole */
};

#define RECHECK_MAX 64

struct place {
	uint32_t inode; /* 0: none */
	uint64_t first; /* page */
};

/*
 * Ranges of one file that users other than the owner of the pool may make.  All
 * of them are dropped by one pin, one truncation or one unlink.
 */
#define VRANGES_OF_FILE 4096

struct volatiles {
	uint32_t magic;
	/* Volatile files that are not open, oldest first, one extent each. */
	struct extent_list files;
	/* To be rechecked: those that were mapped when closed.  A ring. */
	uint32_t recheck[RECHECK_MAX];
	uint32_t nr_recheck, next_recheck;
	/* Records that were adopted and not looked at since: from the first of
	 * these up to the other; their files count as idle. */
	uint32_t adopted, adopted_end;
	uint32_t nr_files; /* INODE_VOLATILE */
	uint32_t nr_purged; /* INODE_PURGED */
	struct shrinker *file_shrinker;

	/* Ranges that are unpinned or purged. */
	struct table ranges;
	struct avl_tree by_place;
	struct vrange *range; /* by the number of its record */
	uint32_t range_top; /* no record above it was used */
	uint32_t nr_ranges;
	struct place measured; /* of vrange_remeasure_some() */
	struct extent_list unpinned; /* ranges with memory, oldest first */
	struct shrinker *range_shrinker;
	struct holes *holes; /* see hole.h */

	uint64_t stamp; /* the last given to a file or range; it only grows */
	_Atomic uint64_t purged_files, purged_pages; /* see volatile_stat */
};

#define VOLATILES_MAGIC 0x766f6c61u /* "vola" */

/* The struct volatiles that a list was given as its owner. */
static inline struct volatiles *volatiles_of(void *owner)
{
	struct volatiles *v = owner;

	magic_check(v->magic, VOLATILES_MAGIC);
	return v;
}

static inline struct vrange_rec *vrange_rec(struct volatiles *t,
					    const struct vrange *v)
{
	/* Its index is the number of its record. */
	return table_record(&t->ranges, v - t->range);
}

/* --- vfile.c: what can be seen of a file --- */

/* Is it a regular file that is volatile and neither purged nor dead? */
bool vfile_is_purgeable(const struct inode_rec *rec);
/*
 * Measures the file.  @pages, @nlink: out, pages of memory, and names.
 * Return: 0; -ENOENT if another file is at the inode's path; or -errno.
 */
int vfile_pages(struct pool *pool, uint32_t inode, uint32_t *pages,
		uint32_t *nlink);
/* Has an orphan a name besides that in orphan/? */
bool vfile_has_names(struct pool *pool, uint32_t inode);
/*
 * Does @err of vfile_pages() mean that there is no such file?  Other errors may
 * only mean that there was no descriptor or no memory to find out.
 */
bool vfile_error_is_missing(int err);
/*
 * Opens the file to purge it, in passthrough mode under a write lease: until
 * the descriptor is closed, no other open of the file succeeds.
 * Return: a descriptor, the caller's to close; -EBUSY: the file is open or
 * mapped; or -errno.
 */
int vfile_purge_open(struct pool *pool, uint32_t inode, struct inode_path *p);
/* Is the file of an inode that is not open not mapped either? */
bool vfile_is_idle(struct pool *pool, uint32_t inode);

/* --- vfile_list.c: the LRU of files --- */

void vfile_list_init(struct pool *pool);
/* Adds it at the young end, without a new stamp. */
void vfile_list_add(struct pool *pool, uint32_t inode);
void vfile_list_del(struct pool *pool, uint32_t inode);
/* Of a listed file that an earlier worker has closed: counts as idle until
 * vfile_recheck() has come to it. */
void vfile_adopt_idle(struct pool *pool, uint32_t inode);
/* Of a listed file: sets whether it is idle; if not, it is to be rechecked. */
void vfile_update_idle(struct pool *pool, uint32_t inode);
/* Sets or clears INODE_VOLATILE, and counts it; the journal knows the request
 * then. */
void vfile_journal_flag(struct pool *pool, const struct op *op, uint32_t inode,
			bool on);
/* Makes a new inode volatile if its directory @parent is. */
void vfile_inherit(struct pool *pool, uint32_t inode, uint32_t parent,
		   mode_t mode);
/* For inode_hooks.evict. */
void vfile_evict(struct pool *pool, uint32_t inode);
/* It was opened: removes it from the LRU. */
void vfile_unlist(struct pool *pool, uint32_t inode);
/* It was closed, or its size has changed: moves it to the young end. */
void vfile_list(struct pool *pool, uint32_t inode);
/* A part of it was purged: measures it; its place stays. */
void vfile_remeasure(struct pool *pool, uint32_t inode);
/* It was given a name, or has lost one. */
void vfile_renamed(struct pool *pool, uint32_t inode);
/* It was found to be mapped: the store's limit must not count on it. */
void vfile_not_idle(struct pool *pool, uint32_t inode);
/* Measures anew those that were mapped when they were closed.  Return: false:
 * they are too many. */
bool vfiles_look(struct pool *pool);
const char *vfiles_check(struct pool *pool);

/* --- vfile_adopt.c --- */

int vfiles_adopt(struct pool *pool);
/* Lists volatile files that were not at their paths in vfiles_adopt(). */
void vfile_relist(struct pool *pool);

/* --- vfile_purge.c --- */

struct volatile_walk {
	struct pool *pool;
	uint64_t scanned, freed; /* pages; counted by the callback */
};
/*
 * scan_objects of both shrinkers: walks @list under pool->lock, or returns
 * SHRINK_STOP (see locks.h).  @fn: its @arg is a struct volatile_walk.
 */
unsigned long volatile_walk(struct pool *pool, struct extent_list *list,
			    enum lru_status (*fn)(struct extent_list *list,
						  struct extent *extent,
						  void *arg),
			    struct shrink_control *sc);
/*
 * If the file at @path, of @inode, was purged, removes that name; with the last
 * one the inode may go, and directories above it.
 * Return: 0: it was not purged; -ENOENT: the name is gone; or another -errno.
 */
int vfile_sweep(struct pool *pool, uint32_t inode, int dirfd, const char *path);
/* Has a PURGED inode names that were not swept yet? */
bool vfile_purged_has_names(struct pool *pool, uint32_t inode);
/*
 * The file is about to be opened.  If that would take the pool above its size,
 * it is purged instead.  Return: 0; -ESTALE: it was purged; -ENOSPC.
 */
int vfile_take_back(struct pool *pool, uint32_t inode);
/* Empties a purged file: a worker may have been killed before it did. */
void vfile_purge_finish(struct pool *pool, uint32_t inode);
int vfile_add_shrinker(struct pool *pool);

/* --- vrange.c: the set of ranges --- */

/** vrange_init - there are none. */
void vrange_init(struct volatiles *t);

/** vrange_find - the first range with a page in [first, end), or NULL. */
struct vrange *vrange_find(struct volatiles *t, uint32_t inode, uint64_t first,
			   uint64_t end);

/**
 * vrange_new - a range with a record, FREE, that @uid is charged for.
 * Return: it, or NULL and *@err: as pool_user_record().
 */
struct vrange *vrange_new(struct pool *pool, uid_t uid, int *err);
/**
 * vrange_new_anyway - the same for a part of a range of @uid, whatever the
 * user's share is.  Return: NULL: there is no record at all.
 */
struct vrange *vrange_new_anyway(struct pool *pool, uid_t uid);
/** vrange_cancel - frees one that was not published; NULL is fine. */
void vrange_cancel(struct pool *pool, struct vrange *v);

/** vrange_publish - adds one from vrange_new(), its fields set; it is young. */
void vrange_publish(struct pool *pool, struct vrange *v);

/** vrange_join - the same for one that may overlap others: they become one. */
void vrange_join(struct pool *pool, struct vrange *v);

/** vrange_extend - the same for one that was published: now up to there. */
void vrange_extend(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end);

/** vrange_purged_before - the purged range that ends where @v begins, or NULL. */
struct vrange *vrange_purged_before(struct volatiles *t,
				    const struct vrange *v);
/** vrange_join_purged - of a purged one and its neighbours.  Return: of all. */
struct vrange *vrange_join_purged(struct pool *pool, struct vrange *v);

/** vrange_resize - changes its pages; the order by place and age must stay. */
void vrange_resize(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end);

/** vrange_store - writes its record, the state last. */
void vrange_store(struct pool *pool, const struct vrange *v);

/** vrange_drop - frees a published range. */
void vrange_drop(struct pool *pool, struct vrange *v);

/** vrange_update_flag - sets INODE_RANGES if the inode has ranges. */
void vrange_update_flag(struct pool *pool, uint32_t inode);

/*
 * Cuts [first, end) out of all ranges.  @spare: from vrange_new(), used for the
 * second half of a range that is split; set to NULL then.  Where none is split
 * it may be NULL.
 */
void vrange_cut(struct pool *pool, uint32_t inode, uint64_t first, uint64_t end,
		struct vrange **spare);
/* The file was truncated to @size bytes. */
void vrange_truncate(struct pool *pool, uint32_t inode, uint64_t size);
/* The file has ended, or was purged as a whole. */
void vrange_drop_all(struct pool *pool, uint32_t inode);

/* --- vrange_adopt.c --- */

int vranges_open(struct pool *pool);
int vranges_adopt(struct pool *pool);
void vranges_close(struct pool *pool);
const char *vranges_check(struct pool *pool);

/* --- vrange_measure.c: what has memory, and the LRU --- */

void vrange_list_init(struct volatiles *t);
/* Its memory is @pages: goes onto the LRU at the young end, or off it. */
void vrange_set_memory(struct pool *pool, struct vrange *v, uint64_t pages);
void vrange_unlist(struct pool *pool, struct vrange *v);
/* May the kernel have copies that it has not written back? */
bool vrange_may_be_cached(struct pool *pool, const struct vrange *v);
/* Finds out by itself. */
void vrange_measure(struct pool *pool, struct vrange *v);
/*
 * The same in parts: a descriptor of the file, or -errno; and pages of [first,
 * end) that are not holes, by way of that descriptor.
 */
int vrange_measure_begin(struct pool *pool, uint32_t inode);
void vrange_measure_end(struct pool *pool, uint32_t inode, int fd);
uint64_t vrange_count_pages(struct pool *pool, int fd, uint64_t first,
			    uint64_t end);
/* The file's memory has changed in pages [first, end): measures its ranges. */
void vrange_remeasure(struct pool *pool, uint32_t inode, uint64_t first,
		      uint64_t end);
/*
 * The file may have more memory: measures some of its ranges, and others in
 * later calls of vrange_remeasure_some().  Only of the last such file; for the
 * others less counts as not in use than could.
 */
void vrange_remeasure_later(struct pool *pool, uint32_t inode);
void vrange_remeasure_some(struct pool *pool);
/* All of them.  Return: false: they are too many. */
bool vranges_look(struct pool *pool);

/* --- vrange_purge.c --- */

/**
 * vrange_purge - pages up to @cut, or to the end, of an unpinned range.  If it is
 * cut, the purged part joins the purged range before it (vrange_purged_before()),
 * or has @front, from vrange_new(); the rest keeps its place.
 * @memory: pages of memory that the part has.
 * Return: pages freed.
 */
uint64_t vrange_purge(struct pool *pool, struct vrange *v, uint64_t cut,
		      uint64_t memory, struct vrange *front);

/** vrange_set_purged - UNPINNED -> PURGING, all of it: off the LRU.  Return: of it
 * and its purged neighbours. */
struct vrange *vrange_set_purged(struct pool *pool, struct vrange *v);

/** vrange_punch - punches its hole.  Return: as hole_punch(). */
int64_t vrange_punch(struct pool *pool, uint32_t inode, uint64_t first,
		     uint64_t end);

/** vrange_made_late - @freed: what hole_punch() could not return, or -errno. */
void vrange_made_late(struct pool *pool, uint32_t inode, uint64_t first,
		      uint64_t end, int64_t freed);

/* Pages [first, end) of the file have become a hole. */
void vrange_tell_purged(struct pool *pool, uint32_t inode, uint64_t first,
			uint64_t end, uint64_t freed);

int vrange_add_shrinker(struct pool *pool);

#endif
