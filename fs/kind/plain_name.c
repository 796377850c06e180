/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain files and directories: their names and attributes.  All of it is in the
 * store's tree; the root has two names besides, box and .pool, and lists them if
 * the mount was asked to.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/kind/plain.h"
#include "fs/request/forget.h"
#include "fs/request/listing.h"
#include "pool/tree/tree.h"

/*
 * In a listing of the root box and .pool come first.  Their offsets are for
 * 32-bit programs, too.  A name of the store that has such an offset, after two
 * billion others in the directory, has one instead that no file system uses
 * (INT64_MAX itself is the end of some).
 */
#define OFF_FIXED (INT32_MAX - 16)
#define OFF_FIXED_END (OFF_FIXED + 8)
#define OFF_MOVED (INT64_MAX - 16)

/* Is @name in @parent box or .pool, and so not for plain files? */
static bool is_fixed(const struct call *c, uint64_t parent, const char *name)
{
	uint64_t child;

	return parent == INODE_ROOT && !fixed_root_find(name, &child);
}

void plain_stat_of(const struct statx *x, struct stat *st)
{
	st->st_ino = x->stx_ino;
	st->st_mode = x->stx_mode;
	st->st_nlink = x->stx_nlink;
	st->st_uid = x->stx_uid;
	st->st_gid = x->stx_gid;
	st->st_size = x->stx_size;
	st->st_blocks = x->stx_blocks;
	st->st_blksize = x->stx_blksize;
	st->st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor);
	st->st_atim = (struct timespec){ x->stx_atime.tv_sec,
					 x->stx_atime.tv_nsec };
	st->st_mtim = (struct timespec){ x->stx_mtime.tv_sec,
					 x->stx_mtime.tv_nsec };
	st->st_ctim = (struct timespec){ x->stx_ctime.tv_sec,
					 x->stx_ctime.tv_nsec };
}

/* A walk takes the links of a directory for 2 and one for each directory that
 * it lists; or for nothing, if there is only one. */
int plain_statx(const struct worker *w, uint32_t ino, struct statx *stx)
{
	int err = inode_stat(w->pool, ino, stx);

	if (!err)
		stx->stx_ino = inode_shown_plain(stx->stx_ino);
	if (!err && ino == INODE_ROOT && w->options->list_control &&
	    stx->stx_nlink > 1)
		stx->stx_nlink += 2; /* box and .pool */
	return err;
}

static int plain_getattr(struct call *c, struct stat *st)
{
	struct statx stx;
	int err = plain_statx(c->w, c->index, &stx);

	if (!err)
		plain_stat_of(&stx, st);
	return err;
}

static int plain_setattr(struct call *c, const struct stat *st, int to_set)
{
	struct tree_attr a = { .mode = st->st_mode,
			       .uid = st->st_uid,
			       .gid = st->st_gid,
			       .size = st->st_size,
			       .atime = st->st_atim,
			       .mtime = st->st_mtim };

	if (to_set & FUSE_SET_ATTR_MODE)
		a.set |= TREE_SET_MODE;
	if (to_set & FUSE_SET_ATTR_UID)
		a.set |= TREE_SET_UID;
	if (to_set & FUSE_SET_ATTR_GID)
		a.set |= TREE_SET_GID;
	if (to_set & FUSE_SET_ATTR_SIZE)
		a.set |= TREE_SET_SIZE;
	if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		a.set |= TREE_SET_ATIME;
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		a.set |= TREE_SET_MTIME;
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		a.atime.tv_nsec = UTIME_NOW;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		a.mtime.tv_nsec = UTIME_NOW;
	/* The kernel asks for this at every change of owner.  For a caller that
	 * may keep the bits, the store clears what has to be cleared. */
	if (c->w->request.kill_suidgid &&
	    (c->ctx->uid || !(a.set & (TREE_SET_UID | TREE_SET_GID))))
		plain_kill_suidgid(c, c->index);
	return tree_setattr(c->w->pool, c->index, &a);
}

/* --- names --- */

static int plain_lookup(struct call *c, const char *name, uint64_t *child)
{
	bool up = !strcmp(name, "..");
	uint32_t ino;
	int err;

	if (c->index == INODE_ROOT && !fixed_root_find(name, child))
		return 0;
	/* The kernel asks that about a file handle. */
	if (up || !strcmp(name, "."))
		err = tree_lookup_known(c->w->pool, &c->op, c->index, up, &ino);
	else
		err = tree_lookup(c->w->pool, &c->op, c->index, name, &ino);
	if (!err)
		*child = ino;
	return err;
}

