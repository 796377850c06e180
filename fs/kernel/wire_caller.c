/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See wire_caller.h. */
#include "fs/kernel/wire_caller.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>

#ifndef FUSE_WRITE_KILL_SUIDGID
#define FUSE_WRITE_KILL_SUIDGID (1u << 2)
#endif
#define WIRE_OP_TMPFILE 51
#define WIRE_OP_STATX 52

/* Of plain files the kernel reads and writes in the background, too. */
static enum wire_caller of_read(const void *arg, size_t len, bool plain,
				uint64_t *fh)
{
	if (plain || len < sizeof(struct fuse_read_in))
		return CALLER_UNUSED;
	*fh = ((const struct fuse_read_in *)arg)->fh;
	return CALLER_HANDLE;
}

static enum wire_caller of_write(const void *arg, size_t len, bool plain,
				 uint64_t *fh)
{
	const struct fuse_write_in *in = arg;

	if (len < sizeof(*in))
		return CALLER_UNUSED;
	if (plain)
		return in->write_flags & FUSE_WRITE_KILL_SUIDGID
			       ? CALLER_MAY_BE
			       : CALLER_UNUSED;
	*fh = in->fh;
	return CALLER_HANDLE;
}

/* A whiteout is made. */
static enum wire_caller of_rename(const void *arg, size_t len)
{
	const struct fuse_rename2_in *in = arg;

	return len >= sizeof(*in) && in->flags & RENAME_WHITEOUT
		       ? CALLER_REFUSED
		       : CALLER_PROCESS;
}

enum wire_caller wire_caller(const void *buf, size_t len, bool plain,
			     uint64_t *fh)
{
	const struct fuse_in_header *in = buf;
	const void *arg = in + 1;

	len -= sizeof(*in);
	switch (in->opcode) {
	case FUSE_CREATE:
	case WIRE_OP_TMPFILE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
		return CALLER_REFUSED;
	case FUSE_RENAME2:
		return of_rename(arg, len);
	case FUSE_READ:
		return of_read(arg, len, plain, fh);
	case FUSE_WRITE:
		return of_write(arg, len, plain, fh);
	case FUSE_FLUSH:
		return plain ? CALLER_UNUSED : CALLER_MAY_BE;
	case FUSE_INIT:
	case FUSE_DESTROY:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_NOTIFY_REPLY:
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case WIRE_OP_STATX:
	case FUSE_READLINK:
	case FUSE_GETXATTR:
	case FUSE_STATFS:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_POLL:
	case FUSE_LSEEK:
	case FUSE_SYNCFS:
		return CALLER_UNUSED;
	default:
		return CALLER_PROCESS;
	}
}

void wire_set_caller(void *buf, uint32_t uid, uint32_t gid)
{
	((struct fuse_in_header *)buf)->uid = uid;
	((struct fuse_in_header *)buf)->gid = gid;
}
