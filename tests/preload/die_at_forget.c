/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it kills the worker that has just read a FORGET or a
 * BATCH_FORGET.  While the file $DIE_AT_FORGET is there, each worker dies of
 * the first one; it gets a byte longer each time.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t read(int fd, void *buf, size_t len);

ssize_t read(int fd, void *buf, size_t len)
{
	ssize_t (*next)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
	const struct fuse_in_header *in = buf;
	const char *file = getenv("DIE_AT_FORGET");
	ssize_t n = next(fd, buf, len);
	int log;

	if (!file || n < (ssize_t)sizeof(*in) || in->len != n ||
	    (in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET))
		return n;
	log = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (log >= 0 && write(log, "x", 1) == 1)
		raise(SIGKILL);
	return n;
}
