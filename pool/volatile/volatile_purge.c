/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Purging volatile files, as a whole.
 *
 * States: LISTED -> gone, or PURGED: see volatile.c.  A file that somebody has
 * mapped is in use, whoever has closed it: it goes to the young end.
 *
 * Locks: pool->lock (1).  The shrinker's callbacks come from the reclaimer,
 * which only tries it, or from whoever holds it and needs room.
 * Reclaim: volatile_scan() is what it calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* To make a file again costs more than to send a message again. */
#define VOLATILE_SEEKS 4
#define VOLATILE_BATCH 512 /* pages */

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

/* Return: the file's descriptor, -EBUSY: somebody has it mapped, or -errno.
 * While it is open nobody else can open it. */
static int purge_open(struct pool *pool, uint32_t node, struct tree_path *p)
{
	int fd;

	pool->tree->busy++;
	fd = tree_openat(pool, node, p, O_RDWR);
	pool->tree->busy--;
	/* Without passthrough a mapping is one of our own open files. */
	if (fd < 0 || !pool->leases || purge_lease(fd))
		return fd;
	close(fd);
	return -EBUSY;
}

bool volatile_is_idle(struct pool *pool, uint32_t node)
{
	struct tree_path p;
	int fd;

	if (!pool->leases)
		return true;
	if (tree_path(pool, node, &p))
		return false;
	fd = purge_open(pool, node, &p);
	if (fd >= 0)
		close(fd);
	tree_path_release(&p);
	return fd >= 0;
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
	volatile_pin(pool, node);
	ranges_freed(pool, node);
	node_rec(t, node)->flags |= NODE_PURGED;
	t->nr_purged++;
	purge_orphan(pool, node);
	if (ftruncate(fd, 0) < 0)
		return -errno;
	space_changed(pool, before, 0);
	return 0;
}

void volatile_purge_finish(struct pool *pool, uint32_t node)
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
		       const char *path, uint64_t pages, bool more)
{
	const size_t top = sizeof(STORE_FILES);

	pool->tree->purged_files++;
	pool->tree->purged_pages += pages;
	if (!pool->ops || !pool->ops->purged)
		return;
	/* An orphan's other names are known to whoever looks them up. */
	if (strncmp(path, STORE_FILES "/", top))
		pool->ops->purged(pool->arg, node, 0, "", "", pages, true);
	else
		pool->ops->purged(pool->arg, node, parent,
				  strrchr(path, '/') + 1, path + top, pages,
				  more);
}

/* Is that what is said of a file that is not there?  If not, it may only have
 * been that there was no descriptor or no memory to look. */
bool volatile_is_gone(int err)
{
	return err == -ENOENT || err == -ESTALE || err == -ENOTDIR;
}

/* Return: pages given back, 0: it is in use, or cannot be had. */
static uint64_t purge(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	uint32_t known = node_rec(t, node)->nlookup ? node : 0;
	uint32_t parent = node_rec(t, node)->place.parent;
	uint32_t pages, nlink;
	struct tree_path p;
	int fd, err;

	err = volatile_pages(pool, node, &pages, &nlink);
	if (err) {
		if (volatile_is_gone(err))
			node_lose(pool, node);
		return 0;
	}
	/* Ranges of it were purged since it was listed: nothing can be had. */
	if (!pages) {
		volatile_pin(pool, node);
		return 0;
	}
	if (tree_path(pool, node, &p))
		return 0;
	fd = purge_open(pool, node, &p);
	if (fd == -EBUSY)
		volatile_not_idle(pool, node);
	if (fd < 0 || purge_file(pool, node, &p, fd, nlink))
		pages = 0;
	if (fd >= 0)
		close(fd);
	if (pages)
		purge_tell(pool, known, parent, p.path, pages, nlink > 1);
	tree_path_release(&p);
	return pages;
}

static unsigned long volatile_count(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;
	uint64_t n = pool->tree->files.pages;

	return n ? n : SHRINK_EMPTY;
}

static enum lru_status volatile_purge(struct extent_list *list,
				      struct extent *e, void *arg)
{
	struct volatile_walk *walk = arg;
	struct tree *t = walk->pool->tree;
	uint64_t freed;

	walk->scanned += node_mem(t, e->id)->pages;
	freed = purge(walk->pool, e->id);
	walk->freed += freed;
	return !freed && tree_valid(walk->pool, e->id) &&
			       node_mem(t, e->id)->listed
		       ? LRU_ROTATE
		       : LRU_REMOVED;
}

unsigned long volatile_walk(struct pool *pool, struct extent_list *list,
			    enum lru_status (*fn)(struct extent_list *list,
						  struct extent *extent,
						  void *arg),
			    struct shrink_control *sc)
{
	struct volatile_walk walk = { .pool = pool };
	uint64_t budget = sc->nr_to_scan;
	bool mine = pool_is_mine(pool);

	if (mine ? pool->tree->busy || pool->journal.begun
		 : !pool_trylock(pool))
		return SHRINK_STOP;
	extent_list_walk(list, fn, &walk, &budget);
	pool_fit_limit(pool);
	if (!mine)
		pool_unlock(pool);
	sc->nr_scanned = walk.scanned;
	return walk.scanned ? walk.freed : SHRINK_STOP;
}

static unsigned long volatile_scan(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	struct pool *pool = shrinker->private_data;

	return volatile_walk(pool, &pool->tree->files, volatile_purge, sc);
}

int volatile_start(struct pool *pool)
{
	static const struct shrinker kind = {
		.count_objects = volatile_count,
		.scan_objects = volatile_scan,
		.batch = VOLATILE_BATCH,
		.seeks = VOLATILE_SEEKS,
	};

	return pool_add_shrinker(pool, "volatile-files", 0, &kind,
				 &pool->tree->shrinker);
}
