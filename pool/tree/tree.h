/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain files: operations on the tree of ordinary files in the store.  They do
 * what the system calls of these names do.
 *
 * An operation that changes the tree writes an intent record first (journal.h),
 * so a request that is sent again is carried out once.
 *
 * Locks: pool->lock (1) held by all callers.
 */
#ifndef POOLFS_POOL_TREE_H
#define POOLFS_POOL_TREE_H

#include "pool/core/core.h"
#include "pool/inode/inode.h"

/**
 * tree_lookup - the inode of @name in directory @parent, with one reference
 * more (see inode_forget()).
 * Return: 0, or -ENOENT, -ENAMETOOLONG, -ENOTDIR, -ESTALE (there is no inode
 * @parent, or it is dead), -ENOSPC or -ENOMEM (no record).
 */
int tree_lookup(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, uint32_t *inode);

/**
 * tree_lookup_known - the same for a number that the kernel had before: of a file
 * handle.
 * @parent: not @inode itself, but the directory that it is in.
 * Return: 0, or -ESTALE: there is no such inode, or its file was removed.
 */
int tree_lookup_known(struct pool *pool, const struct op *op, uint32_t inode,
		      bool parent, uint32_t *out);

/* --- names (tree_make.c, tree_name.c, tree_rename.c) --- */

/*
 * Each makes @name in @parent and takes one reference to its inode.
 * Return: 0 or -errno as the system call of that name; -EPERM when the worker
 * may not make files of another user.
 */
int tree_mkdir(struct pool *pool, const struct op *op, uint32_t parent,
	       const char *name, mode_t mode, uint32_t *inode);
int tree_mknod(struct pool *pool, const struct op *op, uint32_t parent,
	       const char *name, mode_t mode, dev_t rdev, uint32_t *inode);
int tree_symlink(struct pool *pool, const struct op *op, uint32_t parent,
		 const char *name, const char *target, uint32_t *inode);
int tree_link(struct pool *pool, const struct op *op, uint32_t from,
	      uint32_t parent, const char *name);

struct tree_opened {
	uint32_t inode;
	int32_t backing; /* passthrough id, 0 for none */
	/*
	 * It has a backing id, is open for writing, and has set-ID bits.  The
	 * kernel's own writes would keep the bits, so all writes have to come
	 * through the worker.
	 */
	bool setid;
	/* From now on clients may write to it without a request. */
	bool first_writer;
	/*
	 * It is append-only: see chattr(1).  Only the worker sees where is
	 * written.  In passthrough mode it has no backing id, unless it was open
	 * before.
	 */
	bool appends;
};

/**
 * tree_create - make, or find, a regular file and open it.
 * @name: NULL: a file without a name (O_TMPFILE).
 * @flags: of open(2); O_EXCL and O_TRUNC are honoured.
 * @stx: out, its attributes.
 * Takes one reference to the inode, and opens it once.
 * Return: 0, or -errno as open(2), -EPERM (see above), or of
 * pool_ops.backing_open.
 */
int tree_create(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, int flags, mode_t mode,
		struct tree_opened *out, struct statx *stx);

int tree_unlink(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name);
/*
 * These go on in steps, so that others need not wait for all of it: after
 * -EINPROGRESS the same call does the next one.
 */
int tree_rmdir(struct pool *pool, const struct op *op, uint32_t parent,
	       const char *name);
/* @flags: of renameat2(2). */
int tree_rename(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, uint32_t to, const char *to_name,
		unsigned int flags);

/* --- open files (tree_open.c) --- */

/**
 * tree_open - open a plain file; in passthrough mode it gets a backing id.
 * @flags: of open(2); O_TRUNC is honoured.
 * Return: 0; -ESTALE (no such inode, dead or purged); or -errno of open(2),
 * ftruncate(2) or pool_ops.backing_open.  On failure it is not opened.
 */
int tree_open(struct pool *pool, const struct op *op, uint32_t inode, int flags,
	      struct tree_opened *out);
/**
 * tree_close - close a plain file.
 * Return: open files that are left; -ESTALE (no such inode), -EBADF (not open).
 */
