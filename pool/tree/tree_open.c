/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open plain files, their attributes and what is in them.
 *
 * States: a node is open as long as its count of opens, which lives in the
 * store, is above 0.  A descriptor is kept only then, and only once something
 * needed one; a worker that starts has none.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: asked for room when the store is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* --- descriptors --- */

static int path_chmod(const struct tree_path *p, mode_t mode)
{
	return fchmodat(p->dirfd, p->path, mode & 07777, 0) < 0 ? -errno : 0;
}

/* An ordinary user's pool serves files whose modes keep their owner out, to
 * whoever has them open already. */
int tree_openat(struct pool *pool, uint32_t node, struct tree_path *p,
		int flags)
{
	int fd, err;

	flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	fd = openat(p->dirfd, p->path, flags);
	if (fd < 0 && errno == EACCES && !pool->tree->root) {
		err = path_lend_file(pool, node, p);
		if (err)
			return err;
		fd = openat(p->dirfd, p->path, flags);
	}
	return fd < 0 ? -errno : fd;
}

static int node_open_fd(struct pool *pool, uint32_t node, bool write)
{
	struct node *mem = node_mem(pool->tree, node);
	struct tree_path p;
	int fd, err;

	err = tree_path(pool, node, &p);
	if (err)
		return err;
	fd = tree_openat(pool, node, &p, write ? O_RDWR : O_RDONLY);
	tree_path_release(&p);
	if (fd < 0)
		return fd;
	if (mem->fd)
		close(mem->fd);
	mem->fd = fd;
	mem->fd_writes = write;
	return fd;
}

int tree_fd(struct pool *pool, uint32_t node, bool write)
{
	struct node *mem;

	if (!tree_valid(pool, node))
		return -ESTALE;
	mem = node_mem(pool->tree, node);
	if (mem->fd && (mem->fd_writes || !write))
		return mem->fd;
	return node_open_fd(pool, node, write);
}

void tree_fd_close(struct pool *pool, uint32_t node)
{
	struct node *mem = node_mem(pool->tree, node);

	if (mem->fd)
		close(mem->fd);
	mem->fd = 0;
}

void tree_fd_done(struct pool *pool, uint32_t node)
{
	if (tree_valid(pool, node) && !node_rec(pool->tree, node)->opens)
		tree_fd_close(pool, node);
}

int tree_opendir(struct pool *pool, uint32_t node)
{
	struct tree_path p;
	int fd = tree_path(pool, node, &p);

	if (fd)
		return fd;
	fd = tree_openat(pool, node, &p, O_RDONLY | O_DIRECTORY);
	tree_path_release(&p);
	return fd;
}

/* --- open and close --- */

int tree_open(struct pool *pool, uint32_t node, int flags)
{
	struct tree *t = pool->tree;
	struct node_rec *rec;
	uint64_t before;
	int64_t done;
	int fd, err = 0;

	if (journal_replayed(&pool->journal, pool->token, &done))
		return done < 0 ? done : 0;
	if (!tree_valid(pool, node))
		return -ESTALE;
	rec = node_rec(t, node);
	if (rec->flags & (NODE_GONE | NODE_PURGED))
		return -ESTALE;
	if (flags & O_TRUNC) {
		fd = tree_fd(pool, node, true);
		if (fd < 0)
			return fd;
		before = space_of(pool, fd);
		err = ftruncate(fd, 0) < 0 ? -errno : 0;
		space_changed(pool, before, space_of(pool, fd));
		tree_fd_done(pool, node);
		if (err)
			return err;
		ranges_truncated(pool, node, 0);
	}
	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->opens, rec->opens + 1);
	journal_commit(&pool->journal, node);
	t->nr_open += rec->opens == 1;
	volatile_pin(pool, node);
	pool_fit_limit(pool);
	return 0;
}

int tree_close(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec;
	int64_t done;

	/* With the last close the node may have gone. */
	if (journal_replayed(&pool->journal, pool->token, &done))
		return tree_opens(pool, node);
	if (!tree_valid(pool, node))
		return -ESTALE;
	rec = node_rec(t, node);
	if (!rec->opens)
		return -EBADF;
	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->opens, rec->opens - 1);
	journal_commit(&pool->journal, 0);
	if (rec->opens)
		return rec->opens;
	t->nr_open--;
	ranges_changed(pool, node);
	tree_fd_close(pool, node);
	volatile_unpin(pool, node);
	node_put(pool, node);
	pool_fit_limit(pool);
	return 0;
}

uint32_t tree_opens(struct pool *pool, uint32_t node)
{
	return tree_valid(pool, node) ? node_rec(pool->tree, node)->opens : 0;
}

int32_t tree_backing(struct pool *pool, uint32_t node)
{
	return node_rec(pool->tree, node)->backing;
}

void tree_set_backing(struct pool *pool, uint32_t node, int32_t id)
{
	node_rec(pool->tree, node)->backing = id;
}

/* --- attributes --- */

static bool is_in_groups(const struct tree_attr *a, gid_t gid)
{
	for (int i = 0; i < a->nr_groups; i++)
		if (a->groups[i] == gid)
			return true;
	return false;
}

/* As the kernel's setattr_should_drop_suidgid(). */
static int kill_suidgid(const struct tree_path *p, const struct tree_attr *a)
{
	struct stat st;
	mode_t mode;

	if (fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	mode = st.st_mode & ~S_ISUID;
	/* Without group execution it means something else: their group's own
	 * may write without losing it. */
	if (mode & S_IXGRP || !is_in_groups(a, st.st_gid))
		mode &= ~S_ISGID;
	return mode == st.st_mode ? 0 : path_chmod(p, mode);
}

/* As the kernel's posix_acl_update_mode(): of any kind of file. */
static int kill_sgid(const struct tree_path *p, const struct tree_attr *a)
{
	struct stat st;

	if (fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID) || is_in_groups(a, st.st_gid))
		return 0;
	return path_chmod(p, st.st_mode & ~S_ISGID);
}

