/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it counts the worker's answers and kills it at one of
 * them: see die_at.h.  Workers of one mount go on counting.
 */
#include "die_at.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t read(int fd, void *buf, size_t len);
ssize_t write(int fd, const void *buf, size_t len);
ssize_t writev(int fd, const struct iovec *iov, int count);

static struct die_at *die;

__attribute__((constructor)) static void die_at_map(void)
{
	const char *file = getenv("DIE_AT");
	int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED
			   : mmap(NULL, sizeof(*die), PROT_READ | PROT_WRITE,
				  MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	die = map == MAP_FAILED ? NULL : map;
}

/* A number that comes again has a bit more. */
static uint64_t number_of(uint64_t unique)
{
	return unique & ~(1ull << 63);
}

static void die_now(uint32_t opcode)
{
	die->opcode = opcode;
	die->at = 0;
	raise(SIGKILL);
}

/* Counts one.  Return: is it the one to die at? */
static bool is_last(uint32_t opcode, bool answer)
{
	/* The first request is part of starting. */
	if (opcode == FUSE_INIT || answer == (die->when == DIE_UNREAD) ||
	    (die->only && opcode != die->only))
		return false;
	return ++die->answers == die->at;
}

static void has_read(const void *buf, ssize_t n)
{
	const struct fuse_in_header *in = buf;
	uint64_t unique;

	if (!die || n < (ssize_t)sizeof(*in) || in->len != n || !in->unique ||
	    in->opcode >= DIE_AT_OPCODES)
		return;
	unique = number_of(in->unique);
	/* Odd: that of the request that is to be interrupted, and no answer. */
	if (unique % 2 == 0) {
		die->seen[unique / 2 % DIE_AT_SEEN].unique = unique;
		die->seen[unique / 2 % DIE_AT_SEEN].opcode = in->opcode;
	}
	if (is_last(in->opcode, false))
		die_now(in->opcode);
}

/* Return: the opcode of the request that is answered; 0: this is no answer. */
static uint32_t answers(const struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	uint64_t unique;
	size_t total = 0;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (!die || iov[0].iov_len < sizeof(*out) || out->len != total ||
	    !out->unique)
		return 0;
	unique = number_of(out->unique);
	if (die->seen[unique / 2 % DIE_AT_SEEN].unique != unique)
		return 0;
	return die->seen[unique / 2 % DIE_AT_SEEN].opcode;
}

ssize_t read(int fd, void *buf, size_t len)
{
	ssize_t (*next)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
	ssize_t n = next(fd, buf, len);

	has_read(buf, n);
	return n;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	ssize_t (*next)(int, const struct iovec *, int) = dlsym(RTLD_NEXT,
								"writev");
	uint32_t opcode = count ? answers(iov, count) : 0;
	bool last = opcode && is_last(opcode, true);
	ssize_t n;

	if (last && die->when == DIE_BEFORE)
		die_now(opcode);
	n = next(fd, iov, count);
	if (opcode)
		die->answered[opcode]++;
	if (last)
		die_now(opcode);
	return n;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return writev(fd, &iov, 1);
}
