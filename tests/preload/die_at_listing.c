/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it kills the worker that is about to answer a READDIRPLUS.
 * While the file $DIE_AT_LISTING has less than three bytes, each worker dies of
 * the first one; it gets a byte longer each time.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t read(int fd, void *buf, size_t len);
ssize_t writev(int fd, const struct iovec *iov, int count);

static uint64_t listing; /* the last READDIRPLUS that was read */

ssize_t read(int fd, void *buf, size_t len)
{
	ssize_t (*next)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
	const struct fuse_in_header *in = buf;
	ssize_t n = next(fd, buf, len);

	if (n >= (ssize_t)sizeof(*in) && in->len == n &&
	    in->opcode == FUSE_READDIRPLUS)
		listing = in->unique;
	return n;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	ssize_t (*next)(int, const struct iovec *, int) = dlsym(RTLD_NEXT,
								"writev");
	const struct fuse_out_header *out = iov[0].iov_base;
	const char *file = getenv("DIE_AT_LISTING");
	int log;

	if (!file || !listing || iov[0].iov_len < sizeof(*out) ||
	    out->unique != listing)
		return next(fd, iov, count);
	log = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (log >= 0 && lseek(log, 0, SEEK_END) < 3 && write(log, "x", 1) == 1)
		raise(SIGKILL);
	if (log >= 0)
		close(log);
	return next(fd, iov, count);
}