static int set_owner(const struct tree_path *p, const struct tree_attr *a)
{
	uid_t uid = a->set & TREE_SET_UID ? a->uid : (uid_t)-1;
	gid_t gid = a->set & TREE_SET_GID ? a->gid : (gid_t)-1;

	return fchownat(p->dirfd, p->path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 0;
}

static int set_times(const struct tree_path *p, const struct tree_attr *a)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
				  { .tv_nsec = UTIME_OMIT } };

	if (a->set & TREE_SET_ATIME)
		ts[0] = a->atime;
	if (a->set & TREE_SET_MTIME)
		ts[1] = a->mtime;
	return utimensat(p->dirfd, p->path, ts, AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : 0;
}

static int set_size(struct pool *pool, uint32_t node, uint64_t size)
{
	int fd = tree_fd(pool, node, true);
	uint64_t before;
	int err;

	if (fd < 0)
		return fd;
	before = space_of(pool, fd);
	err = ftruncate(fd, size) < 0 ? -errno : 0;
	space_changed(pool, before, space_of(pool, fd));
	tree_fd_done(pool, node);
	if (!err)
		ranges_truncated(pool, node, size);
	if (!tree_opens(pool, node))
		volatile_unpin(pool, node);
	return err;
}

int tree_setattr(struct pool *pool, uint32_t node, const struct tree_attr *a)
{
	struct tree_path p;
	int err = tree_path(pool, node, &p);

	if (err)
		return err;
	if (a->set & (TREE_SET_UID | TREE_SET_GID))
		err = set_owner(&p, a);
	/* After the owner, whose change takes bits away. */
	if (!err && a->set & TREE_SET_MODE)
		err = path_chmod(&p, a->mode);
	if (!err && a->set & TREE_SET_SIZE)
		err = set_size(pool, node, a->size);
	if (!err && a->set & TREE_KILL_SUIDGID)
		err = kill_suidgid(&p, a);
	if (!err && a->set & TREE_KILL_SGID)
		err = kill_sgid(&p, a);
	if (!err && a->set & (TREE_SET_ATIME | TREE_SET_MTIME))
		err = set_times(&p, a);
	tree_path_release(&p);
	return err;
}

ssize_t tree_readlink(struct pool *pool, uint32_t node, char *buf, size_t size)
{
	struct tree_path p;
	ssize_t n = tree_path(pool, node, &p);

	if (n)
		return n;
	n = readlinkat(p.dirfd, p.path, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = 0;
	tree_path_release(&p);
	return n;
}

/* --- extended attributes --- */

/* There are no *at() calls for them in most kernels: through /proc. */
struct xattr_path {
	int fd;
	char path[40];
};

static int xattr_open(struct pool *pool, uint32_t node, struct xattr_path *x)
{
	struct tree_path p;
	int err = tree_path(pool, node, &p);

	if (err)
		return err;
	x->fd = openat(p.dirfd, p.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	err = x->fd < 0 ? -errno : 0;
	tree_path_release(&p);
	if (!err)
		snprintf(x->path, sizeof(x->path), "/proc/self/fd/%d", x->fd);
	return err;
}

ssize_t tree_getxattr(struct pool *pool, uint32_t node, const char *name,
		      void *value, size_t size)
{
	struct xattr_path x;
	ssize_t n = xattr_open(pool, node, &x);

	if (n)
		return n;
	n = getxattr(x.path, name, value, size);
	if (n < 0)
		n = -errno;
	close(x.fd);
	return n;
}

ssize_t tree_listxattr(struct pool *pool, uint32_t node, char *list,
		       size_t size)
{
	struct xattr_path x;
	ssize_t n = xattr_open(pool, node, &x);

	if (n)
		return n;
	n = listxattr(x.path, list, size);
	if (n < 0)
		n = -errno;
	close(x.fd);
	return n;
}

/* Before it is noted: what was there is no work of the worker before. */
static int xattr_refuse(const struct xattr_path *x, const char *name, int flags)
{
	bool is = getxattr(x->path, name, NULL, 0) >= 0;

	if (is && flags & XATTR_CREATE)
		return -EEXIST;
	if (!is && errno == ENODATA && flags & XATTR_REPLACE)
		return -ENODATA;
	return 0;
}

int tree_setxattr(struct pool *pool, uint32_t node, const char *name,
		  const void *value, size_t size, int flags)
{
	struct journal_note note = { 0 };
	struct xattr_path x;
	int err = xattr_open(pool, node, &x);

	if (err)
		return err;
	/* The worker before may have done it already. */
	if (flags && journal_noted(&pool->journal, pool->token, NULL))
		flags = 0;
	else if (flags)
		err = xattr_refuse(&x, name, flags);
	if (!err && flags)
		journal_note(&pool->journal, pool->token, &note);
	if (!err && setxattr(x.path, name, value, size, flags) < 0)
		err = -errno;
	close(x.fd);
	return err;
}

int tree_removexattr(struct pool *pool, uint32_t node, const char *name)
{
	bool again = journal_noted(&pool->journal, pool->token, NULL);
	struct journal_note note = { 0 };
	struct xattr_path x;
	int err = xattr_open(pool, node, &x);

	if (err)
		return err;
	if (!again)
		err = xattr_refuse(&x, name, XATTR_REPLACE);
	if (!err && !again)
		journal_note(&pool->journal, pool->token, &note);
	if (!err && removexattr(x.path, name) < 0)
		err = -errno;
	close(x.fd);
	return err == -ENODATA && again ? 0 : err;
}
