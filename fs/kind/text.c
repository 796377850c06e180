/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files whose text is made when they are opened: one open sees one state of
 * affairs, whatever the sizes of its reads.  The text is kept in the store, so
 * that a reader can go on when a new worker has started.
 *
 * Also here: .pool/config, .pool/events and a shrinker's scan, which are
 * written to or go on for ever.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/ops/ops.h"

static int text_getattr(struct call *c, struct stat *st)
{
	if (node_kind(c->node) == NODE_BOX + BOX_STAT)
		return box_node_getattr(c, st);
	owner_stat(c, st, S_IFREG | 0444);
	return 0;
}

static int text_setattr(struct call *c, const struct stat *st, int to_set)
{
	if (node_kind(c->node) == NODE_BOX + BOX_STAT)
		return box_node_setattr(c, st, to_set);
	return -EPERM;
}

static int text_file(struct worker *w, uint32_t handle, int flags)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%u", handle);
	fd = openat(w->store->openfd, name, flags | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int text_save(struct worker *w, uint32_t handle, const char *text)
{
	size_t len = strlen(text);
	int fd = text_file(w, handle, O_WRONLY | O_CREAT | O_TRUNC);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, len);
	close(fd);
	return n == (ssize_t)len ? 0 : -ENOSPC;
}

/* Opens a file that reads as @text. */
static void text_open_as(struct call *c, const char *text, int err,
			 struct fuse_file_info *fi)
{
	uint32_t handle;

	if (!err)
		err = open_handle(c, HANDLE_CONTROL, NULL, 0, fi->flags,
				  &handle);
	if (!err && text) {
		err = text_save(c->w, handle, text);
		if (err == -ENOSPC && worker_make_room(c->w, strlen(text)))
			err = text_save(c->w, handle, text);
		if (err) {
			/* It is no answer of the open that came before it. */
			pool_set_token(c->w->pool, 0);
			handle_close(c->w->pool, handle);
		}
	}
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_open(c, handle, WIRE_DIRECT_IO | WIRE_NOFLUSH, 0);
}

static void text_open(struct call *c, struct fuse_file_info *fi)
{
	int err = 0;
	char *text = NULL;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		err = -EACCES;
	else
		text = render_text(c->w, c->node, &err);
	text_open_as(c, text, err, fi);
	free(text);
}

static void text_read(struct call *c, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	int fd = text_file(c->w, fi->fh, O_RDONLY);
	char *buf = malloc(size);
	ssize_t n = -1;

	if (fd >= 0 && buf)
		n = pread(fd, buf, size, off);
	if (n < 0)
		fuse_reply_err(c->req, fd < 0 ? -fd : EIO);
	else
		fuse_reply_buf(c->req, buf, n);
	if (fd >= 0)
		close(fd);
	free(buf);
}

static void text_release(struct call *c, struct fuse_file_info *fi)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", (uint32_t)fi->fh);
	unlinkat(c->w->store->openfd, name, 0);
}

const struct node_ops text_ops = {
	.getattr = text_getattr,
	.setattr = text_setattr,
	.open = text_open,
	.read = text_read,
	.release = text_release,
};

/* --- .pool/config --- */

static int writable_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFREG | 0644);
	return 0;
}

/* A shell's > truncates first; that is no change. */
static int writable_setattr(struct call *c, const struct stat *st, int to_set)
{
	return to_set & ~(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME |
			  FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)
		       ? -EPERM
		       : 0;
}

static void config_open(struct call *c, struct fuse_file_info *fi)
{
	char *text = NULL;
	int err = 0;

	if ((fi->flags & O_ACCMODE) != O_WRONLY) {
		text = config_render(c->w);
		err = text ? 0 : -ENOMEM;
	}
	text_open_as(c, text, err, fi);
	free(text);
}

static void config_file_write(struct call *c, const void *buf, size_t size,
			      off_t off, struct fuse_file_info *fi)
{
	int err = config_write(c->w, buf, size);

	if (err)
		fuse_reply_err(c->req, -err);
	else
		fuse_reply_write(c->req, size);
}

const struct node_ops config_ops = {
	.getattr = writable_getattr,
	.setattr = writable_setattr,
	.open = config_open,
	.read = text_read,
	.write = config_file_write,
	.release = text_release,
};

/* --- shrinker/NAME-ID/scan --- */

static int scan_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFREG | 0200);
	return 0;
}

static void scan_open(struct call *c, struct fuse_file_info *fi)
{
	int err = (fi->flags & O_ACCMODE) == O_WRONLY ? 0 : -EACCES;

	text_open_as(c, NULL, err, fi);
}

