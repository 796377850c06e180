/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One operation of libfuse on one inode, and the table of operations that each
 * kind of inode has.  fs/ops/ decodes a request and calls what the kind has;
 * for what a kind lacks, fs/ops/ replies with the errno that fits.
 *
 * Every operation replies exactly once, last.
 *
 * Locks: pool->lock (1) is held in all of it; no reply waits for it.
 */
#ifndef POOLFS_FS_REQUEST_CALL_H
#define POOLFS_FS_REQUEST_CALL_H

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "fs/request/context.h"
#include "fs/request/inode.h"

struct call {
	struct worker *w;
	fuse_req_t req;
	uint64_t ino;
	uint64_t index; /* inode_index(ino) */
	const struct inode_ops *ops; /* of the inode's kind */
	const struct fuse_ctx *ctx;
	struct op op; /* the same for the pool, but for the process */
};

struct dir_reply;

/* What waits, or goes on in steps, replies when it is done. */
#define REPLY_LATER 1

struct inode_ops {
	/* Fills *@st, which is zeros before; only plain files fill st_ino.
	 * Return: 0 or -errno. */
	int (*getattr)(struct call *c, struct stat *st);
	/* Return: 0: the caller replies with getattr's; REPLY_LATER; or -errno.
	 */
	int (*setattr)(struct call *c, const struct stat *st, int to_set);
	/* Return: 0 and *@child, or -errno. */
	int (*lookup)(struct call *c, const char *name, uint64_t *child);
	/* Adds entries from offset @off on with dir_add(). */
	void (*readdir)(struct call *c, struct dir_reply *d, off_t off);
	int (*mkdir)(struct call *c, const char *name, mode_t mode,
		     uint64_t *child);
	/* Return: 0, REPLY_LATER or -errno; also rename and fallocate. */
	int (*rmdir)(struct call *c, const char *name);
	int (*unlink)(struct call *c, const char *name);
	/* These reply themselves. */
	void (*open)(struct call *c, struct fuse_file_info *fi);
	void (*read)(struct call *c, size_t size, off_t off,
		     struct fuse_file_info *fi);
	void (*write)(struct call *c, const void *buf, size_t size, off_t off,
		      struct fuse_file_info *fi);
	void (*flush)(struct call *c, struct fuse_file_info *fi);
	void (*fsync)(struct call *c, struct fuse_file_info *fi);
	void (*poll)(struct call *c, uint64_t key, struct fuse_file_info *fi);
	/* Before the handle is closed; the caller replies. */
	void (*release)(struct call *c, struct fuse_file_info *fi);
	/* Plain files have these. */
	int (*mknod)(struct call *c, const char *name, mode_t mode, dev_t rdev,
		     uint64_t *child);
	int (*symlink)(struct call *c, const char *name, const char *target,
		       uint64_t *child);
	/* Another name for inode @from. */
	int (*link)(struct call *c, uint64_t from, const char *name);
	int (*rename)(struct call *c, const char *name, uint64_t to,
		      const char *to_name, unsigned int flags);
	/* Return: length or -errno. */
	ssize_t (*readlink)(struct call *c, char *buf, size_t size);
	ssize_t (*getxattr)(struct call *c, const char *name, void *value,
			    size_t size);
	ssize_t (*listxattr)(struct call *c, char *list, size_t size);
	int (*setxattr)(struct call *c, const char *name, const void *value,
			size_t size, int flags);
	int (*removexattr)(struct call *c, const char *name);
	int (*fallocate)(struct call *c, int mode, off_t off, off_t len);
	/* To an inode of the same kind.  Return: bytes copied or -errno. */
	ssize_t (*copy_range)(struct call *c, off_t off, uint64_t to,
			      off_t to_off, size_t len);
	/* These reply themselves. */
	void (*lseek)(struct call *c, off_t off, int whence);
	/* @fh: what open gave it. */
	void (*ioctl)(struct call *c, unsigned int cmd, uint64_t fh,
		      const void *in, size_t in_size);
	/* Flags of chattr(1), of a directory, too. */
	void (*fileattr)(struct call *c, unsigned int cmd, const void *in,
			 size_t in_size);
	/* @name NULL: a file without a name. */
	void (*create)(struct call *c, const char *name, mode_t mode,
		       struct fuse_file_info *fi);
};

/*
 * Attributes and names change only through this mount, so the kernel may keep
 * them; it asks again for what changes by itself (tx/, generated files).
 */
#define LONG_TIMEOUT 3600.0 /* seconds */
/* The kernel makes a tick of it, and what it has is old after two. */
#define SHORT_TIMEOUT 1e-6

/** call_getattr - *@st as the kernel is to see it.  Return: 0 or -errno. */
int call_getattr(struct call *c, struct stat *st);

/**
 * attr_timeout - seconds that the kernel may keep the attributes of @ino, of
 * which @mode is one.
 */
double attr_timeout(struct worker *w, uint64_t ino, mode_t mode);

/**
 * entry_of - what a look-up replies for @child.
 * @ops: of @child's kind.
 * Return: 0 or -errno.
 */
int entry_of(const struct call *c, const struct inode_ops *ops, uint64_t child,
	     struct fuse_entry_param *e);

/**
 * call_walks - the file was opened by a program that walks over directories, as
 * cp -a and grep -r do: it shall find an end, and take nothing.  Programs that are
 * given a name follow links.
 */
static inline bool call_walks(const struct fuse_file_info *fi)
{
	return fi->flags & O_NOFOLLOW;
}

/**
 * reply_open - to OPEN.
 * @handle: what the kernel will name the open file by.
 * @flags: WIRE_*, of which libfuse does not know all.
 * @backing_id: for WIRE_PASSTHROUGH, else 0.
 */
void reply_open(struct call *c, uint32_t handle, uint32_t flags,
		int32_t backing_id);

/**
 * open_handle - handle_open() for the caller of @c.
 * @box: NULL: the file belongs to none.
 * @tx: slot, for HANDLE_TX only.
 */
int open_handle(struct call *c, enum handle_kind kind, struct box *box,
		uint32_t tx, uint32_t *handle);

/** open_text - handle_open_text() for the caller of @c. */
int open_text(struct call *c, const char *text, uint32_t *handle);

/**
 * poll_register - the kernel will be told when a poll of @handle may succeed.
 * @box: NULL: .pool/events.
 * @key: the kernel's, 0: it does not want to be told.
 */
void poll_register(struct call *c, struct box *box, uint64_t key,
		   uint32_t handle);

#endif
