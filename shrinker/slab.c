/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a shrinker's memory to ask for, and the asking: the arithmetic of
 * the kernel's do_shrink_slab().
 *
 *	         freeable >> priority         deferred >> priority
 *	             * 4 / seeks                       |
 *	                  |                            |
 *	                  +------- delta ----- + ------+
 *	                                       |
 *	                       total, at most 2 * freeable
 *	                                       |
 *	      in batches, until less than a batch is left    ---> scanned
 *	                                       |
 *	     deferred + delta - scanned, 0 to 2 * freeable, for the next pass
 *
 * State: the deferred counter of each node, nothing else.  A pass takes all of
 * it (another pass on that node meanwhile finds 0) and adds back what it has
 * not done, so that work is neither dropped nor done twice.
 *
 * Locks: none, and none is held while callbacks run; the counters are atomic.
 *
 * This is reclaim.  Several passes may run on one shrinker at once; the caller
 * keeps it from being freed (shrinker_pin_next() does).
 */
#include <stdio.h>

#include "shrinker/registry.h"

static unsigned long min_ul(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

/* A shift by the width of the type or more is undefined. */
static unsigned long at_priority(unsigned long nr, int priority)
{
	int bits = sizeof(nr) * CHAR_BIT;

	if (priority <= 0)
		return nr;
	return priority < bits ? nr >> priority : 0;
}

/* nr * 4 / seeks, rounded down once, and exact before that. */
static unsigned long times_4_over(unsigned long nr, unsigned int seeks)
{
	unsigned long rest = (unsigned long long)(nr % seeks) * 4 / seeks;
	unsigned long whole;

	if (__builtin_mul_overflow(nr / seeks, 4UL, &whole))
		return ULONG_MAX;
	return shrinker_add(whole, rest);
}

struct slab_plan slab_plan(unsigned long freeable, unsigned long deferred,
			   int priority, int seeks)
{
	struct slab_plan plan;

	if (seeks > 0)
		plan.delta = times_4_over(at_priority(freeable, priority),
					  seeks);
	else
		plan.delta = freeable / 2;
	plan.total = min_ul(shrinker_add(at_priority(deferred, priority),
					 plan.delta),
			    2 * freeable);
	return plan;
}

unsigned long slab_undone(unsigned long freeable, unsigned long deferred,
			  unsigned long delta, unsigned long scanned)
{
	unsigned long due = shrinker_add(deferred, delta);

	return min_ul(due > scanned ? due - scanned : 0, 2 * freeable);
}

/* A new one for each call: a callback may have changed the last one. */
static struct shrink_control control(int nid, unsigned long nr,
				     const struct shrink_scope *scope)
{
	return (struct shrink_control){
		.nid = nid,
		.nr_to_scan = nr,
		.nr_scanned = nr,
		.may_block = scope->may_block,
		.fs_allowed = scope->fs_allowed,
		.io_allowed = scope->io_allowed,
	};
}

/* Each shrinker is told of once: a callback that is wrong is so at each call. */
static void tell_wrong_answer(struct shrinker_entry *entry, const char *what)
{
	if (!atomic_exchange_explicit(&entry->told, true, memory_order_relaxed))
		fprintf(stderr, "poolfs: shrinker %s-%u: %s\n", entry->name,
			entry->id, what);
}

unsigned long slab_count(struct shrinker_entry *entry, int nid,
			 const struct shrink_scope *scope)
{
	struct shrink_control sc = control(nid, 0, scope);
	unsigned long nr = entry->shrinker.count_objects(&entry->shrinker, &sc);

	if (nr == SHRINK_STOP) {
		tell_wrong_answer(entry, "count_objects answered SHRINK_STOP, "
					 "which is taken as 0");
		return 0;
	}
	return nr == SHRINK_EMPTY ? nr : min_ul(nr, SHRINK_MAX_OBJECTS);
}

unsigned long slab_scan(struct shrinker_entry *entry, int nid, unsigned long nr,
			const struct shrink_scope *scope,
			unsigned long *scanned)
{
	struct shrink_control sc = control(nid, nr, scope);
	unsigned long freed = entry->shrinker.scan_objects(&entry->shrinker,
							   &sc);

	if (freed == SHRINK_EMPTY) {
		tell_wrong_answer(entry, "scan_objects answered SHRINK_EMPTY, "
					 "which is taken as SHRINK_STOP");
		return SHRINK_STOP;
	}
	if (freed == SHRINK_STOP)
		return SHRINK_STOP;
	freed = min_ul(freed, SHRINK_MAX_OBJECTS);
	atomic_fetch_add_explicit(&entry->freed, freed, memory_order_relaxed);
	atomic_fetch_add_explicit(&entry->scanned, sc.nr_scanned,
				  memory_order_relaxed);
	*scanned = sc.nr_scanned;
	return freed;
}

static void add_deferred(atomic_ulong *counter, unsigned long nr)
{
	unsigned long old = atomic_load_explicit(counter, memory_order_relaxed);

	if (!nr)
		return;
	while (!atomic_compare_exchange_weak(counter, &old,
					     shrinker_add(old, nr)))
		;
}

/*
 * Scan @total objects in batches; what is left over is less than a batch, and
 * not everything there is.  *@scanned can end above @total: a callback may look
 * at more than it was asked to.
 */
static unsigned long scan_batches(struct shrinker_entry *entry, int nid,
				  unsigned long freeable, unsigned long total,
				  const struct shrink_scope *scope,
				  unsigned long *scanned)
{
	long own = entry->shrinker.batch;
	unsigned long batch = own > 0 ? own : SHRINK_BATCH;
	unsigned long freed = 0;

	*scanned = 0;
	while (total >= batch || total >= freeable) {
		unsigned long nr = 0;
		unsigned long ret = slab_scan(entry, nid, min_ul(batch, total),
					      scope, &nr);

		if (ret == SHRINK_STOP)
			break;
		freed = min_ul(shrinker_add(freed, ret), SHRINK_MAX_OBJECTS);
		*scanned = shrinker_add(*scanned, nr);
		/* Nothing looked at: asking again would go on for ever. */
		if (!nr)
			break;
		total -= min_ul(nr, total);
	}
	return freed;
}

unsigned long do_shrink_slab(struct shrinker *shrinker, int nid, int priority,
			     const struct shrink_scope *scope)
{
	struct shrinker_entry *entry = shrinker_entry(shrinker);
	unsigned long freeable, deferred, scanned, freed;
	struct slab_plan plan;

	if (nid < 0 || nid >= SHRINK_MAX_NODES)
		return 0;
	if (!shrinker_node_aware(entry))
		nid = 0;
	freeable = slab_count(entry, nid, scope);
	if (freeable == 0 || freeable == SHRINK_EMPTY)
		return freeable;

	deferred = atomic_exchange(&entry->deferred[nid], 0);
	plan = slab_plan(freeable, deferred, priority, shrinker->seeks);
	freed = scan_batches(entry, nid, freeable, plan.total, scope, &scanned);
	add_deferred(&entry->deferred[nid],
		     slab_undone(freeable, deferred, plan.delta, scanned));
	return freed;
}

unsigned long shrink_slab(int nid, int priority,
			  const struct shrink_scope *scope)
{
	struct shrinker_entry *entry;
	unsigned long freed = 0, ret;

	for (entry = shrinker_pin_next(NULL); entry;
	     entry = shrinker_pin_next(entry)) {
		if (nid != 0 && !shrinker_node_aware(entry))
			continue;
		ret = do_shrink_slab(&entry->shrinker, nid, priority, scope);
		if (ret != SHRINK_EMPTY)
			freed = shrinker_add(freed, ret);
	}
	return freed;
}