/* A number after blanks, of digits alone. */
static int scan_number(const char **text, unsigned long max, unsigned long *out)
{
	unsigned long n;
	char *end;

	while (isspace((unsigned char)**text))
		++*text;
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	errno = 0;
	n = strtoul(*text, &end, 10);
	if (errno || n > max || (*end && !isspace((unsigned char)*end)))
		return -EINVAL;
	*text = end;
	*out = n;
	return 0;
}

/* "GROUP NODE NR", as the kernel's debugfs takes it; there is one group, 0. */
static int scan_parse(const char *buf, size_t size, int *nid, unsigned long *nr)
{
	unsigned long group, node;
	char line[96];
	const char *text = line;

	if (size >= sizeof(line))
		return -EINVAL;
	memcpy(line, buf, size);
	line[size] = 0;
	if (scan_number(&text, 0, &group) ||
	    scan_number(&text, INT_MAX, &node) ||
	    scan_number(&text, ULONG_MAX, nr))
		return -EINVAL;
	while (isspace((unsigned char)*text))
		text++;
	*nid = node;
	/* A NUL among the bytes is no end of them. */
	return text == line + size ? 0 : -EINVAL;
}

static void scan_write(struct call *c, const void *buf, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	unsigned long nr, freed;
	int nid;
	int err = scan_parse(buf, size, &nid, &nr);

	if (!err)
		err = shrinker_debug_scan(c->index, nid, nr, &freed);
	if (err)
		fuse_reply_err(c->req, -err);
	else
		/* who has it then looks for zeros must find them */
		notify_reply_write(c->w, c->req, size);
}

const struct node_ops shrinker_scan_ops = {
	.getattr = scan_getattr,
	.setattr = writable_setattr,
	.open = scan_open,
	.write = scan_write,
};

/* --- .pool/events --- */

static void events_open_file(struct call *c, struct fuse_file_info *fi)
{
	uint32_t handle;
	int err = -EACCES;

	if ((fi->flags & O_ACCMODE) == O_RDONLY)
		err = open_handle(c, HANDLE_CONTROL, NULL, 0, fi->flags,
				  &handle);
	if (err)
		fuse_reply_err(c->req, -err);
	else
		reply_open(c, handle,
			   WIRE_DIRECT_IO | WIRE_STREAM | WIRE_NOFLUSH, 0);
}

/* Return: 0 when it has answered, or -EAGAIN. */
static int events_some(struct worker *w, fuse_req_t req, uint32_t handle,
		       size_t size)
{
	uint64_t cursor = handle_cursor_start(w->pool, handle);
	char buf[4 * EVENT_LINE];
	size_t len;

	if (size < EVENT_LINE) {
		/* Lines are never cut: too small a buffer gets none. */
		fuse_reply_err(req, EINVAL);
		return 0;
	}
	if (size > sizeof(buf))
		size = sizeof(buf);
	len = events_read(&w->events, &cursor, buf, size);
	if (!len)
		return -EAGAIN;
	handle_set_cursor(w->pool, handle, cursor);
	fuse_reply_buf(req, buf, len);
	return 0;
}

static bool events_retry(struct waiter *wt)
{
	return events_some(wt->worker, wt->req, wt->handle, wt->size) == 0;
}

static void events_give_up(struct waiter *wt, int error)
{
	if (error == ESHUTDOWN)
		fuse_reply_buf(wt->req, NULL, 0);
	else
		fuse_reply_err(wt->req, error);
}

static void events_read_file(struct call *c, size_t size, off_t off,
			     struct fuse_file_info *fi)
{
	struct waiter wt = { .req = c->req,
			     .handle = fi->fh,
			     .size = size,
			     .retry = events_retry,
			     .give_up = events_give_up };
	int err;

	if (events_some(c->w, c->req, fi->fh, size) == 0)
		return;
	if (fi->flags & O_NONBLOCK)
		err = -EAGAIN;
	else
		err = wait_add(c->w, &c->w->waiters.events, &wt);
	if (err == -ESHUTDOWN)
		fuse_reply_buf(c->req, NULL, 0);
	else if (err)
		fuse_reply_err(c->req, -err);
}

static void events_poll(struct call *c, uint64_t key, struct fuse_file_info *fi)
{
	uint64_t cursor = handle_cursor(c->w->pool, fi->fh);
	char buf[EVENT_LINE];
	unsigned int ready = 0;

	if (events_read(&c->w->events, &cursor, buf, sizeof(buf)))
		ready = POLLIN | POLLRDNORM;
	else
		poll_register(c, NULL, key, fi->fh);
	fuse_reply_poll(c->req, ready);
}

const struct node_ops events_ops = {
	.getattr = text_getattr,
	.open = events_open_file,
	.read = events_read_file,
	.poll = events_poll,
};
