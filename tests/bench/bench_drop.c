/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dropping 1 GiB of contiguous Available memory: written in 1 MiB pieces,
 * stopped-using, dropped by lru_shrink().  With huge folios and without; and
 * once more with the region's mapping warm, as after a box has been used for a
 * while.
 *
 * Prints "NAME GB/s TARGET" a line; exits 77 when it may not mount.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pool/region.h"
#include "tests/unit/tmpfs.h"

#define SIZE (1ull << 30)
#define PIECE (1u << 20)
#define ROUNDS 3

static char piece[PIECE];
static uint32_t page_size;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_drop: %s failed\n", what);
	exit(1);
}

static void fill(struct region *region)
{
	uint32_t nr = PIECE / page_size;
	uint64_t off;

	for (off = 0; off < SIZE; off += PIECE) {
		if (region_use_range(region, off / page_size, nr, NULL))
			die("region_use_range");
		if (region_write(region, off, piece, PIECE))
			die("region_write");
	}
}

/* Return: the best GB/s of some rounds. */
static double drop(int dir, uint64_t batch, int fills)
{
	struct lru *lru = lru_new(1, UINT64_MAX);
	double best = 0, start, rate;
	struct region *region;
	int round, i;

	region = lru ? region_new(lru, tmpfs_file(dir), SIZE, NULL, NULL)
		     : NULL;
	if (!region)
		die("region_new");
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < fills; i++)
			fill(region);
		region_stop_using_range(region, 0, SIZE / page_size);
		start = now();
		while (lru_count(lru, 0))
			if (!lru_shrink(lru, 0, batch, true, NULL))
				die("lru_shrink");
		rate = SIZE / (now() - start) / 1e9;
		if (rate > best)
			best = rate;
	}
	region_free(region);
	lru_free(lru);
	return best;
}

static void report(const char *huge, double target)
{
	int dir = tmpfs_new(huge, "2g");

	if (dir < 0) {
		fprintf(stderr, "bench_drop: cannot mount a tmpfs\n");
		exit(77);
	}
	printf("drop-%s %.1f %.1f\n", huge, drop(dir, SIZE / page_size, 1),
	       target);
	printf("drop-%s-2MiB-scans %.1f %.1f\n", huge,
	       drop(dir, (2u << 20) / page_size, 1), target);
	printf("drop-%s-mapped %.1f %.1f\n", huge,
	       drop(dir, SIZE / page_size, 2), target);
	close(dir);
}

int main(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	memset(piece, 0x5a, sizeof(piece));
	setvbuf(stdout, NULL, _IOLBF, 0);
	report("within_size", 50);
	report("never", 4);
	return 0;
}