static int plain_mkdir(struct call *c, const char *name, mode_t mode,
		       uint64_t *child)
{
	uint32_t ino;
	int err;

	if (is_fixed(c, c->index, name))
		return -EEXIST;
	err = tree_mkdir(c->w->pool, &c->op, c->index, name, mode, &ino);
	if (!err)
		*child = ino;
	return err;
}

static int plain_mknod(struct call *c, const char *name, mode_t mode,
		       dev_t rdev, uint64_t *child)
{
	uint32_t ino;
	int err;

	if (is_fixed(c, c->index, name))
		return -EEXIST;
	err = tree_mknod(c->w->pool, &c->op, c->index, name, mode, rdev, &ino);
	if (!err)
		*child = ino;
	return err;
}

static int plain_symlink(struct call *c, const char *name, const char *target,
			 uint64_t *child)
{
	uint32_t ino;
	int err;

	if (is_fixed(c, c->index, name))
		return -EEXIST;
	err = tree_symlink(c->w->pool, &c->op, c->index, name, target, &ino);
	if (!err)
		*child = ino;
	return err;
}

static int plain_link(struct call *c, uint64_t from, const char *name)
{
	if (inode_kind(from) != INODE_PLAIN)
		return -EPERM;
	if (is_fixed(c, c->index, name))
		return -EEXIST;
	return tree_link(c->w->pool, &c->op, from, c->index, name);
}

static int plain_unlink(struct call *c, const char *name)
{
	if (is_fixed(c, c->index, name))
		return -EISDIR;
	return tree_unlink(c->w->pool, &c->op, c->index, name);
}

/* A request on names that goes on in steps: the names are its payload. */
static int names_wait(struct call *c, struct waiter *wt, const char *names,
		      size_t len)
{
	int err;

	wt->req = c->req;
	wt->op = c->op;
	wt->handle = c->index;
	wt->payload = (struct payload){ .mem = names, .len = len };
	wt->steady = true;
	wt->give_up = plain_give_up;
	err = wait_for_step(c->w, wt);
	return err ? err : REPLY_LATER;
}

static bool rmdir_step(struct waiter *wt)
{
	int err = tree_rmdir(wt->worker->pool, &wt->op, wt->handle,
			     wt->payload.mem);

	if (err == -EINPROGRESS)
		return false;
	fuse_reply_err(wt->req, -err);
	return true;
}

/* EBUSY, as for a mount point. */
static int plain_rmdir(struct call *c, const char *name)
{
	struct waiter wt = { .retry = rmdir_step };
	int err;

	if (is_fixed(c, c->index, name))
		return -EBUSY;
	err = tree_rmdir(c->w->pool, &c->op, c->index, name);
	return err == -EINPROGRESS ? names_wait(c, &wt, name, strlen(name) + 1)
				   : err;
}

/* The payload: both names, one behind the other. */
static bool rename_step(struct waiter *wt)
{
	const char *name = wt->payload.mem;
	int err = tree_rename(wt->worker->pool, &wt->op, wt->handle, name,
			      wt->off, name + strlen(name) + 1, wt->mode);

	if (err == -EINPROGRESS)
		return false;
	fuse_reply_err(wt->req, -err);
	return true;
}

