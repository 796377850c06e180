/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions, one property a function: arguments, the moves of a page, the limit,
 * adopted files, resizing, 2 MiB cuts, cached copies, the price in metadata.
 */
#include "tests/unit/region_fixture.h"

static void test_arguments(void)
{
	int fd = memory_file();

	errno = 0;
	ok(!lru_new(0, 1) && errno == EINVAL, "an LRU of no nodes");
	ok(!lru_new(LRU_MAX_NODES + 1, 1) && errno == EINVAL, "of too many");
	lru_free(NULL);
	region_free(NULL);
	lru = lru_new(1, UINT64_MAX);
	ok(!region_new(lru, fd, 0, NULL, NULL) && errno == EINVAL, "size 0");
	ok(!region_new(lru, fd, P + 1, NULL, NULL) && errno == EINVAL,
	   "a size that is not pages");
	ok(!region_new(lru, fd, UINT64_MAX & ~(P - 1), NULL, NULL) &&
		   errno == EINVAL,
	   "a size beyond 2^31 pages");
	must(!ftruncate(fd, 2 * P), "ftruncate");
	ok(!region_new(lru, fd, P, NULL, NULL) && errno == EINVAL,
	   "a file that is larger");
	ok(!region_new(lru, -1, P, NULL, NULL) && errno == EBADF, "no file");
	ok(!close(fd), "the file stayed the caller's");
	ok(intact(), "nothing is left");
	lru_free(lru);
}

static void test_moves(void)
{
	struct lru_stat st;
	uint32_t missing = 7;

	region_start(8, UINT64_MAX);
	ok(!region_use_range(region, 0, 4, &missing) && missing == 4 &&
		   counts(4, 0) && memory() == 0,
	   "Free to Used takes no memory yet");
	ok(!region_stop_using_range(region, 0, 1) && counts(3, 0) &&
		   region_page_state(region, 0) == PAGE_FREE,
	   "Used and never written, to Free");
	must(!region_write(region, P, "hello", 5), "write");
	ok(memory() == 1, "the first write makes memory");
	ok(!region_use_range(region, 0, 4, &missing) && missing == 3 &&
		   counts(4, 0),
	   "Used again: missing counts what has no memory");
	ok(!region_stop_using_range(region, 0, 8) && counts(0, 1) &&
		   region_page_state(region, 1) == PAGE_AVAILABLE,
	   "Used to Available");
	ok(!region_use_range(region, 1, 1, &missing) && missing == 0 &&
		   holds(P, "hello", 5) && counts(1, 0),
	   "Available to Used, intact");
	ok(lru_shrink(lru, 0, 100, true, NULL) == 0 && memory() == 1,
	   "the shrinker leaves Used pages alone");
	must(!region_stop_using_range(region, 1, 1), "stop");
	ok(lru_shrink(lru, 0, 100, true, NULL) == 1 && counts(0, 0) &&
		   memory() == 0 && holds(P, NULL, 5),
	   "Available to Free, by the shrinker");
	must(!region_use_range(region, 2, 2, NULL), "use");
	must(!region_write(region, 2 * P, "ab", 2), "write");
	ok(!region_stop_using_range(region, 0, 8) &&
		   lru_shrink(lru, 0, 8, true, NULL) && counts(0, 0) &&
		   memory() == 0 && holds(2 * P, NULL, P),
	   "Used to Free, by way of Available");
	must(!region_write(region, 5 * P, "ab", 2), "write");
	ok(region_page_state(region, 5) == PAGE_AVAILABLE && counts(0, 1),
	   "a Free page that is written is Available");
	lru_stat(lru, &st);
	ok(st.reused == 1 && st.populated == 7 && st.dropped == 2,
	   "the counters");
	ok(intact(), "invariants");
	region_finish();
}

