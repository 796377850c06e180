/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile files: content that may be purged while nobody uses it.
 *
 * States of a volatile file:
 *
 *	        first open                  last close
 *	LISTED ------------> open (pinned) ------------> LISTED
 *	   |
 *	   | the shrinker, if nobody has it mapped either
 *	   v
 *	 gone, or PURGED while it has names that nobody has looked up yet
 *
 * LISTED files are one extent each, oldest first, because a file is purged as a
 * whole:
 *
 *	oldest [aaaa] - [b] - [cc] youngest
 *
 * That a file is volatile is a flag of its node's record, which therefore stays
 * when the kernel has forgotten the node.
 *
 * Locks: pool->lock (1).
 * Reclaim walks the list under it: volatile_purge.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* --- the list --- */

static struct extent_link *file_link(const struct extent_list *list,
				     uint32_t node)
{
	return &node_mem(list->owner, node)->link;
}

static uint64_t listed_pages(const struct extent_list *list, uint32_t node)
{
	return node_mem(list->owner, node)->pages;
}

static const struct extent_ops file_extents = {
	.link = file_link,
	.pages = listed_pages,
};

static void set_idle(struct tree *t, struct node *mem, bool idle)
{
	if (mem->idle == idle)
		return;
	mem->idle = idle;
	if (idle)
		t->idle_pages += mem->pages;
	else
		t->idle_pages -= mem->pages;
}

void volatile_not_idle(struct pool *pool, uint32_t node)
{
	set_idle(pool->tree, node_mem(pool->tree, node), false);
}

/* A file that was just closed may seem to be mapped for a moment. */
static void look_at(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;

	if (volatile_is_idle(pool, node)) {
		set_idle(t, node_mem(t, node), true);
	} else {
		/* The oldest is forgotten: until a walk comes by it counts as
		 * mapped. */
		t->doubtful[t->next_doubtful++ % DOUBTFUL_MAX] = node;
		if (t->nr_doubtful < DOUBTFUL_MAX)
			t->nr_doubtful++;
	}
}

void volatile_look(struct pool *pool)
{
	struct tree *t = pool->tree;
	uint32_t node;

	if (!t->nr_doubtful || t->busy || pool->journal.begun)
		return;
	node = t->doubtful[(t->next_doubtful - t->nr_doubtful--) %
			   DOUBTFUL_MAX];
	if (tree_valid(pool, node) && node_mem(t, node)->listed &&
	    !node_mem(t, node)->idle)
		look_at(pool, node);
}

static void list_add(struct tree *t, uint32_t node)
{
	struct node *mem = node_mem(t, node);

	mem->listed = true;
	extent_list_add_young(&t->files, node);
	extent_list_count(&t->files, mem->pages);
}

static void list_del(struct tree *t, uint32_t node)
{
	struct node *mem = node_mem(t, node);

	if (!mem->listed)
		return;
	set_idle(t, mem, false);
	mem->listed = false;
	extent_list_del(&t->files, node);
	extent_list_count(&t->files, -(int64_t)mem->pages);
}

int volatile_pages(struct pool *pool, uint32_t node, uint32_t *pages,
		   uint32_t *nlink)
{
	struct tree_path p;
	struct stat st;
	int err = tree_path(pool, node, &p);

	if (err)
		return err;
	err = fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
								     : 0;
	tree_path_release(&p);
	if (err)
		return err;
	if (st.st_ino != node_rec(pool->tree, node)->ino)
		return -ENOENT;
	*pages = ((uint64_t)st.st_blocks * 512 + pool->page_size - 1) /
		 pool->page_size;
	*nlink = st.st_nlink;
	return 0;
}

static bool is_volatile_file(const struct node_rec *rec)
{
	return (rec->flags & (NODE_VOLATILE | NODE_DIR | NODE_GONE |
			      NODE_PURGED)) == NODE_VOLATILE;
}

void volatile_pin(struct pool *pool, uint32_t node)
{
	list_del(pool->tree, node);
}

