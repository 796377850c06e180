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

/* What failed with errno. */
_Noreturn void fail(const char *what);

_Noreturn void usage(const char *text);

/* A size as people write it: 128, 4K, 1M, 2G. */
size_t to_size(const char *text);

double now(void);

/* FNV-1a: a checksum that two programs can agree on without a library. */
uint64_t checksum(const void *data, size_t size);

void write_all(int fd, const void *data, size_t size);

#endif
