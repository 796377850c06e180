/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain files, directories and all the rest are made, on their makers' behalf.
 *
 * States: see intent.h.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: asked for room when the store is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/tree/intent.h"

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
static int cred_take(const struct inode_table *t, const struct tree_cred *cred,
		     mode_t *mask)
{
	if (!t->root && cred->uid != geteuid())
		return -EPERM;
	*mask = umask(cred->umask);
	if (!t->root)
		return 0;
	setfsgid(cred->gid);
	if (cred->uid) {
		setfsuid(cred->uid);
		cred_keep_capabilities();
	}
	return 0;
}

static void cred_back(const struct inode_table *t, const struct tree_cred *cred,
		      mode_t mask)
{
	umask(mask);
	if (!t->root)
		return;
	if (cred->uid) {
		setfsuid(0);
		cred_keep_capabilities();
	}
	setfsgid(0);
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
static int make_nameless(struct inode_table *t, const struct inode_path *p,
			 struct making *m)
{
	char proc[40], orphan[16];
	int err = 0;

	m->fd = openat(p->dirfd, p->path, O_RDWR | O_TMPFILE | O_CLOEXEC,
		       m->mode & ~S_IFMT);
	if (m->fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", m->fd);
	inode_orphan_name(m->orphan, orphan, sizeof(orphan));
	/* One of a worker that was killed here. */
	unlinkat(t->orphanfd, orphan, 0);
	if (linkat(AT_FDCWD, proc, t->orphanfd, orphan, AT_SYMLINK_FOLLOW) < 0)
		err = -errno;
	if (err)
		close(m->fd);
	return err;
}

static int make_it(struct inode_table *t, const struct inode_path *p,
		   struct making *m)
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

static int make_once(struct pool *pool, const struct inode_path *p,
		     struct making *m, const struct tree_cred *cred)
{
	mode_t mask;
	int err = cred_take(pool->inodes, cred, &mask);

	if (err)
		return err;
	err = make_it(pool->inodes, p, m);
	cred_back(pool->inodes, cred, mask);
	return err;
}

static int make_as(struct pool *pool, const struct inode_path *p,
		   struct making *m, const struct tree_cred *cred)
{
	return retry_with_room(make_once(pool, p, m, cred),
			       tree_make_room(pool));
}

static int tree_make(struct pool *pool, uint32_t parent, const char *name,
		     struct making *m, const struct tree_cred *cred,
		     uint32_t *inode)
{
	struct intent intent = { 0 };
	struct inode_path p;
	struct stat st;
	int64_t done;
	uint32_t i;
	int err;

	INODES_BUSY(pool);
	m->fd = -1;
	if (intent_is_done(pool, &done)) {
		*inode = done;
		return 0;
	}
	err = inode_path_at(pool, parent, name, &p);
	if (err)
		return err;
	err = intent_begin_name(pool, &intent, &p);
	if (!err)
		err = make_as(pool, &p, m, cred);
	if (err == -EEXIST && intent.again)
		err = 0;
	if (!err && fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (!err) {
		err = inode_prepare(pool, parent, name, &st, &i);
		if (err)
			unlinkat(p.dirfd, p.path,
				 S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	inode_path_release(&p);
	if (err) {
		if (m->fd >= 0)
			close(m->fd);
		return err;
	}
	vfile_inherit(pool, i, parent, st.st_mode);
	journal_begin(&pool->journal, pool->token);
	inode_publish(pool, i, m->flags >= 0);
	journal_commit(&pool->journal, i);
	inode_published(pool, i);
	pool_fit_limit(pool);
	if (m->fd >= 0) {
		inode_mem(pool->inodes, i)->fd = m->fd;
		inode_mem(pool->inodes, i)->fd_writes = true;
	}
	*inode = i;
	return 0;
}

int tree_mkdir(struct pool *pool, uint32_t parent, const char *name,
	       mode_t mode, const struct tree_cred *cred, uint32_t *inode)
{
	struct making m = { .mode = S_IFDIR | (mode & ~S_IFMT), .flags = -1 };

	return tree_make(pool, parent, name, &m, cred, inode);
}

int tree_mknod(struct pool *pool, uint32_t parent, const char *name,
	       mode_t mode, dev_t rdev, const struct tree_cred *cred,
	       uint32_t *inode)
{
	struct making m = { .mode = mode, .rdev = rdev, .flags = -1 };

	if (S_ISDIR(mode))
		return -EPERM;
	return tree_make(pool, parent, name, &m, cred, inode);
}

int tree_symlink(struct pool *pool, uint32_t parent, const char *name,
		 const char *target, const struct tree_cred *cred,
		 uint32_t *inode)
{
	struct making m = { .target = target, .flags = -1 };

	return tree_make(pool, parent, name, &m, cred, inode);
}

static int tree_create_nameless(struct pool *pool, uint32_t parent, mode_t mode,
				const struct tree_cred *cred, uint32_t *inode)
{
	struct inode_table *t = pool->inodes;
	struct making m = { .mode = mode, .flags = 0, .fd = -1 };
	struct stat st = { 0 };
	struct inode_path p;
	uint32_t i;
	int err;

	INODES_BUSY(pool);
	err = inode_path(pool, parent, &p);
	if (err)
		return err;
	err = inode_prepare(pool, 0, "", &st, &i);
	if (err) {
		inode_path_release(&p);
		return err;
	}
	m.orphan = i;
	err = make_as(pool, &p, &m, cred);
	inode_path_release(&p);
	if (!err && fstat(m.fd, &st) < 0) {
		err = -errno;
		close(m.fd);
	}
	if (err) {
		inode_unprepare(pool, i);
		return err;
	}
	inode_rec(t, i)->ino = st.st_ino;
	inode_rec(t, i)->flags = INODE_ORPHAN;
	vfile_inherit(pool, i, parent, st.st_mode);
	journal_begin(&pool->journal, pool->token);
	inode_publish(pool, i, 1);
	journal_commit(&pool->journal, i);
	inode_published(pool, i);
	inode_mem(t, i)->fd = m.fd;
	inode_mem(t, i)->fd_writes = true;
	*inode = i;
	return 0;
}

/* It may have come to be after the kernel last looked. */
static int tree_create_existing(struct pool *pool, uint32_t parent,
				const char *name, int flags, uint32_t *inode)
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
		inode_forget(pool, i, 1);
	else
		*inode = i;
	return err;
}

int tree_create(struct pool *pool, uint32_t parent, const char *name, int flags,
		mode_t mode, const struct tree_cred *cred, uint32_t *inode)
{
	struct making m = { .mode = mode, .flags = flags };
	int64_t done;
	int err;

	if (intent_is_done(pool, &done)) {
		*inode = done;
		return 0;
	}
	if (!name)
		return tree_create_nameless(pool, parent, mode, cred, inode);
	err = tree_make(pool, parent, name, &m, cred, inode);
	if (err != -EEXIST || flags & O_EXCL)
		return err;
	return tree_create_existing(pool, parent, name, flags, inode);
}
