/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse's operations: each decodes the node, calls what its kind has, and
 * replies.
 */
#include "fs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
	if (node_kind(c->node) == NODE_PLAIN)
		return err;
	/* All doors of a send are one file. */
	st->st_ino = node_number(node_kind(c->node), c->index);
	st->st_blksize = 4096;
	return err;
}

/*
 * A writer of a mapping changes the times of an open file, and the kernel does
 * not know.
 */
#define MAPPED_TIMEOUT 1.0

static double attr_timeout(struct worker *w, uint64_t node)
{
	enum node_kind kind = node_kind(node);

	if (kind == NODE_PLAIN && w->mode == MODE_PASSTHROUGH &&
	    tree_opens(w->pool, node))
		return MAPPED_TIMEOUT;
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

int entry_of(struct call *c, uint64_t child, struct fuse_entry_param *e)
{
	struct call of = *c;
	int err;

	memset(e, 0, sizeof(*e));
	of.node = child;
	of.index = node_index(child);
	err = call_getattr(&of, &e->attr);
	e->ino = child;
	e->attr_timeout = attr_timeout(c->w, child);
	e->entry_timeout = entry_timeout(child);
	return err;
}

static void reply_entry(struct call *c, uint64_t child)
{
	struct fuse_entry_param e;
	int err = entry_of(c, child, &e);

	if (!err) {
		fuse_reply_entry(c->req, &e);
		return;
	}
	if (node_kind(child) == NODE_PLAIN)
		tree_forget(c->w->pool, child, 1);
	fuse_reply_err(c->req, -err);
}

/* Nobody but the kernel makes plain files: it may know what is not there. */
static void reply_no_entry(struct call *c)
{
	struct fuse_entry_param e = { .entry_timeout = LONG_TIMEOUT };

	fuse_reply_entry(c->req, &e);
}

static void reply_made(struct call *c, int err, uint64_t child)
{
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_entry(c, child);
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

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->lookup ? ops->lookup(&c, name, &child) : -ENOTDIR;

	if (err == -ENOENT && node_kind(parent) == NODE_PLAIN)
		reply_no_entry(&c);
	else
		reply_made(&c, err, child);
}

static void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t n)
{
	struct worker *w = fuse_req_userdata(req);

	if (node_kind(node) == NODE_PLAIN)
		tree_forget(w->pool, node, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct worker *w = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		if (node_kind(forgets[i].ino) == NODE_PLAIN)
			tree_forget(w->pool, forgets[i].ino,
				    forgets[i].nlookup);
	fuse_reply_none(req);
}

static struct statx_timestamp statx_time(struct timespec t)
{
	return (struct statx_timestamp){ .tv_sec = t.tv_sec,
					 .tv_nsec = t.tv_nsec };
}

static void statx_of_stat(const struct stat *st, struct statx *out)
{
	*out = (struct statx){ .stx_mask = STATX_BASIC_STATS,
			       .stx_blksize = st->st_blksize,
			       .stx_nlink = st->st_nlink,
			       .stx_uid = st->st_uid,
			       .stx_gid = st->st_gid,
			       .stx_mode = st->st_mode,
			       .stx_ino = st->st_ino,
			       .stx_size = st->st_size,
			       .stx_blocks = st->st_blocks,
			       .stx_atime = statx_time(st->st_atim),
			       .stx_ctime = statx_time(st->st_ctim),
			       .stx_mtime = statx_time(st->st_mtim) };
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
		fuse_reply_attr(req, &st, attr_timeout(c.w, node));
}

/* libfuse knows no STATX; only plain files have a time of birth. */
void op_statx(struct worker *w)
{
	struct call c = { .w = w,
			  .node = w->request.node,
			  .index = node_index(w->request.node) };
	struct wire_statx reply;
	struct statx stx = { 0 };
	int err;

	if (node_kind(c.node) == NODE_PLAIN) {
		err = tree_stat(w->pool, c.index, &stx);
	} else {
		struct stat st;

		err = call_getattr(&c, &st);
		statx_of_stat(&st, &stx);
	}
	if (!err) {
		wire_statx_fill(&reply, &stx, attr_timeout(w, c.node));
		wire_reply(w->fuse_fd, w->request.raw_unique, &reply,
			   sizeof(reply));
	} else {
		wire_reply_error(w->fuse_fd, w->request.raw_unique, err);
	}
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
	uint64_t child = 0;
	int err = ops->mkdir ? ops->mkdir(&c, name, mode, &child) : -EPERM;

	reply_made(&c, err, child);
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

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->mknod ? ops->mknod(&c, name, mode, rdev, &child)
			     : -EPERM;

	reply_made(&c, err, child);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	if (!ops->create)
		fuse_reply_err(req, EPERM);
	else if (c.w->request.op == WIRE_TMPFILE)
		ops->create(&c, NULL, mode, fi);
	else
		ops->create(&c, name, mode, fi);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	uint64_t child = 0;
	int err = ops->symlink ? ops->symlink(&c, name, target, &child)
			       : -EPERM;

	reply_made(&c, err, child);
}

static void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent,
		    const char *name)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);
	int err = ops->link ? ops->link(&c, node, name) : -EPERM;

	reply_made(&c, err, node);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t to, const char *to_name, unsigned int flags)
{
	struct call c = call_of(req, parent);
	const struct node_ops *ops = node_ops(parent);

	fuse_reply_err(req, ops->rename
				    ? -ops->rename(&c, name, to, to_name, flags)
				    : EPERM);
}