static void test_limit(void)
{
	struct lru_stat before, after;
	uint32_t missing = 42;

	region_start(16, 4);
	lru_stat(lru, &before);
	must(region_use_range(region, 0, 5, NULL) == -ENOSPC, "use");
	lru_stat(lru, &after);
	ok(after.metadata == before.metadata, "what is refused costs nothing");
	must(!region_use_range(region, 0, 3, NULL), "use");
	ok(region_use_range(region, 2, 3, &missing) == -ENOSPC &&
		   missing == 42 && counts(3, 0),
	   "over the limit: ENOSPC, no change");
	ok(!region_use_range(region, 2, 2, &missing) && counts(4, 0),
	   "up to the limit");
	must(!region_write(region, 0, "a", 1), "write");
	must(!region_stop_using_range(region, 0, 4), "stop");
	ok(region_use_range(region, 8, 4, NULL) == -ENOSPC && counts(0, 1),
	   "Available pages count");
	ok(!region_use_range(region, 0, 1, NULL), "to use them does not");
	lru_set_limit(lru, 5);
	ok(!region_use_range(region, 8, 4, NULL) && counts(5, 0),
	   "a higher limit");
	ok(intact(), "invariants");
	region_finish();
}

static void test_adopt(void)
{
	int fd = memory_file();

	must(!ftruncate(fd, 600 * P), "ftruncate");
	must(pwrite(fd, "x", 1, 3 * P) == 1 && pwrite(fd, "y", 1, 4 * P) == 1 &&
		     pwrite(fd, "z", 1, 599 * P) == 1,
	     "pwrite");
	region_start_on(fd, 600 * P, UINT64_MAX);
	ok(counts(0, 3) && region_page_state(region, 3) == PAGE_AVAILABLE &&
		   region_page_state(region, 599) == PAGE_AVAILABLE,
	   "an adopted file's memory is Available");
	ok(intact(), "invariants");
	must(!region_use_range(region, 4, 1, NULL), "use");
	ok(lru_shrink(lru, 0, 100, true, NULL) == 2 && memory() == 1 &&
		   holds(4 * P, "y", 1),
	   "and can be used or dropped");
	must(pwrite(fd, "x", 1, 9 * P) == 1, "pwrite");
	ok(!region_rescan(region) && counts(1, 1) && intact(),
	   "memory made behind our back is found");
	region_finish();
}

/* Every other page has memory. */
static void test_rescan_in_steps(void)
{
	int fd = memory_file(), rounds = 1;
	uint32_t steps = 32;

	must(!ftruncate(fd, 600 * P), "ftruncate");
	region_start_on(fd, 600 * P, UINT64_MAX);
	for (int i = 0; i < 600; i += 2)
		must(pwrite(fd, "x", 1, i * P) == 1, "pwrite");
	ok(region_rescan_some(region, &steps) && !steps && !counts(0, 300),
	   "a step of a scan finds one piece at most");
	for (steps = 32; region_rescan_some(region, &steps); steps = 32)
		rounds++;
	ok(rounds >= 300 / 32 && counts(0, 300) && intact(),
	   "and the next goes on, until all are found");
	steps = 1000;
	ok(!region_rescan_some(region, &steps) && steps > 0 && counts(0, 300),
	   "then from the front again");
	region_finish();
}

static void test_resize(void)
{
	region_start(4, UINT64_MAX);
	must(!region_use_range(region, 0, 4, NULL), "use");
	must(!region_write(region, 0, "abc", 3), "write");
	ok(region_resize(region, 1200 * P) == -EBUSY &&
		   region_size(region) == 4 * P,
	   "not while a page is Used");
	must(!region_stop_using_range(region, 0, 4), "stop");
	ok(region_resize(region, P + 1) == -EINVAL &&
		   region_resize(region, 0) == -EINVAL && counts(0, 1),
	   "not to a size that is not pages");
	ok(!region_resize(region, 1200 * P) && counts(0, 0) && memory() == 0 &&
		   region_size(region) == 1200 * P && intact(),
	   "larger; what was Available is dropped");
	must(!region_use_range(region, 0, 1200, NULL), "use");
	must(!region_write(region, 1199 * P, "x", 1), "write");
	region_set_cached(region, 1190, 10);
	region_set_cached(region, 0, 1);
	must(!region_stop_using_range(region, 0, 1200), "stop");
	ok(!region_resize(region, 600 * P) && intact(), "smaller");
	ok(region_use_range(region, 600, 1, NULL) == -EFAULT, "its new end");
	ok(region_test_clear_cached(region, 0, 600) && intact(),
	   "marks of copies stay");
	region_finish();
}

