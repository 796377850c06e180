/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extents of Available pages.
 *
 * States: a frame is in exactly one extent while its page is Available, and in
 * none otherwise.  Two Available neighbours in a chunk and on a node are always
 * in the same extent.
 *
 * Locks: callers that name frames hold the region's lock (2 in locks.h); the
 * node lock (3) is taken here, and a walk holds it around its callback.
 *
 * Reclaim: walks a node's list (extent_list.h).  Whenever its callback drops
 * the node lock, other threads may change the list.
 */
#include "pool/region/lru_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/region/region.h"

static uint32_t min32(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static struct extent_link *frame_link(const struct extent_list *list,
				      uint32_t f)
{
	const struct lru *lru = lru_of(list->owner);

	return &lru->table.frames[f].link;
}

static uint64_t extent_pages(const struct extent_list *list, uint32_t f)
{
	const struct lru *lru = lru_of(list->owner);

	return lru->table.frames[f].len;
}

static const struct extent_ops frame_extents = {
	.link = frame_link,
	.pages = extent_pages,
};

static void set_len_locked(struct lru *lru, uint32_t head, uint32_t nr)
{
	struct frame *frames = lru->table.frames;

	frames[head].len = nr;
	frames[head + nr - 1].len = nr;
}

/* Whether @f is in an extent of NUMA node @nid; region lock held. */
static bool lies_on(const struct lru *lru, uint32_t f, int nid)
{
	return frame_state(&lru->table, f) == PAGE_AVAILABLE &&
	       lru->table.frames[f].nid == nid;
}

/* The first frame of the extent that @f is in. */
static uint32_t find_head(const struct lru *lru, uint32_t f, int nid)
{
	while (frame_place(&lru->table, f) && lies_on(lru, f - 1, nid))
		f--;
	return f;
}

/* Cuts [f, f+nr) out of the extent at @head; what is left keeps its place. */
static void cut_locked(struct lru *lru, struct extent_list *list, uint32_t head,
		       uint32_t f, uint32_t nr)
{
	uint32_t end = head + lru->table.frames[head].len;
	uint32_t rest = f + nr;

	if (rest < end) {
		set_len_locked(lru, rest, end - rest);
		extent_list_add(list, head, rest);
	}
	if (head < f)
		set_len_locked(lru, head, f - head);
	else
		extent_list_del(list, head);
	extent_list_count(list, -(int64_t)nr);
}

void lru_add(struct lru *lru, uint32_t f, uint32_t nr)
{
	struct frame_table *t = &lru->table;
	int nid = t->frames[f].nid;
	struct lru_node *node = &lru->node[nid];
	uint32_t head = f, end = f + nr;

	pthread_mutex_lock(&node->lock);
	if (frame_place(t, f) && lies_on(lru, f - 1, nid)) {
		head = f - t->frames[f - 1].len;
		extent_list_del(&node->list, head);
	}
	if (frame_place(t, end) && lies_on(lru, end, nid)) {
		extent_list_del(&node->list, end);
		end += t->frames[end].len;
	}
	frames_change(t, f, nr, FRAME_STATE, PAGE_AVAILABLE);
	set_len_locked(lru, head, end - head);
	extent_list_add_young(&node->list, head);
	extent_list_count(&node->list, nr);
	pthread_mutex_unlock(&node->lock);
}

void lru_remove(struct lru *lru, uint32_t f, uint32_t nr)
{
	int nid = lru->table.frames[f].nid;
	struct lru_node *node = &lru->node[nid];
	uint32_t head = find_head(lru, f, nid);

	pthread_mutex_lock(&node->lock);
	cut_locked(lru, &node->list, head, f, nr);
	pthread_mutex_unlock(&node->lock);
}

void lru_isolate_locked(struct lru *lru, struct lru_extent *e)
{
	cut_locked(lru, &lru->node[e->nid].list, e->head, e->frame, e->nr);
}

bool lru_isolate_next_locked(struct lru *lru, struct lru_extent *e,
			     uint32_t most)
{
	struct frame_table *t = &lru->table;
	uint32_t f = e->cursor->at, len, nr;

	if (!f || !e->room || e->nr >= most)
		return false;
	len = t->frames[f].len;
	if (chunk_of(t, f)->region != e->region ||
	    frame_page(t, f) + len != e->first)
		return false;
	nr = min32(len, min32(e->room, most - e->nr));
	cut_locked(lru, &lru->node[e->nid].list, f, f + len - nr, nr);
	e->first -= nr;
	e->frame = f + len - nr;
	e->nr += nr;
	e->room -= nr;
	return true;
}

struct frame_walk {
	enum lru_status (*fn)(struct lru *lru, struct lru_extent *extent,
			      void *arg);
	void *arg;
	int nid;
	uint64_t removed; /* pages */
};

static enum lru_status frame_walk(struct extent_list *list,
				  struct extent *extent, void *arg)
{
	struct frame_walk *walk = arg;
	struct lru *lru = lru_of(list->owner);
	/* Its end: best fit takes the low pages of a region again first. */
	uint32_t f = extent->id + lru->table.frames[extent->id].len -
		     extent->nr;
	struct lru_extent e = {
		.region = chunk_of(&lru->table, f)->region,
		.nid = walk->nid,
		.first = frame_page(&lru->table, f),
		.nr = extent->nr,
		.room = extent->room,
		.head = extent->id,
		.frame = f,
		.cursor = extent->cursor,
	};
	enum lru_status status = walk->fn(lru, &e, walk->arg);

	extent->room = e.room;
	if (status == LRU_REMOVED || status == LRU_REMOVED_RETRY)
		walk->removed += e.nr;
	return status;
}

uint64_t lru_walk(struct lru *lru, int nid,
		  enum lru_status (*fn)(struct lru *lru,
					struct lru_extent *extent, void *arg),
		  void *arg, uint64_t *nr_to_walk)
{
	struct frame_walk walk = { .fn = fn, .arg = arg, .nid = nid };
	struct lru_node *node = &lru->node[nid];

	pthread_mutex_lock(&node->lock);
	extent_list_walk(&node->list, frame_walk, &walk, nr_to_walk);
	pthread_mutex_unlock(&node->lock);
	return walk.removed;
}

bool lru_charge(struct lru *lru, uint64_t nr)
{
	uint64_t now = atomic_fetch_add(&lru->memory, nr) + nr;

	if (!nr || now <= atomic_load(&lru->limit))
		return true;
	atomic_fetch_sub(&lru->memory, nr);
	return false;
}

int lru_nid_now(const struct lru *lru)
{
	unsigned int node = 0;

	if (lru->nr_nodes == 1)
		return 0;
	if (lru->nid_now)
		node = lru->nid_now();
	else if (getcpu(NULL, &node))
		node = 0;
	return node % lru->nr_nodes;
}

struct lru *lru_new(int nr_nodes, uint64_t limit)
{
	struct lru *lru;
	size_t bytes;
	int i;

	if (nr_nodes < 1 || nr_nodes > LRU_MAX_NODES) {
		errno = EINVAL;
		return NULL;
	}
	bytes = sizeof(*lru) + nr_nodes * sizeof(lru->node[0]);
	if (posix_memalign((void **)&lru, 64, bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	memset(lru, 0, bytes);
	lru->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	if (frame_table_init(&lru->table, lru->page_shift)) {
		free(lru);
		errno = ENOMEM;
		return NULL;
	}
	lru->magic = LRU_MAGIC;
	lru->nr_nodes = nr_nodes;
	lru->limit = limit;
	for (i = 0; i < nr_nodes; i++) {
		pthread_mutex_init(&lru->node[i].lock, NULL);
		extent_list_init(&lru->node[i].list, &frame_extents, lru);
	}
	return lru;
}

void lru_free(struct lru *lru)
{
	int i;

	if (!lru)
		return;
	for (i = 0; i < lru->nr_nodes; i++)
		pthread_mutex_destroy(&lru->node[i].lock);
	pthread_mutex_destroy(&lru->table.lock);
	frame_table_release(&lru->table);
	free(lru);
}

void lru_set_fds(struct lru *lru, struct fd_cache *fds)
{
	lru->fds = fds;
}

void lru_set_placement(struct lru *lru, int (*nid_now)(void))
{
	lru->nid_now = nid_now;
}

void lru_set_locate(struct lru *lru,
		    void (*locate)(const char *mem, uint32_t nr, size_t page,
				   int *nid))
{
	lru->locate = locate;
}

uint64_t lru_count(const struct lru *lru, int nid)
{
	return nid < 0 || nid >= lru->nr_nodes
		       ? 0
		       : atomic_load(&lru->node[nid].list.pages);
}

void lru_stat(const struct lru *lru, struct lru_stat *out)
{
	int i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < lru->nr_nodes; i++) {
		out->available += atomic_load(&lru->node[i].list.pages);
		out->extents += atomic_load(&lru->node[i].list.extents);
	}
	out->used = atomic_load(&lru->used);
	out->reused = atomic_load(&lru->reused);
	out->populated = atomic_load(&lru->populated);
	out->dropped = atomic_load(&lru->dropped);
	out->limit = atomic_load(&lru->limit);
	out->metadata = frame_table_bytes(&lru->table) + atomic_load(&lru->ids);
}

void lru_set_limit(struct lru *lru, uint64_t limit)
{
	atomic_store(&lru->limit, limit);
}
