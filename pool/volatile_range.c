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
 * Runs of pages in one state are kept as ranges, which never overlap.  A range
 * that is unpinned over others takes them in, and is young again:
 *
 *	before   [a)    [b)     [c)       unpinned, one of them purged
 *	unpin       [..............)
 *	after    [a..................c)   purged, if one of them was
 *
 * UNPINNED ranges wait on the LRU, oldest first.  What a scan wants less of than
 * a range has is cut off its front, at 2 MiB of the file, so that huge folios go
 * as a whole.
 *
 * Locks: pool->lock (1), as in volatile.c.
 * Reclaim: vvrange_scan() is what it calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "pool/tree_internal.h"

/* Dearer than a message, cheaper than a file. */
#define RANGE_SEEKS 2
#define RANGE_BATCH 512 /* pages: the 2 MiB that one hole can be */
#define CUT_PAGES(pool) ((2u << 20) / (pool)->page_size)

struct vrange {
	struct avl_node by_place;
	TAILQ_ENTRY(vrange) link; /* on the LRU, unless purged */
	uint32_t slot; /* of its record */
	uint32_t node;
	uint64_t first, end; /* pages */
	bool purged;
};

static struct vrange_rec *vrange_rec(struct tree *t, const struct vrange *v)
{
	return table_get(&t->ranges, v->slot);
}

/* --- by place --- */

