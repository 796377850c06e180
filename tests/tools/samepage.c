/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * samepage - one page of a file, written by pwrite() at its front and through a
 * shared mapping at its middle, at the same time.
 *
 *	samepage FILE SECONDS
 *
 * The writer, whose descriptor is for writing only, reads back what it has
 * written through another one; the mapping looks at its own word before it
 * counts on.  Nobody else writes either word, so whatever is read is what was
 * written last.  Prints "WRITES LOST LOST": of the writer's, of the mapping's.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#define PAGE 4096
#define MIDDLE (PAGE / 2 / sizeof(uint64_t))

static _Atomic bool stop;
static uint64_t mapping_lost;

static void *change_mapping(void *arg)
{
	_Atomic uint64_t *words = arg;
	uint64_t last = 0;

	while (!stop) {
		mapping_lost += words[MIDDLE] != last;
		words[MIDDLE] = ++last;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char zeros[PAGE];
	uint64_t writes = 0, lost = 0, word;
	int writer, reader, fd;
	pthread_t thread;
	double end;
	void *map;

	if (argc != 3)
		usage("FILE SECONDS");
	end = now() + atof(argv[2]);
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		fail(argv[1]);
	write_all(fd, zeros, sizeof(zeros));
	writer = open(argv[1], O_WRONLY | O_CLOEXEC);
	reader = open(argv[1], O_RDONLY | O_CLOEXEC);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (writer < 0 || reader < 0 || map == MAP_FAILED)
		fail(argv[1]);
	if (pthread_create(&thread, NULL, change_mapping, map))
		fail("pthread_create");
	while (now() < end) {
		writes++;
		if (pwrite(writer, &writes, sizeof(writes), 0) < 0)
			fail("pwrite");
		for (int i = 0; i < 20; i++) {
			if (pread(reader, &word, sizeof(word), 0) < 0)
				fail("pread");
			if (word != writes) {
				lost++;
				break;
			}
		}
	}
	stop = true;
	pthread_join(thread, NULL);
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", writes, lost,
	       mapping_lost);
	return 0;
}
