/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations of plain_ops that are in plain_file.c, and what those share. */
#ifndef POOLFS_FS_KIND_PLAIN_H
#define POOLFS_FS_KIND_PLAIN_H

#include "fs/request/call.h"

void plain_open(struct call *c, struct fuse_file_info *fi);
void plain_create(struct call *c, const char *name, mode_t mode,
		  struct fuse_file_info *fi);
void plain_read(struct call *c, size_t size, off_t off,
		struct fuse_file_info *fi);
void plain_write(struct call *c, const void *buf, size_t size, off_t off,
		 struct fuse_file_info *fi);
void plain_fsync(struct call *c, struct fuse_file_info *fi);
void plain_release(struct call *c, struct fuse_file_info *fi);
int plain_fallocate(struct call *c, int mode, off_t off, off_t len);
void plain_lseek(struct call *c, off_t off, int whence);
void plain_ioctl(struct call *c, unsigned int cmd, uint64_t fh, const void *in,
		 size_t in_size);
void plain_fileattr(struct call *c, unsigned int cmd, const void *in,
		    size_t in_size);
ssize_t plain_copy_range(struct call *c, off_t off, uint64_t to, off_t to_off,
			 size_t len);

/** plain_statx - as inode_stat(), as it is seen on the mount. */
int plain_statx(const struct worker *w, uint32_t ino, struct statx *stx);

/** plain_stat_of - the same in the form of libfuse; the rest of *@st stays. */
void plain_stat_of(const struct statx *x, struct stat *st);

/** plain_kill_suidgid - clear what a write by the caller clears.  Return: 0 or
 * -errno. */
int plain_kill_suidgid(struct call *c, uint32_t ino);

/** plain_give_up - a waiter's: it only replies. */
void plain_give_up(struct waiter *wt, int error);

/** plain_kill_sgid - clear what an access list that the caller sets or removes
 * clears.  Return: 0 or -errno. */
int plain_kill_sgid(struct call *c, uint32_t ino);

#endif