void volatile_unpin(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec = node_rec(t, node);
	uint32_t pages, nlink;

	list_del(t, node);
	if (!is_volatile_file(rec) ||
	    volatile_pages(pool, node, &pages, &nlink) || !pages)
		return;
	/* One without a name goes with whoever has its node. */
	if (rec->flags & NODE_ORPHAN && nlink < 2)
		return;
	rec->stamp = ++t->stamp;
	node_mem(t, node)->pages = pages;
	list_add(t, node);
	look_at(pool, node);
}

void volatile_changed(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct node *mem = node_mem(t, node);
	bool idle = mem->idle;
	uint32_t pages, nlink;

	if (!mem->listed || volatile_pages(pool, node, &pages, &nlink))
		return;
	set_idle(t, mem, false);
	extent_list_count(&t->files, (int64_t)pages - mem->pages);
	mem->pages = pages;
	set_idle(t, mem, idle);
	if (!pages)
		list_del(t, node);
}

void volatile_placed(struct pool *pool, uint32_t node)
{
	if (!tree_opens(pool, node))
		volatile_unpin(pool, node);
}

/* --- what is volatile --- */

/* A flag in one store: nothing else has to change with it. */
static void volatile_mark(struct tree *t, uint32_t node, bool on)
{
	struct node_rec *rec = node_rec(t, node);

	if (on == !!(rec->flags & NODE_VOLATILE))
		return;
	rec->flags ^= NODE_VOLATILE;
	if (on)
		t->nr_volatile++;
	else
		t->nr_volatile--;
}

void volatile_made(struct pool *pool, uint32_t node, uint32_t parent,
		   mode_t mode)
{
	struct tree *t = pool->tree;

	if (node_rec(t, parent)->flags & NODE_VOLATILE &&
	    (S_ISREG(mode) || S_ISDIR(mode)))
		volatile_mark(t, node, true);
}

void volatile_freed(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec = node_rec(t, node);

	list_del(t, node);
	if (rec->flags & NODE_PURGED)
		t->nr_purged--;
	if (rec->flags & NODE_VOLATILE)
		t->nr_volatile--;
}

int tree_set_volatile(struct pool *pool, uint32_t node, bool on)
{
	struct statx stx;
	int err = tree_stat(pool, node, &stx);

	if (err)
		return err;
	if (!S_ISREG(stx.stx_mode) && !S_ISDIR(stx.stx_mode))
		return -EOPNOTSUPP;
	volatile_mark(pool->tree, node, on);
	ranges_changed(pool, node);
	if (!tree_opens(pool, node))
		volatile_unpin(pool, node);
	return 0;
}

bool tree_is_volatile(struct pool *pool, uint32_t node)
{
	return tree_valid(pool, node) &&
	       node_rec(pool->tree, node)->flags & NODE_VOLATILE;
}

bool tree_is_purged(struct pool *pool, uint64_t ino)
{
	struct tree *t = pool->tree;
	uint32_t node = t->nr_purged ? node_by_ino(t, ino) : 0;

	return node && node_rec(t, node)->flags & NODE_PURGED;
}

bool volatile_has_names(struct pool *pool, uint32_t node)
{
	uint32_t pages, nlink;

	return !volatile_pages(pool, node, &pages, &nlink) && nlink > 1;
}

bool volatile_sweep(struct pool *pool, uint32_t node, const struct tree_path *p)
{
	struct tree *t = pool->tree;
	struct stat st;

	if (!(node_rec(t, node)->flags & NODE_PURGED))
		return false;
	if (fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    unlinkat(p->dirfd, p->path, 0) == 0 && st.st_nlink == 1)
		node_lose(pool, node);
	return true;
}

void volatile_stat(struct pool *pool, struct volatile_stat *out)
{
	struct tree *t = pool->tree;

	out->ranges = t->nr_ranges;
	out->range_pages = t->unpinned.pages;
	out->files = t->nr_volatile;
	out->available = t->files.pages;
	out->idle = t->idle_pages;
	out->purged_files = t->purged_files;
	out->purged_pages = t->purged_pages;
}

