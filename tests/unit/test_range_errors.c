/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator: every way to fail, and what it knows of owners.
 * (test_range.c has what succeeds.)
 */
#include <errno.h>

#include "pool/range/range.h"
#include "tests/unit/range_model.h"

#define PAGE 4096
#define REGION_PAGES 16
#define REGION (REGION_PAGES * PAGE)

#define UID 1000
#define NO_QUOTA UINT64_MAX

static const struct page_run poison = { 0xbad, 0xbad };

/* What a failed call must leave as it was. */
struct untouched {
	struct range_allocator *ra;
	struct range_stat before;
	struct range *out;
	struct page_run used, unused;
};

static void untouched_begin(struct untouched *u, struct range_allocator *ra)
{
	/* A fixed place in the region that no range has. */
	static char nothing;

	*u = (struct untouched){ .ra = ra, .used = poison, .unused = poison };
	u->out = (struct range *)&nothing;
	u->before = stat_of(ra);
}

static bool untouched_still(const struct untouched *u)
{
	struct untouched now;
	struct range_stat a = u->before, b = stat_of(u->ra);

	untouched_begin(&now, u->ra);
	must_be_sound(u->ra);
	return a.size == b.size && a.reserved == b.reserved &&
	       a.largest_free == b.largest_free &&
	       a.nr_reserved == b.nr_reserved && a.nr_free == b.nr_free &&
	       a.metadata == b.metadata && u->out == now.out &&
	       same_run(u->used, poison) && same_run(u->unused, poison);
}

static int try_reserve(struct range_allocator *ra, uint64_t size,
		       uint64_t quota)
{
	struct untouched u;
	int err;

	untouched_begin(&u, ra);
	err = range_reserve(ra, size, UID, quota, &u.out, &u.used);
	return err && !untouched_still(&u) ? -EUCLEAN : err;
}

static int try_reserve_at(struct range_allocator *ra, uint64_t offset,
			  uint64_t size)
{
	struct untouched u;
	int err;

	untouched_begin(&u, ra);
	err = range_reserve_at(ra, offset, size, UID, &u.out, &u.used);
	return err && !untouched_still(&u) ? -EUCLEAN : err;
}

static int try_resize_to(struct range_allocator *ra, struct range *range,
			 uint64_t size, uint64_t quota)
{
	struct untouched u;
	int err;

	untouched_begin(&u, ra);
	err = range_resize(ra, range, size, quota, &u.used, &u.unused);
	return err && !untouched_still(&u) ? -EUCLEAN : err;
}

static bool refuses(uint64_t size, uint32_t page)
{
	errno = 0;
	return !range_allocator_new(size, page) && errno == EINVAL;
}

static void test_new(void)
{
	struct range_allocator *ra;
	struct page_run run;
	struct range *range;

	ok(refuses(0, PAGE) && refuses(PAGE + 8, PAGE) && refuses(PAGE, 0) &&
		   refuses(3 * PAGE, 3) && refuses(PAGE, 4) &&
		   refuses((UINT64_C(1) << 31) * PAGE + PAGE, PAGE),
	   "regions that cannot be");
	ra = range_allocator_new((UINT64_C(1) << 31) * PAGE, PAGE);
	ok(ra &&
		   !range_reserve(ra, (UINT64_C(1) << 31) * PAGE, 0, NO_QUOTA,
				  &range, &run) &&
		   run.first == 0 && run.nr == UINT32_C(1) << 31,
	   "the largest region, all of it");
	range_allocator_free(ra);
	range_allocator_free(NULL);
}

