/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a region and the memory behind them: bounds, full stores, what
 * the store gives and gets back, huge folios, zeroing.
 */
#include <sys/prctl.h>

#include "tests/unit/region_fixture.h"

static void test_bounds(void)
{
	static const uint32_t bad[][2] = {
		{ 8, 1 },	   { 0, 9 },	      { 7, 2 },
		{ UINT32_MAX, 1 }, { UINT32_MAX, 2 }, { 1, UINT32_MAX },
		{ 9, 0 },
	};
	uint64_t size = 8 * P, offs[] = { size, size - 1, 0, UINT64_MAX, 1 };
	size_t lens[] = { 1, 2, size + 1, 2, SIZE_MAX };
	char buf[16] = "untouched", *big = pattern(size + 1, 1);
	uint32_t missing = 42, i;

	region_start(8, UINT64_MAX);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t first = bad[i][0], nr = bad[i][1];

		must(region_use_range(region, first, nr, &missing) == -EFAULT,
		     "use %u", i);
		must(region_stop_using_range(region, first, nr) == -EFAULT,
		     "stop %u", i);
		region_set_cached(region, first, nr);
		must(!region_test_clear_cached(region, first, nr), "cached");
	}
	ok(missing == 42 && counts(0, 0), "pages outside: EFAULT, no change");
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		must(region_read(region, offs[i], buf, lens[i]) == -EFAULT,
		     "read %u", i);
		must(region_write(region, offs[i], big, lens[i]) == -EFAULT,
		     "write %u", i);
	}
	ok(!strcmp(buf, "untouched") && memory() == 0 && counts(0, 0),
	   "bytes outside: EFAULT, nothing touched");
	ok(!region_read(region, size, buf, 0) &&
		   region_read(region, size + 1, buf, 0) == -EFAULT,
	   "no bytes at the end, and beyond it");
	ok(!region_use_range(region, 8, 0, &missing) && !missing,
	   "no pages at the end");
	ok(region_page_state(region, 8) == PAGE_FREE,
	   "state of a page outside");
	ok(intact(), "invariants");
	free(big);
	region_finish();
}

/* A store that is full in the middle of a write. */
static void test_full(void)
{
	int dir = tmpfs_new("never", "64k");
	char *data = pattern(MIB, 2);
	uint64_t have;

	if (dir < 0) {
		ok(1, "full store # SKIP cannot mount a tmpfs");
		return;
	}
	region_start_on(tmpfs_file(dir), MIB, UINT64_MAX);
	close(dir);
	must(!region_use_range(region, 0, MIB / P, NULL), "use");
	ok(region_write(region, 10, data, MIB - 10) == -ENOSPC,
	   "write: ENOSPC");
	have = memory();
	ok(have == 65536 / P && counts(MIB / P, 0) && intact(),
	   "states are consistent");
	ok(holds(10, data, have * P - 10), "what fitted is there");
	ok(!region_write(region, 10, data + 10, have * P - 10),
	   "pages that have memory can be written");
	ok(region_write(region, MIB / 2 + 1, data, 1) == -ENOSPC && intact(),
	   "one byte: ENOSPC");
	must(!region_stop_using_range(region, 0, MIB / P), "stop");
	ok(counts(0, have), "only what has memory is Available");
	free(data);
	region_finish();
}

static void test_memory_falls(void)
{
	uint64_t len = 64 * MIB, pages = len / P;
	char *data = pattern(MIB, 4);
	uint64_t off, scanned;

	region_start(pages, UINT64_MAX);
	must(!region_use_range(region, 0, pages, NULL), "use");
	for (off = 0; off < len; off += MIB)
		must(!region_write(region, off, data, MIB), "write");
	ok(memory() == pages, "st_blocks of what was written");
	must(!region_stop_using_range(region, 0, pages), "stop");
	ok(lru_shrink(lru, 0, pages / 2 + 1, true, &scanned) == pages / 2 + 1 &&
		   scanned == pages / 2 + 1 && memory() == pages / 2 - 1,
	   "exactly what was asked for is given back");
	ok(lru_shrink(lru, 0, pages, true, NULL) == pages / 2 - 1 &&
		   memory() == 0,
	   "and the rest");
	ok(intact(), "invariants");
	free(data);
	region_finish();
}

