/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the test tools share: how they tell a test what went wrong.  A failed
 * call prints "TOOL: CALL: ERRNO-NAME" and ends with a status of its own, so
 * that a test can ask for either:
 *
 *	1	any other errno			13	EDQUOT
 *	2	wrong usage			14	ENOSPC
 *	3	time was up			15	EINTR
 *	4	SIGBUS				16	EACCES, EPERM
 *	5	the other side sent nonsense	17	ENOTCONN, ENODEV
 *	11	EAGAIN				18	ENOENT
 *	12	EMSGSIZE			20	a write was cut short
 */
#ifndef POOLFS_TOOL_H
#define POOLFS_TOOL_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	EXIT_USAGE = 2,
	EXIT_TIME = 3,
	EXIT_SIGBUS = 4,
	EXIT_NONSENSE = 5,
	EXIT_SHORT = 20,
};

static inline int exit_status(int error)
{
	switch (error) {
	case EAGAIN:
		return 11;
	case EMSGSIZE:
		return 12;
	case EDQUOT:
		return 13;
	case ENOSPC:
		return 14;
	case EINTR:
		return 15;
	case EACCES:
	case EPERM:
		return 16;
	case ENOTCONN:
	case ENODEV:
		return 17;
	case ENOENT:
		return 18;
	default:
		return 1;
	}
}

/* What failed with errno. */
static inline _Noreturn void fail(const char *what)
{
	int error = errno;
	const char *name = strerrorname_np(error);

	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		name ? name : "0");
	exit(exit_status(error));
}

static inline _Noreturn void usage(const char *text)
{
	fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, text);
	exit(EXIT_USAGE);
}

/* A size as people write it: 128, 4K, 1M, 2G. */
static inline size_t to_size(const char *text)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		n <<= 10 * (unit - units + 1);
		end++;
	}
	if (errno || end == text || *end) {
		fprintf(stderr, "%s: not a size: %s\n",
			program_invocation_short_name, text);
		exit(EXIT_USAGE);
	}
	return n;
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* FNV-1a: a checksum that two programs can agree on without a library. */
static inline uint64_t checksum(const void *data, size_t size)
{
	const unsigned char *byte = data;
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ byte[i]) * 0x100000001b3;
	return sum;
}

static inline void write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0)
			fail("write");
		p += n;
		size -= n;
	}
}

#endif
