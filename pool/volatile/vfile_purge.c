/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "volatile-files": purging volatile files, each as a whole.
 *
 * States: LISTED -> removed, or PURGED: see vfile.c.  A file that is mapped is
 * in use, although it is closed: it moves to the young end.  The file of a
 * PURGED inode is in orphan/ until it has no other name.
 *
 * Locks: pool->lock (1).  vfile_scan() is called by the reclaimer, and tries
 * it, or by a thread that holds it and needs room.  All else is called with it
 * held.
 * Reclaim: calls vfile_count() and vfile_scan().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/names.h"
#include "pool/volatile/volatile_priv.h"

/* A purged file has to be made again by its user: the dearest of all. */
#define VFILE_SEEKS 4

/* The file of @inode in orphan/.  Return: 0 or -errno. */
static int purged_stat(struct pool *pool, uint32_t inode, struct stat *st)
{
	char name[16];

	inode_orphan_name(inode, name, sizeof(name));
	return fstatat(pool->inodes->orphanfd, name, st, AT_SYMLINK_NOFOLLOW) <
			       0
		       ? -errno
		       : 0;
}

bool vfile_purged_has_names(struct pool *pool, uint32_t inode)
{
	struct stat st;

	if (!(inode_rec(pool->inodes, inode)->flags & INODE_ORPHAN))
		return true; /* it could not be moved there */
	return !purged_stat(pool, inode, &st) && st.st_nlink > 1;
}

/*
 * Moves a name of a purged file to orphan/, which then has the last one: so it
 * can always be told whether there are others.  Linked first, because a rename
 * from a deep directory takes the kernel long; a full store may refuse links.
 */
static int vfile_to_orphan(struct pool *pool, uint32_t inode, int dirfd,
			   const char *path)
{
	int orphanfd = pool->inodes->orphanfd;
	char name[16];

	inode_orphan_name(inode, name, sizeof(name));
	if (linkat(dirfd, path, orphanfd, name, 0) < 0 && errno != EEXIST) {
		if (renameat(dirfd, path, orphanfd, name) < 0)
			return -errno;
	} else if (unlinkat(dirfd, path, 0) < 0) {
		int err = -errno;

		unlinkat(orphanfd, name, 0);
		return err;
	}
	inode_rec(pool->inodes, inode)->flags |= INODE_ORPHAN;
	return 0;
}

/*
 * Removes a file with one name.  Where too many are known to the kernel all the
 * same, it is emptied and stays in orphan/, so that what is left of it is counted
 * to somebody; so is one that has other names, which are not known: vfile_sweep()
 * removes each when it is looked up.
 */
static int vfile_purge_file(struct pool *pool, uint32_t inode,
			    const struct inode_path *p, int fd, uint32_t nlink)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	struct space before;

	if (nlink == 1 && (!rec->nlookup || inode_may_be_bare(pool))) {
		int err = name_unlink(pool, p->dirfd, p->path, 0);

		if (err)
			return err;
		inode_set_dead(pool, inode);
		return 0;
	}
	before = space_of(pool, fd);
	vfile_unlist(pool, inode);
	vrange_drop_all(pool, inode);
	pool->volatiles->nr_files -= !!(rec->flags & INODE_VOLATILE);
	pool->volatiles->nr_purged++;
	rec->flags = (rec->flags & ~INODE_VOLATILE) | INODE_PURGED;
	if (!(rec->flags & INODE_ORPHAN))
		vfile_to_orphan(pool, inode, p->dirfd, p->path);
	if (ftruncate(fd, 0) < 0)
		return -errno;
	space_changed(pool, before, space_of(pool, fd));
	return 0;
}

/* Ends the move to orphan/ that a kill has interrupted. */
static void vfile_to_orphan_finish(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	struct inode_path p;
	struct stat st;
	int err;

	rec->flags &= ~INODE_PURGED;
	err = inode_path(pool, inode, &p);
	rec->flags |= INODE_PURGED;
	if (!err) {
		/* Another file may have its name by now. */
		if (fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == rec->ino)
			vfile_to_orphan(pool, inode, p.dirfd, p.path);
		inode_path_release(&p);
	}
	if (purged_stat(pool, inode, &st) == 0 && st.st_ino == rec->ino)
		rec->flags |= INODE_ORPHAN;
}

void vfile_purge_finish(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	struct stat st;
	char name[16];
	int fd;

	if (!(rec->flags & INODE_PURGED))
		return;
	if (!(rec->flags & INODE_ORPHAN))
		vfile_to_orphan_finish(pool, inode);
	if (!(rec->flags & INODE_ORPHAN) || purged_stat(pool, inode, &st) ||
	    !st.st_size)
		return;
	inode_orphan_name(inode, name, sizeof(name));
	fd = openat(pool->inodes->orphanfd, name,
		    O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ftruncate(fd, 0) < 0)
		rec->stamp = 0; /* content is left; no name leads to it */
	close(fd);
}

