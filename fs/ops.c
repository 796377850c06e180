/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse's operations: each decodes the node, calls what its kind has, and
 * replies.
 */
#include "fs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/process.h"

/*
 * Attributes and names change only through this mount, so the kernel may keep
 * them; what changes by itself (tx/, sizes of generated files) is asked again.
 */
#define LONG_TIMEOUT 3600.0

static const struct node_ops *const kind_ops[NODE_KINDS] = {
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
	[FIXED_ROOT] = &fixed_root_ops,
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

static struct call call_of(fuse_req_t req, fuse_ino_t node)
{
	return (struct call){ .w = fuse_req_userdata(req),
			      .req = req,
			      .node = node,
			      .index = node_index(node),
			      .ctx = fuse_req_ctx(req) };
}

static int call_getattr(struct call *c, struct stat *st)
{
	const struct node_ops *ops = node_ops(c->node);
	int err;

	memset(st, 0, sizeof(*st));
	if (!ops->getattr)
		return -ENOENT;
	err = ops->getattr(c, st);
	/* All doors of a send are one file. */
	st->st_ino = node_number(node_kind(c->node), c->index);
	st->st_blksize = 4096;
	return err;
}

static double attr_timeout(uint64_t node)
{
	enum node_kind kind = node_kind(node);

	return kind == NODE_BOX + BOX_TX || kind == NODE_FIXED ? 0
							       : LONG_TIMEOUT;
}

/* A shrinker comes and goes by itself, and send has another door each time. */
static double entry_timeout(uint64_t node)
{
	enum node_kind kind = node_kind(node);

	return kind == NODE_SHRINKER || kind == NODE_BOX + BOX_SEND
		       ? 0
		       : LONG_TIMEOUT;
}

static void reply_entry(struct call *c, uint64_t child)
{
	struct fuse_entry_param e = { .ino = child };
	struct call of = *c;
	int err;

	of.node = child;
	of.index = node_index(child);
	err = call_getattr(&of, &e.attr);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	e.attr_timeout = attr_timeout(child);
	e.entry_timeout = entry_timeout(child);
	fuse_reply_entry(c->req, &e);
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	/* RELEASE is a background request: it must never wait for a place
	 * behind others, or what comes after close() overtakes it. */
	conn->max_background = 65535;
	conn->congestion_threshold = 65535;
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
	if (conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA)
		conn->want |= FUSE_CAP_EXPLICIT_INVAL_DATA;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child;
	int err = ops->lookup ? ops->lookup(&c, name, &child) : -ENOTDIR;

	if (err)
		fuse_reply_err(req, -err);
	else
		reply_entry(&c, child);
}

static void op_getattr(fuse_req_t req, fuse_ino_t node,
		       struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	struct stat st;
	int err = call_getattr(&c, &st);

	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_attr(req, &st, attr_timeout(node));
}

static void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	int err = ops->setattr ? ops->setattr(&c, attr, to_set) : -EPERM;

	if (err)
		fuse_reply_err(req, -err);
	else
		op_getattr(req, node, fi);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child;
	int err = ops->mkdir ? ops->mkdir(&c, name, mode, &child) : -EPERM;

	if (err)
		fuse_reply_err(req, -err);
	else
		reply_entry(&c, child);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	fuse_reply_err(req, ops->rmdir ? -ops->rmdir(&c, name) : EPERM);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	fuse_reply_err(req, ops->unlink ? -ops->unlink(&c, name) : EPERM);
}

/* Nothing but boxes is made here. */
static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	fuse_reply_err(req, EPERM);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	fuse_reply_err(req, EPERM);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		       const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent,
		    const char *name)
{
	fuse_reply_err(req, EPERM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t to, const char *to_name, unsigned int flags)
{
	fuse_reply_err(req, EPERM);
}

static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->open)
		ops->open(&c, fi);
	else
		fuse_reply_err(req, EACCES);
}

static void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->read)
		ops->read(&c, size, off, fi);
	else
		fuse_reply_err(req, EBADF);
}

