/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attributes of plain files.
 *
 * States: none; attributes are those of the store's files.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not run here; a file whose size changes is listed anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/inode/names.h"
#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

static bool is_in_groups(const struct tree_attr *a, gid_t gid)
{
	for (int i = 0; i < a->nr_groups; i++)
		if (a->groups[i] == gid)
			return true;
	return false;
}

/* As the kernel's setattr_should_drop_suidgid(). */
static int kill_suidgid(const struct inode_path *p, const struct tree_attr *a)
{
	struct stat st;
	mode_t mode;

	if (fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	mode = st.st_mode & ~S_ISUID;
	/* Without S_IXGRP the bit is no set-group-ID: a member of the group may
	 * write and keep it. */
	if (mode & S_IXGRP || !is_in_groups(a, st.st_gid))
		mode &= ~S_ISGID;
	return mode == st.st_mode ? 0 : inode_path_chmod(p, mode);
}

/* As the kernel's posix_acl_update_mode(), for any type of file. */
static int kill_sgid(const struct inode_path *p, const struct tree_attr *a)
{
	struct stat st;

	if (fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID) || is_in_groups(a, st.st_gid))
		return 0;
	return inode_path_chmod(p, st.st_mode & ~S_ISGID);
}

static int set_owner(struct pool *pool, const struct inode_path *p,
		     const struct tree_attr *a)
{
	uid_t uid = a->set & TREE_SET_UID ? a->uid : (uid_t)-1;
	gid_t gid = a->set & TREE_SET_GID ? a->gid : (gid_t)-1;
	struct space before;
	int err = 0;

	if (a->set & TREE_SET_UID)
		err = names_chown_begin(pool, p->dirfd, p->path, uid);
	if (err)
		return err;
	if (a->set & TREE_SET_UID)
		store_admit_user(pool->store, uid);
	before = space_at(pool, p->dirfd, p->path);
	if (fchownat(p->dirfd, p->path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	names_chown_end(pool, !err);
	space_changed(pool, before, space_at(pool, p->dirfd, p->path));
	return err;
}

static int set_times(const struct inode_path *p, const struct tree_attr *a)
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

static int set_size(struct pool *pool, uint32_t inode, uint64_t size)
{
	int fd = inode_fd(pool, inode, true);
	struct space before;
	int err;

	if (fd < 0)
		return fd;
	before = space_of(pool, fd);
	err = ftruncate(fd, size) < 0 ? -errno : 0;
	space_changed(pool, before, space_of(pool, fd));
	inode_fd_done(pool, inode, fd);
	if (!err)
		vrange_truncate(pool, inode, size);
	if (!inode_opens(pool, inode))
		vfile_list(pool, inode);
	return err;
}

int tree_setattr(struct pool *pool, uint32_t inode, const struct tree_attr *a)
{
	struct inode_path p;
	int err = inode_path(pool, inode, &p);

	if (err)
		return err;
	inode_changed(pool, inode);
	if (a->set & (TREE_SET_UID | TREE_SET_GID))
		err = set_owner(pool, &p, a);
	/* After fchownat(), which clears set-ID bits. */
	if (!err && a->set & TREE_SET_MODE)
		err = inode_path_chmod(&p, a->mode);
	if (!err && a->set & TREE_SET_SIZE)
		err = set_size(pool, inode, a->size);
	if (!err && a->set & TREE_KILL_SUIDGID)
		err = kill_suidgid(&p, a);
	if (!err && a->set & TREE_KILL_SGID)
		err = kill_sgid(&p, a);
	if (!err && a->set & (TREE_SET_ATIME | TREE_SET_MTIME))
		err = set_times(&p, a);
	inode_path_release(&p);
	return err;
}

ssize_t tree_readlink(struct pool *pool, uint32_t inode, char *buf, size_t size)
{
	struct inode_path p;
	ssize_t n = inode_path(pool, inode, &p);

	if (n)
		return n;
	n = readlinkat(p.dirfd, p.path, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = 0;
	inode_path_release(&p);
	return n;
}