static void test_chunks(void)
{
	uint32_t chunk = (1u << EXTENT_SHIFT) / P, i;
	char *data = pattern(16 * P, 3);
	struct lru_stat st;

	region_start(3 * chunk, UINT64_MAX);
	must(!region_use_range(region, chunk - 8, 16, NULL), "use");
	must(!region_write(region, (chunk - 8) * P, data, 16 * P), "write");
	must(!region_stop_using_range(region, chunk - 8, 16), "stop");
	lru_stat(lru, &st);
	ok(st.extents == 2 && intact(), "cut at 2 MiB");
	must(!region_use_range(region, chunk - 4, 8, NULL), "use");
	must(!region_stop_using_range(region, chunk - 4, 8), "stop");
	lru_stat(lru, &st);
	ok(st.extents == 2 && counts(0, 16) && intact(), "merged again");
	for (i = 0; i < 16; i += 2)
		must(!region_use_range(region, chunk - 8 + i, 1, NULL), "use");
	lru_stat(lru, &st);
	ok(st.extents == 8 && intact(), "every other page taken");
	ok(holds((chunk - 8) * P, data, 16 * P), "content");
	free(data);
	region_finish();
}

static void test_metadata(void)
{
	uint64_t pages = (1ul << 30) / P;
	struct lru_stat st;

	region_start(pages, UINT64_MAX);
	lru_stat(lru, &st);
	ok(st.metadata <= pages / 16, "little for a region that is untouched");
	must(!region_use_range(region, 0, pages, NULL), "use");
	lru_stat(lru, &st);
	ok(st.metadata <= 16 * pages, "%.2f bytes a page over 1 GiB",
	   (double)st.metadata / pages);
	ok(memory() == 0, "and no memory in the store");
	must(!region_stop_using_range(region, 0, pages), "stop");
	lru_stat(lru, &st);
	ok(st.metadata <= pages / 16, "given back when all is Free");
	region_finish();
}

struct owner {
	int invalidated, released;
	uint64_t off, len;
};

static void owner_invalidate(void *arg, uint64_t off, uint64_t len)
{
	struct owner *owner = arg;

	owner->invalidated++;
	owner->off = off;
	owner->len = len;
	must(region_test_clear_cached(region, 9, 1),
	     "all counts as cached meanwhile");
}

static void owner_release(void *arg)
{
	((struct owner *)arg)->released++;
}

static void test_cached(void)
{
	static const struct region_ops ops = {
		.invalidate = owner_invalidate,
		.release = owner_release,
	};
	struct owner owner = { 0 };
	uint64_t scanned = 0;

	lru = lru_new(1, UINT64_MAX);
	region = region_new(lru, memory_file(), 16 * P, &ops, &owner);
	must(region, "region_new");
	must(!region_use_range(region, 0, 16, NULL), "use");
	must(!region_write(region, 0, "a", 1), "write");
	must(!region_write(region, 4 * P, "a", 1), "write");
	region_set_cached(region, 2, 3);
	ok(region_test_clear_cached(region, 0, 3) &&
		   !region_test_clear_cached(region, 0, 3) &&
		   region_test_clear_cached(region, 4, 1) &&
		   region_test_clear_cached(region, 3, 1) &&
		   !region_test_clear_cached(region, 0, 16) && intact(),
	   "a mark a page, asked for once");
	region_set_cached(region, 4, 1);
	must(!region_stop_using_range(region, 0, 16), "stop");
	ok(lru_shrink(lru, 0, 100, false, &scanned) == 1 && scanned == 2 &&
		   counts(0, 1) && !owner.invalidated,
	   "what has copies is skipped where it may not be invalidated");
	ok(lru_shrink(lru, 0, 100, true, &scanned) == 1 && scanned == 1 &&
		   owner.invalidated == 1 && owner.off == 4 * P &&
		   owner.len == P,
	   "and invalidated where it may");
	ok(!region_test_clear_cached(region, 0, 16) && intact(),
	   "its mark is gone");
	region_set_cached(region, 11, 2);
	ok(region_test_clear_cached(region, 12, 1) && intact(),
	   "a Free page can be cached too");
	region_finish();
	ok(owner.released == 1, "the owner is released once");
}

int main(void)
{
	P = sysconf(_SC_PAGESIZE);
	test_arguments();
	test_moves();
	test_limit();
	test_adopt();
	test_rescan_in_steps();
	test_resize();
	test_chunks();
	test_metadata();
	test_cached();
	return done();
}
