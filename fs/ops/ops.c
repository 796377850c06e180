/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse's operations: each decodes the node, calls what its kind has, and
 * replies.  The tables are here: which kind has what, and the operations, most
 * of which are in the ops_*.c files.
 */
#include "fs/ops/ops_priv.h"

#include <sys/statvfs.h>
#include <unistd.h>

static const struct node_ops *const kind_ops[NODE_KINDS] = {
	[NODE_PLAIN] = &plain_ops,
	[NODE_SHRINKER] = &shrinker_ops,
	[NODE_SHRINKER_COUNT] = &text_ops,
	[NODE_SHRINKER_SCAN] = &shrinker_scan_ops,
	[NODE_TX] = &tx_ops,
	[NODE_BOX + BOX_DIR] = &box_dir_ops,
	[NODE_BOX + BOX_DATA] = &box_data_ops,
	[NODE_BOX + BOX_SEND] = &box_send_ops,
	[NODE_BOX + BOX_RECV] = &box_recv_ops,
	[NODE_BOX + BOX_TX] = &box_tx_dir_ops,
	[NODE_BOX + BOX_STAT] = &text_ops,
};

static const struct node_ops *const fixed_ops[FIXED_END] = {
	[FIXED_BOXES] = &fixed_boxes_ops,
	[FIXED_CONTROL] = &fixed_control_ops,
	[FIXED_STATS] = &text_ops,
	[FIXED_METRICS] = &text_ops,
	[FIXED_PRESSURE] = &text_ops,
	[FIXED_CONFIG] = &config_ops,
	[FIXED_EVENTS] = &events_ops,
	[FIXED_SHRINKERS] = &fixed_shrinkers_ops,
};

static const struct node_ops no_ops;

const struct node_ops *node_ops(uint64_t node)
{
	const struct node_ops *ops = NULL;
	uint64_t index = node_index(node);

	if (node_kind(node) == NODE_FIXED)
		ops = index < FIXED_END ? fixed_ops[index] : NULL;
	else if (node_kind(node) < NODE_KINDS)
		ops = kind_ops[node_kind(node)];
	return ops ? ops : &no_ops;
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	struct worker *w = data;

	/* RELEASE is a background request: it must never wait for a place
	 * behind others, or what comes after close() overtakes it. */
	conn->max_background = 65535;
	conn->congestion_threshold = 65535;
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
	if (conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA)
		conn->want |= FUSE_CAP_EXPLICIT_INVAL_DATA;
	/* Modes are the store's to apply: a default ACL beats the umask. */
	if (conn->capable & FUSE_CAP_DONT_MASK)
		conn->want |= FUSE_CAP_DONT_MASK;
	if (conn->capable & FUSE_CAP_POSIX_ACL && !w->options->noacl)
		conn->want |= FUSE_CAP_POSIX_ACL;
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct call c = call_of(req, node);
	struct statvfs st = { 0 };
	struct pool_stat ps;
	uint64_t used;

	pool_stat(c.w->pool, &ps);
	store_space(c.w->store, &st);
	st.f_bsize = st.f_frsize = sysconf(_SC_PAGESIZE);
	st.f_blocks = ps.size / st.f_frsize;
	/* What is Available is there for whoever asks. */
	used = pool_used(c.w->pool);
	st.f_bfree = st.f_blocks > used ? st.f_blocks - used : 0;
	st.f_bavail = st.f_bfree;
	st.f_namemax = TREE_NAME_MAX;
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops worker_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
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
