/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coherence - does a mapping that has been there all the time show what was
 * sent last, and nothing but zeros where reclaim has dropped it?
 *
 *	coherence BOXDIR ROUNDS [SCAN]
 *
 * In each round a child sends a payload, of a size and a pattern of its own,
 * and the parent takes its header and compares the mapping at once, then frees
 * it.  With SCAN, a shrinker's scan file, the empty box is dropped in every
 * tenth round; then all of the mapping must read as zeros.  Prints the number
 * of rounds that were right.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *box;
static size_t box_size;
static const unsigned char *map;

static int open_in_box(const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", box, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

static size_t round_size(int round)
{
	uint64_t x = (round + 1) * 0x9e3779b97f4a7c15;

	/* from a few bytes to all of the box */
	return 1 + (x >> 20) % (box_size >> (x >> 60) % 12);
}

static unsigned char round_byte(int round, size_t i)
{
	return 1 + (round * 37 + i + (i >> 12) * 11) % 255;
}

static void check_payload(int round, size_t offset, size_t size)
{
	if (size != round_size(round) || size > box_size ||
	    offset > box_size - size) {
		printf("round %d: %zu bytes at %zu\n", round, size, offset);
		exit(EXIT_NONSENSE);
	}
	for (size_t i = 0; i < size; i++) {
		unsigned char want = round_byte(round, i);

		if (map[offset + i] == want)
			continue;
		printf("round %d: byte %zu of %zu at %zu is %u, not %u\n",
		       round, i, size, offset, map[offset + i], want);
		exit(EXIT_NONSENSE);
	}
}

static void take(int recv, int round)
{
	uint64_t id, offset, size;
	char line[4096], name[32], path[4096 + 40];
	ssize_t n = read(recv, line, sizeof(line) - 1);

	if (n < 0)
		fail("recv");
	line[n] = 0;
	if (sscanf(line,
		   "{\"id\":%" SCNu64 ",\"offset\":%" SCNu64
		   ",\"size\":%" SCNu64,
		   &id, &offset, &size) != 3) {
		printf("round %d: a strange header: %s\n", round, line);
		exit(EXIT_NONSENSE);
	}
	check_payload(round, offset, size);
	snprintf(name, sizeof(name), "tx/%" PRIu64, id);
	snprintf(path, sizeof(path), "%s/%s", box, name);
	if (unlink(path))
		fail("unlink");
}

static void drop(const char *scan)
{
	static const char all[] = "0 0 1000000000\n";
	int fd = open(scan, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, all, sizeof(all) - 1) < 0)
		fail(scan);
	close(fd);
}

static void check_zeros(int round)
{
	for (size_t i = 0; i < box_size; i++) {
		if (!map[i])
			continue;
		printf("round %d: byte %zu is %u after the drop\n", round, i,
		       map[i]);
		exit(EXIT_NONSENSE);
	}
}

static void send_one(int round)
{
	unsigned char *buf = malloc(box_size);
	size_t size = round_size(round);
	int fd = open_in_box("send", O_WRONLY);

	if (!buf)
		fail("malloc");
	for (size_t i = 0; i < size; i++)
		buf[i] = round_byte(round, i);
	write_all(fd, buf, size);
	if (close(fd))
		fail("close");
	free(buf);
}

/* From now on all of it is mapped, and in the kernel's cache if it has one. */
static void touch_all(void)
{
	for (size_t i = 0; i < box_size; i += 4096)
		(void)*(volatile const unsigned char *)(map + i);
}

static void start_sender(int round, int end)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return;
	for (; round < end; round++)
		send_one(round);
	_exit(0);
}

static void end_sender(void)
{
	int status;

	if (wait(&status) < 0)
		fail("wait");
	if (status)
		exit(EXIT_NONSENSE);
}

int main(int argc, char **argv)
{
	int rounds, recv, data;
	struct stat st;

	if (argc < 3)
		usage("BOXDIR ROUNDS [SCAN]");
	box = argv[1];
	rounds = atoi(argv[2]);
	data = open_in_box("data", O_RDONLY);
	if (fstat(data, &st))
		fail("fstat");
	box_size = st.st_size;
	map = mmap(NULL, box_size, PROT_READ, MAP_SHARED, data, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	touch_all();
	recv = open_in_box("recv", O_RDONLY);
	for (int r = 0; r < rounds; r++) {
		if (r % 10 == 0)
			start_sender(r, r + 10 < rounds ? r + 10 : rounds);
		take(recv, r);
		if (r % 10 < 9 && r < rounds - 1)
			continue;
		end_sender();
		if (argc > 3) {
			drop(argv[3]);
			check_zeros(r);
		}
	}
	printf("%d\n", rounds);
	return 0;
}
