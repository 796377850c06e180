/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the registry share.
 *
 *	struct shrinker_entry, one allocation
 *	+-----------------+----------+--------------------+------------------+
 *	| struct shrinker | id, name | registered, refs,  | totals,          |
 *	|  the owner's    | constant | next, link         | deferred[1 | 64] |
 *	+-----------------+----------+--------------------+------------------+
 *	^ the owner's pointer is the entry's
 *
 *	every entry, by its address:  a search tree, for "is it one of ours?"
 *	the registered, oldest first:
 *
 *	head --> entry --next--> entry --next--> NULL       read under RCU
 *	  ^--link--'  ^----link----'       ^--tail          read under the lock
 */
#ifndef POOLFS_SHRINKER_REGISTRY_H
#define POOLFS_SHRINKER_REGISTRY_H

#include <limits.h>
#include <stdatomic.h>

#include "shrinker/shrinker.h"

/* Most objects of a count or a pass. */
#define SHRINK_MAX_OBJECTS (ULONG_MAX / 2)

#define SHRINK_NAME_SIZE sizeof(((struct shrinker_info *)0)->name)

struct shrinker_entry {
	struct shrinker shrinker;
	unsigned int id;
	unsigned int flags;
	char name[SHRINK_NAME_SIZE];
	/* registry lock */
	bool registered;
	/* pins, and whether more may be had: see OPEN in shrinker.c */
	atomic_long refs;
	/* written under the registry lock, read under RCU */
	_Atomic(struct shrinker_entry *) next;
	/* registry lock; what points to this entry */
	_Atomic(struct shrinker_entry *) *link;
	/* a wrong answer was told of; atomic, no order */
	atomic_bool told;
	/* objects, ever; atomic, no order */
	atomic_ulong freed;
	atomic_ulong scanned;
	/* objects left undone; one a node if node-aware, else one in all */
	atomic_ulong deferred[];
};

static inline struct shrinker_entry *shrinker_entry(struct shrinker *shrinker)
{
	return (struct shrinker_entry *)shrinker;
}

static inline bool shrinker_node_aware(const struct shrinker_entry *entry)
{
	return entry->flags & SHRINKER_NUMA_AWARE;
}

/* Nodes that an entry has counters of. */
static inline int shrinker_entry_nodes(const struct shrinker_entry *entry)
{
	return shrinker_node_aware(entry) ? SHRINK_MAX_NODES : 1;
}

/* Sums end at ULONG_MAX instead of starting again. */
static inline unsigned long shrinker_add(unsigned long a, unsigned long b)
{
	return a > ULONG_MAX - b ? ULONG_MAX : a + b;
}

/**
 * shrinker_pin_next - the registered shrinker after @prev, pinned: it stays in
 * the list and in memory, and its callbacks may be called, until it is unpinned
 * or handed back here.
 * @prev: pinned, and unpinned by this call; NULL for the first.
 * Return: NULL at the end.  Takes no lock, but see shrinker_unpin().
 */
struct shrinker_entry *shrinker_pin_next(struct shrinker_entry *prev);

/**
 * shrinker_unpin - takes the registry lock only if shrinker_free() waits for
 * it.
 */
void shrinker_unpin(struct shrinker_entry *entry);

/* What one pass is to do. */
struct slab_plan {
	unsigned long delta; /* objects this pass adds to what is to be done */
	unsigned long total; /* objects to scan now */
};

/**
 * slab_plan - the kernel's arithmetic, nothing else.
 * @freeable: objects, at most SHRINK_MAX_OBJECTS.
 * @deferred: objects that earlier passes left undone.
 * @priority: 0 asks for everything; below is taken as 0.
 * @seeks: below 0 is taken as 0.
 * Values that would pass ULONG_MAX end there.
 */
struct slab_plan slab_plan(unsigned long freeable, unsigned long deferred,
			   int priority, int seeks);

/**
 * slab_undone - what to defer, given the same figures and what was scanned.
 */
unsigned long slab_undone(unsigned long freeable, unsigned long deferred,
			  unsigned long delta, unsigned long scanned);

/**
 * slab_count - one call of count_objects, its answer capped; SHRINK_STOP, which
 * is no count, is 0.
 * Return: 0 to SHRINK_MAX_OBJECTS, or SHRINK_EMPTY.
 */
unsigned long slab_count(struct shrinker_entry *entry, int nid,
			 const struct shrink_scope *scope);

/**
 * slab_scan - one call of scan_objects, added to the entry's totals;
 * SHRINK_EMPTY, which is no answer to a scan, is SHRINK_STOP.
 * @scanned: out; untouched when the answer is SHRINK_STOP.
 * Return: 0 to SHRINK_MAX_OBJECTS, or SHRINK_STOP.
 */
unsigned long slab_scan(struct shrinker_entry *entry, int nid, unsigned long nr,
			const struct shrink_scope *scope,
			unsigned long *scanned);

/**
 * node_list_count - of a list as the kernel prints it ("0", "0-3", "0,2-5").
 * Return: the highest number plus 1, at most SHRINK_MAX_NODES, or -EINVAL.
 */
int node_list_count(const char *list);

#endif
