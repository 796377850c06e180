/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The set of volatile ranges, in a table of the store, in a tree by place and
 * on the LRU: see volatile_priv.h.
 *
 * States: FREE (vrange_new()) -> UNPINNED, on the LRU -> PURGED, off the LRU.
 * Each becomes FREE by vrange_drop().  A range that is published over others is
 * joined with them, and is young again:
 *
 *	before   [a)    [b)     [c)       unpinned, one of them purged
 *	join        [..............)
 *	after    [a..................c)   purged, if one of them was
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: walks the LRU with the same lock held (vrange_purge.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/lib/cachestat.h"
#include "pool/volatile/volatile_priv.h"

#define MEASURED_AT_ONCE 32 /* by vrange_remeasure_some() */
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
		state = hole_is_late(pool, v->inode, v->first, v->end)
				? VRANGE_PURGING
				: VRANGE_PURGED;
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

/* A descriptor to measure ranges of the file by.  -1: they have no memory that
 * counts: that of a volatile file counts as idle_pages. */
static int measure_begin(struct pool *pool, uint32_t inode)
{
	int fd = vfile_is_volatile(pool, inode) ? -1
						: inode_fd(pool, inode, false);

	return fd < 0 ? -1 : fd;
}

static void measure_end(struct pool *pool, uint32_t inode, int fd)
{
	if (fd >= 0)
		inode_fd_done(pool, inode, fd);
}

/* Pages of a range that have memory, not holes. */
static uint64_t vrange_memory(struct pool *pool, const struct vrange *v, int fd)
{
	off_t at = (off_t)v->first * pool->page_size, data;
	off_t end = (off_t)v->end * pool->page_size;
	uint64_t bytes = 0, pages;

	if (fd < 0)
		return 0;
	/* A client that is writing to the file may hold its lock: see hole.h. */
	if (pool->leases && count_cached(fd, at, end - at, &pages))
		return pages;
	while (at < end && (data = lseek(fd, at, SEEK_DATA)) >= 0 &&
	       data < end) {
		at = lseek(fd, data, SEEK_HOLE);
		if (at <= data)
			break;
		bytes += (at < end ? at : end) - data;
	}
	return bytes / pool->page_size;
}

static void vrange_measure_by(struct pool *pool, struct vrange *v, int fd)
{
	if (v->purged)
		return;
	pool->unpinned_pages -= v->memory;
	v->memory = vrange_memory(pool, v, fd);
	pool->unpinned_pages += v->memory;
}

static void vrange_measure(struct pool *pool, struct vrange *v)
{
	int fd = measure_begin(pool, v->inode);

	vrange_measure_by(pool, v, fd);
	measure_end(pool, v->inode, fd);
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

	for (; (v = vrange_find(pool->volatiles, inode, at, end)); at = v->end)
		vrange_store(pool, v);
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

static bool has_ranges(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       inode_rec(pool->inodes, inode)->flags & INODE_RANGES;
}

/* From page @first on, at most @nr ranges.  Return: where the next one may be. */
static uint64_t measure_some(struct pool *pool, uint32_t inode, uint64_t first,
			     uint64_t end, uint32_t nr)
{
	int fd = measure_begin(pool, inode);
	struct vrange *v;

	while (nr-- && (v = vrange_find(pool->volatiles, inode, first, end))) {
		vrange_measure_by(pool, v, fd);
		first = v->end;
	}
	measure_end(pool, inode, fd);
	return first;
}

void vrange_remeasure(struct pool *pool, uint32_t inode, uint64_t first,
		      uint64_t end)
{
	if (!has_ranges(pool, inode))
		return;
	measure_some(pool, inode, first, end, UINT32_MAX);
	pool_fit_limit(pool);
}

void vrange_remeasure_later(struct pool *pool, uint32_t inode)
{
	if (!has_ranges(pool, inode))
		return;
	pool->volatiles->measured = (struct place){ inode, 0 };
	vrange_remeasure_some(pool);
}

void vrange_remeasure_some(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	struct place *at = &t->measured;

	if (!at->inode)
		return;
	if (has_ranges(pool, at->inode))
		at->first = measure_some(pool, at->inode, at->first, UINT64_MAX,
					 MEASURED_AT_ONCE);
	if (!has_ranges(pool, at->inode) ||
	    !vrange_find(t, at->inode, at->first, UINT64_MAX))
		at->inode = 0;
	pool_fit_limit(pool);
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

/* --- all of them --- */

int vranges_open(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	int err = table_open(&t->ranges, pool->store->dirfd, "ranges",
			     sizeof(struct vrange_rec), VRANGE_MAX);

	if (err)
		return err;
	pool_add_table(pool, &t->ranges);
	return 0;
}

static int by_age(const void *a, const void *b)
{
	const struct vrange_rec *const *x = a, *const *y = b;

	return (*x)->stamp < (*y)->stamp ? -1 : (*x)->stamp > (*y)->stamp;
}

static int vrange_adopt(struct pool *pool, uint32_t id)
{
	struct volatiles *t = pool->volatiles;
	struct vrange_rec *rec = table_record(&t->ranges, id);
	struct vrange *v = &t->range[id];

	if (!inode_valid(pool, rec->inode)) {
		rec->state = VRANGE_FREE;
		table_free(&t->ranges, id);
		return 0;
	}
	if (user_charge_anyway(pool, rec->uid, USER_RANGES, 1))
		return -ENOMEM;
	v->inode = rec->inode;
	v->first = rec->first;
	v->end = rec->end;
	v->purged = rec->state != VRANGE_UNPINNED;
	if (rec->state == VRANGE_PURGING)
		vrange_punch(pool, v);
	vrange_join(pool, v);
	vrange_update_flag(pool, v->inode);
	return 0;
}

/* In the order of age.  Needs no new record: the table may be full. */
int vranges_adopt(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	struct vrange_rec **all;
	uint32_t nr = 0;
	int err = 0;

	t->by_place.cmp = cmp_place;
	extent_list_init(&t->unpinned, &range_extents, t);
	t->range = mmap(NULL, VRANGE_MAX * sizeof(*t->range),
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->range == MAP_FAILED) {
		t->range = NULL;
		return -ENOMEM;
	}
	all = calloc(t->ranges.nr + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	table_for_each (&t->ranges, i) {
		struct vrange_rec *rec = table_record(&t->ranges, i);

		if (rec->stamp > t->stamp)
			t->stamp = rec->stamp;
		all[nr++] = rec;
	}
	qsort(all, nr, sizeof(*all), by_age);
	if (nr)
		t->range_top = t->ranges.nr;
	for (uint32_t i = 0; i < nr && !err; i++)
		err = vrange_adopt(pool, ((char *)all[i] - t->ranges.base) /
						 sizeof(**all));
	free(all);
	return err;
}

void vranges_close(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;

	if (t->range)
		munmap(t->range, VRANGE_MAX * sizeof(*t->range));
	t->range = NULL;
	table_release(&t->ranges);
}

void vranges_count_users(struct pool *pool, struct users *counts)
{
	struct table *t = &pool->volatiles->ranges;

	table_for_each (t, i)
		users_recount(counts,
			      ((struct vrange_rec *)table_record(t, i))->uid,
			      USER_RANGES, 1);
}

const char *vranges_check(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	struct vrange *before = NULL, *v;
	uint64_t unpinned = 0, memory = 0;
	uint32_t of_file = 0;

	if (!avl_check(&t->by_place))
		return "the index of volatile ranges is out of order";
	for (struct avl_node *n = avl_first(&t->by_place); n; n = avl_next(n)) {
		v = avl_entry(n, struct vrange, by_place);
		if (before && before->inode == v->inode &&
		    before->end > v->first)
			return "volatile ranges overlap";
		if (!(inode_rec(pool->inodes, v->inode)->flags & INODE_RANGES))
			return "an inode has volatile ranges and does not know";
		unpinned += !v->purged;
		of_file = before && before->inode == v->inode ? of_file + 1 : 1;
		if (of_file > inode_mem(pool->inodes, v->inode)->nr_ranges)
			return "a file miscounts its volatile ranges";
		before = v;
	}
	for (uint32_t i = t->unpinned.oldest; i; i = t->range[i].link.younger) {
		if (t->range[i].purged)
			return "a purged range is on the LRU";
		memory += t->range[i].memory;
	}
	if (memory != pool->unpinned_pages)
		return "the memory of volatile ranges is miscounted";
	if (unpinned != t->unpinned.extents)
		return "an unpinned range is not on the LRU";
	return extent_list_check(&t->unpinned);
}
