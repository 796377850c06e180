/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of plain files: made, linked, renamed and removed in the store's tree.
 *
 * States: each operation goes
 *
 *	checked --note--> begun --system calls--> done --journal--> answered
 *
 * and is entered anew at "begun" when its request comes again after a kill.
 * Nobody else changes the tree, so what was checked before still holds, and
 * what is found done was done by the same request.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: asked for room when the store is full.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/tree_internal.h"

/* Memory for a name or an inode, roughly. */
#define NAME_PAGES 4

/* --- on whose behalf --- */

/* Without the securebit a change of the user takes these away. */
static void cred_keep_capabilities(void)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	syscall(SYS_capset, &h, d);
}

/*
 * What is made belongs to its maker, and the kernel applies what goes with that:
 * set-group-ID directories, default ACLs, limits by user.  Whether the maker may
 * has been decided already.
 */
static int cred_take(struct tree *t, const struct tree_cred *cred)
{
	if (!t->root && cred->uid != geteuid())
		return -EPERM;
	t->umask = umask(cred->umask);
	if (!t->root)
		return 0;
	setfsgid(cred->gid);
	if (cred->uid) {
		setfsuid(cred->uid);
		cred_keep_capabilities();
	}
	return 0;
}

static void cred_back(struct tree *t, const struct tree_cred *cred)
{
	umask(t->umask);
	if (!t->root)
		return;
	if (cred->uid) {
		setfsuid(0);
		cred_keep_capabilities();
	}
	setfsgid(0);
}

/* --- the frame of an operation --- */

/* Has the request been answered, or begun, before? */
struct attempt {
	bool again;
	struct journal_note note;
};

static bool attempt_is_over(struct pool *pool, int64_t *result)
{
	return journal_replayed(&pool->journal, pool->token, result);
}

static void attempt_begin(struct pool *pool, struct attempt *a)
{
	a->again = journal_noted(&pool->journal, pool->token, &a->note);
	if (!a->again)
		journal_note(&pool->journal, pool->token, &a->note);
}

/*
 * The same for a name that is to be made.  One that was there before must not be
 * taken for the work of a worker that was killed.
 */
