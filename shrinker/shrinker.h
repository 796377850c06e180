/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shrinker registry: objects that can give memory back, asked under
 * pressure.  Names, contracts and arithmetic follow the kernel's
 * include/linux/shrinker.h and mm/shrinker.c.
 *
 * A walk holds no lock.  It finds shrinkers on an RCU list (liburcu) and pins
 * each with a reference while its callbacks run, so a scan that takes long
 * blocks neither registration nor another walk.
 *
 * Threads need no preparation: the RCU flavour registers each at its first
 * walk.  The registry's own mutex is a leaf lock (4 in pool/locks.h).
 */
#ifndef POOLFS_SHRINKER_H
#define POOLFS_SHRINKER_H

#include <stdbool.h>
#include <stddef.h>

/* Returned by scan_objects: nothing can be done now, stop asking. */
#define SHRINK_STOP (~0UL)
/* Returned by count_objects: there is certainly nothing (0: unknown). */
#define SHRINK_EMPTY (~0UL - 1)

/* What memory costs to make again: 2 is usual, more means keep longer. */
#define DEFAULT_SEEKS 2
/* Objects a scan_objects call is asked for, unless the shrinker says. */
#define SHRINK_BATCH 128
/* Priority of a first pass; 0 asks for everything. */
#define SHRINK_DEF_PRIORITY 12
/* Nodes (NUMA) that deferred work is kept for. */
#define SHRINK_MAX_NODES 64

/* One deferred counter a node, instead of one in all. */
#define SHRINKER_NUMA_AWARE (1u << 0)

/**
 * struct shrink_control - what one call to a callback may do and must do.
 * @nid: the node to count or scan; 0 for a shrinker that is not node-aware.
 * @nr_to_scan: in, objects to look at (scan_objects only).
 * @nr_scanned: in and out, objects looked at; starts as @nr_to_scan.
 * @may_block: the callback may wait (for a lock, for the kernel).
 * @fs_allowed: the callback may enter file-system code, that is, may call into
 *	our own mount (an invalidation); false when the caller is itself
 *	serving a request of that mount.
 * @io_allowed: the callback may start input or output.
 */
struct shrink_control {
	int nid;
	unsigned long nr_to_scan;
	unsigned long nr_scanned;
	bool may_block;
	bool fs_allowed;
	bool io_allowed;
};

/**
 * struct shrinker - made by shrinker_alloc(), filled in, then registered.
 * @count_objects: objects that could be freed on sc->nid, SHRINK_EMPTY, or 0
 *	for unknown; anything above half of ULONG_MAX is taken as that half,
 *	and SHRINK_STOP, which is none of these, as 0.
 * @scan_objects: look at sc->nr_to_scan objects, set sc->nr_scanned when it
 *	was another number, return the number freed or SHRINK_STOP, as which
 *	SHRINK_EMPTY is taken.  A pass ends when nr_scanned is 0: nothing was
 *	looked at, so it would not end.
 * @batch: objects a call; 0 means SHRINK_BATCH.
 * @seeks: see DEFAULT_SEEKS; 0 means free to make again.
 * @flags: what shrinker_alloc() was given; a copy, to read.
 * @private_data: the owner's, mandatory: what the callbacks work on.
 *
 * Of an answer that a callback must not give one line on stderr tells, once.
 * Both callbacks can run in several threads at once.  Nothing here may change
 * once it is registered.
 */
struct shrinker {
	unsigned long (*count_objects)(struct shrinker *shrinker,
				       struct shrink_control *sc);
	unsigned long (*scan_objects)(struct shrinker *shrinker,
				      struct shrink_control *sc);
	long batch;
	int seeks;
	unsigned int flags;
	void *private_data;
};

/**
 * shrinker_alloc - make a shrinker, which no walk sees yet.
 * @flags: SHRINKER_* bits.
 * @fmt: printf format of its name, mandatory and not empty; at most 63 bytes
 *	of it are kept.  '/' becomes '_', since the name becomes a directory's.
 *
 * It comes with DEFAULT_SEEKS and a batch of 0, the rest is zero.
 *
 * Return: the shrinker, or NULL with errno EINVAL (no name, unknown flags) or
 * ENOMEM.
 */