static int cmp_place(const struct avl_node *a, const struct avl_node *b)
{
	const struct vrange *x = avl_entry(a, struct vrange, by_place);
	const struct vrange *y = avl_entry(b, struct vrange, by_place);

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

struct place {
	uint32_t node;
	uint64_t first;
};

/* Ranges that end at or before the place go before it. */
static int cmp_end(const void *key, const struct avl_node *n)
{
	const struct vrange *v = avl_entry(n, struct vrange, by_place);
	const struct place *p = key;

	if (v->node != p->node)
		return p->node < v->node ? -1 : 1;
	return v->end <= p->first ? 1 : -1;
}

/* The first that has a page in [first, end), or NULL. */
static struct vrange *vrange_find(struct tree *t, uint32_t node, uint64_t first,
				  uint64_t end)
{
	struct place p = { node, first };
	struct avl_node *n = avl_lower_bound(&t->by_place, &p, cmp_end);
	struct vrange *v = n ? avl_entry(n, struct vrange, by_place) : NULL;

	return v && v->node == node && v->first < end ? v : NULL;
}

/* --- one range --- */

static void vrange_store(struct tree *t, const struct vrange *v)
{
	struct vrange_rec *rec = vrange_rec(t, v);

	rec->node = v->node;
	rec->first = v->first;
	rec->end = v->end;
	rec->state = v->purged ? VRANGE_PURGED : VRANGE_UNPINNED;
}

static void vrange_list(struct tree *t, struct vrange *v)
{
	if (v->purged)
		return;
	vrange_rec(t, v)->stamp = ++t->stamp;
	TAILQ_INSERT_TAIL(&t->range_lru, v, link);
	t->range_pages += v->end - v->first;
}

static void vrange_unlist(struct tree *t, struct vrange *v)
{
	if (v->purged)
		return;
	TAILQ_REMOVE(&t->range_lru, v, link);
	t->range_pages -= v->end - v->first;
}

/* Return: one with a record, in no state yet, or NULL and *@err. */
static struct vrange *vrange_new(struct pool *pool, int *err)
{
	struct vrange *v = calloc(1, sizeof(*v));

	*err = v ? pool_record(pool, &pool->tree->ranges, &v->slot) : -ENOMEM;
	if (!*err)
		return v;
	free(v);
	return NULL;
}

static void vrange_unnew(struct tree *t, struct vrange *v)
{
	if (v)
		table_free(&t->ranges, v->slot);
	free(v);
}

static void vrange_show(struct tree *t, struct vrange *v)
{
	avl_insert(&t->by_place, &v->by_place);
	vrange_list(t, v);
	vrange_store(t, v);
	t->nr_ranges++;
}

static void vrange_drop(struct tree *t, struct vrange *v)
{
	vrange_unlist(t, v);
	avl_erase(&t->by_place, &v->by_place);
	vrange_rec(t, v)->state = 0;
	t->nr_ranges--;
	vrange_unnew(t, v);
}

/* Its place and age stay. */
static void vrange_resize(struct tree *t, struct vrange *v, uint64_t first,
			  uint64_t end)
{
	if (!v->purged)
		t->range_pages -= (v->end - v->first) - (end - first);
	v->first = first;
	v->end = end;
	vrange_store(t, v);
}

/* --- what users ask --- */

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

static void ranges_kept(struct pool *pool, uint32_t node)
{
	struct node_rec *rec = node_rec(pool->tree, node);

	if (vrange_find(pool->tree, node, 0, UINT64_MAX))
		rec->flags |= NODE_RANGES;
	else
		rec->flags &= ~NODE_RANGES;
}

/* @v takes in whatever it touches, and is shown. */
static void vrange_join(struct tree *t, struct vrange *v)
{
	struct vrange *o;

	while ((o = vrange_find(t, v->node, v->first, v->end))) {
		v->purged |= o->purged;
		if (o->first < v->first)
			v->first = o->first;
		if (o->end > v->end)
			v->end = o->end;
		/* A worker that is killed here finds the two overlapping, and
		 * joins them. */
		vrange_store(t, v);
		vrange_drop(t, o);
	}
	vrange_show(t, v);
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
	vrange_join(t, v);
	ranges_kept(pool, node);
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
static void ranges_cut(struct tree *t, uint32_t node, uint64_t first,
		       uint64_t end, struct vrange **spare)
{
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
			vrange_show(t, rest);
			vrange_resize(t, v, v->first, first);
		} else if (v->first < first) {
			vrange_resize(t, v, v->first, first);
		} else if (v->end > end) {
			vrange_resize(t, v, end, v->end);
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
	ranges_cut(t, node, first, end, &spare);
	vrange_unnew(t, spare);
	ranges_kept(pool, node);
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

void ranges_truncated(struct pool *pool, uint32_t node, uint64_t size)
{
	struct tree *t = pool->tree;
	struct vrange *none = NULL;

	if (!(node_rec(t, node)->flags & NODE_RANGES))
		return;
	/* Nothing is behind it, so nothing is split. */
	ranges_cut(t, node, (size + pool->page_size - 1) / pool->page_size,
		   UINT64_MAX, &none);
	ranges_kept(pool, node);
}

void ranges_freed(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct vrange *v;

	if (!(node_rec(t, node)->flags & NODE_RANGES))
		return;
	while ((v = vrange_find(t, node, 0, UINT64_MAX)))
		vrange_drop(t, v);
	node_rec(t, node)->flags &= ~NODE_RANGES;
}

/* --- purging --- */

/* What is to be purged of @v: its front, up to a 2 MiB boundary. */
static struct vrange *vrange_front(struct pool *pool, struct vrange *v,
				   uint64_t pages)
{
	uint64_t cut = v->first + pages, step = CUT_PAGES(pool);
	struct vrange *front;
	int err;

	if (cut >= v->end)
		return v;
	if (cut / step * step > v->first)
		cut = cut / step * step;
	front = vrange_new(pool, &err);
	if (!front)
		return v; /* then all of it */
	front->node = v->node;
	front->first = v->first;
	front->end = cut;
	vrange_resize(pool->tree, v, cut, v->end);
	vrange_show(pool->tree, front);
	return front;
}

/* Return: pages given back, or -errno. */
static int64_t vrange_punch(struct pool *pool, const struct vrange *v)
{
	uint64_t page = pool->page_size;
	struct stat before, after;
	int fd = tree_fd(pool, v->node, true);
	int err = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &before) < 0 ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      v->first * page, (v->end - v->first) * page) < 0 ||
	    fstat(fd, &after) < 0)
		err = -errno;
	tree_fd_done(pool, v->node);
	if (err)
		return err;
	if (!pool->store->detached)
		space_changed(pool, before.st_blocks, after.st_blocks);
	return before.st_blocks > after.st_blocks
		       ? (before.st_blocks - after.st_blocks) * 512ll /
				 (int64_t)page
		       : 0;
}

static uint64_t vrange_purge(struct pool *pool, struct vrange *v)
{
	struct tree *t = pool->tree;
	int64_t freed;

	/* First, so that nobody is ever told that it is whole when it is not. */
	vrange_unlist(t, v);
	v->purged = true;
	vrange_store(t, v);
	vrange_rec(t, v)->state = VRANGE_PURGING;
	freed = vrange_punch(pool, v);
	vrange_rec(t, v)->state = VRANGE_PURGED;
	if (freed < 0)
		return 0;
	t->purged_pages += freed;
	if (pool->ops && pool->ops->range_purged)
		pool->ops->range_purged(pool->arg, v->node,
					v->first * pool->page_size,
					(v->end - v->first) * pool->page_size,
					freed);
	return freed;
}

static unsigned long vrange_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t n = pool->tree->range_pages;

	return n ? n : SHRINK_EMPTY;
}

