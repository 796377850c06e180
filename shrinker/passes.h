/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passes over all nodes and shrinkers, and how deep one may go.
 */
#ifndef POOLFS_SHRINKER_PASSES_H
#define POOLFS_SHRINKER_PASSES_H

#include "shrinker/shrinker.h"

struct passes {
	unsigned long (*shrink)(int nid, int priority,
				const struct shrink_scope *scope);
	unsigned long (*available)(void *arg);
	void *arg;
};

/**
 * passes_init - @shrink NULL takes shrink_slab(), @available NULL what all
 * shrinkers count.
 */
void passes_init(struct passes *p,
		 unsigned long (*shrink)(int nid, int priority,
					 const struct shrink_scope *scope),
		 unsigned long (*available)(void *arg), void *arg);

/** passes_shrink - one pass at @priority; objects freed. */
unsigned long passes_shrink(const struct passes *p, int priority,
			    const struct shrink_scope *scope);

/**
 * passes_direct - passes of ever lower priority until @want objects are freed
 * or nothing more is to be had; nothing in them waits or enters file-system
 * code.  Return: objects freed.
 */
unsigned long passes_direct(const struct passes *p, unsigned long want);

/**
 * passes_lowest - the lowest priority at which a pass leaves @floor objects;
 * SHRINK_DEF_PRIORITY + 1 when there is none.
 *
 * It holds for shrinkers whose seeks are 1 or more: those look at no more than
 * 4 shares of freeable >> priority, and half as much again of what earlier
 * passes put off.  One with seeks of 0 gives half of what it has at any
 * priority.
 */
int passes_lowest(const struct passes *p, unsigned long floor);

#endif
