/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of volatile ranges, in a table of the store, in a tree by place and
 * on the LRU: see volatile_priv.h.
 *
 * States: FREE (vrange_new()) -> UNPINNED, on the LRU -> PURGING, off the LRU ->
 * PURGED.  Each becomes FREE by vrange_drop().  A range that is published over
 * others is joined with them, and is young again:
 *
 *	before   [a)    [b)     [c)       unpinned, one of them purged
 *	join        [..............)
 *	after    [a..................c)   purged, if one of them was
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: walks the LRU with the same lock held (vrange_purge.c).
 */
#include <sys/mman.h>

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

struct vrange *vrange_find(struct volatiles *t, uint32_t inode, uint64_t first,
			   uint64_t end)
{
	struct place p = { inode, first };
	struct avl_node *n = avl_lower_bound(&t->by_place, &p, cmp_end);
	struct vrange *v = n ? avl_entry(n, struct vrange, by_place) : NULL;

	return v && v->inode == inode && v->first < end ? v : NULL;
}

/* --- one range --- */

static void vrange_store(struct pool *pool, const struct vrange *v)
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

static struct extent_link *vrange_link(const struct extent_list *list,
				       uint32_t id)
{
	const struct volatiles *t = volatiles_of(list->owner);

	return &t->range[id].link;
}

static uint64_t vrange_pages(const struct extent_list *list, uint32_t id)
{
	const struct volatiles *t = volatiles_of(list->owner);

	return t->range[id].end - t->range[id].first;
}

static const struct extent_ops range_extents = {
	.link = vrange_link,
	.pages = vrange_pages,
};

void vrange_init(struct volatiles *t)
{
	t->by_place.cmp = cmp_place;
	extent_list_init(&t->unpinned, &range_extents, t);
}

static void vrange_list(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	if (v->purged)
		return;
	vrange_rec(t, v)->stamp = ++t->stamp;
	extent_list_add_young(&t->unpinned, v - t->range);
	extent_list_count(&t->unpinned, v->end - v->first);
	vrange_measure(pool, v);
}

static void vrange_unlist(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	if (v->purged)
		return;
	extent_list_del(&t->unpinned, v - t->range);
	extent_list_count(&t->unpinned, v->first - v->end);
	pool->unpinned_pages -= v->memory;
	v->memory = 0;
}

struct vrange *vrange_new(struct pool *pool, uid_t uid, int *err)
{
	struct volatiles *t = pool->volatiles;
	uint32_t id;

	*err = pool_user_record(pool, &t->ranges, uid, USER_RANGES, &id);
	if (*err)
		return NULL;
	if (id > t->range_top)
		t->range_top = id;
	t->range[id] = (struct vrange){ 0 };
	vrange_rec(t, &t->range[id])->uid = uid;
	return &t->range[id];
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
	vrange_list(pool, v);
	vrange_store(pool, v);
	t->nr_ranges++;
	inode_mem(pool->inodes, v->inode)->nr_ranges++;
}

void vrange_drop(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	vrange_unlist(pool, v);
	avl_erase(&t->by_place, &v->by_place);
	vrange_rec(t, v)->state = VRANGE_FREE;
	t->nr_ranges--;
	inode_mem(pool->inodes, v->inode)->nr_ranges--;
	vrange_cancel(pool, v);
}

void vrange_resize(struct pool *pool, struct vrange *v, uint64_t first,
		   uint64_t end)
{
	struct volatiles *t = pool->volatiles;

	if (!v->purged)
		extent_list_count(&t->unpinned,
				  (end - first) - (v->end - v->first));
	v->first = first;
	v->end = end;
	vrange_store(pool, v);
	vrange_measure(pool, v);
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
		/* A worker that is killed here finds the two overlapping, and
		 * joins them. */
		vrange_store(pool, v);
		vrange_drop(pool, o);
	}
	vrange_publish(pool, v);
}

void vrange_set_purged(struct pool *pool, struct vrange *v)
{
	struct volatiles *t = pool->volatiles;

	vrange_unlist(pool, v);
	v->purged = true;
	/* In one store: never purged with its hole not punched. */
	table_publish(&vrange_rec(t, v)->state, VRANGE_PURGING);
}

void vrange_set_made(struct pool *pool, struct vrange *v)
{
	v->made = true;
	table_publish(&vrange_rec(pool->volatiles, v)->state, VRANGE_PURGED);
}

int64_t vrange_punch(struct pool *pool, const struct vrange *v)
{
	uint64_t page = pool->page_size;
	int fd = inode_fd(pool, v->inode, true);
	struct space before, after;
	int64_t freed;

	if (fd < 0)
		return fd;
	freed = hole_punch(pool, v->inode, fd, v->first, v->end);
	before = after = space_of(pool, fd);
	inode_fd_done(pool, v->inode, fd);
	before.blocks += freed > 0 ? freed * page / 512 : 0;
	space_changed(pool, before, after);
	return freed;
}

void vrange_made_late(struct pool *pool, uint32_t inode, uint64_t first,
		      uint64_t end, int64_t freed)
{
	uint64_t at = first;
	struct vrange *v;

	/* One that could not be made is left to the next worker, as well as
	 * what is only a part of a range. */
	for (; (v = vrange_find(pool->volatiles, inode, at, end)); at = v->end)
		if (freed >= 0 && v->purged && v->first >= first &&
		    v->end <= end)
			vrange_set_made(pool, v);
	if (freed > 0 && !pool->store->detached)
		space_changed(pool,
			      (struct space){ .blocks = freed *
							pool->page_size / 512 },
			      (struct space){ 0 });
	vrange_tell_purged(pool, inode, first, end, freed > 0 ? freed : 0);
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