/* --- start and end --- */

struct stamped {
	uint64_t stamp;
	uint32_t node;
};

static int by_stamp(const void *a, const void *b)
{
	const struct stamped *x = a, *y = b;

	return x->stamp < y->stamp ? -1 : x->stamp > y->stamp;
}

/* Is a file, or a directory that it is in, between two names? */
static bool volatile_in_between(struct pool *pool)
{
	struct journal_note note;

	return journal_begun(&pool->journal, &note) &&
	       (note.node || note.victim);
}

/* Lists it, if it is where its node says. */
static void volatile_adopt_file(struct pool *pool, uint32_t node)
{
	struct node *mem = node_mem(pool->tree, node);
	uint32_t nlink;
	int err = volatile_pages(pool, node, &mem->pages, &nlink);

	if (!err) {
		if (mem->pages &&
		    (nlink > 1 ||
		     !(node_rec(pool->tree, node)->flags & NODE_ORPHAN))) {
			list_add(pool->tree, node);
			look_at(pool, node);
		}
	} else if (volatile_is_gone(err) && !volatile_in_between(pool)) {
		node_lose(pool, node); /* the worker before did it */
	}
}

void volatile_relist(struct pool *pool)
{
	struct tree *t = pool->tree;

	table_for_each (&t->nodes, i) {
		struct node_rec *rec = node_rec(t, i);

		if (rec->state == NODE_LIVE && is_volatile_file(rec) &&
		    !rec->opens && !node_mem(t, i)->listed)
			volatile_adopt_file(pool, i);
	}
}

/* In the order in which they were closed. */
int volatile_adopt(struct pool *pool)
{
	struct tree *t = pool->tree;
	struct stamped *all;
	uint32_t nr = 0, nr_all = 0;

	extent_list_init(&t->files, &file_extents, t);
	table_for_each (&t->nodes, i)
		if (node_rec(t, i)->state == NODE_LIVE) {
			nr_all++;
			volatile_purge_finish(pool, i);
			t->nr_volatile += !!(node_rec(t, i)->flags &
					     NODE_VOLATILE);
			t->nr_purged += !!(node_rec(t, i)->flags & NODE_PURGED);
		}
	all = calloc(nr_all, sizeof(*all));
	if (!all)
		return nr_all ? -ENOMEM : 0;
	table_for_each (&t->nodes, i) {
		struct node_rec *rec = node_rec(t, i);

		if (rec->state != NODE_LIVE || !is_volatile_file(rec))
			continue;
		if (rec->stamp > t->stamp)
			t->stamp = rec->stamp;
		if (!rec->opens)
			all[nr++] = (struct stamped){ rec->stamp, i };
	}
	qsort(all, nr, sizeof(*all), by_stamp);
	for (uint32_t i = 0; i < nr; i++)
		volatile_adopt_file(pool, all[i].node);
	free(all);
	return 0;
}

void volatile_stop(struct pool *pool)
{
	if (!pool->tree || !pool->tree->shrinker)
		return;
	shrinker_free(pool->tree->shrinker);
	pool->tree->shrinker = NULL;
}

const char *volatile_check(struct pool *pool)
{
	struct tree *t = pool->tree;
	uint64_t idle = 0;

	for (uint32_t i = t->files.oldest; i;
	     i = node_mem(t, i)->link.younger) {
		struct node_rec *rec = node_rec(t, i);

		if (!is_volatile_file(rec) || rec->opens)
			return "a file on the LRU is not volatile, or open";
		if (!node_mem(t, i)->listed)
			return "a file on the LRU does not know";
		if (node_mem(t, i)->idle)
			idle += node_mem(t, i)->pages;
	}
	if (idle != t->idle_pages)
		return "pages of idle volatile files are miscounted";
	return extent_list_check(&t->files);
}