/*
 * Until no more than @pages have memory.  A part of a folio that somebody else
 * looks at, if only the kernel for a moment, is zeroed and not freed, and stays
 * on the list; so it is asked for again.
 */
static void shrink_to(uint64_t pages)
{
	for (int i = 0; i < 10000; i++) {
		lru_shrink(lru, 0, UINT64_MAX, true, NULL);
		if (memory() <= pages)
			return;
		usleep(1000);
	}
}

/*
 * The kernel's khugepaged makes a huge folio of what a process has mapped in
 * part: memory would come back behind pages that have just been given back.
 */
static void no_khugepaged(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

static void test_huge(void)
{
	uint32_t chunk = (1u << EXTENT_SHIFT) / P;
	int dir = tmpfs_new("within_size", NULL);
	char *data = pattern(chunk * P, 5);
	uint64_t have;

	if (dir < 0) {
		ok(1, "huge folios # SKIP cannot mount huge=within_size");
		return;
	}
	region_start_on(tmpfs_file(dir), 4 * chunk * P, UINT64_MAX);
	close(dir);
	must(!region_use_range(region, chunk + 5, 1, NULL), "use");
	must(!region_write(region, (chunk + 5) * P, data, 100), "write");
	have = memory();
	printf("# one written page has made %lu\n", (unsigned long)have);
	ok(counts(1, have - 1) && intact(),
	   "memory around a written page is Available");
	must(!region_use_range(region, 2 * chunk, chunk, NULL), "use");
	must(!region_write(region, 2 * chunk * P, data, chunk * P), "write");
	ok(counts(chunk + 1, have - 1) && memory() == have + chunk && intact(),
	   "a whole chunk written");
	shrink_to(chunk + 1);
	ok(counts(chunk + 1, 0) && memory() == chunk + 1 && intact(),
	   "the rest of a folio is dropped, the Used page stays");
	ok(holds((chunk + 5) * P, data, 100), "intact");
	/* Large enough for a huge folio, and nothing before it. */
	must(!region_use_range(region, 0, chunk / 2, NULL), "use");
	must(!region_write(region, 0, data, chunk * P / 2), "write");
	have = memory();
	ok(counts(chunk + 1 + chunk / 2, have - chunk - 1 - chunk / 2) &&
		   intact(),
	   "memory behind what is written is Available: %lu",
	   (unsigned long)(have - chunk - 1 - chunk / 2));
	must(!region_stop_using_range(region, 0, 4 * chunk), "stop");
	shrink_to(0);
	ok(memory() == 0 && counts(0, 0) && intact(), "all of it");
	free(data);
	region_finish();
}

/* A file that cannot be punched any more: a memfd sealed against writing. */
static void test_punch_fails(void)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t scanned = 0;

	region_start_on(fd, 16 * P, UINT64_MAX);
	must(!region_use_range(region, 0, 16, NULL), "use");
	must(!region_write(region, 3 * P, "abc", 3), "write");
	must(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), "seal");
	must(!region_stop_using_range(region, 0, 16), "stop");
	ok(lru_shrink(lru, 0, 100, true, &scanned) == 0 && scanned &&
		   counts(0, memory()) && intact(),
	   "what cannot be punched stays Available");
	ok(region_resize(region, 32 * P) == -EPERM && intact() &&
		   region_size(region) == 16 * P,
	   "and the size what it was");
	ok(holds(3 * P, "abc", 3), "intact");
	region_finish();
}

int main(void)
{
	P = sysconf(_SC_PAGESIZE);
	no_khugepaged();
	test_bounds();
	test_full();
	test_memory_falls();
	test_huge();
	test_punch_fails();
	return done();
}
