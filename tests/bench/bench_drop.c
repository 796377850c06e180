/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_drop - dropping contiguous Available memory with lru_shrink().
 *
 *	bench_drop [--name drop] [--huge within_size] [--size 1G] [--batch 1G]
 *		[--mapped] [--rounds 3]
 *
 * The region lies in a tmpfs of its own, mounted with that huge=, and is
 * written in pieces of 1 MiB with region_write().  --mapped writes it twice, so
 * that the region's mapping is warm, as after a box has been used for a while.
 * --batch is what one lru_shrink() is asked for.  Prints the best of the rounds
 * in GB/s; exits 77 when it may not mount.
 */
#include "tests/bench/lib/bench.h"

#include <getopt.h>
#include <stdbool.h>

#include "pool/region/region.h"
#include "tests/unit/tmpfs.h"

#define PIECE (1u << 20)

static char piece[PIECE];

static void fill(struct region *region, size_t size, size_t page_size)
{
	size_t off;

	for (off = 0; off < size; off += PIECE) {
		if (region_use_range(region, off / page_size, PIECE / page_size,
				     NULL))
			errx(1, "region_use_range");
		if (region_write(region, off, piece, PIECE))
			errx(1, "region_write");
	}
}

/* Return: GB/s. */
static double drop(struct lru *lru, size_t size, size_t nr)
{
	double start = bench_now();

	while (lru_count(lru, 0))
		if (!lru_shrink(lru, 0, nr, true, NULL))
			errx(1, "lru_shrink");
	return size / (bench_now() - start) / 1e9;
}

static struct region *file_region(struct lru *lru, const char *huge,
				  size_t size)
{
	int dir = tmpfs_new(huge, NULL), fd;
	struct region *region;

	if (dir < 0)
		errx(77, "cannot mount a tmpfs with huge=%s", huge);
	fd = tmpfs_file(dir);
	if (fd < 0)
		err(1, "file");
	region = region_new(lru, fd, size, NULL, NULL);
	if (!region)
		err(1, "region");
	close(dir);
	return region;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "huge", required_argument, NULL, 'h' },
		{ "size", required_argument, NULL, 's' },
		{ "batch", required_argument, NULL, 'b' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "mapped", no_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	const char *name = "drop", *huge = "within_size";
	size_t size = 1u << 30, batch = 1u << 30, page_size;
	int rounds = 3, opt;
	bool mapped = false;
	struct region *region;
	double best = 0, rate;
	struct lru *lru;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (opt) {
		case 'n':
			name = optarg;
			break;
		case 'h':
			huge = optarg;
			break;
		case 's':
			size = bench_size(optarg) & -(size_t)PIECE;
			break;
		case 'b':
			batch = bench_size(optarg);
			break;
		case 'r':
			rounds = atoi(optarg);
			break;
		case 'm':
			mapped = true;
			break;
		default:
			return 2;
		}
	}
	page_size = sysconf(_SC_PAGESIZE);
	memset(piece, 0x5a, sizeof(piece));
	lru = lru_new(1, UINT64_MAX);
	if (!lru)
		err(1, "lru");
	region = file_region(lru, huge, size);
	while (rounds-- > 0) {
		fill(region, size, page_size);
		if (mapped)
			fill(region, size, page_size);
		region_stop_using_range(region, 0, size / page_size);
		rate = drop(lru, size, batch / page_size);
		if (rate > best)
			best = rate;
	}
	region_free(region);
	lru_free(lru);
	printf("%s %.1f GB/s\n", name, best);
	return 0;
}
