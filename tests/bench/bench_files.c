/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_files - what is done to the content of one large file.
 *
 *	bench_files [--size 256M] [--count 50000] [--rounds 3]
 *		NAME DIR [NAME DIR]...
 *
 * Prints for each side
 *
 *	NAME_write	a new file, from open to close, 1 MiB a call
 *	NAME_rewrite	the same file again, in place
 *	NAME_read	all of it, after it has been read once
 *	NAME_map	all of it through a mapping just made, page faults and all
 *	NAME_pread	4 KiB somewhere in it
 *	NAME_pwrite	the same
 *
 * the first four in GB/s, the last two in microseconds a call.  The close is
 * part of writing, because a cache in front of a server is written back there.
 * What a file system may put off beyond that is brought to an end between the
 * measurements, so that it does not fall into another's time.
 */
#include "tests/bench/lib/sides.h"

#include <getopt.h>
#include <sys/mman.h>

#define PIECE (1u << 20)
#define BLOCK 4096

static size_t file_size = 256u << 20;
static int nr_calls = 50000;
static char *piece;
static uint64_t summed; /* so that no reading is optimized away */

static int open_file(struct side *side, int flags)
{
	int fd = openat(side->dir, "large", flags | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s/large", side->path);
	return fd;
}

static void close_file(struct side *side, int fd)
{
	if (close(fd))
		err(1, "close of %s/large", side->path);
}

static double write_all(struct side *side, int flags)
{
	double start = bench_now(), spent;
	int fd = open_file(side, O_WRONLY | flags);

	for (size_t at = 0; at < file_size; at += PIECE)
		if (write(fd, piece, PIECE) != PIECE)
			err(1, "write to %s/large", side->path);
	close_file(side, fd);
	spent = bench_now() - start;
	if (syncfs(side->dir))
		err(1, "syncfs of %s", side->path);
	return file_size / spent / 1e9;
}

/*
 * Emptied first: a file that a server unlinks may give its memory back a moment
 * later, in the time of what comes next.
 */
static void remove_file(struct side *side)
{
	int fd = openat(side->dir, "large", O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || ftruncate(fd, 0) || unlinkat(side->dir, "large", 0))
		err(1, "removing %s/large", side->path);
	close_file(side, fd);
}

static double op_write(struct side *side)
{
	remove_file(side);
	return write_all(side, O_CREAT | O_EXCL);
}

static double op_rewrite(struct side *side)
{
	return write_all(side, 0);
}

static void read_all(struct side *side, int fd)
{
	for (size_t at = 0; at < file_size; at += PIECE)
		if (pread(fd, piece, PIECE, at) != PIECE)
			err(1, "read of %s/large", side->path);
}

static double op_read(struct side *side)
{
	int fd = open_file(side, O_RDONLY);
	double start, spent;

	read_all(side, fd);
	start = bench_now();
	read_all(side, fd);
	spent = bench_now() - start;
	close_file(side, fd);
	return file_size / spent / 1e9;
}

static double op_map(struct side *side)
{
	int fd = open_file(side, O_RDONLY);
	double start = bench_now(), spent;
	void *p = mmap(NULL, file_size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap of %s/large", side->path);
	summed += bench_sum(p, file_size);
	spent = bench_now() - start;
	munmap(p, file_size);
	close_file(side, fd);
	return file_size / spent / 1e9;
}

/* The same blocks on every side and in every round. */
static off_t next_block(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (off_t)(*state % (file_size / BLOCK)) * BLOCK;
}

static double random_calls(struct side *side, bool writes)
{
	int fd = open_file(side, O_RDWR);
	uint64_t state = 88172645463325252u;
	double start, spent;

	start = bench_now();
	for (int i = 0; i < nr_calls; i++) {
		off_t at = next_block(&state);
		ssize_t n = writes ? pwrite(fd, piece, BLOCK, at)
				   : pread(fd, piece, BLOCK, at);

		if (n != BLOCK)
			err(1, "%s/large at %jd", side->path, (intmax_t)at);
	}
	spent = bench_now() - start;
	close_file(side, fd);
	if (syncfs(side->dir))
		err(1, "syncfs of %s", side->path);
	return spent / nr_calls * 1e6;
}

static double op_pread(struct side *side)
{
	return random_calls(side, false);
}

static double op_pwrite(struct side *side)
{
	return random_calls(side, true);
}

/* The bytes must have been those written, or speed means nothing. */
static void check_content(struct side *side)
{
	int fd = open_file(side, O_RDONLY);

	for (size_t at = 0; at < file_size; at += PIECE) {
		if (pread(fd, piece, PIECE, at) != PIECE)
			err(1, "read of %s/large", side->path);
		for (size_t i = 0; i < PIECE; i++)
			if (piece[i] != 'x')
				errx(1, "%s/large is wrong at %zu", side->path,
				     at + i);
	}
	close_file(side, fd);
	remove_file(side);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "size", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{},
	};
	static const struct side_op ops[] = {
		{ "write", "GB/s", true, op_write },
		{ "rewrite", "GB/s", true, op_rewrite },
		{ "read", "GB/s", true, op_read },
		{ "map", "GB/s", true, op_map },
		{ "pread", "us", false, op_pread },
		{ "pwrite", "us", false, op_pwrite },
	};
	int rounds = 3, opt;
	struct sides sides;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 's')
			file_size = bench_size(optarg) & -(size_t)PIECE;
		else if (opt == 'c')
			nr_calls = atoi(optarg);
		else if (opt == 'r')
			rounds = atoi(optarg);
		else
			return 2;
	}
	if (!file_size || nr_calls < 1 || rounds < 1)
		errx(2, "usage: bench_files [options] NAME DIR...");
	sides_open(&sides, argv + optind, argc - optind);
	if (posix_memalign((void **)&piece, 2u << 20, 2u << 20))
		err(1, "memory");
	madvise(piece, 2u << 20, MADV_HUGEPAGE);
	memset(piece, 'x', PIECE);
	sides_run(&sides, ops, sizeof(ops) / sizeof(*ops), rounds);
	for (int i = 0; i < sides.nr; i++)
		check_content(&sides.side[i]);
	return 0;
}
