/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended attributes of plain files.
 *
 * tmpfs takes an inode of nr_inodes= for each KiB of them (Linux 6.6), which
 * keeps them bounded, but nothing for access control lists: those are short.
 *
 * States: none; attributes are those of the store's files.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not run here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"
#include "pool/inode/names.h"
#include "pool/tree/tree.h"

#define ACL_PREFIX "system.posix_acl_"
#define ACL_DEFAULT ACL_PREFIX "default"
/* Bytes of an access control list; more than so many entries are too many. */
#define ACL_ENTRIES 32
#define ACL_MAX (4 + ACL_ENTRIES * 8)
/* Bytes of other attributes that tmpfs takes an inode for. */
#define XATTR_INODE 1024

/* Kernels before 6.13 have no *at() calls for them: through /proc. */
struct xattr_path {
	int fd;
	char path[40];
};

static int xattr_open(struct pool *pool, uint32_t inode, struct xattr_path *x)
{
	struct inode_path p;
	int err = inode_path(pool, inode, &p);

	if (err)
		return err;
	x->fd = openat(p.dirfd, p.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	err = x->fd < 0 ? -errno : 0;
	inode_path_release(&p);
	if (!err)
		snprintf(x->path, sizeof(x->path), "/proc/self/fd/%d", x->fd);
	return err;
}

/*
 * The kernel asks for that one before the first write after each change of
 * attributes, and hardly any file has it.
 */
static bool is_capability(const char *name)
{
	return !strcmp(name, "security.capability");
}

static bool has_no_capability(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) &&
	       !(inode_rec(pool->inodes, inode)->flags &
		 (INODE_DEAD | INODE_PURGED)) &&
	       inode_mem(pool->inodes, inode)->no_capability;
}

ssize_t tree_getxattr(struct pool *pool, uint32_t inode, const char *name,
		      void *value, size_t size)
{
	struct xattr_path x;
	ssize_t n;

	if (is_capability(name) && has_no_capability(pool, inode))
		return -ENODATA;
	n = xattr_open(pool, inode, &x);
	if (n)
		return n;
	n = getxattr(x.path, name, value, size);
	if (n < 0)
		n = -errno;
	close(x.fd);
	if (is_capability(name) && n == -ENODATA)
		inode_mem(pool->inodes, inode)->no_capability = true;
	return n;
}

ssize_t tree_listxattr(struct pool *pool, uint32_t inode, char *list,
		       size_t size)
{
	struct xattr_path x;
	ssize_t n = xattr_open(pool, inode, &x);

	if (n)
		return n;
	n = listxattr(x.path, list, size);
	if (n < 0)
		n = -errno;
	close(x.fd);
	return n;
}

/* Checks XATTR_CREATE and XATTR_REPLACE, before the intent record exists. */
static int xattr_refuse(const struct xattr_path *x, const char *name, int flags)
{
	bool is = getxattr(x->path, name, NULL, 0) >= 0;

	if (is && flags & XATTR_CREATE)
		return -EEXIST;
	if (!is && errno == ENODATA && flags & XATTR_REPLACE)
		return -ENODATA;
	return 0;
}

/* Who may have more may have it for one file, but what others make below a
 * directory has copies of its default list. */
static int acl_refuse(struct pool *pool, uid_t uid, const char *name,
		      size_t size)
{
	bool copied = pool->count_names && !strcmp(name, ACL_DEFAULT);

	if (size <= ACL_MAX || (user_is_owner(pool, uid) && !copied))
		return 0;
	return -ENOSPC;
}

static bool xattr_is(const struct xattr_path *x, const char *name,
		     const void *value, size_t size)
{
	char *now = malloc(size + 1);
	bool is = now && getxattr(x->path, name, now, size + 1) == size &&
		  !memcmp(now, value, size);

	free(now);
	return is;
}

/* May @uid take memory for it? */
static int xattr_room(struct pool *pool, uid_t uid, const struct xattr_path *x,
		      const char *name, const void *value, size_t size)
{
	int err;

	if (!strncmp(name, ACL_PREFIX, strlen(ACL_PREFIX)))
		return acl_refuse(pool, uid, name, size);
	err = names_may_take(pool, uid,
			     (strlen(name) + size) / XATTR_INODE + 1);
	/* The worker before may have done it already. */
	return err && xattr_is(x, name, value, size) ? 0 : err;
}

int tree_setxattr(struct pool *pool, const struct op *op, uint32_t inode,
		  const char *name, const void *value, size_t size, int flags)
{
	struct journal_intent intent = { 0 };
	struct xattr_path x;
	int err = xattr_open(pool, inode, &x);

	if (err)
		return err;
	err = xattr_room(pool, op->uid, &x, name, value, size);
	if (!err)
		err = pool_grow(pool, size, true);
	if (err) {
		close(x.fd);
		return err;
	}
	if (is_capability(name))
		inode_mem(pool->inodes, inode)->no_capability = false;
	/* The worker before may have done it already. */
	if (flags && journal_intends(&pool->journal, op->token, NULL))
		flags = 0;
	else if (flags)
		err = xattr_refuse(&x, name, flags);
	if (!err && flags)
		journal_intend(&pool->journal, op->token, &intent);
	inode_changed(pool, inode);
	if (!err && setxattr(x.path, name, value, size, flags) < 0)
		err = -errno;
	close(x.fd);
	return err;
}

int tree_removexattr(struct pool *pool, const struct op *op, uint32_t inode,
		     const char *name)
{
	bool again = journal_intends(&pool->journal, op->token, NULL);
	struct journal_intent intent = { 0 };
	struct xattr_path x;
	int err = xattr_open(pool, inode, &x);

	if (err)
		return err;
	if (!again)
		err = xattr_refuse(&x, name, XATTR_REPLACE);
	if (!err && !again)
		journal_intend(&pool->journal, op->token, &intent);
	if (!err && removexattr(x.path, name) < 0)
		err = -errno;
	close(x.fd);
	return err == -ENODATA && again ? 0 : err;
}