int vfile_sweep(struct pool *pool, uint32_t inode, int dirfd, const char *path)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	int err;

	if (!(rec->flags & INODE_PURGED))
		return 0;
	if (!(rec->flags & INODE_ORPHAN))
		err = vfile_to_orphan(pool, inode, dirfd, path);
	else
		err = name_unlink(pool, dirfd, path, 0);
	if (!err)
		inode_free_unused(pool, inode);
	return err ? err : -ENOENT;
}

/* Counts a purge, and calls pool_ops.purged.  @shown: its path before. */
static void vfile_tell_purged(struct pool *pool, struct purged_file *file,
			      const struct inode_path *shown)
{
	const char *path = shown->path;

	pool->volatiles->purged_files++;
	pool->volatiles->purged_pages += file->pages;
	if (!pool->ops || !pool->ops->purged)
		return;
	/* Of an orphan no name is known. */
	if (!file->parent) {
		file->name = file->path = "";
		file->more = true;
	} else {
		file->name = strrchr(path, '/') + 1;
		file->path = path;
		if (!strncmp(path, STORE_FILES "/", sizeof(STORE_FILES)))
			file->path += sizeof(STORE_FILES);
	}
	pool->ops->purged(pool->arg, file);
}

/* Return: pages freed; 0: it is in use, or an error. */
static uint64_t vfile_purge(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;
	struct purged_file file = {
		.inode = inode_rec(t, inode)->nlookup ? inode : 0,
		.parent = inode_rec(t, inode)->place.parent,
	};
	uint32_t pages, nlink;
	struct inode_path p, shown;
	struct stat st;
	int fd, err;

	err = vfile_pages(pool, inode, &pages, &nlink);
	if (err) {
		if (vfile_error_is_missing(err))
			inode_set_dead(pool, inode);
		return 0;
	}
	/* All of it was purged as ranges since it was listed, or it is mapped
	 * and has none yet. */
	if (!pages) {
		if (vfile_is_idle(pool, inode))
			vfile_unlist(pool, inode);
		return 0;
	}
	/* From there nothing may be removed. */
	if (file.parent && inode_rec(t, file.parent)->flags & INODE_GUARDED) {
		vfile_not_idle(pool, inode);
		return 0;
	}
	if (path_show(pool, inode, &shown) || inode_path(pool, inode, &p))
		return 0;
	fd = vfile_purge_open(pool, inode, &p);
	if (fd == -EBUSY)
		vfile_not_idle(pool, inode);
	if (fd >= 0 && fstat(fd, &st) == 0 &&
	    vfile_purge_file(pool, inode, &p, fd, nlink) == 0) {
		file.uid = st.st_uid;
		file.pages = pages;
		file.more = nlink > 1;
		vfile_tell_purged(pool, &file, &shown);
	}
	if (fd >= 0)
		close(fd);
	inode_path_release(&p);
	return file.pages;
}

int vfile_take_back(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	const struct inode *mem = inode_mem(pool->inodes, inode);
	int err = 0;

	if (!mem->listed || !mem->idle)
		return 0;
	err = pool_take_back(pool, mem->pages);
	if (err && vfile_purge(pool, inode))
		err = 0;
	return rec->flags & (INODE_DEAD | INODE_PURGED) ? -ESTALE : err;
}

static unsigned long vfile_count(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct pool *pool = pool_of(shrinker->private_data);
	uint64_t n = pool->volatiles->files.pages;

	return n ? n : SHRINK_EMPTY;
}

static enum lru_status vfile_shrink(struct extent_list *list, struct extent *e,
				    void *arg)
{
	struct volatile_walk *walk = arg;
	struct inode_table *t = walk->pool->inodes;
	uint64_t freed;

	walk->scanned += inode_mem(t, e->id)->pages;
	freed = vfile_purge(walk->pool, e->id);
	walk->freed += freed;
	return !freed && inode_valid(walk->pool, e->id) &&
			       inode_mem(t, e->id)->listed
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

	if (mine ? pool->inodes->busy || pool->journal.active
		 : !pool_trylock(pool))
		return SHRINK_STOP;
	extent_list_walk(list, fn, &walk, &budget);
	pool_fit_limit(pool);
	if (!mine)
		pool_unlock(pool);
	sc->nr_scanned = walk.scanned;
	return walk.scanned ? walk.freed : SHRINK_STOP;
}

static unsigned long vfile_scan(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	struct pool *pool = pool_of(shrinker->private_data);

	return volatile_walk(pool, &pool->volatiles->files, vfile_shrink, sc);
}

int vfile_add_shrinker(struct pool *pool)
{
	static const struct shrinker kind = {
		.count_objects = vfile_count,
		.scan_objects = vfile_scan,
		.seeks = VFILE_SEEKS,
	};

	return pool_add_shrinker(pool, "volatile-files", 0, &kind,
				 &pool->volatiles->file_shrinker);
}