__attribute__((format(printf, 2, 3))) struct shrinker *
shrinker_alloc(unsigned int flags, const char *fmt, ...);

/**
 * shrinker_register - let walks see it.
 *
 * Return: 0, -EINVAL when it did not come from shrinker_alloc() (what it points
 * to is not looked at then, and stderr says so), lacks a callback or private
 * data, or has a negative batch or seeks; -EEXIST when it is registered already.
 */
int shrinker_register(struct shrinker *shrinker);

/**
 * shrinker_free - unregister, if it was registered, and free; NULL is fine.
 *
 * Returns only after every running callback of it has ended: hold no lock that
 * its callbacks wait for.  Must not be called from a callback or inside an RCU
 * read-side section.
 *
 * Return: 0, -EINVAL, and a line on stderr, when it did not come from
 * shrinker_alloc() or is being freed already.
 */
int shrinker_free(struct shrinker *shrinker);

/**
 * struct shrink_scope - what the caller of a walk can allow.
 * Fields as in struct shrink_control.
 */
struct shrink_scope {
	bool may_block;
	bool fs_allowed;
	bool io_allowed;
};

/**
 * shrink_slab - ask every shrinker for its part on one node.
 * @nid: the node, below SHRINK_MAX_NODES; shrinkers that are not node-aware
 *	are asked only for node 0.
 * @priority: 12 (little) to 0 (all).
 * @scope: what callbacks may do.
 *
 * Return: objects freed, over all shrinkers.
 */
unsigned long shrink_slab(int nid, int priority,
			  const struct shrink_scope *scope);

/**
 * do_shrink_slab - the arithmetic for one shrinker: how many objects to scan
 * at this priority, given how many there are, what they cost and what earlier
 * passes left undone; then scan them in batches.  (mm/shrinker.c)
 *
 * The caller sees to it that @shrinker, which must come from shrinker_alloc()
 * but need not be registered, is not freed meanwhile.  @nid is taken as 0 for
 * one that is not node-aware.
 *
 * Return: objects freed (at most half of ULONG_MAX), or SHRINK_EMPTY.
 */
unsigned long do_shrink_slab(struct shrinker *shrinker, int nid, int priority,
			     const struct shrink_scope *scope);

/* The debug view, as the kernel's debugfs has it. */

struct shrinker_info {
	unsigned int id;
	char name[64];
	int seeks;
	long batch;
	unsigned int flags;
	unsigned long freed; /* objects, ever */
	unsigned long scanned; /* objects, ever */
	unsigned long deferred; /* objects, now, over all nodes */
};

/**
 * shrinker_for_each - call @fn for every registered shrinker, oldest first.
 * No lock is held while @fn runs; it may register and walk, not free the one
 * it was called for.  A non-zero answer ends the walk and is returned.
 */
int shrinker_for_each(int (*fn)(const struct shrinker_info *info, void *arg),
		      void *arg);

/*
 * The two calls below are made while a request of our own mount is served: the
 * callback may block and do input and output, but never enter file-system code.
 */

/**
 * shrinker_debug_count - objects on a node of shrinker @id; 0 on all but node
 * 0 when it is not node-aware.
 * Return: 0 and *@count, -ENOENT (no such id), -EINVAL (@nid is not below
 * shrinker_nr_nodes()).
 */
int shrinker_debug_count(unsigned int id, int nid, unsigned long *count);

/**
 * shrinker_debug_scan - have shrinker @id scan @nr objects of node @nid, in one
 * call and whatever is deferred.  SHRINK_STOP counts as 0 freed.
 * Return: 0 and *@freed, -ENOENT, -EINVAL (@nid as above, or not 0 when the
 * shrinker is not node-aware).
 */
int shrinker_debug_scan(unsigned int id, int nid, unsigned long nr,
			unsigned long *freed);

/**
 * shrinker_nr_nodes - nodes that walks cover: all that this machine can have,
 * at least 1, at most SHRINK_MAX_NODES.
 */
int shrinker_nr_nodes(void);

#endif