static int rename_wait(struct call *c, const char *name, uint64_t to,
		       const char *to_name, unsigned int flags)
{
	struct waiter wt = { .retry = rename_step, .off = to, .mode = flags };
	size_t len = strlen(name) + 1;
	char names[2 * (INODE_NAME_MAX + 1)];

	if (len > INODE_NAME_MAX + 1 || strlen(to_name) > INODE_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(names, name, len);
	strcpy(names + len, to_name);
	return names_wait(c, &wt, names, len + strlen(to_name) + 1);
}

static int plain_rename(struct call *c, const char *name, uint64_t to,
			const char *to_name, unsigned int flags)
{
	int err;

	if (inode_kind(to) != INODE_PLAIN)
		return -EPERM;
	if (is_fixed(c, c->index, name) || is_fixed(c, to, to_name))
		return -EBUSY;
	err = tree_rename(c->w->pool, &c->op, c->index, name, to, to_name,
			  flags);
	return err == -EINPROGRESS ? rename_wait(c, name, to, to_name, flags)
				   : err;
}

static ssize_t plain_readlink(struct call *c, char *buf, size_t size)
{
	return tree_readlink(c->w->pool, c->index, buf, size);
}

/* --- listings --- */

/* Return: false: the reply is full. */
static bool list_plus(struct call *c, struct dir_reply *d, const char *name,
		      off_t next)
{
	static const struct op uncounted; /* one request looks up many */
	struct worker *w = c->w;
	struct fuse_entry_param e;
	uint32_t ino;

	if (tree_lookup(w->pool, &uncounted, c->index, name, &ino))
		return dir_add(d, name, 0, 0, next);
	if (!listed_add(w, ino)) {
		inode_forget(w->pool, ino, 1);
		return false;
	}
	if (entry_of(c, &plain_ops, ino, &e)) {
		listed_remove(w);
		return dir_add(d, name, 0, 0, next);
	}
	if (dir_add_plus(d, name, &e, next))
		return true;
	listed_remove(w);
	return false;
}

/* struct linux_dirent64. */
struct listed {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static bool lists_fixed(const struct call *c)
{
	return c->index == INODE_ROOT && c->w->options->list_control;
}

static off_t off_shown(const struct call *c, off_t off)
{
	return lists_fixed(c) && off >= OFF_FIXED && off <= OFF_FIXED_END
		       ? off - OFF_FIXED + OFF_MOVED
		       : off;
}

/* Above the root is the root, and not what the store has there. */
static uint64_t list_ino(const struct call *c, const struct listed *e)
{
	struct statx stx;

	if (c->index == INODE_ROOT && !strcmp(e->name, "..") &&
	    !plain_statx(c->w, INODE_ROOT, &stx))
		return stx.stx_ino;
	return inode_shown_plain(e->ino);
}

static bool list_add(struct call *c, struct dir_reply *d,
		     const struct listed *e)
{
	bool dot = !strcmp(e->name, ".") || !strcmp(e->name, "..");
	off_t off;

	if (!dot && vfile_is_purged(c->w->pool, e->ino))
		return true;
	/* A store from elsewhere may have such a name, which nobody can reach. */
	if (is_fixed(c, c->index, e->name))
		return true;
	off = off_shown(c, e->off);
	if (d->plus && !dot)
		return list_plus(c, d, e->name, off);
	return dir_add(d, e->name, list_ino(c, e), DTTOIF(e->type), off);
}

/*
 * The kernel keeps a listing that was read to its end.  A reader in the middle
 * of an older listing goes on in the new one, behind the name that it was at;
 * if that name was removed, it finds nothing any more.  So the listing of a
 * directory that has just changed is not kept.
 */
#define LISTING_QUIET 2 /* seconds */

static void list_ended(struct dir_reply *d, int fd)
{
	struct stat st;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (fstat(fd, &st) == 0 &&
	    st.st_mtim.tv_sec + LISTING_QUIET >= now.tv_sec)
		d->changing = true;
}

static void list_files(struct call *c, struct dir_reply *d, int fd)
{
	char buf[32 << 10] __attribute__((aligned(8)));
	bool any = false;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct listed *e = (const void *)(buf + at);

			if (!list_add(c, d, e))
				return;
			any = true;
			at += e->len;
		}
	}
	if (!any && !d->used)
		list_ended(d, fd);
}

/*
 * Return: the offset in the store's directory to go on at; -1: the reply is
 * full.
 */
static off_t list_fixed(struct call *c, struct dir_reply *d, off_t off)
{
	unsigned int i = 0;
	const char *name;
	uint64_t ino;

	if (!lists_fixed(c))
		return off;
	if (off >= OFF_MOVED && off - OFF_MOVED <= OFF_FIXED_END - OFF_FIXED)
		return off - OFF_MOVED + OFF_FIXED;
	if (off && (off < OFF_FIXED || off > OFF_FIXED_END))
		return off;
	if (off)
		i = off - OFF_FIXED;
	for (; fixed_root_entry(i, &name, &ino); i++)
		if (!dir_add_inode(d, name, ino, S_IFDIR, OFF_FIXED + i + 1))
			return -1;
	return 0;
}

static void plain_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	int fd;

	if (d->plus)
		listed_begin(c->w);
	off = list_fixed(c, d, off);
	if (off < 0)
		return;
	fd = inode_opendir(c->w->pool, c->index);
	if (fd < 0)
		return;
	if (lseek(fd, off, SEEK_SET) == off)
		list_files(c, d, fd);
	close(fd);
}

/* --- extended attributes --- */

static bool is_acl(const char *name)
{
	return !strncmp(name, "system.posix_acl_", 17);
}

/* "1": volatile.  Stored in the inode's record, not as an attribute. */
#define VOLATILE_XATTR "user.pool.volatile"

