/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of plain files: linked and removed.
 *
 * States: those of intent.h; an inode becomes an orphan when the name in its
 * record is removed, and LIVE again when it is linked.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: is called to make room in a full store (tree_make_room()), and
 * purges nothing while INODES_BUSY() otherwise.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/names.h"
#include "pool/tree/intent.h"

/* Files that are ended for room, some 30 us each. */
#define END_FOR_ROOM 64

/* Memory of a name and an inode of tmpfs, roughly. */
#define NAME_BYTES (12u << 10)

bool tree_make_room(struct pool *pool)
{
	unsigned int busy = pool->inodes->busy;
	bool made;

	/* Files that are removed and forgotten may be all that is in the way. */
	if (inodes_are_ending(pool)) {
		inodes_end_some(pool, END_FOR_ROOM);
		return true;
	}
	/* Volatile files may be purged: the caller starts anew. */
	pool->inodes->busy = 0;
	made = pool_make_some_room(pool, NAME_BYTES);
	pool->inodes->busy = busy;
	return made;
}

/* --- linking --- */

/*
 * @op is about to link the file at @path.  The name is its owner's, and who
 * makes it must have room for it.  @uid: out, whose it is.
 */
static int link_take(struct pool *pool, const struct op *op, int dirfd,
		     const char *path, bool again, uid_t *uid)
{
	struct stat st;
	int err = 0;

	*uid = 0;
	if (!pool->names)
		return 0;
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return again ? 0 : -errno;
	*uid = st.st_uid;
	if (!again && !user_is_owner(pool, op->uid))
		err = user_may_charge(pool, op->uid, USER_INODES, 1);
	return err ? err : names_take(pool, *uid, true);
}

/* Links an orphan, by moving its file from orphan/. */
static int link_orphan(struct pool *pool, const struct op *op, uint32_t from,
		       uint32_t parent, const char *name,
		       const struct inode_path *to)
{
	struct inode_rec *rec = inode_rec(pool->inodes, from);
	struct inode_move m;
	char orphan[16];
	uid_t uid = 0;
	int err = inode_move_prepare(pool, &m, from, parent, name);

	if (err)
		return err;
	inode_orphan_name(from, orphan, sizeof(orphan));
	/* For a moment it has two. */
	if (to->own)
		err = link_take(pool, op, pool->inodes->orphanfd, orphan, true,
				&uid);
	if (err) {
		inode_move_cancel(pool, &m);
		return err;
	}
	/* In a deep directory in two steps: see tree_to_orphan(). */
	err = to->own ? linkat(pool->inodes->orphanfd, orphan, to->dirfd,
			       to->path, 0)
		      : renameat2(pool->inodes->orphanfd, orphan, to->dirfd,
				  to->path, RENAME_NOREPLACE);
	if (err < 0) {
		err = errno == EEXIST && to->own ? -ENOENT : -errno;
		/* The worker before may have moved it. */
		if (err != -ENOENT ||
		    !journal_intends(&pool->journal, op->token, NULL)) {
			names_put(pool, uid);
			inode_move_cancel(pool, &m);
			return err;
		}
	}
	names_made_begin(pool, op->token, uid);
	journal_begin(&pool->journal, op->token);
	inode_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, rec->flags & ~INODE_ORPHAN);
	inode_journal_lookup(pool, from);
	journal_commit(&pool->journal, 0);
	names_made_end(pool);
	inode_looked_up(pool, from);
	inode_moved(pool, &m);
	if (to->own)
		name_unlink(pool, pool->inodes->orphanfd, orphan, 0);
	vfile_renamed(pool, from);
	return 0;
}

/* The record gets the newest name, which is likely to stay the longest. */
static int link_named(struct pool *pool, const struct op *op, uint32_t from,
		      const struct inode_path *old, uint32_t parent,
		      const char *name, const struct inode_path *to, bool again)
{
	struct inode_move m;
	uid_t uid;
	int err = inode_move_prepare(pool, &m, from, parent, name);

	if (err)
		return err;
	err = link_take(pool, op, old->dirfd, old->path, again, &uid);
	if (!err) {
		store_fit_inodes(pool->store);
		if (linkat(old->dirfd, old->path, to->dirfd, to->path, 0) < 0 &&
		    !(errno == EEXIST && again)) {
			err = -errno;
			names_put(pool, uid);
		}
	}
	if (err) {
		inode_move_cancel(pool, &m);
		return err;
	}
	names_made_begin(pool, op->token, uid);
	journal_begin(&pool->journal, op->token);
	inode_move_journal(pool, &m);
	inode_journal_lookup(pool, from);
	journal_commit(&pool->journal, 0);
	names_made_end(pool);
	inode_looked_up(pool, from);
	inode_moved(pool, &m);
	return 0;
}