static unsigned long vrange_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	struct tree *t = pool->tree;
	bool mine = pool_is_mine(pool);
	uint64_t freed = 0, scanned = 0;
	struct vrange *v;

	if (mine ? t->busy || pool->journal.begun : !pool_trylock(pool))
		return SHRINK_STOP;
	while (scanned < sc->nr_to_scan && (v = TAILQ_FIRST(&t->range_lru))) {
		t->busy++;
		v = vrange_front(pool, v, sc->nr_to_scan - scanned);
		t->busy--;
		scanned += v->end - v->first;
		freed += vrange_purge(pool, v);
	}
	pool_fit_limit(pool);
	if (!mine)
		pool_unlock(pool);
	sc->nr_scanned = scanned;
	return scanned ? freed : SHRINK_STOP;
}

/* --- start and end --- */

static int by_age(const void *a, const void *b)
{
	const struct vrange_rec *const *x = a, *const *y = b;

	return (*x)->stamp < (*y)->stamp ? -1 : (*x)->stamp > (*y)->stamp;
}

static int vrange_adopt(struct pool *pool, const struct vrange_rec *rec)
{
	struct tree *t = pool->tree;
	struct vrange *v;
	int err = 0;

	if (!tree_valid(pool, rec->node))
		return 0;
	v = vrange_new(pool, &err);
	if (!v)
		return err;
	v->node = rec->node;
	v->first = rec->first;
	v->end = rec->end;
	v->purged = rec->state != VRANGE_UNPINNED;
	if (rec->state == VRANGE_PURGING)
		vrange_punch(pool, v);
	vrange_join(t, v);
	ranges_kept(pool, v->node);
	return 0;
}

/* Each is made anew, in the order of age, and the old record dropped. */
int ranges_adopt(struct pool *pool)
{
	struct tree *t = pool->tree;
	struct vrange_rec **all;
	uint32_t nr = 0;
	int err = 0;

	TAILQ_INIT(&t->range_lru);
	t->by_place.cmp = cmp_place;
	all = calloc(t->ranges.nr + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	table_for_each (&t->ranges, i) {
		struct vrange_rec *rec = table_get(&t->ranges, i);

		if (rec->stamp > t->stamp)
			t->stamp = rec->stamp;
		all[nr++] = rec;
	}
	qsort(all, nr, sizeof(*all), by_age);
	for (uint32_t i = 0; i < nr && !err; i++) {
		err = vrange_adopt(pool, all[i]);
		if (err)
			break;
		all[i]->state = 0;
		table_free(&t->ranges,
			   ((char *)all[i] - t->ranges.base) / sizeof(**all));
	}
	free(all);
	return err;
}

int ranges_start(struct pool *pool)
{
	struct shrinker *s = shrinker_alloc(0, "volatile-ranges");
	int err;

	if (!s)
		return -errno;
	s->count_objects = vrange_count;
	s->scan_objects = vrange_scan;
	s->batch = RANGE_BATCH;
	s->seeks = RANGE_SEEKS;
	s->private_data = pool;
	err = shrinker_register(s);
	if (err) {
		shrinker_free(s);
		return err;
	}
	pool->tree->range_shrinker = s;
	return 0;
}

void ranges_stop(struct pool *pool)
{
	struct tree *t = pool->tree;
	struct avl_node *n;

	if (!t)
		return;
	if (t->range_shrinker)
		shrinker_free(t->range_shrinker);
	t->range_shrinker = NULL;
	while ((n = avl_first(&t->by_place))) {
		avl_erase(&t->by_place, n);
		free(avl_entry(n, struct vrange, by_place));
	}
	table_release(&t->ranges);
}

const char *ranges_check(struct pool *pool)
{
	struct tree *t = pool->tree;
	struct vrange *before = NULL, *v;
	uint64_t pages = 0, listed = 0;

	if (!avl_check(&t->by_place))
		return "the index of volatile ranges is out of order";
	for (struct avl_node *n = avl_first(&t->by_place); n; n = avl_next(n)) {
		v = avl_entry(n, struct vrange, by_place);
		if (before && before->node == v->node && before->end > v->first)
			return "volatile ranges overlap";
		if (!(node_rec(t, v->node)->flags & NODE_RANGES))
			return "a node has volatile ranges and does not know";
		if (!v->purged)
			pages += v->end - v->first;
		before = v;
	}
	TAILQ_FOREACH(v, &t->range_lru, link)
	{
		if (v->purged)
			return "a purged range is on the LRU";
		listed += v->end - v->first;
	}
	if (pages != t->range_pages || listed != pages)
		return "pages of volatile ranges are miscounted";
	return NULL;
}
