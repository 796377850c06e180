/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mapwrite FILE SIZE
 *
 * Makes FILE SIZE bytes long, maps it shared and closes it.  Prints "mapped".  For
 * each line of standard input it stores into each page of the mapping, has that
 * written out, and prints "stored".  The mapping goes at the end of standard input.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/tools/lib/tool.h"

int main(int argc, char **argv)
{
	char line[16], value = 1;
	size_t size, page = sysconf(_SC_PAGESIZE);
	char *map;
	int fd;

	if (argc != 3)
		usage("FILE SIZE");
	size = to_size(argv[2]);
	fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		fail(argv[1]);
	if (ftruncate(fd, size) < 0)
		fail("ftruncate");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("mapped");
	while (fgets(line, sizeof(line), stdin)) {
		for (size_t at = 0; at < size; at += page)
			map[at] = value;
		value++;
		if (msync(map, size, MS_SYNC) < 0)
			fail("msync");
		puts("stored");
	}
	return 0;
}
