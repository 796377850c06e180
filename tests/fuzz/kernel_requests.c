/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests as the input chooses them: see kernel.h. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/poolfs.h"
#include "tests/fuzz/kernel_priv.h"

#define OP_UNKNOWN 200

/* --- requests: those that have an open file; none: false --- */

static void request_on_dir(struct input *in, uint32_t op)
{
	struct open_file *o = some_open(in, true);
	struct fuse_read_in arg = { .size = 4096 };
	const struct inode *i = some_inode(in, S_IFDIR);

	if (op == FUSE_RELEASEDIR) {
		if (o && !open_is_busy(o))
			send_release(o);
		return;
	}
	/* Where OPENDIR was ENOSYS there is no handle. */
	if (!o && !i)
		return;
	request_begin(op, o ? o->id : i->id);
	request_holds(o ? o->fh : 0);
	arg.fh = o ? o->fh : 0;
	arg.offset = input_amount(in);
	if (input_below(in, 4) == 0)
		arg.size = input_below(in, 65536);
	request_expect(arg.size);
	request_add(&arg, sizeof(arg));
	request_send();
}

static void request_write(struct input *in, const struct open_file *o)
{
	static char content[64 << 10];
	struct fuse_write_in arg = { .fh = o->fh };

	request_begin(FUSE_WRITE, o->id);
	request_holds(o->fh);
	arg.offset = input_amount(in) & INT64_MAX;
	arg.write_flags = input_below(in, 8);
	arg.flags = some_flags(in);
	arg.size = some_content(in, content, sizeof(content));
	request_add(&arg, sizeof(arg));
	request_add(content, arg.size);
	request_send();
}

static void request_ioctl(struct input *in, const struct open_file *o)
{
	static const uint32_t cmds[] = { POOLFS_IOC_PIN, POOLFS_IOC_UNPIN,
					 POOLFS_IOC_STATE };
	uint32_t which = input_below(in, 8);
	struct fuse_ioctl_in arg = { .fh = o->fh };
	struct poolfs_range range;
	char any[256];

	request_begin(FUSE_IOCTL, o->id);
	request_holds(o->fh);
	arg.cmd = which < 6 ? cmds[which % 3] : (uint32_t)input_number(in, 4);
	if (_IOC_DIR(arg.cmd) & _IOC_WRITE)
		arg.in_size = _IOC_SIZE(arg.cmd);
	if (_IOC_DIR(arg.cmd) & _IOC_READ)
		arg.out_size = _IOC_SIZE(arg.cmd);
	request_add(&arg, sizeof(arg));
	range.offset = input_amount(in);
	range.length = input_amount(in);
	if (arg.in_size == sizeof(range)) {
		request_add(&range, sizeof(range));
		request_send();
		return;
	}
	for (uint32_t n = arg.in_size; n; n -= n < 256 ? n : 256) {
		memset(any, n, sizeof(any));
		request_add(any, n < 256 ? n : 256);
	}
	request_expect(sizeof(struct fuse_ioctl_out) + arg.out_size);
	request_send();
}

static void request_copy(struct input *in, const struct open_file *o)
{
	const struct open_file *to = some_open(in, false);
	struct fuse_copy_file_range_in arg = { .fh_in = o->fh,
					       .fh_out = to->fh,
					       .nodeid_out = to->id };

	request_begin(FUSE_COPY_FILE_RANGE, o->id);
	request_holds(o->fh);
	arg.off_in = input_amount(in) & INT64_MAX;
	arg.off_out = input_amount(in) & INT64_MAX;
	arg.len = input_amount(in) & INT64_MAX;
	request_add(&arg, sizeof(arg));
	request_send();
}

static void request_on_file(struct input *in, uint32_t op)
{
	struct open_file *o = some_open(in, false);
	union {
		struct fuse_read_in read;
		struct fuse_flush_in flush;
		struct fuse_fsync_in fsync;
		struct fuse_poll_in poll;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
	} arg = { 0 };
	size_t len = 0;

	if (!o)
		return;
	request_begin(op, o->id);
	request_holds(o->fh);
	switch (op) {
	case FUSE_WRITE:
		request_write(in, o);
		return;
	case FUSE_IOCTL:
		request_ioctl(in, o);
		return;
	case FUSE_COPY_FILE_RANGE:
		request_copy(in, o);
		return;
	case FUSE_RELEASE:
		if (!open_is_busy(o))
			send_release(o);
		return;
	case FUSE_READ:
		arg.read.fh = o->fh;
		arg.read.offset = input_amount(in) & INT64_MAX;
		arg.read.size = input_amount(in) % (1 << 20);
		arg.read.flags = some_flags(in);
		request_expect(arg.read.size);
		len = sizeof(arg.read);
		break;
	case FUSE_FLUSH:
		arg.flush.fh = o->fh;
		len = sizeof(arg.flush);
		break;
	case FUSE_FSYNC:
		arg.fsync.fh = o->fh;
		len = sizeof(arg.fsync);
		break;
	case FUSE_POLL:
		arg.poll.fh = o->fh;
		arg.poll.kh = input_number(in, 2);
		arg.poll.flags = input_below(in, 2);
		arg.poll.events = input_number(in, 2);
		len = sizeof(arg.poll);
		break;
	case FUSE_FALLOCATE:
		arg.fallocate.fh = o->fh;
		arg.fallocate.offset = input_amount(in) & INT64_MAX;
		arg.fallocate.length = input_amount(in) & INT64_MAX;
		if (arg.fallocate.length > INT64_MAX - arg.fallocate.offset)
			arg.fallocate.offset = 0;
		arg.fallocate.mode = input_below(in, 256);
		len = sizeof(arg.fallocate);
		break;
	case FUSE_LSEEK:
		arg.lseek.fh = o->fh;
		arg.lseek.offset = input_amount(in);
		arg.lseek.whence = input_below(in, 6);
		len = sizeof(arg.lseek);
		break;
	}
	request_add(&arg, len);
	request_send();
}

