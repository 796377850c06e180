/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's libfuse session.  The kernel sends INIT once a mount; each
 * worker hands it to its own session, and swallows the reply if the kernel has
 * had it.
 */
#include "fs/worker/worker_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/ops/ops.h"

/*
 * The kernel pins the pages of each piece: a copy in one small piece is
 * cheaper.
 */
static ssize_t worker_write(int fd, struct iovec *iov, int count)
{
	char buf[256] __attribute__((aligned(64)));
	size_t len = 0;

	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > sizeof(buf) - len)
			return writev(fd, iov, count);
		memcpy(buf + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return write(fd, buf, len);
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *data)
{
	struct worker *w = worker_of(data);
	ssize_t len = 0;

	if (!w->init_pending)
		return worker_write(fd, iov, count);
	w->init_pending = false;
	if (w->init_swallow) {
		/* The kernel has had this answer from an earlier worker. */
		for (int i = 0; i < count; i++)
			len += iov[i].iov_len;
		return len;
	}
	wire_init_complete(iov, count, &w->features);
	return writev(fd, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t len, void *data)
{
	return read(fd, buf, len);
}

static const struct fuse_custom_io worker_io = {
	.writev = io_writev,
	.read = io_read,
};

static void worker_choose_features(struct worker *w)
{
	wire_init_offers(w->shared->init, w->shared->init_len, &w->features);
	/* The kernel lets only CAP_SYS_ADMIN register files. */
	if (w->options->mode == MODE_CACHED || geteuid() != 0)
		w->features.passthrough = false;
	w->features.idmap &= w->options->idmap;
	if (w->options->export)
		w->features.no_export = false;
}

int worker_init_session(struct worker *w)
{
	struct mount_shared *sh = w->shared;
	struct fuse_buf fbuf;
	char *buf;
	ssize_t n;

	w->init_swallow = sh->init_answered;
	if (!sh->init_answered) {
		buf = aligned_alloc(4096, REQUEST_MAX);
		if (!buf)
			return -ENOMEM;
		n = worker_read(w, buf);
		if (n > 0 && n <= INIT_MAX) {
			memcpy(sh->init, buf, n);
			sh->init_len = n;
		}
		free(buf);
		if (n < 0)
			return n;
		if (n > INIT_MAX)
			return -EPROTO;
	}
	worker_choose_features(w);
	w->init_pending = true;
	fbuf = (struct fuse_buf){ .mem = sh->init, .size = sh->init_len };
	fuse_session_process_buf(w->se, &fbuf);
	if (w->init_pending)
		return -EPROTO;
	sh->can_resend = w->features.resend;
	sh->init_answered = 1;
	return 0;
}

struct fuse_session *worker_session(struct worker *w)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se = NULL;

	if (fuse_opt_add_arg(&args, "poolfs") == 0 &&
	    (!w->options->debug || fuse_opt_add_arg(&args, "-d") == 0))
		se = fuse_session_new(&args, &worker_ops, sizeof(worker_ops),
				      w);
	fuse_opt_free_args(&args);
	if (se && fuse_session_custom_io(se, &worker_io, w->fuse_fd)) {
		fuse_session_destroy(se);
		se = NULL;
	}
	return se;
}