static void test_reserve_errors(void)
{
	struct range_allocator *ra = range_allocator_new(4 * PAGE, PAGE);
	struct range *a, *b, *c;
	struct page_run run;

	ok(try_reserve(ra, UINT64_MAX, 0) == -EINVAL &&
		   try_reserve(ra, UINT64_MAX - 6, 0) == -EINVAL,
	   "a size that overflows when rounded: EINVAL");
	ok(try_reserve(ra, UINT64_MAX - 7, 0) == -EMSGSIZE &&
		   try_reserve(ra, 4 * PAGE + 1, 0) == -EMSGSIZE,
	   "more than the region: EMSGSIZE, before any quota");
	ok(try_reserve(ra, 1, 7) == -EDQUOT &&
		   try_reserve(ra, 4 * PAGE, 4 * PAGE - 1) == -EDQUOT,
	   "a quota counts rounded bytes: EDQUOT");
	ok(!range_reserve(ra, 0, UID, 8, &a, &run) && range_size(a) == 8 &&
		   run.nr == 1 && !range_reserve(ra, 0, UID, 16, &b, &run) &&
		   range_offset(b) == 8 && run.nr == 0,
	   "size 0 takes 8 bytes, up to the quota exactly");
	ok(try_reserve(ra, 0, 23) == -EDQUOT, "the third is over its quota");
	ok(try_reserve(ra, 4 * PAGE, 4 * PAGE + 8) == -EDQUOT &&
		   try_reserve(ra, 4 * PAGE, NO_QUOTA) == -ENOSPC,
	   "EDQUOT comes before ENOSPC");
	ok(!range_reserve(ra, 4 * PAGE - 16, UID, NO_QUOTA, &c, &run) &&
		   run.first == 1 && run.nr == 3,
	   "the rest of the region");
	ok(try_reserve(ra, 1, NO_QUOTA) == -ENOSPC &&
		   stat_of(ra).largest_free == 0 && stat_of(ra).nr_free == 0,
	   "a full region: ENOSPC");
	range_free(ra, NULL, &run);
	ok(!run.nr, "freeing no range frees no page");
	range_allocator_free(ra);
}

static void test_reserve_at_errors(void)
{
	struct range_allocator *ra = range_allocator_new(4 * PAGE, PAGE);

	ok(try_reserve_at(ra, 4, 8) == -EINVAL &&
		   try_reserve_at(ra, 4 * PAGE, 1) == -EINVAL &&
		   try_reserve_at(ra, 4 * PAGE - 8, 9) == -EINVAL &&
		   try_reserve_at(ra, 8, UINT64_MAX - 7) == -EINVAL &&
		   try_reserve_at(ra, 8, UINT64_MAX) == -EINVAL &&
		   try_reserve_at(ra, UINT64_MAX - 7, 8) == -EINVAL,
	   "places outside the region or not aligned: EINVAL");
	must(!try_reserve_at(ra, PAGE, PAGE), "page 1");
	ok(try_reserve_at(ra, PAGE - 8, 9) == -EEXIST &&
		   try_reserve_at(ra, 2 * PAGE - 8, 1) == -EEXIST &&
		   try_reserve_at(ra, 0, 4 * PAGE) == -EEXIST &&
		   try_reserve_at(ra, PAGE, PAGE) == -EEXIST,
	   "places that are taken: EEXIST");
	ok(!try_reserve_at(ra, PAGE - 8, 8) && !try_reserve_at(ra, 2 * PAGE, 8),
	   "the places beside it");
	range_allocator_free(ra);
}