/* --- requests: those that have names --- */

static void request_make(struct input *in, uint32_t op, uint64_t dir)
{
	struct fuse_mknod_in mknod = { 0 };
	struct fuse_mkdir_in mkdir = { 0 };
	struct fuse_create_in create = { 0 };

	if (k.nr_opens > OPENS_MAX - 40 || k.nr_inodes > INODES_MAX - 80)
		return;
	request_begin(op, dir);
	switch (op) {
	case FUSE_MKNOD:
		mknod.mode = some_mode(in);
		mknod.rdev = input_number(in, 2);
		mknod.umask = input_number(in, 2) & 0777;
		request_add(&mknod, sizeof(mknod));
		break;
	case FUSE_MKDIR:
		mkdir.mode = input_number(in, 2) & 01777;
		mkdir.umask = input_number(in, 2) & 0777;
		request_add(&mkdir, sizeof(mkdir));
		break;
	case FUSE_CREATE:
	case OP_TMPFILE:
		create.flags = some_flags(in) | O_CREAT;
		create.mode = S_IFREG | (input_number(in, 2) & 07777);
		create.umask = input_number(in, 2) & 0777;
		request_add(&create, sizeof(create));
		break;
	}
	request_add_string(some_name(in));
	if (op == FUSE_SYMLINK)
		request_add_string(some_name(in));
	request_send();
}

static void request_name(struct input *in, uint32_t op, uint64_t dir)
{
	struct fuse_rename2_in rename = { 0 };
	struct fuse_link_in link = { 0 };
	uint64_t to = some_dir(in);
	const struct inode *file;
	char first[1100];

	request_begin(op, dir);
	strcpy(first, some_name(in));
	switch (op) {
	case FUSE_RENAME:
		rename.newdir = to;
		request_add(&rename, sizeof(struct fuse_rename_in));
		break;
	case FUSE_RENAME2:
		rename.newdir = to;
		rename.flags = input_below(in, 8);
		request_add(&rename, sizeof(rename));
		break;
	case FUSE_LINK:
		file = some_inode(in, S_IFREG);
		if (!file)
			return;
		link.oldnodeid = file->id;
		request_add(&link, sizeof(link));
		break;
	}
	request_add_string(first);
	if (op == FUSE_RENAME || op == FUSE_RENAME2)
		request_add_string(some_name(in));
	request_send();
}

/* --- requests: those on an inode --- */

static void request_setattr(struct input *in, uint64_t id)
{
	struct fuse_setattr_in arg = { .valid = input_number(in, 2) };

	request_begin(FUSE_SETATTR, id);
	arg.valid &= ~FATTR_FH;
	arg.size = input_amount(in) & INT64_MAX;
	arg.mode = S_IFREG | (input_number(in, 2) & 07777);
	arg.uid = input_number(in, 2);
	arg.gid = input_number(in, 2);
	arg.atime = input_amount(in);
	arg.mtime = input_amount(in);
	arg.atimensec = arg.mtimensec = input_below(in, 1000000000);
	request_add(&arg, sizeof(arg));
	request_send();
}

static void request_xattr(struct input *in, uint32_t op, uint64_t id)
{
	static char value[64 << 10];
	struct fuse_setxattr_in set = { 0 };
	struct fuse_getxattr_in get = { 0 };

	request_begin(op, id);
	if (op == FUSE_SETXATTR) {
		set.size = some_content(in, value, sizeof(value));
		set.flags = input_below(in, 3);
		/* As far as libfuse 3.14 takes it without its extension. */
		request_add(&set, FUSE_COMPAT_SETXATTR_IN_SIZE);
		request_add_string(some_xattr(in));
		request_add(value, set.size);
		request_send();
		return;
	}
	get.size = input_amount(in) % (64 << 10);
	request_expect(get.size ? get.size : 4096);
	if (op != FUSE_REMOVEXATTR)
		request_add(&get, sizeof(get));
	if (op != FUSE_LISTXATTR)
		request_add_string(some_xattr(in));
	request_send();
}

