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
 * Locks: pool->lock (1).  The shrinker's callbacks come from the reclaimer,
 * which only tries it, or from whoever holds it and needs room.
 * Reclaim: volatile_scan() is what it calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/tree_internal.h"

/* To make a file again costs more than to send a message again. */
#define VOLATILE_SEEKS 4
#define VOLATILE_BATCH 512 /* pages */

/* --- the list --- */

static void list_add(struct tree *t, uint32_t node)
{
	struct node *mem = node_mem(t, node);

	mem->listed = true;
	mem->older = t->youngest;
	mem->younger = 0;
	if (t->youngest)
		node_mem(t, t->youngest)->younger = node;
	else
		t->oldest = node;
	t->youngest = node;
	t->lru_pages += mem->pages;
}

static void list_del(struct tree *t, uint32_t node)
{
	struct node *mem = node_mem(t, node);

	if (!mem->listed)
		return;
	mem->listed = false;
	if (mem->older)
		node_mem(t, mem->older)->younger = mem->younger;
	else
		t->oldest = mem->younger;
	if (mem->younger)
		node_mem(t, mem->younger)->older = mem->older;
	else
		t->youngest = mem->older;
	t->lru_pages -= mem->pages;
}

/* What it would give back; the file must be where the node says. */
static int file_pages(struct pool *pool, uint32_t node, uint32_t *pages,
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
	if (!is_volatile_file(rec) || file_pages(pool, node, &pages, &nlink) ||
	    !pages)
		return;
	/* One without a name goes with whoever has its node. */
	if (rec->flags & NODE_ORPHAN && nlink < 2)
		return;
	rec->stamp = ++t->stamp;
	node_mem(t, node)->pages = pages;
	list_add(t, node);
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

	return !file_pages(pool, node, &pages, &nlink) && nlink > 1;
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

/* --- purging --- */

/*
 * A mapping outlives its file's last close, and only the kernel knows it: a
 * lease is given to us exactly when nobody else has the file open or mapped.
 */
static bool purge_lease(int fd)
{
	/* Whoever opens it meanwhile waits for us: no reason for a signal that
	 * ends the process. */
	return fcntl(fd, F_SETSIG, SIGURG) == 0 &&
	       fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

/* The name that only kept it is not one that somebody could look up. */
static void purge_orphan(struct pool *pool, uint32_t node)
{
	struct node_rec *rec = node_rec(pool->tree, node);
	char name[16];

	if (!(rec->flags & NODE_ORPHAN))
		return;
	node_orphan_name(node, name, sizeof(name));
	unlinkat(pool->tree->orphanfd, name, 0);
	rec->flags &= ~NODE_ORPHAN;
}

/* The file as a whole: for one name it is removed; more names are left until
 * somebody looks, but what they name is gone. */
static int purge_file(struct pool *pool, uint32_t node,
		      const struct tree_path *p, int fd, uint32_t nlink)
{
	struct tree *t = pool->tree;
	uint64_t before;

	if (nlink == 1) {
		space_unlinked(pool, p->dirfd, p->path);
		if (unlinkat(p->dirfd, p->path, 0) < 0)
			return -errno;
		node_lose(pool, node);
		return 0;
	}
	before = space_of(pool, fd);
	list_del(t, node);
	ranges_freed(pool, node);
	node_rec(t, node)->flags |= NODE_PURGED;
	t->nr_purged++;
	purge_orphan(pool, node);
	if (ftruncate(fd, 0) < 0)
		return -errno;
	space_changed(pool, before, 0);
	return 0;
}

/* A worker may have been killed between its mark and the end of its content. */
static void purge_finish(struct pool *pool, uint32_t node)
{
	struct node_rec *rec = node_rec(pool->tree, node);
	struct tree_path p;
	struct stat st;
	int fd, err;

	if (!(rec->flags & NODE_PURGED))
		return;
	rec->flags &= ~NODE_PURGED;
	err = path_build(pool, node, &p);
	rec->flags |= NODE_PURGED;
	fd = err ? -1
		 : openat(p.dirfd, p.path,
			  O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Its name may be another file's by now. */
	if (fstat(fd, &st) == 0 && st.st_ino == rec->ino &&
	    ftruncate(fd, 0) < 0)
		rec->stamp = 0; /* nobody sees what is left of it */
	close(fd);
	purge_orphan(pool, node);
}

/* Where it was, for those who are told. */
static void purge_tell(struct pool *pool, uint32_t node, uint32_t parent,
		       const char *path, uint64_t pages)
{
	const size_t top = sizeof(STORE_FILES);

	pool->tree->purged_files++;
	pool->tree->purged_pages += pages;
	if (!pool->ops || !pool->ops->purged)
		return;
	/* An orphan's other names are known to whoever looks them up. */
	if (strncmp(path, STORE_FILES "/", top))
		pool->ops->purged(pool->arg, node, 0, "", "", pages);
	else
		pool->ops->purged(pool->arg, node, parent,
				  strrchr(path, '/') + 1, path + top, pages);
}

/* Return: pages given back, 0: it is in use, or cannot be had. */
static uint64_t purge(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	uint32_t known = node_rec(t, node)->nlookup ? node : 0;
	uint32_t parent = node_rec(t, node)->place.parent;
	uint32_t pages, nlink;
	struct tree_path p;
	int fd;

	if (file_pages(pool, node, &pages, &nlink)) {
		node_lose(pool, node);
		return 0;
	}
	/* Ranges of it were purged since it was listed: nothing can be had. */
	if (!pages) {
		list_del(t, node);
		return 0;
	}
	if (tree_path(pool, node, &p))
		return 0;
	t->busy++;
	fd = tree_openat(pool, node, &p, O_RDWR);
	t->busy--;
	/* Without passthrough a mapping is one of our own open files. */
	if (fd < 0 || (pool->leases && !purge_lease(fd)) ||
	    purge_file(pool, node, &p, fd, nlink))
		pages = 0;
	if (fd >= 0)
		close(fd);
	if (pages)
		purge_tell(pool, known, parent, p.path, pages);
	tree_path_release(&p);
	return pages;
}

static unsigned long volatile_count(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t n = pool->tree->lru_pages;

	return n ? n : SHRINK_EMPTY;
}

static uint64_t volatile_walk(struct pool *pool, struct shrink_control *sc)
{
	struct tree *t = pool->tree;
	uint32_t last = t->youngest, node = 0;
	uint64_t freed = 0, scanned = 0;

	/* Once over the list: who is in use goes to its young end. */
	while (t->oldest && scanned < sc->nr_to_scan && node != last) {
		uint64_t pages;

		node = t->oldest;
		scanned += node_mem(t, node)->pages;
		pages = purge(pool, node);
		freed += pages;
		if (!pages && tree_valid(pool, node) &&
		    node_mem(t, node)->listed) {
			list_del(t, node);
			list_add(t, node);
		}
	}
	sc->nr_scanned = scanned;
	pool_fit_limit(pool);
	return freed;
}

static unsigned long volatile_scan(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	bool mine = pool_is_mine(pool);
	uint64_t freed;

	if (mine ? pool->tree->busy || pool->journal.begun
		 : !pool_trylock(pool))
		return SHRINK_STOP;
	freed = volatile_walk(pool, sc);
	if (!mine)
		pool_unlock(pool);
	return sc->nr_scanned ? freed : SHRINK_STOP;
}

void volatile_stat(struct pool *pool, struct volatile_stat *out)
{
	struct tree *t = pool->tree;

	out->ranges = t->nr_ranges;
	out->range_pages = t->range_pages;
	out->files = t->nr_volatile;
	out->available = t->lru_pages;
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

	if (!file_pages(pool, node, &mem->pages, &nlink)) {
		if (mem->pages &&
		    (nlink > 1 ||
		     !(node_rec(pool->tree, node)->flags & NODE_ORPHAN)))
			list_add(pool->tree, node);
	} else if (!volatile_in_between(pool)) {
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

	table_for_each (&t->nodes, i)
		if (node_rec(t, i)->state == NODE_LIVE) {
			nr_all++;
			purge_finish(pool, i);
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

int volatile_start(struct pool *pool)
{
	struct shrinker *s = shrinker_alloc(0, "volatile-files");
	int err;

	if (!s)
		return -errno;
	s->count_objects = volatile_count;
	s->scan_objects = volatile_scan;
	s->batch = VOLATILE_BATCH;
	s->seeks = VOLATILE_SEEKS;
	s->private_data = pool;
	err = shrinker_register(s);
	if (err) {
		shrinker_free(s);
		return err;
	}
	pool->tree->shrinker = s;
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
	uint32_t before = 0;
	uint64_t pages = 0;

	for (uint32_t i = t->oldest; i; i = node_mem(t, i)->younger) {
		struct node_rec *rec = node_rec(t, i);

		if (!is_volatile_file(rec) || rec->opens)
			return "a file on the LRU is not volatile, or open";
		if (!node_mem(t, i)->listed || node_mem(t, i)->older != before)
			return "the LRU of volatile files is broken";
		pages += node_mem(t, i)->pages;
		before = i;
	}
	if (before != t->youngest || pages != t->lru_pages)
		return "the LRU of volatile files is miscounted";
	return NULL;
}
