/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile ranges of plain files, unpinned by whoever writes the file.
 *
 * States of a page of a file:
 *
 *	         unpin                  the shrinker
 *	pinned ---------> UNPINNED ----------------------> PURGED (a hole)
 *	   ^  pin: intact    |                               |
 *	   |<----------------'      pin: "was purged"        |
 *	   '-------------------------------------------------'
 *
 * Locks: pool->lock (1), as in volatile.c.
 * Reclaim: vrange_purge.c, with the same lock held.
 */
#include <errno.h>

#include "pool/volatile/vrange.h"

/* Pages of [off, off+len), and of it all when len is 0. */
static int vrange_pages_of(struct pool *pool, uint32_t node, uint64_t off,
			   uint64_t len, uint64_t *first, uint64_t *end)
{
	uint64_t page = pool->page_size, size;
	struct statx stx;
	int err = tree_stat(pool, node, &stx);

	if (err)
		return err;
	if (!S_ISREG(stx.stx_mode))
		return -ENOTTY;
	size = (stx.stx_size + page - 1) / page;
	if (off % page || len % page || off + len < off)
		return -EINVAL;
	*first = off / page;
	*end = len ? (off + len) / page : size;
	return *first > size || *end > size ? -EINVAL : 0;
}

int tree_unpin_range(struct pool *pool, uint32_t node, uint64_t off,
		     uint64_t len)
{
	struct tree *t = pool->tree;
	uint64_t first, end;
	struct vrange *v;
	int err;

	TREE_BUSY(pool);
	err = vrange_pages_of(pool, node, off, len, &first, &end);
	if (err || first >= end)
		return err;
	v = vrange_find(t, node, first, end);
	if (v && v->first <= first && v->end >= end)
		return 0;
	v = vrange_new(pool, &err);
	if (!v)
		return err;
	v->node = node;
	v->first = first;
	v->end = end;
	vrange_join(pool, v);
	ranges_kept(pool, node);
	pool_fit_limit(pool);
	return 0;
}

static bool ranges_purged(struct tree *t, uint32_t node, uint64_t first,
			  uint64_t end)
{
	struct vrange *v;

	while ((v = vrange_find(t, node, first, end))) {
		if (v->purged)
			return true;
		first = v->end;
	}
	return false;
}

/* Takes [first, end) out of all ranges; @spare is for one that is split. */
static void ranges_cut(struct pool *pool, uint32_t node, uint64_t first,
		       uint64_t end, struct vrange **spare)
{
	struct tree *t = pool->tree;
	struct vrange *v;

	while ((v = vrange_find(t, node, first, end))) {
		if (v->first < first && v->end > end) {
			struct vrange *rest = *spare;

			*spare = NULL;
			rest->node = node;
			rest->first = end;
			rest->end = v->end;
			rest->purged = v->purged;
			/* First, or a kill would lose what is purged of it;
			 * the next worker joins the two again. */
			vrange_show(pool, rest);
			vrange_resize(pool, v, v->first, first);
		} else if (v->first < first) {
			vrange_resize(pool, v, v->first, first);
		} else if (v->end > end) {
			vrange_resize(pool, v, end, v->end);
		} else {
			vrange_drop(t, v);
		}
	}
}

/* What was purged is noted, and said once more if the request comes again. */
static int pin_result(struct pool *pool, uint32_t node, uint64_t first,
		      uint64_t end)
{
	struct journal_note note;
	bool again = journal_noted(&pool->journal, pool->token, &note);

	if (!again)
		note = (struct journal_note){
			.node = node,
			.victim = ranges_purged(pool->tree, node, first, end)
		};
	if (!again)
		journal_note(&pool->journal, pool->token, &note);
	return note.victim;
}

int tree_pin_range(struct pool *pool, uint32_t node, uint64_t off, uint64_t len)
{
	struct tree *t = pool->tree;
	struct vrange *spare;
	uint64_t first, end;
	int64_t done;
	int err;

	TREE_BUSY(pool);
	if (journal_replayed(&pool->journal, pool->token, &done))
		return done;
	err = vrange_pages_of(pool, node, off, len, &first, &end);
	if (err || first >= end)
		return err;
	spare = vrange_new(pool, &err);
	if (!spare)
		return err;
	err = pin_result(pool, node, first, end);
	ranges_cut(pool, node, first, end, &spare);
	vrange_unnew(t, spare);
	ranges_kept(pool, node);
	pool_fit_limit(pool);
	journal_begin(&pool->journal, pool->token);
	journal_commit(&pool->journal, err);
	node_put(pool, node);
	return err;
}

int tree_range_state(struct pool *pool, uint32_t node, uint64_t off,
		     uint64_t len)
{
	uint64_t first, end;
	int err = vrange_pages_of(pool, node, off, len, &first, &end);

	return err ? err : !!vrange_find(pool->tree, node, first, end);
}

static void ranges_say_cut(struct pool *pool, uint32_t node, uint64_t off)
{
	if (pool->ops && pool->ops->range_cut)
		pool->ops->range_cut(pool->arg, node, off);
}

void ranges_truncated(struct pool *pool, uint32_t node, uint64_t size)
{
	struct tree *t = pool->tree;
	struct vrange *none = NULL;

	/* Also if they are pinned by now. */
	ranges_say_cut(pool, node, size);
	if (!(node_rec(t, node)->flags & NODE_RANGES))
		return;
	/* Nothing is behind it, so nothing is split. */
	ranges_cut(pool, node, (size + pool->page_size - 1) / pool->page_size,
		   UINT64_MAX, &none);
	ranges_kept(pool, node);
}

void ranges_freed(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct vrange *v;

	ranges_say_cut(pool, node, 0);
	if (!(node_rec(t, node)->flags & NODE_RANGES))
		return;
	while ((v = vrange_find(t, node, 0, UINT64_MAX)))
		vrange_drop(t, v);
	ranges_kept(pool, node);
}
