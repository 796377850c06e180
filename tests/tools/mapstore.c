/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stores into a mapping of a file, whose descriptor is closed by then.
 *
 *	mapstore FILE LENGTH [TIMES]
 *
 * TIMES times it maps the first LENGTH bytes, writes a byte of each page, and
 * unmaps them.  Exit status: 0; 1: a call has failed; 3: SIGBUS, and the page
 * is printed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile size_t at;

static void on_sigbus(int sig)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "SIGBUS at page %zu\n", at);

	if (write(STDOUT_FILENO, text, n) == n)
		_exit(3);
	_exit(1);
}

static int map_once(const char *path, size_t len, char byte)
{
	int fd = open(path, O_RDWR);
	size_t page = sysconf(_SC_PAGESIZE);
	volatile char *map;

	if (fd < 0)
		return -1;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	for (at = 0; at < len / page; at++)
		map[at * page] = byte;
	return munmap((void *)map, len);
}

int main(int argc, char **argv)
{
	int times;

	if (argc < 3) {
		fprintf(stderr, "usage: mapstore FILE LENGTH [TIMES]\n");
		return 2;
	}
	times = argc > 3 ? atoi(argv[3]) : 1;
	signal(SIGBUS, on_sigbus);
	for (int i = 0; i < times; i++)
		if (map_once(argv[1], strtoull(argv[2], NULL, 0),
			     'a' + i % 26)) {
			perror(argv[1]);
			return 1;
		}
	return 0;
}
