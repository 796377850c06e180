/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passes over all nodes and shrinkers.
 *
 * What it is for: the reclaimer's thread makes them, and requests that are
 * short of memory.
 *
 * States: none but what the shrinkers keep.
 *
 * Locks: none here; shrinkers try theirs.
 *
 * Reclaim meanwhile: any number of passes may run at once.
 */
#include "shrinker/passes.h"

static int add_count(const struct shrinker_info *info, void *arg)
{
	unsigned long *sum = arg, count;

	for (int nid = 0; nid < shrinker_nr_nodes(); nid++)
		if (!shrinker_debug_count(info->id, nid, &count) &&
		    count < SHRINK_EMPTY)
			*sum += count;
	return 0;
}

static unsigned long count_all(void *arg)
{
	unsigned long sum = 0;

	shrinker_for_each(add_count, &sum);
	return sum;
}

void passes_init(struct passes *p,
		 unsigned long (*shrink)(int nid, int priority,
					 const struct shrink_scope *scope),
		 unsigned long (*available)(void *arg), void *arg)
{
	p->shrink = shrink ? shrink : shrink_slab;
	p->available = available ? available : count_all;
	p->arg = arg;
}

unsigned long passes_shrink(const struct passes *p, int priority,
			    const struct shrink_scope *scope)
{
	unsigned long freed = 0;

	for (int nid = 0; nid < shrinker_nr_nodes(); nid++)
		freed += p->shrink(nid, priority, scope);
	return freed;
}

unsigned long passes_direct(const struct passes *p, unsigned long want)
{
	const struct shrink_scope scope = { false, false, false };
	unsigned long freed = 0;
	int priority = SHRINK_DEF_PRIORITY;

	while (freed < want) {
		unsigned long last = passes_shrink(p, priority, &scope);

		freed += last;
		if (priority > 0)
			priority--;
		else if (!last)
			break;
	}
	return freed;
}

int passes_lowest(const struct passes *p, unsigned long floor)
{
	unsigned long have;
	int priority = 0;

	if (!floor)
		return 0;
	have = p->available(p->arg);
	if (have <= floor)
		return SHRINK_DEF_PRIORITY + 1;
	while (priority <= SHRINK_DEF_PRIORITY &&
	       (have >> priority) > (have - floor) / 6)
		priority++;
	return priority;
}
