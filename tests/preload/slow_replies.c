/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it holds back what the worker tells the kernel while the
 * file $SLOW_REPLIES exists: invalidations for a moment, so that a READ can come
 * first, and the answer to that READ for as long as the file is there.  In the
 * directory of that file, "invalidating" and "reading" say how far it is.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_AT_LEAST 4096

ssize_t write(int fd, const void *buf, size_t len);
ssize_t writev(int fd, const struct iovec *iov, int count);

static void say(const char *what)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s.%s", getenv("SLOW_REPLIES"), what);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
}

static void slow(const struct fuse_out_header *out, size_t len, size_t total)
{
	const char *file = getenv("SLOW_REPLIES");

	if (!file || len < sizeof(*out) || out->len != total ||
	    access(file, F_OK) < 0)
		return;
	if (out->unique == 0 && out->error == FUSE_NOTIFY_INVAL_INODE) {
		say("invalidating");
		sleep(2);
	} else if (out->unique && !out->error && total > READ_AT_LEAST) {
		say("reading");
		while (access(file, F_OK) == 0)
			usleep(10000);
	}
}

ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

	slow(buf, len, len);
	return next(fd, buf, len);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	ssize_t (*next)(int, const struct iovec *, int) = dlsym(RTLD_NEXT,
								"writev");
	size_t total = 0;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	slow(iov[0].iov_base, iov[0].iov_len, total);
	return next(fd, iov, count);
}
