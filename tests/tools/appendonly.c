/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * appendonly FILE: tries to change what is in an append-only file: by pwrite,
 * with O_APPEND taken away, by a mapping, by truncating it.  Status 1: something
 * was not refused.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int bad(const char *what)
{
	fprintf(stderr, "appendonly: %s was not refused\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_APPEND) : -1;
	char *map;

	if (fd < 0) {
		perror("appendonly");
		return 2;
	}
	if (ftruncate(fd, 0) == 0)
		return bad("ftruncate");
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      4096) == 0)
		return bad("fallocate");
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		return bad("a mapping");
	/* tmpfs refuses this; here the write is. */
	if (fcntl(fd, F_SETFL, 0) == 0 && pwrite(fd, "XXX", 3, 0) >= 0)
		return bad("pwrite");
	if (open(argv[1], O_RDWR) >= 0)
		return bad("O_RDWR");
	return 0;
}
