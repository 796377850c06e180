/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handle of PATH
 * handle read|write|path|number MOUNT HANDLE
 *
 * File handles, as name_to_handle_at(2) and open_by_handle_at(2) have them.  "of"
 * prints that of a file, in one word.  "read" copies what it opens to standard
 * output; "write" replaces its content by standard input; "path" prints where
 * a directory is, "number" the inode number.  MOUNT is any directory of the same
 * mount.
 *
 * Status 1, and the name of the errno, if the call fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

union any_handle {
	struct file_handle fh;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

static int print_handle(const char *path)
{
	union any_handle h = { .fh.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	if (name_to_handle_at(AT_FDCWD, path, &h.fh, &mount, 0) < 0)
		return failed(path);
	printf("%x:", h.fh.handle_type);
	for (unsigned int i = 0; i < h.fh.handle_bytes; i++)
		printf("%02x", h.fh.f_handle[i]);
	putchar('\n');
	return 0;
}

static void parse_handle(const char *text, union any_handle *h)
{
	char *hex;
	unsigned int byte;

	h->fh.handle_type = strtol(text, &hex, 16);
	h->fh.handle_bytes = 0;
	for (hex++; h->fh.handle_bytes < MAX_HANDLE_SZ &&
		    sscanf(hex, "%2x", &byte) == 1;
	     hex += 2)
		h->fh.f_handle[h->fh.handle_bytes++] = byte;
}

static int copy(int from, int to)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, n) != n)
			return failed("write");
	return n < 0 ? failed("read") : 0;
}

static int print_path(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return failed(link);
	path[n] = 0;
	puts(path);
	return 0;
}

static int print_number(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return failed("fstat");
	printf("%llu\n", (unsigned long long)st.st_ino);
	return 0;
}

int main(int argc, char **argv)
{
	union any_handle h;
	int mount, fd, flags = O_RDONLY;

	if (argc == 3 && !strcmp(argv[1], "of"))
		return print_handle(argv[2]);
	if (argc != 4)
		usage("of PATH | read|write|path|number MOUNT HANDLE");
	if (!strcmp(argv[1], "write"))
		flags = O_WRONLY | O_TRUNC;
	else if (strcmp(argv[1], "read"))
		flags = O_PATH;
	mount = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount < 0)
		return failed(argv[2]);
	parse_handle(argv[3], &h);
	fd = open_by_handle_at(mount, &h.fh, flags | O_CLOEXEC);
	if (fd < 0)
		return failed("open_by_handle_at");
	if (!strcmp(argv[1], "path"))
		return print_path(fd);
	if (!strcmp(argv[1], "number"))
		return print_number(fd);
	return flags == O_RDONLY ? copy(fd, STDOUT_FILENO)
				 : copy(STDIN_FILENO, fd);
}
