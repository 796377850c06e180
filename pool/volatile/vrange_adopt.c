/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of volatile ranges: opened, adopted from an earlier worker, counted,
 * checked and closed.
 *
 * States: closed -> table open -> adopted -> closed.
 * Locks: none is needed while the pool is opened and closed; all else is called
 * with pool->lock (1) held.
 * Reclaim: does not run before all are adopted.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pool/volatile/volatile_priv.h"

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

/* Those that are purged first: see vrange_adopt(). */
static int by_age(const void *a, const void *b)
{
	const struct vrange_rec *const *x = a, *const *y = b;
	bool p = (*x)->state != VRANGE_UNPINNED;
	bool q = (*y)->state != VRANGE_UNPINNED;

	if (p != q)
		return p ? -1 : 1;
	return (*x)->stamp < (*y)->stamp ? -1 : (*x)->stamp > (*y)->stamp;
}

/*
 * The worker before may have been killed while it purged the front of a range:
 *
 *	[purged.......)
 *		[unpinned.........)	its front is not in it any more
 */
static void vrange_cut_front(struct volatiles *t, struct vrange *v)
{
	struct vrange *o;

	while (!v->purged && (o = vrange_find(t, v->inode, v->first, v->end)) &&
	       o->purged && o->first <= v->first && o->end < v->end)
		v->first = o->end;
}

static int vrange_adopt(struct pool *pool, uint32_t id)
{
	struct volatiles *t = pool->volatiles;
	struct vrange_rec *rec = table_record(&t->ranges, id);
	struct vrange *v = &t->range[id];
	uint32_t inode = rec->inode;

	if (!inode_valid(pool, inode)) {
		rec->state = VRANGE_FREE;
		table_free(&t->ranges, id);
		return 0;
	}
	if (user_charge_anyway(pool, rec->uid, USER_RANGES, 1))
		return -ENOMEM;
	v->inode = inode;
	v->first = rec->first;
	v->end = rec->end;
	v->purged = rec->state != VRANGE_UNPINNED;
	v->made = rec->state == VRANGE_PURGED ||
		  (v->purged &&
		   vrange_punch(pool, inode, v->first, v->end) >= 0);
	vrange_cut_front(t, v);
	vrange_join(pool, v);
	vrange_update_flag(pool, inode);
	return 0;
}

/* In the order of age.  Needs no new record: the table may be full. */
int vranges_adopt(struct pool *pool)
{
	struct volatiles *t = pool->volatiles;
	struct vrange_rec **all;
	uint32_t nr = 0;
	int err = 0;

	vrange_init(t);
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
	uint64_t listed = 0, counted = 0;
	uint32_t of_file = 0;

	if (!avl_check(&t->by_place))
		return "the index of volatile ranges is out of order";
	for (struct avl_node *n = avl_first(&t->by_place); n; n = avl_next(n)) {
		v = avl_entry(n, struct vrange, by_place);
		if (before && before->inode == v->inode &&
		    before->end > v->first)
			return "volatile ranges overlap";
		if (before && before->inode == v->inode &&
		    before->end == v->first && before->purged && v->purged)
			return "purged neighbours are not joined";
		if (!(inode_rec(pool->inodes, v->inode)->flags & INODE_RANGES))
			return "an inode has volatile ranges and does not know";
		listed += v->memory > 0;
		counted += v->counted;
		of_file = before && before->inode == v->inode ? of_file + 1 : 1;
		if (of_file > inode_mem(pool->inodes, v->inode)->nr_ranges)
			return "a file miscounts its volatile ranges";
		before = v;
	}
	for (uint32_t i = t->unpinned.oldest; i; i = t->range[i].link.younger)
		if (t->range[i].purged || !t->range[i].memory)
			return "a range without memory is on the LRU";
	if (counted != pool->unpinned_pages)
		return "the memory of volatile ranges is miscounted";
	if (listed != t->unpinned.extents)
		return "an unpinned range is not on the LRU";
	return extent_list_check(&t->unpinned);
}