static int link_at(struct pool *pool, const struct op *op, uint32_t from,
		   const struct inode_path *old, uint32_t parent,
		   const char *name, const struct inode_path *to)
{
	const struct inode_rec *rec = inode_rec(pool->inodes, from);
	struct intent intent = { 0 };
	int err = intent_begin_name(pool, op, &intent, to);

	if (err)
		return err;
	if (rec->flags & INODE_ORPHAN && !(rec->flags & INODE_DIR))
		return link_orphan(pool, op, from, parent, name, to);
	return link_named(pool, op, from, old, parent, name, to, intent.again);
}

static int link_run(struct pool *pool, const struct op *op, uint32_t from,
		    uint32_t parent, const char *name)
{
	struct inode_path old, to;
	int err;

	INODES_BUSY(pool);
	err = inode_path(pool, from, &old);
	if (err)
		return err;
	err = inode_path_at(pool, parent, name, &to);
	if (!err) {
		err = link_at(pool, op, from, &old, parent, name, &to);
		inode_path_release(&to);
	}
	inode_path_release(&old);
	return err;
}

int tree_link(struct pool *pool, const struct op *op, uint32_t from,
	      uint32_t parent, const char *name)
{
	int64_t done;

	if (intent_is_done(pool, op, &done))
		return done;
	return retry_with_room(link_run(pool, op, from, parent, name),
			       tree_make_room(pool));
}

/* --- removing --- */

/* Names that are removed in one step. */
#define SWEEP_MAX 128

int tree_dir_is_empty(struct pool *pool, const struct inode_path *p,
		      uint32_t dir)
{
	int fd = openat(p->dirfd, p->path,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |
				O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int swept = 0, err = 0;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return -ENOTEMPTY;
	}
	/* A file that goes with its last name must not take it along. */
	inode_mem(pool->inodes, dir)->children++;
	while (!err && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!vfile_is_purged(pool, e->d_ino))
			err = -ENOTEMPTY;
		else if (swept++ == SWEEP_MAX)
			err = -EINPROGRESS;
		else if (vfile_sweep(pool, inode_by_ino(pool->inodes, e->d_ino),
				     fd, e->d_name) != -ENOENT)
			err = -ENOTEMPTY;
	}
	inode_mem(pool->inodes, dir)->children--;
	closedir(d);
	return err;
}

/* In two steps.  -EEXIST: by the worker before. */
static int link_to_orphan(const struct inode_path *p, int orphanfd,
			  const char *orphan)
{
	if (linkat(p->dirfd, p->path, orphanfd, orphan, 0) < 0 &&
	    errno != EEXIST)
		return -errno;
	if (unlinkat(p->dirfd, p->path, 0) < 0) {
		int err = -errno;

		/* The directory is append-only or immutable. */
		unlinkat(orphanfd, orphan, 0);
		return err;
	}
	return 0;
}

/*
 * A directory that is in no place at all has no inode of tmpfs, but a record
 * while the kernel has references.  So an empty file of its owner is in orphan/
 * until it is forgotten, and nothing need be counted: nr_inodes= and quotas
 * count that one.
 */
