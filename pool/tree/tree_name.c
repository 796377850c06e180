/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of plain files: linked and removed.
 *
 * States: see tree_attempt.h.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: asked for room when the store is full.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/tree/tree_attempt.h"

/* Memory for a name or an inode, roughly. */
#define NAME_PAGES 4

bool tree_made_room(struct pool *pool)
{
	unsigned int busy = pool->tree->busy;
	bool made;

	if (!pool->ops || !pool->ops->reclaim)
		return false;
	/* Volatile files may go: the caller starts anew. */
	pool->tree->busy = 0;
	made = pool->ops->reclaim(pool->arg, NAME_PAGES);
	pool->tree->busy = busy;
	return made;
}

/* --- linking --- */

/* An orphan gets its name back by a move of its file. */
static int link_orphan(struct pool *pool, uint32_t from, uint32_t parent,
		       const char *name, const struct tree_path *to)
{
	struct node_rec *rec = node_rec(pool->tree, from);
	struct node_move m;
	char orphan[16];
	int err = node_move_prepare(pool, &m, from, parent, name);

	if (err)
		return err;
	node_orphan_name(from, orphan, sizeof(orphan));
	if (renameat2(pool->tree->orphanfd, orphan, to->dirfd, to->path,
		      RENAME_NOREPLACE) < 0) {
		err = -errno;
		/* Begun and done by the worker before. */
		if (err != -ENOENT ||
		    !journal_noted(&pool->journal, pool->token, NULL)) {
			node_move_cancel(pool, &m);
			return err;
		}
	}
	journal_begin(&pool->journal, pool->token);
	node_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, rec->flags & ~NODE_ORPHAN);
	jset(&pool->journal, rec->nlookup, rec->nlookup + 1);
	journal_commit(&pool->journal, 0);
	node_moved(pool, &m);
	volatile_placed(pool, from);
	return 0;
}

/* From now on the node is known by its newest name, which is likely to stay. */
static int link_named(struct pool *pool, uint32_t from,
		      const struct tree_path *old, uint32_t parent,
		      const char *name, const struct tree_path *to, bool again)
{
	struct node_rec *rec = node_rec(pool->tree, from);
	struct node_move m;
	int err = node_move_prepare(pool, &m, from, parent, name);

	if (err)
		return err;
	if (linkat(old->dirfd, old->path, to->dirfd, to->path, 0) < 0 &&
	    !(errno == EEXIST && again)) {
		err = -errno;
		node_move_cancel(pool, &m);
		return err;
	}
	journal_begin(&pool->journal, pool->token);
	node_move_journal(pool, &m);
	jset(&pool->journal, rec->nlookup, rec->nlookup + 1);
	journal_commit(&pool->journal, 0);
	node_moved(pool, &m);
	return 0;
}

static int link_at(struct pool *pool, uint32_t from,
		   const struct tree_path *old, uint32_t parent,
		   const char *name, const struct tree_path *to)
{
	const struct node_rec *rec = node_rec(pool->tree, from);
	struct attempt a = { 0 };
	int err = attempt_begin_name(pool, &a, to);

	if (err)
		return err;
	if (rec->flags & NODE_ORPHAN && !(rec->flags & NODE_DIR))
		return link_orphan(pool, from, parent, name, to);
	return link_named(pool, from, old, parent, name, to, a.again);
}

static int link_run(struct pool *pool, uint32_t from, uint32_t parent,
		    const char *name)
{
	struct tree_path old, to;
	int err;

	TREE_BUSY(pool);
	err = tree_path(pool, from, &old);
	if (err)
		return err;
	err = tree_path_at(pool, parent, name, &to);
	if (!err) {
		err = link_at(pool, from, &old, parent, name, &to);
		tree_path_release(&to);
	}
	tree_path_release(&old);
	return err;
}

int tree_link(struct pool *pool, uint32_t from, uint32_t parent,
	      const char *name)
{
	int64_t done;
	int err;

	if (attempt_is_over(pool, &done))
		return done;
	err = link_run(pool, from, parent, name);
	if (err == -ENOSPC && tree_made_room(pool))
		err = link_run(pool, from, parent, name);
	return err;
}

/* --- removing --- */

/* Names of files that were purged do not count. */
static bool dir_is_empty(struct pool *pool, const struct tree_path *p)
{
	int fd = openat(p->dirfd, p->path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool empty = true;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (empty && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		empty = tree_is_purged(pool, e->d_ino) &&
			unlinkat(fd, e->d_name, 0) == 0;
	}
	closedir(d);
	return empty;
}

int tree_to_orphan(struct pool *pool, const struct tree_path *p,
		   uint32_t victim)
{
	char orphan[16];

	if (node_rec(pool->tree, victim)->flags & NODE_DIR &&
	    !dir_is_empty(pool, p))
		return -ENOTEMPTY;
	node_orphan_name(victim, orphan, sizeof(orphan));
	return renameat(p->dirfd, p->path, pool->tree->orphanfd, orphan) < 0
		       ? -errno
		       : 0;
}

static void removed_to_orphan(struct pool *pool, uint32_t victim)
{
	struct node_rec *rec = node_rec(pool->tree, victim);
	struct node_move m;

	node_move_nowhere(pool, &m, victim);
	journal_begin(&pool->journal, pool->token);
	node_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, rec->flags | NODE_ORPHAN);
	journal_commit(&pool->journal, 0);
	node_moved(pool, &m);
	volatile_placed(pool, victim);
	node_put(pool, victim);
}

void tree_lost_a_name(struct pool *pool, uint32_t node)
{
	volatile_placed(pool, node);
	node_put(pool, node);
}

/* Nobody has its node by this name. */
static int remove_unknown(struct pool *pool, const struct tree_path *p,
			  bool dir)
{
	if (!dir)
		space_unlinked(pool, p->dirfd, p->path);
	return unlinkat(p->dirfd, p->path, dir ? AT_REMOVEDIR : 0) < 0 ? -errno
								       : 0;
}

static int tree_remove(struct pool *pool, uint32_t parent, const char *name,
		       bool dir)
{
	struct attempt a = { 0 };
	struct tree_path p;
	struct stat st;
	uint32_t other = 0;
	int64_t done;
	int err;

	TREE_BUSY(pool);
	if (attempt_is_over(pool, &done))
		return done;
	err = tree_path_at(pool, parent, name, &p);
	if (err)
		return err;
	if (fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		err = -errno;
		goto out;
	}
	if (dir != S_ISDIR(st.st_mode)) {
		err = dir ? -ENOTDIR : -EISDIR;
		goto out;
	}
	a.note.victim = node_by_ino(pool->tree, st.st_ino);
	if (a.note.victim &&
	    !node_is_at(pool->tree, a.note.victim, parent, name)) {
		other = a.note.victim;
		a.note.victim = 0;
	}
	attempt_begin(pool, &a);
	if (a.note.victim)
		err = tree_to_orphan(pool, &p, a.note.victim);
	else
		err = remove_unknown(pool, &p, dir);
out:
	tree_path_release(&p);
	if (err == -ENOENT &&
	    journal_noted(&pool->journal, pool->token, &a.note))
		err = 0; /* done by the worker before */
	if (!err && a.note.victim)
		removed_to_orphan(pool, a.note.victim);
	if (!err && other)
		tree_lost_a_name(pool, other);
	return err;
}

int tree_unlink(struct pool *pool, uint32_t parent, const char *name)
{
	return tree_remove(pool, parent, name, false);
}

int tree_rmdir(struct pool *pool, uint32_t parent, const char *name)
{
	return tree_remove(pool, parent, name, true);
}
