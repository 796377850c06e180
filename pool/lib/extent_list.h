/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of the LRU: extents, oldest first, of whatever can be given back.
 *
 * Available pages of regions lie on one such list a node (lru.c), volatile files
 * on one (volatile.c), unpinned ranges on one (vrange.c).  The owner of
 * a list numbers its extents and keeps their links where it keeps the rest of
 * them; 0 is nobody.
 *
 *	oldest                            youngest
 *	  |                                   |
 *	 [7 aaaa] <-> [3 bb] <-> [12 c] <-> [5 dddd]
 *	                ^
 *	                cursor of a walk
 *
 * Between two callbacks of a walk, and whenever a callback lets go of the lock,
 * extents may come and go: a walk remembers its place in a cursor that the list
 * itself moves on.
 *
 * Locks: the owner's, one a list, is held in all of it.
 */
#ifndef POOLFS_POOL_LIB_EXTENT_LIST_H
#define POOLFS_POOL_LIB_EXTENT_LIST_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Extents are cut at 2 MiB of their file, whatever the size of a page: one hole
 * of that size is what the kernel punches fast.
 */
#define EXTENT_SHIFT 21
#define EXTENT_BYTES (1ul << EXTENT_SHIFT)

struct extent_list;

/* What a callback of a walk answers for the extent it was shown. */
enum lru_status {
	LRU_REMOVED, /* taken off: go on with the next extent */
	LRU_REMOVED_RETRY, /* the same, and the lock was let go meanwhile */
	LRU_ROTATE, /* used lately: to the young end of the list */
	LRU_SKIP, /* cannot be had now: leave it where it is */
	LRU_RETRY, /* the lock was let go, or more is there: the head again */
	LRU_STOP, /* end the walk */
};

/* Zero: on no list, if the owner does not know otherwise. */
struct extent_link {
	uint32_t older, younger;
};

struct extent_ops {
	struct extent_link *(*link)(const struct extent_list *list,
				    uint32_t extent);
	uint64_t (*pages)(const struct extent_list *list, uint32_t extent);
};

/* Where a walk goes on; on the walker's stack while it runs. */
struct extent_cursor {
	uint32_t at; /* the next extent, 0 at the end */
	struct extent_cursor *next;
};

struct extent_list {
	const struct extent_ops *ops;
	void *owner;
	uint32_t oldest, youngest; /* 0 for none */
	struct extent_cursor *cursors; /* of running walks */
	/* Changed under the lock, read by anybody. */
	_Atomic uint64_t extents;
	_Atomic uint64_t pages; /* the owner's to change: extent_list_count() */
};

/** extent_list_init - an empty one. */
void extent_list_init(struct extent_list *list, const struct extent_ops *ops,
		      void *owner);

/** extent_list_add - @extent behind @older; 0: to the old end. */
void extent_list_add(struct extent_list *list, uint32_t older, uint32_t extent);

/** extent_list_add_young - @extent to the young end. */
void extent_list_add_young(struct extent_list *list, uint32_t extent);

/** extent_list_del - walks that were about to look at it go on behind it. */
void extent_list_del(struct extent_list *list, uint32_t extent);

/** extent_list_count - @nr pages more, or fewer, on the list. */
static inline void extent_list_count(struct extent_list *list, int64_t nr)
{
	atomic_fetch_add_explicit(&list->pages, nr, memory_order_relaxed);
}

/**
 * struct extent - what a callback is shown.
 * @nr: pages of it, at most what is left of the budget.
 * @room: pages the budget has beyond them; a callback that takes more or less
 *	than it was shown changes it.
 */
struct extent {
	uint32_t id;
	uint64_t nr;
	uint64_t room;
	struct extent_cursor *cursor;
};

/**
 * extent_list_walk - show extents to a callback, oldest first.
 * @fn: called and returns with the lock held.  What it answers with REMOVED it
 *	has taken off itself, or cut.
 * @budget: pages, in and out; it goes down by what a callback is shown before
 *	the callback is called, so every walk ends.
 *
 * What was skipped or rotated is not shown again, unless a callback answers
 * LRU_RETRY.
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
