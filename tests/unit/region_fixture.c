/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/region_fixture.h"

uint64_t P; /* page size */
struct lru *lru;
struct region *region;

bool intact(void)
{
	const char *broken = lru_check(lru);

	if (broken)
		printf("# %s\n", broken);
	return !broken;
}

void region_start_on(int fd, uint64_t size, uint64_t limit)
{
	lru = lru_new(1, limit);
	must(lru, "lru_new");
	region = region_new(lru, fd, size, NULL, NULL);
	must(region, "region_new: %s", strerror(errno));
}

void region_start(uint64_t pages, uint64_t limit)
{
	int dir = tmpfs_new("never", NULL);

	region_start_on(dir < 0 ? memory_file() : tmpfs_file(dir), pages * P,
			limit);
	close(dir);
}

void region_finish(void)
{
	region_free(region);
	must(intact(), "check after the region");
	lru_free(lru);
}

uint64_t memory(void)
{
	struct stat st;

	fstat(region_fd(region), &st);
	return st.st_blocks * 512 / P;
}

bool counts(uint64_t used, uint64_t available)
{
	struct region_stat st;
	struct lru_stat all;

	region_stat(region, &st);
	lru_stat(lru, &all);
	return st.used == used && st.available == available &&
	       all.used == used && all.available == available;
}

char *pattern(size_t len, unsigned int seed)
{
	char *p = malloc(len);
	size_t i;

	must(p, "malloc");
	for (i = 0; i < len; i++)
		p[i] = rand_r(&seed);
	return p;
}

bool holds(uint64_t off, const char *expect, size_t len)
{
	char *zeros = calloc(1, len), *buf = pattern(len, 99);
	bool same;

	same = !region_read(region, off, buf, len) &&
	       !memcmp(buf, expect ? expect : zeros, len);
	free(buf);
	free(zeros);
	return same;
}