int tree_make_stand_in(struct pool *pool, const struct inode_path *p,
		       uint32_t victim)
{
	int orphanfd = pool->inodes->orphanfd, err = 0;
	char orphan[16];
	struct stat st;

	if (fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	inode_orphan_name(victim, orphan, sizeof(orphan));
	/* It has one inode more for a moment. */
	err = retry_with_room(mknodat(orphanfd, orphan, S_IFREG, 0) < 0 ? -errno
									: 0,
			      store_spare_inodes(pool->store, 1) == 0);
	if (err && err != -EEXIST)
		return err;
	if (st.st_uid == geteuid() ||
	    fchownat(orphanfd, orphan, st.st_uid, -1, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	err = -errno;
	unlinkat(orphanfd, orphan, 0);
	return err;
}

uint32_t tree_flags_removed(struct pool *pool, uint32_t victim)
{
	uint32_t flags = inode_rec(pool->inodes, victim)->flags;
	char orphan[16];
	struct stat st;

	inode_orphan_name(victim, orphan, sizeof(orphan));
	return flags & INODE_DIR &&
			       fstatat(pool->inodes->orphanfd, orphan, &st,
				       AT_SYMLINK_NOFOLLOW) == 0 &&
			       !S_ISDIR(st.st_mode)
		       ? INODE_DEAD | INODE_ORPHAN
		       : flags | INODE_ORPHAN;
}

static int remove_deep_dir(struct pool *pool, const struct inode_path *p,
			   uint32_t victim, const char *orphan)
{
	int err = tree_make_stand_in(pool, p, victim);

	if (!err && unlinkat(p->dirfd, p->path, AT_REMOVEDIR) < 0) {
		err = -errno;
		unlinkat(pool->inodes->orphanfd, orphan, 0);
	}
	return err;
}

int tree_to_orphan(struct pool *pool, const struct inode_path *p,
		   uint32_t victim)
{
	bool dir = inode_rec(pool->inodes, victim)->flags & INODE_DIR;
	int orphanfd = pool->inodes->orphanfd, err = -ENOSPC;
	char orphan[16];

	if (dir) {
		int full = tree_dir_is_empty(pool, p, victim);

		if (full)
			return full;
	}
	inode_orphan_name(victim, orphan, sizeof(orphan));
	/* A rename to another directory takes the kernel as long as both are
	 * deep. */
	if (p->own && dir)
		err = remove_deep_dir(pool, p, victim, orphan);
	else if (p->own)
		err = retry_with_room(link_to_orphan(p, orphanfd, orphan),
				      store_spare_inodes(pool->store, 1) == 0);
	if (err == -ENOSPC || err == -EMLINK || err == -EDQUOT)
		err = renameat(p->dirfd, p->path, orphanfd, orphan) < 0 ? -errno
									: 0;
	return err;
}

static void removed(struct pool *pool, const struct op *op, uint32_t victim)
{
	struct inode_rec *rec = inode_rec(pool->inodes, victim);
	uint32_t flags = tree_flags_removed(pool, victim);
	struct inode_move m;

	inode_move_nowhere(pool, &m, victim);
	if (flags & INODE_DEAD)
		inode_evict(pool, victim);
	journal_begin(&pool->journal, op->token);
	inode_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, flags);
	journal_commit(&pool->journal, 0);
	inode_moved(pool, &m);
	if (!(flags & INODE_DEAD))
		vfile_renamed(pool, victim);
	inode_free_unused(pool, victim);
}

void tree_lost_a_name(struct pool *pool, uint32_t inode)
{
	vfile_renamed(pool, inode);
	inode_free_unused(pool, inode);
}

/* Removes a name that is in no record. */
static int remove_unknown(struct pool *pool, const struct inode_path *p,
			  bool dir)
{
	return name_unlink(pool, p->dirfd, p->path, dir ? AT_REMOVEDIR : 0);
}

static int tree_remove(struct pool *pool, const struct op *op, uint32_t parent,
		       const char *name, bool dir)
{
	struct intent intent = { 0 };
	struct inode_path p;
	struct stat st;
	uint32_t other = 0;
	int64_t done;
	int err;

	INODES_BUSY(pool);
	if (intent_is_done(pool, op, &done))
		return done;
	err = inode_path_at(pool, parent, name, &p);
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
	intent.what.victim = inode_by_ino(pool->inodes, st.st_ino);
	if (intent.what.victim &&
	    !inode_is_at(pool->inodes, intent.what.victim, parent, name)) {
		other = intent.what.victim;
		intent.what.victim = 0;
	}
	intent_begin(pool, op, &intent);
	if (intent.what.victim)
		err = tree_to_orphan(pool, &p, intent.what.victim);
	else
		err = remove_unknown(pool, &p, dir);
out:
	inode_path_release(&p);
	if (err == -ENOENT &&
	    journal_intends(&pool->journal, op->token, &intent.what))
		err = 0; /* done by the worker before */
	if (!err && intent.what.victim)
		removed(pool, op, intent.what.victim);
	if (!err && other)
		tree_lost_a_name(pool, other);
	return err;
}

int tree_unlink(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name)
{
	return tree_remove(pool, op, parent, name, false);
}

int tree_rmdir(struct pool *pool, const struct op *op, uint32_t parent,
	       const char *name)
{
	return tree_remove(pool, op, parent, name, true);
}
