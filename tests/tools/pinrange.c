/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinrange - the ioctls of fs/poolfs.h.
 *
 *	pinrange [--read-only] pin|unpin|state FILE [OFFSET LENGTH]...
 *	pinrange [--read-only] null|unknown FILE
 *
 * For each range it prints what the ioctl returned, or the name of its error.
 * Offsets and lengths may be negative, and as large as 64 bits can be; without
 * any the whole file is meant.  "null" pins a range at no address, "unknown" is
 * a command that nobody knows.  It ends with 0 if FILE could be opened.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "fs/poolfs.h"

#define USAGE                                                      \
	"[--read-only] pin|unpin|state|null|unknown FILE [OFFSET " \
	"LENGTH]..."

static const struct verb {
	const char *name;
	unsigned long cmd;
} verbs[] = {
	{ "pin", POOLFS_IOC_PIN },     { "unpin", POOLFS_IOC_UNPIN },
	{ "state", POOLFS_IOC_STATE }, { "null", POOLFS_IOC_PIN },
	{ "unknown", _IO('P', 77) },
};

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	usage(USAGE);
}

/* Sizes as people write them, and what only a test would ask for. */
static uint64_t to_number(const char *text)
{
	return *text == '-' ? -(uint64_t)to_size(text + 1) : to_size(text);
}

static void say(int result)
{
	if (result < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("%d\n", result);
}

static void ask(int fd, const struct verb *v, const char *off, const char *len)
{
	struct poolfs_range r = { .offset = to_number(off),
				  .length = to_number(len) };

	say(ioctl(fd, v->cmd, strcmp(v->name, "null") ? &r : NULL));
}

int main(int argc, char **argv)
{
	bool read_only = argc > 1 && !strcmp(argv[1], "--read-only");
	const struct verb *v;
	int fd;

	argv += 1 + read_only;
	argc -= 1 + read_only;
	if (argc < 2 || argc % 2)
		usage(USAGE);
	v = verb_find(argv[0]);
	fd = open(argv[1], (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		fail(argv[1]);
	if (argc == 2)
		ask(fd, v, "0", "0");
	for (int i = 2; i < argc; i += 2)
		ask(fd, v, argv[i], argv[i + 1]);
	return 0;
}
