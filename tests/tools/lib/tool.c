/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/lib/tool.h"

static int exit_status(int error)
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

_Noreturn void fail(const char *what)
{
	int error = errno;
	const char *name = strerrorname_np(error);

	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		name ? name : "0");
	exit(exit_status(error));
}

_Noreturn void usage(const char *text)
{
	fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, text);
	exit(EXIT_USAGE);
}

size_t to_size(const char *text)
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

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

uint64_t checksum(const void *data, size_t size)
{
	const unsigned char *byte = data;
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ byte[i]) * 0x100000001b3;
	return sum;
}

void write_all(int fd, const void *data, size_t size)
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
