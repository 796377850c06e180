/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of the LRU: extents, oldest first, of whatever can be given back.
 *
 * Available pages of regions lie on one such list for each NUMA node (lru.c),
 * volatile files on one (vfile_list.c), unpinned ranges on one (vrange.c).  The
 * owner of a list numbers its extents from 1 on and stores their links; 0 means
 * none.
 *
 *	oldest                            youngest
 *	  |                                   |
 *	 [7 aaaa] <-> [3 bb] <-> [12 c] <-> [5 dddd]
 *	                ^
 *	                cursor of a walk
 *
 * While a callback of a walk has dropped the lock, extents may be added and
 * removed.  A walk keeps its place in a cursor, and extent_list_del() moves a
 * cursor that points at the extent it removes.
 *
 * Locks: the owner's lock of the list is held by all callers.
 */
#ifndef POOLFS_POOL_LIB_EXTENT_LIST_H
#define POOLFS_POOL_LIB_EXTENT_LIST_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Extents are cut at 2 MiB boundaries of their file, whatever the page size:
 * holes of that size are the fastest to punch.
 */
#define EXTENT_SHIFT 21
#define EXTENT_BYTES (1ul << EXTENT_SHIFT)

struct extent_list;

/*
 * What a callback of a walk answers for the extent it was shown.  The lock is
 * held on return in every case.
 */
enum lru_status {
	LRU_REMOVED, /* the callback removed it: go on with the next one */
	LRU_REMOVED_RETRY, /* the same, and the lock was dropped meanwhile */
	LRU_ROTATE, /* in use: move it to the young end of the list */
	LRU_SKIP, /* busy: leave it where it is */
	LRU_RETRY, /* the list has changed: start at its old end again */
	LRU_STOP, /* end the walk */
};

/* Extent numbers; 0 at an end of the list. */
struct extent_link {
	uint32_t older, younger;
};

struct extent_ops {
	struct extent_link *(*link)(const struct extent_list *list,
				    uint32_t extent);
	uint64_t (*pages)(const struct extent_list *list, uint32_t extent);
};

/* The place of a running walk; on its stack. */
struct extent_cursor {
	uint32_t at; /* the next extent, 0 at the end */
	struct extent_cursor *next;
};

struct extent_list {
	const struct extent_ops *ops;
	void *owner;
	uint32_t oldest, youngest; /* 0 for none */
	struct extent_cursor *cursors; /* of running walks */
	/* Changed under the lock, read without it. */
	_Atomic uint64_t extents;
	_Atomic uint64_t pages; /* the owner calls extent_list_count() */
};

/** extent_list_init - make an empty list; @owner is for @ops. */
void extent_list_init(struct extent_list *list, const struct extent_ops *ops,
		      void *owner);

/** extent_list_add - add @extent behind @older; 0: at the old end. */
void extent_list_add(struct extent_list *list, uint32_t older, uint32_t extent);

/** extent_list_add_young - add @extent at the young end. */
void extent_list_add_young(struct extent_list *list, uint32_t extent);

/** extent_list_del - remove @extent; cursors at it move to the next one. */
void extent_list_del(struct extent_list *list, uint32_t extent);

/** extent_list_count - add @nr, which may be negative, to the list's pages. */
static inline void extent_list_count(struct extent_list *list, int64_t nr)
{
	atomic_fetch_add_explicit(&list->pages, nr, memory_order_relaxed);
}

/**
 * struct extent - what a callback is shown.
 * @nr: pages of it, at most what is left of the budget.
 * @room: pages of the budget that remain after @nr.  A callback that removes
 *	more or fewer than @nr pages adjusts it.
 * @cursor: points at the next extent.
 */
struct extent {
	uint32_t id;
	uint64_t nr;
	uint64_t room;
	struct extent_cursor *cursor;
};

/**
 * extent_list_walk - show extents to a callback, oldest first.
 * @fn: called with the lock held.
 * @budget: pages, in and out.  It is charged for an extent before @fn is
 *	called, so every walk ends.
 *
 * An extent that was skipped or rotated is not shown again, unless @fn answers
 * LRU_RETRY.  (The answers are modelled on the kernel's list_lru.)
 */
void extent_list_walk(struct extent_list *list,
		      enum lru_status (*fn)(struct extent_list *list,
					    struct extent *extent, void *arg),
		      void *arg, uint64_t *budget);

/**
 * extent_list_check - links, ends, counters (tests).
 * Return: NULL or a sentence that names what is wrong.
 */
const char *extent_list_check(const struct extent_list *list);

#endif
