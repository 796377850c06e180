/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One list of the LRU.
 *
 * What it is for: ordering extents by age, and walking them while they come and
 * go.
 *
 * States and legal moves: an extent is on the list or off it.
 * extent_list_add*() and extent_list_del() are the only moves; a walk moves an
 * extent to the young end for LRU_ROTATE.
 *
 * Locks, in order: the owner's lock of this list, held by all callers.  A
 * callback of a walk may drop it and must hold it again when it returns.
 *
 * What reclaim may do to it meanwhile: reclaim is extent_list_walk().  Other
 * changes made while a callback has dropped the lock move the walk's cursor.
 */
#include "pool/lib/extent_list.h"

#include <string.h>

static struct extent_link *link_of(const struct extent_list *list,
				   uint32_t extent)
{
	return list->ops->link(list, extent);
}

void extent_list_init(struct extent_list *list, const struct extent_ops *ops,
		      void *owner)
{
	memset(list, 0, sizeof(*list));
	list->ops = ops;
	list->owner = owner;
}

void extent_list_add(struct extent_list *list, uint32_t older, uint32_t extent)
{
	struct extent_link *link = link_of(list, extent);
	uint32_t *next = older ? &link_of(list, older)->younger : &list->oldest;

	link->older = older;
	link->younger = *next;
	if (*next)
		link_of(list, *next)->older = extent;
	else
		list->youngest = extent;
	*next = extent;
	atomic_fetch_add_explicit(&list->extents, 1, memory_order_relaxed);
}

void extent_list_add_young(struct extent_list *list, uint32_t extent)
{
	extent_list_add(list, list->youngest, extent);
}

void extent_list_del(struct extent_list *list, uint32_t extent)
{
	const struct extent_link *link = link_of(list, extent);

	for (struct extent_cursor *c = list->cursors; c; c = c->next)
		if (c->at == extent)
			c->at = link->younger;
	if (link->older)
		link_of(list, link->older)->younger = link->younger;
	else
		list->oldest = link->younger;
	if (link->younger)
		link_of(list, link->younger)->older = link->older;
	else
		list->youngest = link->older;
	atomic_fetch_sub_explicit(&list->extents, 1, memory_order_relaxed);
}

static void cursor_start(struct extent_list *list, struct extent_cursor *c)
{
	c->at = list->oldest;
	c->next = list->cursors;
	list->cursors = c;
}

static void cursor_end(struct extent_list *list, struct extent_cursor *c)
{
	struct extent_cursor **p = &list->cursors;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
}

/* The extent at the cursor, for the callback.  The cursor moves past it. */
static struct extent extent_at_cursor(const struct extent_list *list,
				      struct extent_cursor *c, uint64_t budget)
{
	uint64_t pages = list->ops->pages(list, c->at);
	struct extent e = {
		.id = c->at,
		.nr = pages < budget ? pages : budget,
		.cursor = c,
	};

	e.room = budget - e.nr;
	c->at = link_of(list, c->at)->younger;
	return e;
}

void extent_list_walk(struct extent_list *list,
		      enum lru_status (*fn)(struct extent_list *list,
					    struct extent *extent, void *arg),
		      void *arg, uint64_t *budget)
{
	enum lru_status status = LRU_SKIP;
	struct extent_cursor cursor;
	uint32_t rotated = 0; /* the first that was: the walk ends there */
	struct extent e;

	cursor_start(list, &cursor);
	while (cursor.at && cursor.at != rotated && *budget &&
	       status != LRU_STOP) {
		e = extent_at_cursor(list, &cursor, *budget);
		*budget = e.room;
		status = fn(list, &e, arg);
		*budget = e.room;
		if (status == LRU_RETRY)
			cursor.at = list->oldest;
		if (status != LRU_ROTATE)
			continue;
		extent_list_del(list, e.id);
		extent_list_add_young(list, e.id);
		if (!rotated)
			rotated = e.id;
	}
	cursor_end(list, &cursor);
}

const char *extent_list_check(const struct extent_list *list)
{
	uint64_t extents = 0, pages = 0;
	uint32_t older = 0;

	for (uint32_t e = list->oldest; e; e = link_of(list, e)->younger) {
		if (link_of(list, e)->older != older)
			return "a list's links disagree";
		pages += list->ops->pages(list, e);
		extents++;
		older = e;
	}
	if (list->youngest != older)
		return "a list does not end at its youngest extent";
	if (list->cursors)
		return "a walk has left its cursor";
	if (list->pages != pages || list->extents != extents)
		return "a list's counters are wrong";
	return NULL;
}