static void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	char target[PATH_MAX + 1];
	ssize_t n = ops->readlink ? ops->readlink(&c, target, sizeof(target))
				  : -EINVAL;

	if (n < 0)
		fuse_reply_err(req, -n);
	else
		fuse_reply_readlink(req, target);
}

/* --- extended attributes --- */

/* What is asked is either how long it is, or it itself. */
static void reply_xattr(fuse_req_t req, ssize_t n, const char *value,
			size_t size)
{
	if (n < 0)
		fuse_reply_err(req, -n);
	else if (!size)
		fuse_reply_xattr(req, n);
	else
		fuse_reply_buf(req, value, n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name,
			size_t size)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	char *value = size ? malloc(size) : NULL;
	ssize_t n = -ENODATA;

	if (size && !value)
		n = -ENOMEM;
	else if (ops->getxattr)
		n = ops->getxattr(&c, name, value, size);
	reply_xattr(req, n, value, size);
	free(value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	char *list = size ? malloc(size) : NULL;
	ssize_t n = 0;

	if (size && !list)
		n = -ENOMEM;
	else if (ops->listxattr)
		n = ops->listxattr(&c, list, size);
	reply_xattr(req, n, list, size);
	free(list);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name,
			const char *value, size_t size, int flags)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	fuse_reply_err(req, ops->setxattr ? -ops->setxattr(&c, name, value,
							   size, flags)
					  : EOPNOTSUPP);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	fuse_reply_err(req, ops->removexattr ? -ops->removexattr(&c, name)
					     : EOPNOTSUPP);
}

/* --- open files --- */

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
		ops->write(&c, buf, size, off, fi);
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
	if (node_kind(node) != NODE_PLAIN)
		handle_close(c.w->pool, fi->fh);
	fuse_reply_err(req, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off,
			 off_t len, struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	fuse_reply_err(req, ops->fallocate ? -ops->fallocate(&c, mode, off, len)
					   : EOPNOTSUPP);
}

static void op_ioctl(fuse_req_t req, fuse_ino_t node, unsigned int cmd,
		     void *arg, struct fuse_file_info *fi, unsigned int flags,
		     const void *in, size_t in_size, size_t out_size)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);

	if (ops->ioctl && !(flags & FUSE_IOCTL_DIR))
		ops->ioctl(&c, cmd, fi->fh, in, in_size);
	else
		fuse_reply_err(req, ENOTTY);
}

static void op_lseek(fuse_req_t req, fuse_ino_t node, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	off_t at;

	if (node_kind(node) == NODE_PLAIN && c.w->mode == MODE_CACHED &&
	    !notify_then_lseek(c.w, req, node, off, whence))
		return;
	at = ops->lseek ? ops->lseek(&c, off, whence) : -EINVAL;
	if (at < 0)
		fuse_reply_err(req, -at);
	else
		fuse_reply_lseek(req, at);
}

static void op_copy_range(fuse_req_t req, fuse_ino_t node, off_t off,
			  struct fuse_file_info *fi, fuse_ino_t to,
			  off_t to_off, struct fuse_file_info *to_fi,
			  size_t len, int flags)
{
	struct call c = call_of(req, node);
	ssize_t n = -EXDEV;

	if (node_kind(node) == NODE_PLAIN && node_kind(to) == NODE_PLAIN)
		n = plain_copy_range(&c, off, to, to_off, len);
	if (n < 0)
		fuse_reply_err(req, -n);
	else
		fuse_reply_write(req, n);
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

/*
 * Said once, neither OPENDIR nor RELEASEDIR is sent any more, and the kernel
 * keeps listings.  What changes by itself is said to it: notify_listing().
 */
static void op_opendir(fuse_req_t req, fuse_ino_t node,
		       struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static void list_dir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		     bool plus)
{
	struct call c = call_of(req, node);
	const struct node_ops *ops = node_ops(node);
	struct dir_reply d = { .req = req, .size = size, .plus = plus };

	if (!ops->readdir) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	d.buf = malloc(size);
	if (!d.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	c.w->listing_changes = 0;
	if (node_kind(node) == NODE_PLAIN)
		ops->readdir(&c, &d, off);
	else if (dir_add_dots(&d, node, off))
		ops->readdir(&c, &d, off < 2 ? 2 : off);
	fuse_reply_buf(req, d.buf, d.used);
	if (c.w->listing_changes)
		notify_listing(c.w, c.w->listing_changes);
	free(d.buf);
}

static void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	list_dir(req, node, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t node, size_t size,
			   off_t off, struct fuse_file_info *fi)
{
	list_dir(req, node, size, off, true);
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

bool dir_add(struct dir_reply *d, const char *name, uint64_t node, mode_t type,
	     off_t next)
{
	struct fuse_entry_param e = { .attr = { .st_ino = node,
						.st_mode = type } };
	size_t need;

	/* Without a node, the kernel takes the name alone. */
	if (d->plus)
		return dir_add_plus(d, name, &e, next);
	need = fuse_add_direntry(d->req, d->buf + d->used, d->size - d->used,
				 name, &e.attr, next);
	if (need > d->size - d->used)
		return false;
	d->used += need;
	return true;
}

bool dir_add_plus(struct dir_reply *d, const char *name,
		  const struct fuse_entry_param *e, off_t next)
{
	size_t need = fuse_add_direntry_plus(d->req, d->buf + d->used,
					     d->size - d->used, name, e, next);

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