static void test_resize_errors(void)
{
	struct range_allocator *ra = range_allocator_new(4 * PAGE, PAGE);
	struct page_run used, unused;
	struct range *a, *b;

	must(!range_reserve_at(ra, 0, 16, UID, &a, &used), "a");
	must(!range_reserve_at(ra, 64, 8, UID, &b, &used), "b");
	ok(try_resize_to(ra, a, UINT64_MAX, 0) == -EINVAL &&
		   try_resize_to(ra, a, 4 * PAGE + 1, 0) == -EMSGSIZE &&
		   try_resize_to(ra, a, 32, 39) == -EDQUOT &&
		   try_resize_to(ra, a, 72, NO_QUOTA) == -ENOSPC &&
		   try_resize_to(ra, b, 4 * PAGE, NO_QUOTA) == -ENOSPC,
	   "resize: EINVAL, EMSGSIZE, EDQUOT, ENOSPC");
	ok(!try_resize_to(ra, a, 64, 72) &&
		   range_owner_bytes(ra, UID, NULL) == 72,
	   "up to its neighbour, up to the quota");
	ok(try_resize_to(ra, a, 65, NO_QUOTA) == -ENOSPC, "no further");
	ok(!try_resize_to(ra, a, 60, 0) && range_size(a) == 64 &&
		   !try_resize_to(ra, a, 0, 0) && range_size(a) == 8,
	   "no quota keeps a range from staying or shrinking");
	ok(!range_resize(ra, b, PAGE, NO_QUOTA, &used, &unused) &&
		   used.first == 1 && used.nr == 1 && !unused.nr,
	   "growing into the next page");
	range_allocator_free(ra);
}

static void test_owners(void)
{
	struct range_allocator *ra = range_allocator_new(REGION, PAGE);
	struct range *ranges[100];
	struct page_run run;
	uint32_t nr = 77;
	int i;

	ok(range_owner_bytes(ra, 5, &nr) == 0 && nr == 0, "holds nothing");
	for (i = 0; i < 100; i++)
		must(!range_reserve(ra, i, i % 10, NO_QUOTA, &ranges[i], &run),
		     "%d", i);
	/* 3, 13, ... 93 bytes, rounded up. */
	ok(range_owner_bytes(ra, 3, &nr) ==
			   8 + 16 + 24 + 40 + 48 + 56 + 64 + 80 + 88 + 96 &&
		   nr == 10,
	   "an account of ten ranges");
	ok(range_owner_bytes(ra, (uid_t)-1, NULL) == 0, "somebody else");
	for (i = 0; i < 100; i++)
		if (i % 10 == 3)
			range_free(ra, ranges[i], &run);
	must_be_sound(ra);
	ok(range_owner_bytes(ra, 3, &nr) == 0 && nr == 0, "and closed again");
	range_allocator_free(ra);
}

/*
 * A region of 80,000 bytes: the quota is 40,000, space is low with less than
 * 8,000 left, and a quarter of the region is 20,000.
 */
static void test_suspect(void)
{
	struct range_allocator *ra = range_allocator_new(10000 * 8, 8);
	struct range *ranges[51], *big, *more;
	const uint64_t quota = 40000;
	struct page_run run;
	int i;

	for (i = 0; i < 50; i++)
		must(!range_reserve(ra, 8, 1, NO_QUOTA, &ranges[i], &run), "%d",
		     i);
	must(!range_reserve(ra, 20000, 2, NO_QUOTA, &big, &run), "big");
	ok(!range_suspect(ra, quota, 32001, 1), "50 ranges are no reason");
	ok(!range_suspect(ra, quota, 32001, 2), "nor is half of the quota");
	ok(!range_suspect(ra, quota, 40000, 3), "nor is nothing at all");
	must(!range_reserve(ra, 8, 1, NO_QUOTA, &ranges[50], &run), "51st");
	ok(!range_suspect(ra, quota, 32000, 1), "51, but space is not low yet");
	ok(range_suspect(ra, quota, 32001, 1), "51 when it is: named");
	ok(!range_suspect(ra, quota, 32001, 1), "but once only");
	must(!range_reserve(ra, 8, 2, NO_QUOTA, &more, &run), "more");
	ok(!range_suspect(ra, quota, 50000, 2), "and nobody else beside him");
	ok(!range_suspect(ra, quota, 32000, 2), "space recovers");
	ok(range_suspect(ra, quota, 50000, 2),
	   "more than half of the quota, over the quota: named");
	range_allocator_free(ra);
}

int main(void)
{
	test_new();
	test_reserve_errors();
	test_reserve_at_errors();
	test_resize_errors();
	test_owners();
	test_suspect();
	return done();
}