int tree_close(struct pool *pool, const struct op *op, uint32_t inode);

/* --- flags of chattr(1) (tree_flags.c) --- */

/**
 * tree_fileattr - FS_IOC_GETFLAGS, SETFLAGS, FSGETXATTR and FSSETXATTR.  The
 * kernel has checked that the caller may; of flags, those that tmpfs has can be
 * changed.
 * @arg: of ioctl(2), in and out; TREE_FILEATTR_SIZE bytes at most.
 * @size: out: how many.
 * Return: 0; -ENOTTY: another command; -EOPNOTSUPP: other flags; or -errno.
 */
#define TREE_FILEATTR_SIZE 32
int tree_fileattr(struct pool *pool, uint32_t inode, unsigned int cmd,
		  void *arg, size_t *size);

/** tree_is_guarded - is it append-only or immutable? */
bool tree_is_guarded(struct pool *pool, uint32_t inode);

/* --- attributes and content (tree_attr.c, tree_xattr.c, tree_io.c) --- */

/* What tree_setattr() changes. */
struct tree_attr {
	uint32_t set; /* TREE_SET_* */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct timespec atime, mtime; /* tv_nsec may be UTIME_NOW */
	/* For TREE_KILL_*: the groups of the calling process. */
	const gid_t *groups;
	int nr_groups;
};
#define TREE_SET_MODE (1u << 0)
#define TREE_SET_UID (1u << 1)
#define TREE_SET_GID (1u << 2)
#define TREE_SET_SIZE (1u << 3)
#define TREE_SET_ATIME (1u << 4)
#define TREE_SET_MTIME (1u << 5)
#define TREE_KILL_SUIDGID (1u << 6) /* as a write by the caller does */
#define TREE_KILL_SGID (1u << 7) /* as setting an ACL by the caller does */
int tree_setattr(struct pool *pool, uint32_t inode, const struct tree_attr *a);

/*
 * Bytes of a regular file, as the system calls of these names; @off, @len in
 * bytes.  -ENOSPC is returned after reclaim could not make room.
 */
ssize_t tree_write(struct pool *pool, uint32_t inode, const void *buf,
		   size_t len, off_t off);
/* How far an allocation has come. */
struct tree_steps {
	uint64_t done; /* bytes from its start on that have memory */
	int err; /* not 0: it has failed, and they are given back */
	bool again; /* in: an earlier worker may have done some */
};
/**
 * tree_fallocate - in steps, so that others need not wait for all of it.
 * @steps: but for again, zeros at first.
 * Return: 0; -EINPROGRESS: the same call does the next step; or -errno, with
 * what was allocated given back.
 */
int tree_fallocate(struct pool *pool, uint32_t inode, int mode, off_t off,
		   off_t len, struct tree_steps *steps);
/**
 * tree_access - somebody has read the open file, and maybe from the kernel's cache:
 * sets its time of last access, as a read of the store's file would.  Costs
 * nothing but the first time after a change of the file.
 * Return: whether that has changed.
 */
bool tree_access(struct pool *pool, uint32_t inode);
off_t tree_lseek(struct pool *pool, uint32_t inode, off_t off, int whence);
ssize_t tree_copy_range(struct pool *pool, uint32_t from, off_t off,
			uint32_t to, off_t to_off, size_t len);

/** tree_readlink - @buf gets a string of at most @size - 1 bytes and a 0.
 * Return: its length or -errno. */
ssize_t tree_readlink(struct pool *pool, uint32_t inode, char *buf,
		      size_t size);

/* As the system calls of these names; @size 0 asks how much there is. */
ssize_t tree_getxattr(struct pool *pool, uint32_t inode, const char *name,
		      void *value, size_t size);
ssize_t tree_listxattr(struct pool *pool, uint32_t inode, char *list,
		       size_t size);
int tree_setxattr(struct pool *pool, const struct op *op, uint32_t inode,
		  const char *name, const void *value, size_t size, int flags);
int tree_removexattr(struct pool *pool, const struct op *op, uint32_t inode,
		     const char *name);

#endif
