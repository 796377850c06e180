/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse's operations: each decodes the inode, calls what its kind has, and
 * replies.  Most of them are in the ops_*.c files; their table is here.
 */
#include "fs/ops/ops_priv.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "pool/tree/tree.h"

static void op_init(void *data, struct fuse_conn_info *conn)
{
	struct worker *w = worker_of(data);

	/* RELEASE is a background request.  If it waited for other ones, a
	 * request that its caller sends after close() would overtake it. */
	conn->max_background = 65535;
	conn->congestion_threshold = 65535;
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
	/*
	 * A write with O_DIRECT that goes on when its call has returned drops no
	 * pages at its end.  One that has to wait drops what was read meanwhile;
	 * requests of one file are answered one after the other anyway.
	 */
	conn->want &= ~FUSE_CAP_ASYNC_DIO;
	if (conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA)
		conn->want |= FUSE_CAP_EXPLICIT_INVAL_DATA;
	/*
	 * Where clients write to the store's files, a file is cut by SETATTR,
	 * not by OPEN: for that the kernel waits until nobody is writing to the
	 * file, which could hold us up: see pool/volatile/hole.h.
	 */
	if (w->features.passthrough)
		conn->want &= ~FUSE_CAP_ATOMIC_O_TRUNC;
	/* The store applies the umask: a default ACL takes precedence. */
	if (conn->capable & FUSE_CAP_DONT_MASK)
		conn->want |= FUSE_CAP_DONT_MASK;
	/* File handles outlive what the kernel knows of an inode. */
	if (w->options->export && conn->capable & FUSE_CAP_EXPORT_SUPPORT)
		conn->want |= FUSE_CAP_EXPORT_SUPPORT;
	if (conn->capable & FUSE_CAP_POSIX_ACL && !w->options->noacl)
		conn->want |= FUSE_CAP_POSIX_ACL;
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct call c = call_of(req, ino);
	struct statvfs st = { 0 };
	struct pool_stat ps;
	uint64_t used;

	pool_stat(c.w->pool, &ps);
	store_space(c.w->store, &st);
	st.f_bsize = st.f_frsize = sysconf(_SC_PAGESIZE);
	st.f_blocks = ps.size / st.f_frsize;
	/* What is Available can be had at once: it counts as free. */
	used = pool_used(c.w->pool);
	st.f_bfree = st.f_blocks > used ? st.f_blocks - used : 0;
	st.f_bavail = st.f_bfree;
	st.f_namemax = INODE_NAME_MAX;
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops worker_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.mkdir = op_mkdir,
	.rmdir = op_rmdir,
	.unlink = op_unlink,
	.mknod = op_mknod,
	.create = op_create,
	.symlink = op_symlink,
	.link = op_link,
	.rename = op_rename,
	.readlink = op_readlink,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.fsync = op_fsync,
	.release = op_release,
	.poll = op_poll,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.ioctl = op_ioctl,
	.copy_file_range = op_copy_range,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
};
