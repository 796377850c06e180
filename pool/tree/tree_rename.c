/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Renaming plain files, in the store's tree and in the inodes' records.
 *
 * States: those of intent.h.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: is called to make room in a full store (tree_make_room()), and
 * purges nothing while INODES_BUSY() otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pool/inode/names.h"
#include "pool/tree/intent.h"

/*
 *	A  --.             An inode whose record has the name B is the victim.
 *	      '--> B       Its file is linked (a directory: moved) to orphan/
 *	                   first.
 *
 * The intent record has the inode number of A's file.  If B is that file when
 * the request is sent again, the rename was done.
 */
struct renaming {
	struct inode_path from, to;
	uint32_t parent, to_parent;
	const char *name, *to_name;
	unsigned int flags;
	struct intent intent;
	struct inode_move moves[2];
	int nr_moves;
	uint32_t other; /* the inode of B's file, whatever name it has */
};

/* Checks the rename, and finds the inodes of the intent record. */
static int rename_find(struct pool *pool, const struct op *op,
		       struct renaming *r)
{
	struct inode_table *t = pool->inodes;
	struct stat st;
	mode_t mode;
	uint32_t i;

	if (journal_intends(&pool->journal, op->token, &r->intent.what)) {
		r->intent.again = true;
		return 0;
	}
	if (fstatat(r->from.dirfd, r->from.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	mode = st.st_mode;
	r->intent.what.ino = st.st_ino;
	r->intent.what.inode = inode_by_ino(t, st.st_ino);
	if (r->intent.what.inode &&
	    !inode_is_at(t, r->intent.what.inode, r->parent, r->name))
		r->intent.what.inode = 0;
	if (fstatat(r->to.dirfd, r->to.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (r->flags & RENAME_NOREPLACE)
		return -EEXIST;
	/* renameat2() would find it too late: the victim is moved before. */
	if (!(r->flags & RENAME_EXCHANGE) &&
	    S_ISDIR(mode) != S_ISDIR(st.st_mode))
		return S_ISDIR(mode) ? -ENOTDIR : -EISDIR;
	i = inode_by_ino(t, st.st_ino);
	r->other = st.st_ino != r->intent.what.ino ? i : 0;
	if (i && st.st_ino != r->intent.what.ino &&
	    inode_is_at(t, i, r->to_parent, r->to_name))
		r->intent.what.victim = i;
	return 0;
}

static int link_victim(struct pool *pool, const struct renaming *r,
		       const char *orphan)
{
	return linkat(r->to.dirfd, r->to.path, pool->inodes->orphanfd, orphan,
		      0) < 0
		       ? -errno
		       : 0;
}

/* Is the victim replaced by the rename itself?  See tree_to_orphan(). */
static bool rename_replaces(struct pool *pool, const struct renaming *r)
{
	return r->to.own &&
	       inode_rec(pool->inodes, r->intent.what.victim)->flags &
		       INODE_DIR;
}

static int rename_save_victim(struct pool *pool, const struct renaming *r)
{
	uint32_t victim = r->intent.what.victim;
	char orphan[16];

	if (!victim || r->flags & RENAME_EXCHANGE)
		return 0;
	if (rename_replaces(pool, r)) {
		int err = tree_dir_is_empty(pool, &r->to, victim);

		return err ? err : tree_make_stand_in(pool, &r->to, victim);
	}
	inode_orphan_name(victim, orphan, sizeof(orphan));
	if (r->intent.again && faccessat(pool->inodes->orphanfd, orphan, F_OK,
					 AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (inode_rec(pool->inodes, victim)->flags & INODE_DIR)
		return tree_to_orphan(pool, &r->to, victim);
	return retry_with_room(
		link_victim(pool, r, orphan),
		/* It has two names for a moment; users have one of them. */
		store_spare_inodes(pool->store, 1) == 0);
}

static void rename_restore_victim(struct pool *pool, const struct renaming *r)
{
	uint32_t victim = r->intent.what.victim;
	char orphan[16];

	if (!victim || r->flags & RENAME_EXCHANGE)
		return;
	inode_orphan_name(victim, orphan, sizeof(orphan));
	if (inode_rec(pool->inodes, victim)->flags & INODE_DIR &&
	    !rename_replaces(pool, r))
		renameat(pool->inodes->orphanfd, orphan, r->to.dirfd,
			 r->to.path);
	else
		unlinkat(pool->inodes->orphanfd, orphan, 0);
}

/* Has the worker before renamed it? */
static bool rename_is_done(const struct renaming *r)
{
	struct stat st;

	return r->intent.again &&
	       fstatat(r->to.dirfd, r->to.path, &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       st.st_ino == r->intent.what.ino;
}

static int rename_files(struct pool *pool, struct renaming *r)
{
	struct name_lost lost = { 0 };
	int err = rename_save_victim(pool, r);

	if (err)
		return err;
	/* The name of a victim in orphan/ is in place of the one it loses. */
	if (!(r->flags & RENAME_EXCHANGE) && !r->intent.what.victim)
		name_lose_begin(pool, r->to.dirfd, r->to.path,
				r->intent.what.ino, &lost);
	if (renameat2(r->from.dirfd, r->from.path, r->to.dirfd, r->to.path,
		      r->flags) < 0)
		err = -errno;
	name_lose_end(pool, &lost, !err);
	if (err)
		rename_restore_victim(pool, r);
	return err;
}

static int rename_prepare_moves(struct pool *pool, struct renaming *r)
{
	const struct journal_intent *n = &r->intent.what;
	int err = 0;

	if (n->inode) {
		err = inode_move_prepare(pool, &r->moves[0], n->inode,
					 r->to_parent, r->to_name);
		r->nr_moves = !err;
	}
	if (err || !n->victim)
		return err;
	if (r->flags & RENAME_EXCHANGE)
		err = inode_move_prepare(pool, &r->moves[r->nr_moves],
					 n->victim, r->parent, r->name);
	else
		inode_move_nowhere(pool, &r->moves[r->nr_moves], n->victim);
	r->nr_moves += !err;
	return err;
}

static void rename_commit(struct pool *pool, const struct op *op,
			  struct renaming *r)
{
	const struct journal_intent *n = &r->intent.what;
	struct inode_rec *rec = inode_rec(pool->inodes, n->victim);
	bool orphaned = n->victim && !(r->flags & RENAME_EXCHANGE);
	uint32_t flags = orphaned ? tree_flags_removed(pool, n->victim) : 0;

	if (flags & INODE_DEAD)
		inode_evict(pool, n->victim);
	journal_begin(&pool->journal, op->token);
	for (int i = 0; i < r->nr_moves; i++)
		inode_move_journal(pool, &r->moves[i]);
	if (orphaned)
		jset(&pool->journal, rec->flags, flags);
	journal_commit(&pool->journal, 0);
	for (int i = 0; i < r->nr_moves; i++)
		inode_moved(pool, &r->moves[i]);
	if (orphaned) {
		if (!(flags & INODE_DEAD))
			vfile_renamed(pool, n->victim);
		inode_free_unused(pool, n->victim);
	} else if (r->other && r->other != n->victim) {
		tree_lost_a_name(pool, r->other);
	}
}

static int rename_run(struct pool *pool, const struct op *op,
		      struct renaming *r)
{
	int err;

	INODES_BUSY(pool);
	err = rename_find(pool, op, r);
	if (err)
		return err;
	err = rename_prepare_moves(pool, r);
	if (!err && !r->intent.again)
		journal_intend(&pool->journal, op->token, &r->intent.what);
	if (!err && !rename_is_done(r))
		err = rename_files(pool, r);
	store_fit_inodes(pool->store);
	if (err)
		while (r->nr_moves)
			inode_move_cancel(pool, &r->moves[--r->nr_moves]);
	else
		rename_commit(pool, op, r);
	/* vfiles_adopt() may not have found files on their paths. */
	if (!err && r->intent.again)
		vfile_relist(pool);
	return err;
}

/* Directories above the one of a name that moves to another one, at most. */
#define RENAME_LEVELS 1024

/*
 * The kernel goes up from both directories, under the lock, when they are not
 * the same one.  Far below the root that is refused as if there were two file
 * systems, and mv(1) copies.
 */
static int rename_check_depth(struct pool *pool, uint32_t parent, uint32_t to)
{
	return parent != to && (inode_is_below(pool, parent, RENAME_LEVELS) ||
				inode_is_below(pool, to, RENAME_LEVELS))
		       ? -EXDEV
		       : 0;
}

static int rename_try(struct pool *pool, const struct op *op, uint32_t parent,
		      const char *name, uint32_t to, const char *to_name,
		      unsigned int flags)
{
	struct renaming *r;
	int err;

	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->parent = parent;
	r->name = name;
	r->to_parent = to;
	r->to_name = to_name;
	r->flags = flags;
	err = inode_path_at(pool, parent, name, &r->from);
	if (!err) {
		err = inode_path_at(pool, to, to_name, &r->to);
		if (!err) {
			err = rename_run(pool, op, r);
			inode_path_release(&r->to);
		}
		inode_path_release(&r->from);
	}
	free(r);
	return err;
}

int tree_rename(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, uint32_t to, const char *to_name,
		unsigned int flags)
{
	int64_t done;
	int err;

	if (intent_is_done(pool, op, &done))
		return done;
	err = rename_check_depth(pool, parent, to);
	if (err)
		return err;
	return retry_with_room(rename_try(pool, op, parent, name, to, to_name,
					  flags),
			       tree_make_room(pool));
}