static ssize_t xattr_copy(const char *from, size_t len, char *to, size_t size)
{
	if (!size)
		return len;
	if (size < len)
		return -ERANGE;
	memcpy(to, from, len);
	return len;
}

static ssize_t plain_getxattr(struct call *c, const char *name, void *value,
			      size_t size)
{
	ssize_t n;

	if (!strcmp(name, VOLATILE_XATTR))
		return vfile_is_volatile(c->w->pool, c->index)
			       ? xattr_copy("1", 1, value, size)
			       : -ENODATA;
	n = tree_getxattr(c->w->pool, c->index, name, value, size);
	/* A store without ACLs.  After EOPNOTSUPP the kernel would ask again at
	 * each check of permissions. */
	return n == -EOPNOTSUPP && is_acl(name) ? -ENODATA : n;
}

/* "trusted." names are for root, as the kernel has it elsewhere.  Return: bytes
 * of @list that are left. */
static size_t xattr_list_for(const struct call *c, char *list, size_t len)
{
	char *to = list;

	if (c->ctx->uid == 0)
		return len;
	for (char *at = list; at < list + len;) {
		size_t n = strlen(at) + 1;

		if (strncmp(at, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN))
			to = (char *)memmove(to, at, n) + n;
		at += n;
	}
	return to - list;
}

static ssize_t plain_listxattr(struct call *c, char *list, size_t size)
{
	char *all = malloc(XATTR_LIST_MAX + sizeof(VOLATILE_XATTR));
	ssize_t n;

	if (!all)
		return -ENOMEM;
	n = tree_listxattr(c->w->pool, c->index, all, XATTR_LIST_MAX);
	if (n >= 0)
		n = xattr_list_for(c, all, n);
	if (n >= 0 && vfile_is_volatile(c->w->pool, c->index)) {
		memcpy(all + n, VOLATILE_XATTR, sizeof(VOLATILE_XATTR));
		n += sizeof(VOLATILE_XATTR);
	}
	if (n >= 0)
		n = xattr_copy(all, n, list, size);
	free(all);
	return n;
}

static int set_volatile(struct call *c, const char *value, size_t size,
			int flags)
{
	if (size != 1 || (*value != '0' && *value != '1'))
		return -EINVAL;
	return vfile_set_volatile(c->w->pool, &c->op, c->index, *value == '1',
				  flags);
}

/* A caller that is not in the file's group clears its set-group-ID bit. */
static int access_list_set(struct call *c, const char *name, int err)
{
	if (err || strcmp(name, "system.posix_acl_access"))
		return err;
	return plain_kill_sgid(c, c->index);
}

static int plain_setxattr(struct call *c, const char *name, const void *value,
			  size_t size, int flags)
{
	if (!strcmp(name, VOLATILE_XATTR))
		return tree_is_guarded(c->w->pool, c->index)
			       ? -EPERM
			       : set_volatile(c, value, size, flags);
	return access_list_set(c, name,
			       tree_setxattr(c->w->pool, &c->op, c->index, name,
					     value, size, flags));
}

static int plain_removexattr(struct call *c, const char *name)
{
	if (strcmp(name, VOLATILE_XATTR))
		return access_list_set(c, name,
				       tree_removexattr(c->w->pool, &c->op,
							c->index, name));
	if (tree_is_guarded(c->w->pool, c->index))
		return -EPERM;
	return vfile_set_volatile(c->w->pool, &c->op, c->index, false,
				  XATTR_REPLACE);
}

const struct inode_ops plain_ops = {
	.getattr = plain_getattr,
	.setattr = plain_setattr,
	.lookup = plain_lookup,
	.mkdir = plain_mkdir,
	.mknod = plain_mknod,
	.symlink = plain_symlink,
	.link = plain_link,
	.unlink = plain_unlink,
	.rmdir = plain_rmdir,
	.rename = plain_rename,
	.readlink = plain_readlink,
	.readdir = plain_readdir,
	.getxattr = plain_getxattr,
	.listxattr = plain_listxattr,
	.setxattr = plain_setxattr,
	.removexattr = plain_removexattr,
	.create = plain_create,
	.open = plain_open,
	.read = plain_read,
	.write = plain_write,
	.fsync = plain_fsync,
	.release = plain_release,
	.fallocate = plain_fallocate,
	.lseek = plain_lseek,
	.ioctl = plain_ioctl,
	.fileattr = plain_fileattr,
	.copy_range = plain_copy_range,
};