static void request_on_inode(struct input *in, uint32_t op,
			     const struct inode *inode)
{
	uint64_t id = inode ? inode->id : 0;
	struct fuse_getattr_in getattr = { 0 };
	struct fuse_access_in access = { .mask = input_below(in, 8) };
	struct fuse_open_in open = { 0 };
	char statx[24] = { 0 };

	if (!inode)
		return;
	request_begin(op, id);
	switch (op) {
	case FUSE_SETATTR:
		request_setattr(in, id);
		return;
	case FUSE_GETATTR:
		request_add(&getattr, sizeof(getattr));
		break;
	case FUSE_ACCESS:
		request_add(&access, sizeof(access));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		if (k.nr_opens > OPENS_MAX - 40)
			return;
		open.flags = some_flags(in);
		request_add(&open, sizeof(open));
		break;
	case OP_STATX:
		input_bytes(in, statx, sizeof(statx));
		request_add(statx, sizeof(statx));
		break;
	case FUSE_READLINK:
		break;
	case FUSE_STATFS:
	case FUSE_GETLK:
	case FUSE_BMAP:
	case FUSE_SYNCFS:
	case OP_UNKNOWN:
		request_add((char[64]){ 0 }, 64);
		break;
	default:
		request_xattr(in, op, id);
		return;
	}
	request_send();
}

/* A kernel forgets what is not open. */
static void request_forget(struct input *in)
{
	struct inode *i = &k.inodes[input_below(in, k.nr_inodes)];
	uint64_t n = 1 + input_below(in, 4);

	for (unsigned int o = 0; o < k.nr_opens; o++)
		if (k.opens[o].id == i->id)
			return;
	for (unsigned int p = 0; p < k.nr_pendings; p++)
		if (k.pendings[p].id == i->id)
			return;
	if (i->id == FUSE_ROOT_ID)
		return;
	send_forget(i, n < i->lookups ? n : i->lookups);
	return;
}

static void request_interrupt(struct input *in)
{
	if (!k.nr_pendings)
		return;
	send_interrupt(k.pendings[input_below(in, k.nr_pendings)].unique);
	return;
}

void kernel_request(struct input *in)
{
	static const uint8_t ops[] = {
		FUSE_LOOKUP,
		FUSE_LOOKUP,
		FUSE_LOOKUP,
		FUSE_FORGET,
		FUSE_GETATTR,
		FUSE_SETATTR,
		FUSE_READLINK,
		FUSE_SYMLINK,
		FUSE_MKNOD,
		FUSE_MKDIR,
		FUSE_MKDIR,
		FUSE_UNLINK,
		FUSE_UNLINK,
		FUSE_RMDIR,
		FUSE_RENAME,
		FUSE_LINK,
		FUSE_OPEN,
		FUSE_OPEN,
		FUSE_OPEN,
		FUSE_READ,
		FUSE_READ,
		FUSE_WRITE,
		FUSE_WRITE,
		FUSE_WRITE,
		FUSE_STATFS,
		FUSE_RELEASE,
		FUSE_RELEASE,
		FUSE_FSYNC,
		FUSE_SETXATTR,
		FUSE_SETXATTR,
		FUSE_GETXATTR,
		FUSE_LISTXATTR,
		FUSE_REMOVEXATTR,
		FUSE_FLUSH,
		FUSE_OPENDIR,
		FUSE_READDIR,
		FUSE_READDIRPLUS,
		FUSE_RELEASEDIR,
		FUSE_ACCESS,
		FUSE_CREATE,
		FUSE_CREATE,
		FUSE_INTERRUPT,
		FUSE_IOCTL,
		FUSE_IOCTL,
		FUSE_POLL,
		FUSE_FALLOCATE,
		FUSE_RENAME2,
		FUSE_LSEEK,
		FUSE_COPY_FILE_RANGE,
		OP_TMPFILE,
		OP_STATX,
		FUSE_GETLK,
		FUSE_BMAP,
		FUSE_SYNCFS,
		OP_UNKNOWN,
	};
	uint32_t op = ops[input_below(in, sizeof(ops))];

	if (k.nr_pendings > PENDINGS_MAX / 2)
		kernel_interrupt_all();

	some_caller(in);
	switch (op) {
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_CREATE:
	case FUSE_SYMLINK:
	case OP_TMPFILE:
		request_make(in, op, some_dir(in));
		break;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
		request_name(in, op, some_dir(in));
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASEDIR:
		request_on_dir(in, op);
		break;
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FSYNC:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_IOCTL:
	case FUSE_POLL:
	case FUSE_FALLOCATE:
	case FUSE_LSEEK:
	case FUSE_COPY_FILE_RANGE:
		request_on_file(in, op);
		break;
	case FUSE_OPEN:
		request_on_inode(in, op, some_inode(in, S_IFREG));
		break;
	case FUSE_READLINK:
		request_on_inode(in, op, some_inode(in, S_IFLNK));
		break;
	case FUSE_OPENDIR:
		request_on_inode(in, op, some_inode(in, S_IFDIR));
		break;
	case FUSE_FORGET:
		request_forget(in);
		break;
	case FUSE_INTERRUPT:
		request_interrupt(in);
		break;
	default:
		request_on_inode(in, op, some_inode(in, 0));
	}
}
