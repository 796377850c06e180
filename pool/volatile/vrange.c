/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of volatile ranges, in a table of the store and in a tree by place:
 * see volatile_priv.h.
 *
 * States: FREE (vrange_new()) -> UNPINNED -> PURGING -> PURGED.  Each becomes FREE by
 * vrange_drop().  A range that is published over others is joined with them,
 * and is young again; purged neighbours are joined, too:
 *
 *	before   [a)    [b)     [c)[d)    unpinned, one of them purged
 *	join        [..............)
 *	after    [a..................d)   purged, if one of them was; [d) only
 *					  if it is purged, too
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: walks the LRU with the same lock held (vrange_purge.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/volatile/volatile_priv.h"

#define RANGES_KEPT 1024 /* memory of so many is kept when there are none */

/* --- by place --- */

static int cmp_place(const struct avl_node *a, const struct avl_node *b)
{
	const struct vrange *x = avl_entry(a, struct vrange, by_place);
	const struct vrange *y = avl_entry(b, struct vrange, by_place);

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Ranges that end at or before the place go before it. */
static int cmp_end(const void *key, const struct avl_node *n)
{
	const struct vrange *v = avl_entry(n, struct vrange, by_place);
	const struct place *p = key;

	if (v->inode != p->inode)
		return p->inode < v->inode ? -1 : 1;
	return v->end <= p->first ? 1 : -1;
}

void vrange_init(struct volatiles *t)
{
	t->by_place.cmp = cmp_place;
	vrange_list_init(t);
}

struct vrange *vrange_find(struct volatiles *t, uint32_t inode, uint64_t first,
			   uint64_t end)
{
	struct place p = { inode, first };
	struct avl_node *n = avl_lower_bound(&t->by_place, &p, cmp_end);
	struct vrange *v = n ? avl_entry(n, struct vrange, by_place) : NULL;

	return v && v->inode == inode && v->first < end ? v : NULL;
}

/* --- one range --- */

void vrange_store(struct pool *pool, const struct vrange *v)
{
	struct vrange_rec *rec = vrange_rec(pool->volatiles, v);
	uint32_t state = VRANGE_UNPINNED;

	if (v->purged)
		state = v->made ? VRANGE_PURGED : VRANGE_PURGING;
	rec->inode = v->inode;
	rec->first = v->first;
	rec->end = v->end;
	table_publish(&rec->state, state);
}

static struct vrange *vrange_of_record(struct volatiles *t, uint32_t id,
				       uid_t uid)
{
	if (id > t->range_top)
		t->range_top = id;
	t->range[id] = (struct vrange){ 0 };
	vrange_rec(t, &t->range[id])->uid = uid;
	return &t->range[id];
}

struct vrange *vrange_new(struct pool *pool, uid_t uid, int *err)
{
	struct volatiles *t = pool->volatiles;
	uint32_t id;

	*err = pool_user_record(pool, &t->ranges, uid, USER_RANGES, &id);
	return *err ? NULL : vrange_of_record(t, id, uid);
}

struct vrange *vrange_new_anyway(struct pool *pool, uid_t uid)
{
	struct volatiles *t = pool->volatiles;
	uint32_t id;

	if (user_charge_anyway(pool, uid, USER_RANGES, 1))
		return NULL;
	if (!pool_record(pool, &t->ranges, &id))
		return vrange_of_record(t, id, uid);
	user_uncharge(pool, uid, USER_RANGES, 1);
	return NULL;
}

void vrange_cancel(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	if (v)
		pool_user_record_free(pool, &t->ranges, vrange_rec(t, v)->uid,
				      USER_RANGES, v - t->range);
}

void vrange_publish(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	avl_insert(&t->by_place, &v->by_place);
	vrange_rec(t, v)->stamp = ++t->stamp;
	vrange_measure(pool, v);
	vrange_store(pool, v);
	t->nr_ranges++;
	inode_mem(pool->inodes, v->inode)->nr_ranges++;
}

/* Out of all that is in memory; its record stays. */
static void vrange_unpublish(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	vrange_unlist(pool, v);
	avl_erase(&t->by_place, &v->by_place);
	t->nr_ranges--;
	inode_mem(pool->inodes, v->inode)->nr_ranges--;
}

void vrange_drop(struct pool *pool, struct vrange *v)
{
	vrange_unpublish(pool, v);
	vrange_rec(pool->volatiles, v)->state = VRANGE_FREE;
	vrange_cancel(pool, v);
}

void vrange_resize(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end)
{
	v->first = first;
	v->end = end;
	vrange_store(pool, v);
	vrange_measure(pool, v);
}

/* --- joining --- */

/*
 * In each of these steps the range that stays is stored first: a worker that is
 * killed then finds the two overlapping, and joins them.
 */
static void vrange_take_end(struct pool *pool, struct vrange *v,
			    struct vrange *next)
{
	v->end = next->end;
	v->made &= next->made;
	vrange_store(pool, v);
	vrange_drop(pool, next);
}

struct vrange *vrange_purged_before(struct volatiles *t, const struct vrange *v)
{
	struct vrange *o = v->first ? vrange_find(t, v->inode, v->first - 1,
						  v->first)
				    : NULL;

	return o && o->purged ? o : NULL;
}

struct vrange *vrange_join_purged(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *o = vrange_purged_before(t, v);

	if (o) {
		vrange_take_end(pool, o, v);
		v = o;
	}
	o = vrange_find(t, v->inode, v->end, v->end + 1);
	if (o && o->purged)
		vrange_take_end(pool, v, o);
	return v;
}

void vrange_join(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *o;

	while ((o = vrange_find(t, v->inode, v->first, v->end))) {
		/* If there is a hole to be made still, in all of it. */
		if (o->purged)
			v->made = o->made && (v->made || !v->purged);
		v->purged |= o->purged;
		if (o->first < v->first)
			v->first = o->first;
		if (o->end > v->end)
			v->end = o->end;
		vrange_store(pool, v);
		vrange_drop(pool, o);
	}
	vrange_publish(pool, v);
	if (v->purged)
		vrange_join_purged(pool, v);
}

void vrange_extend(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end)
{
	vrange_unpublish(pool, v);
	if (first < v->first)
		v->first = first;
	if (end > v->end)
		v->end = end;
	vrange_join(pool, v);
}

/* --- the ranges of a file --- */

/* Gives the memory of struct vrange back to the kernel when there are none. */
static void vranges_release_memory(struct volatiles *t)
{
	if (t->nr_ranges || t->range_top < RANGES_KEPT)
		return;
	madvise(t->range, VRANGE_MAX * sizeof(*t->range), MADV_DONTNEED);
	t->range_top = 0;
}

void vrange_update_flag(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	if (vrange_find(pool->volatiles, inode, 0, UINT64_MAX))
		rec->flags |= INODE_RANGES;
	else
		rec->flags &= ~INODE_RANGES;
	vranges_release_memory(pool->volatiles);
}

void vrange_cut(struct pool *pool, uint32_t inode, uint64_t first, uint64_t end,
		struct vrange **spare)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *v;

	while ((v = vrange_find(t, inode, first, end))) {
		if (v->first < first && v->end > end) {
			struct vrange *rest = *spare;

			*spare = NULL;
			rest->inode = inode;
			rest->first = end;
			rest->end = v->end;
			rest->purged = v->purged;
			rest->made = v->made;
			/* Published first: a kill here leaves two that
			 * overlap, and not a purged part without a range. */
			vrange_publish(pool, rest);
			vrange_resize(pool, v, v->first, first);
		} else if (v->first < first) {
			vrange_resize(pool, v, v->first, first);
		} else if (v->end > end) {
			vrange_resize(pool, v, end, v->end);
		} else {
			vrange_drop(pool, v);
		}
	}
}

static void vrange_tell_cut(struct pool *pool, uint32_t inode, uint64_t off)
{
	if (pool->ops && pool->ops->range_cut)
		pool->ops->range_cut(pool->arg, inode, off);
}

void vrange_truncate(struct pool *pool, uint32_t inode, uint64_t size)
{
	struct vrange *none = NULL;

	/* Also without ranges: purged ones may have been pinned since. */
	vrange_tell_cut(pool, inode, size);
	if (!(inode_rec(pool->inodes, inode)->flags & INODE_RANGES))
		return;
	/* Nothing is behind it, so nothing is split. */
	vrange_cut(pool, inode, (size + pool->page_size - 1) / pool->page_size,
		   UINT64_MAX, &none);
	vrange_update_flag(pool, inode);
}

void vrange_drop_all(struct pool *pool, uint32_t inode)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *v;

	vrange_tell_cut(pool, inode, 0);
	if (!(inode_rec(pool->inodes, inode)->flags & INODE_RANGES))
		return;
	while ((v = vrange_find(t, inode, 0, UINT64_MAX)))
		vrange_drop(pool, v);
	vrange_update_flag(pool, inode);
}