static void op_write(fuse_req_t req, fuse_ino_t node, const char *buf,
		     size_t size, off_t off, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->write)
		ops->write(&c, buf, size, fi);
	else
		fuse_reply_err(req, EPERM);
}

static void op_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->flush)
		ops->flush(&c, fi);
	else
		fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync,
		     struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->fsync)
		ops->fsync(&c, fi);
	else
		fuse_reply_err(req, 0);
}

static void op_release(fuse_req_t req, fuse_ino_t node,
		       struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->release)
		ops->release(&c, fi);
	handle_close(c.w->pool, fi->fh);
	fuse_reply_err(req, 0);
}

static void op_poll(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
		    struct fuse_pollhandle *ph)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->poll)
		ops->poll(&c, ph ? c.w->request.poll_key : 0, fi);
	else
		fuse_reply_poll(req,
				POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
	if (ph)
		fuse_pollhandle_destroy(ph);
}

static void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	struct dir_reply d = { .req = req, .size = size };

	if (!ops->readdir) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	d.buf = malloc(size);
	if (!d.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (dir_add_dots(&d, node, off))
		ops->readdir(&c, &d, off < 2 ? 2 : off);
	fuse_reply_buf(req, d.buf, d.used);
	free(d.buf);
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct call c = call_of(req, node);
	struct pool_stat ps;
	struct statvfs st = { 0 };

	pool_stat(c.w->pool, &ps);
	st.f_bsize = st.f_frsize = sysconf(_SC_PAGESIZE);
	st.f_blocks = ps.size / st.f_frsize;
	/* What is Available is there for whoever asks. */
	st.f_bfree = st.f_blocks > ps.pages.used ? st.f_blocks - ps.pages.used
						 : 0;
	st.f_bavail = st.f_bfree;
	st.f_files = ps.boxes + ps.transactions;
	st.f_namemax = BOX_NAME_MAX;
	fuse_reply_statfs(req, &st);
}

bool dir_add(struct dir_reply *d, const char *name, uint64_t node, mode_t type,
	     off_t next)
{
	struct stat st = { .st_ino = node, .st_mode = type };
	size_t need = fuse_add_direntry(d->req, d->buf + d->used,
					d->size - d->used, name, &st, next);

	if (need > d->size - d->used)
		return false;
	d->used += need;
	return true;
}

bool dir_add_dots(struct dir_reply *d, uint64_t self, off_t off)
{
	if (off < 1 && !dir_add(d, ".", self, S_IFDIR, 1))
		return false;
	return off >= 2 || dir_add(d, "..", self, S_IFDIR, 2);
}

void reply_open(struct call *c, uint32_t handle, uint32_t flags,
		int32_t backing_id)
{
	struct wire_open out = { .fh = handle,
				 .flags = flags,
				 .backing_id = backing_id };

	fuse_reply_buf(c->req, (const char *)&out, sizeof(out));
}

int open_handle(struct call *c, enum handle_kind kind, struct box *box,
		uint32_t tx, int flags, uint32_t *handle)
{
	return handle_open(c->w->pool, kind, box, tx, flags, c->ctx->uid,
			   c->ctx->gid, process_of(c->ctx->pid), handle);
}

void poll_register(struct call *c, struct box *box, uint64_t key,
		   uint32_t handle)
{
	struct box_waits *bw = box ? box_waits(box) : NULL;

	if (!key)
		return;
	handle_set_poll_key(c->w->pool, handle, key);
	if (bw)
		bw->polled = true;
	else
		c->w->waiters.events_polled = true;
}

void owner_stat(struct call *c, struct stat *st, mode_t mode)
{
	st->st_mode = mode;
	st->st_nlink = S_ISDIR(mode) ? 2 : 1;
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_mtim = st->st_ctim = st->st_atim = c->w->started;
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
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.fsync = op_fsync,
	.release = op_release,
	.poll = op_poll,
	.readdir = op_readdir,
	.statfs = op_statfs,
};