static int attempt_begin_name(struct pool *pool, struct attempt *a,
			      const struct tree_path *p)
{
	struct stat st;

	if (!journal_noted(&pool->journal, pool->token, NULL) &&
	    fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	attempt_begin(pool, a);
	return 0;
}

/* Return: whether to try once more after -ENOSPC. */
static bool made_room(struct pool *pool)
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

/* --- making --- */

/* What is to be made; @fd is where an open file is left. */
struct making {
	mode_t mode;
	dev_t rdev;
	const char *target; /* a symbolic link's */
	int flags; /* a file to be opened */
	int fd;
	uint32_t orphan; /* made without a name: the one in orphan/ */
};

/*
 * A file without a name, by the rules of the directory @p.  It gets one in
 * orphan/ at once: a worker to come must find it.
 */
static int make_nameless(struct tree *t, const struct tree_path *p,
			 struct making *m)
{
	char proc[40], orphan[16];
	int err = 0;

	m->fd = openat(p->dirfd, p->path, O_RDWR | O_TMPFILE | O_CLOEXEC,
		       m->mode & ~S_IFMT);
	if (m->fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", m->fd);
	node_orphan_name(m->orphan, orphan, sizeof(orphan));
	/* One of a worker that was killed here. */
	unlinkat(t->orphanfd, orphan, 0);
	if (linkat(AT_FDCWD, proc, t->orphanfd, orphan, AT_SYMLINK_FOLLOW) < 0)
		err = -errno;
	if (err)
		close(m->fd);
	return err;
}

static int make_it(struct tree *t, const struct tree_path *p, struct making *m)
{
	int err = 0;

	if (m->orphan)
		return make_nameless(t, p, m);
	if (m->target)
		err = symlinkat(m->target, p->dirfd, p->path);
	else if (S_ISDIR(m->mode))
		err = mkdirat(p->dirfd, p->path, m->mode & ~S_IFMT);
	else if (m->flags < 0)
		err = mknodat(p->dirfd, p->path, m->mode, m->rdev);
	else
		m->fd = err = openat(p->dirfd, p->path,
				     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
					     O_CLOEXEC,
				     m->mode & ~S_IFMT);
	return err < 0 ? -errno : 0;
}

static int make_as(struct pool *pool, const struct tree_path *p,
		   struct making *m, const struct tree_cred *cred)
{
	int err = cred_take(pool->tree, cred);

	if (err)
		return err;
	err = make_it(pool->tree, p, m);
	cred_back(pool->tree, cred);
	if (err == -ENOSPC && made_room(pool)) {
		cred_take(pool->tree, cred);
		err = make_it(pool->tree, p, m);
		cred_back(pool->tree, cred);
	}
	return err;
}

static int tree_make(struct pool *pool, uint32_t parent, const char *name,
		     struct making *m, const struct tree_cred *cred,
		     uint32_t *node)
{
	struct attempt a = { 0 };
	struct tree_path p;
	struct stat st;
	int64_t done;
	uint32_t i;
	int err;

	TREE_BUSY(pool);
	m->fd = -1;
	if (attempt_is_over(pool, &done)) {
		*node = done;
		return 0;
	}
	err = tree_path_at(pool, parent, name, &p);
	if (err)
		return err;
	err = attempt_begin_name(pool, &a, &p);
	if (!err)
		err = make_as(pool, &p, m, cred);
	if (err == -EEXIST && a.again)
		err = 0;
	if (!err && fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (!err) {
		err = node_prepare(pool, parent, name, &st, &i);
		if (err)
			unlinkat(p.dirfd, p.path,
				 S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	tree_path_release(&p);
	if (err) {
		if (m->fd >= 0)
			close(m->fd);
		return err;
	}
	volatile_made(pool, i, parent, st.st_mode);
	journal_begin(&pool->journal, pool->token);
	node_publish(pool, i, m->flags >= 0);
	journal_commit(&pool->journal, i);
	node_published(pool, i);
	pool_fit_limit(pool);
	if (m->fd >= 0) {
		node_mem(pool->tree, i)->fd = m->fd;
		node_mem(pool->tree, i)->fd_writes = true;
	}
	*node = i;
	return 0;
}

int tree_mkdir(struct pool *pool, uint32_t parent, const char *name,
	       mode_t mode, const struct tree_cred *cred, uint32_t *node)
{
	struct making m = { .mode = S_IFDIR | (mode & ~S_IFMT), .flags = -1 };

	return tree_make(pool, parent, name, &m, cred, node);
}

int tree_mknod(struct pool *pool, uint32_t parent, const char *name,
	       mode_t mode, dev_t rdev, const struct tree_cred *cred,
	       uint32_t *node)
{
	struct making m = { .mode = mode, .rdev = rdev, .flags = -1 };

	if (S_ISDIR(mode))
		return -EPERM;
	return tree_make(pool, parent, name, &m, cred, node);
}

int tree_symlink(struct pool *pool, uint32_t parent, const char *name,
		 const char *target, const struct tree_cred *cred,
		 uint32_t *node)
{
	struct making m = { .target = target, .flags = -1 };

	return tree_make(pool, parent, name, &m, cred, node);
}

static int tree_create_nameless(struct pool *pool, uint32_t parent, mode_t mode,
				const struct tree_cred *cred, uint32_t *node)
{
	struct tree *t = pool->tree;
	struct making m = { .mode = mode, .flags = 0, .fd = -1 };
	struct stat st = { 0 };
	struct tree_path p;
	uint32_t i;
	int err;

	TREE_BUSY(pool);
	err = tree_path(pool, parent, &p);
	if (err)
		return err;
	err = node_prepare(pool, 0, "", &st, &i);
	if (err) {
		tree_path_release(&p);
		return err;
	}
	m.orphan = i;
	err = make_as(pool, &p, &m, cred);
	tree_path_release(&p);
	if (!err && fstat(m.fd, &st) < 0) {
		err = -errno;
		close(m.fd);
	}
	if (err) {
		node_unprepare(pool, i);
		return err;
	}
	node_rec(t, i)->ino = st.st_ino;
	node_rec(t, i)->flags = NODE_ORPHAN;
	volatile_made(pool, i, parent, st.st_mode);
	journal_begin(&pool->journal, pool->token);
	node_publish(pool, i, 1);
	journal_commit(&pool->journal, i);
	node_published(pool, i);
	node_mem(t, i)->fd = m.fd;
	node_mem(t, i)->fd_writes = true;
	*node = i;
	return 0;
}

/* It may have come to be after the kernel last looked. */
static int tree_create_existing(struct pool *pool, uint32_t parent,
				const char *name, int flags, uint32_t *node)
{
	uint64_t token = pool->token;
	uint32_t i;
	int err;

	/* Counted by itself: a kill between the two leaves one reference too
	 * many, which is better than one too few. */
	pool->token = 0;
	err = tree_lookup(pool, parent, name, &i);
	pool->token = token;
	if (err)
		return err;
	err = tree_open(pool, i, flags);
	if (err)
		tree_forget(pool, i, 1);
	else
		*node = i;
	return err;
}

int tree_create(struct pool *pool, uint32_t parent, const char *name, int flags,
		mode_t mode, const struct tree_cred *cred, uint32_t *node)
{
	struct making m = { .mode = mode, .flags = flags };
	int64_t done;
	int err;

	if (attempt_is_over(pool, &done)) {
		*node = done;
		return 0;
	}
	if (!name)
		return tree_create_nameless(pool, parent, mode, cred, node);
	err = tree_make(pool, parent, name, &m, cred, node);
	if (err != -EEXIST || flags & O_EXCL)
		return err;
	return tree_create_existing(pool, parent, name, flags, node);
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
	if (err == -ENOSPC && made_room(pool))
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

/* The name goes; who has the file's node goes on with orphan/NODE. */
static int remove_to_orphan(struct pool *pool, const struct tree_path *p,
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

/* One that its node is not known by.  It may have been the last. */
static void lost_a_name(struct pool *pool, uint32_t node)
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
		err = remove_to_orphan(pool, &p, a.note.victim);
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
		lost_a_name(pool, other);
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

/* --- renaming --- */

/*
 *	A  --.             a node that is known by the name B is the victim:
 *	      '--> B       its file is linked (a directory: moved) to orphan/
 *	                   first
 *
 * The note has the inode number of A's file: where that is tells how far it is.
 */
struct renaming {
	struct tree_path from, to;
	uint32_t parent, to_parent;
	const char *name, *to_name;
	unsigned int flags;
	struct attempt a;
	struct node_move moves[2];
	int nr_moves;
	uint32_t other; /* the node of B's file, however it is known */
};

/* The node that loses B, 0: nobody knows it by that name. */
static int rename_find(struct pool *pool, struct renaming *r)
{
	struct tree *t = pool->tree;
	struct stat st;
	mode_t mode;
	uint32_t i;

	if (journal_noted(&pool->journal, pool->token, &r->a.note)) {
		r->a.again = true;
		return 0;
	}
	if (fstatat(r->from.dirfd, r->from.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	mode = st.st_mode;
	r->a.note.ino = st.st_ino;
	r->a.note.node = node_by_ino(t, st.st_ino);
	if (r->a.note.node &&
	    !node_is_at(t, r->a.note.node, r->parent, r->name))
		r->a.note.node = 0;
	if (fstatat(r->to.dirfd, r->to.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (r->flags & RENAME_NOREPLACE)
		return -EEXIST;
	/* Before a victim is out of the way. */
	if (!(r->flags & RENAME_EXCHANGE) &&
	    S_ISDIR(mode) != S_ISDIR(st.st_mode))
		return S_ISDIR(mode) ? -ENOTDIR : -EISDIR;
	i = node_by_ino(t, st.st_ino);
	r->other = st.st_ino != r->a.note.ino ? i : 0;
	if (i && st.st_ino != r->a.note.ino &&
	    node_is_at(t, i, r->to_parent, r->to_name))
		r->a.note.victim = i;
	return 0;
}

static int rename_save_victim(struct pool *pool, const struct renaming *r)
{
	uint32_t victim = r->a.note.victim;
	char orphan[16];

	if (!victim || r->flags & RENAME_EXCHANGE)
		return 0;
	node_orphan_name(victim, orphan, sizeof(orphan));
	if (r->a.again && faccessat(pool->tree->orphanfd, orphan, F_OK,
				    AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (node_rec(pool->tree, victim)->flags & NODE_DIR)
		return remove_to_orphan(pool, &r->to, victim);
	return linkat(r->to.dirfd, r->to.path, pool->tree->orphanfd, orphan,
		      0) < 0
		       ? -errno
		       : 0;
}

static void rename_restore_victim(struct pool *pool, const struct renaming *r)
{
	uint32_t victim = r->a.note.victim;
	char orphan[16];

	if (!victim || r->flags & RENAME_EXCHANGE)
		return;
	node_orphan_name(victim, orphan, sizeof(orphan));
	if (node_rec(pool->tree, victim)->flags & NODE_DIR)
		renameat(pool->tree->orphanfd, orphan, r->to.dirfd, r->to.path);
	else
		unlinkat(pool->tree->orphanfd, orphan, 0);
}

/* Has the worker before renamed it? */
static bool rename_is_done(const struct renaming *r)
{
	struct stat st;

	return r->a.again &&
	       fstatat(r->to.dirfd, r->to.path, &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       st.st_ino == r->a.note.ino;
}

static int rename_files(struct pool *pool, struct renaming *r)
{
	int err = rename_save_victim(pool, r);

	if (err)
		return err;
	if (!r->a.note.victim && !(r->flags & RENAME_EXCHANGE))
		space_unlinked(pool, r->to.dirfd, r->to.path);
	if (renameat2(r->from.dirfd, r->from.path, r->to.dirfd, r->to.path,
		      r->flags) == 0)
		return 0;
	err = -errno;
	rename_restore_victim(pool, r);
	return err;
}

static int rename_prepare_moves(struct pool *pool, struct renaming *r)
{
	const struct journal_note *n = &r->a.note;
	int err = 0;

	if (n->node) {
		err = node_move_prepare(pool, &r->moves[0], n->node,
					r->to_parent, r->to_name);
		r->nr_moves = !err;
	}
	if (err || !n->victim)
		return err;
	if (r->flags & RENAME_EXCHANGE)
		err = node_move_prepare(pool, &r->moves[r->nr_moves], n->victim,
					r->parent, r->name);
	else
		node_move_nowhere(pool, &r->moves[r->nr_moves], n->victim);
	r->nr_moves += !err;
	return err;
}

static void rename_commit(struct pool *pool, struct renaming *r)
{
	const struct journal_note *n = &r->a.note;
	struct node_rec *rec = node_rec(pool->tree, n->victim);
	bool orphaned = n->victim && !(r->flags & RENAME_EXCHANGE);

	journal_begin(&pool->journal, pool->token);
	for (int i = 0; i < r->nr_moves; i++)
		node_move_journal(pool, &r->moves[i]);
	if (orphaned)
		jset(&pool->journal, rec->flags, rec->flags | NODE_ORPHAN);
	journal_commit(&pool->journal, 0);
	for (int i = 0; i < r->nr_moves; i++)
		node_moved(pool, &r->moves[i]);
	if (orphaned) {
		volatile_placed(pool, n->victim);
		node_put(pool, n->victim);
	} else if (r->other && r->other != n->victim) {
		lost_a_name(pool, r->other);
	}
}

static int rename_run(struct pool *pool, struct renaming *r)
{
	int err;

	TREE_BUSY(pool);
	err = rename_find(pool, r);
	if (err)
		return err;
	err = rename_prepare_moves(pool, r);
	if (!err && !r->a.again)
		journal_note(&pool->journal, pool->token, &r->a.note);
	if (!err && !rename_is_done(r))
		err = rename_files(pool, r);
	if (err)
		while (r->nr_moves)
			node_move_cancel(pool, &r->moves[--r->nr_moves]);
	else
		rename_commit(pool, r);
	/* They were not where they should be when this worker started. */
	if (!err && r->a.again)
		volatile_relist(pool);
	return err;
}

static int rename_try(struct pool *pool, uint32_t parent, const char *name,
		      uint32_t to, const char *to_name, unsigned int flags)
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
	err = tree_path_at(pool, parent, name, &r->from);
	if (!err) {
		err = tree_path_at(pool, to, to_name, &r->to);
		if (!err) {
			err = rename_run(pool, r);
			tree_path_release(&r->to);
		}
		tree_path_release(&r->from);
	}
	free(r);
	return err;
}

int tree_rename(struct pool *pool, uint32_t parent, const char *name,
		uint32_t to, const char *to_name, unsigned int flags)
{
	int64_t done;
	int err;

	if (attempt_is_over(pool, &done))
		return done;
	err = rename_try(pool, parent, name, to, to_name, flags);
	if (err == -ENOSPC && made_room(pool))
		err = rename_try(pool, parent, name, to, to_name, flags);
	return err;
}
