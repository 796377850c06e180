/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator: small spaces, completely, and every way to fail.
 * (test_range_load.c has the large ones.)
 */
#include <errno.h>

#include "pool/range/range.h"
#include "tests/unit/range_model.h"

#define PAGE 4096
#define REGION_PAGES 16
#define REGION (REGION_PAGES * PAGE)

#define NR_BUFFERS 5
#define NR_CLASSES 5
#define NR_PICKS 3125 /* NR_CLASSES ^ NR_BUFFERS */
#define NR_ORDERS 120 /* NR_BUFFERS! */

#define UID 1000
#define NO_QUOTA UINT64_MAX

static const struct page_run poison = { 0xbad, 0xbad };

/* Where the small buffers lie, and what takes the rest of the region. */
enum layout {
	AT_FRONT, /* the last buffer */
	AT_BACK, /* the first buffer; sizes in reverse */
	LOOSE, /* nothing: a hole stays */
	NR_LAYOUTS,
};

struct buffer {
	uint64_t offset, size;
	struct range *range;
};

/*
 * How far a buffer reaches that begins at @from, the five ways that matter:
 * it ends inside the page, at its end, just past it, at the end of the next,
 * just past that.
 */
static uint64_t end_of_class(uint64_t from, int class)
{
	uint64_t page_end = (from + RANGE_ALIGN + PAGE - 1) / PAGE * PAGE;

	switch (class) {
	case 0:
		return from + RANGE_ALIGN;
	case 1:
		return page_end;
	case 2:
		return page_end + RANGE_ALIGN;
	case 3:
		return page_end + PAGE;
	default:
		return page_end + PAGE + RANGE_ALIGN;
	}
}

/* Pick number @pick of the NR_PICKS choices of a class for each buffer. */
static void lay_out(struct buffer *buffers, int pick, enum layout layout)
{
	uint64_t size[NR_BUFFERS], end = 0, offset = 0;
	int i;

	for (i = 0; i < NR_BUFFERS; i++, pick /= NR_CLASSES) {
		size[i] = end_of_class(end, pick % NR_CLASSES) - end;
		end += size[i];
	}
	must(end < REGION, "buffers end at %lu", (long)end);
	if (layout == AT_FRONT)
		size[NR_BUFFERS - 1] += REGION - end;
	for (i = 0; i < NR_BUFFERS; i++) {
		int from = layout == AT_BACK ? NR_BUFFERS - 1 - i : i;

		buffers[i].offset = offset;
		buffers[i].size = size[from];
		if (layout == AT_BACK && !i)
			buffers[i].size += REGION - end;
		offset += buffers[i].size;
	}
}

static void take_all(struct range_allocator *ra, struct model *m,
		     struct buffer *buffers)
{
	struct page_run used;
	int i;

	for (i = 0; i < NR_BUFFERS; i++) {
		struct buffer *b = &buffers[i];

		/* Up to 7 bytes less come to the same. */
		must(!range_reserve(ra, b->size - i, UID, NO_QUOTA, &b->range,
				    &used),
		     "reserve %lu", (long)b->size);
		must(range_offset(b->range) == b->offset, "at %lu, not %lu",
		     (long)range_offset(b->range), (long)b->offset);
		must(range_size(b->range) == b->size, "size");
		must(same_run(used,
			      model_move(m, b->offset, b->offset + b->size, 1)),
		     "used pages of [%lu, +%lu)", (long)b->offset,
		     (long)b->size);
	}
}

static void give_one(struct range_allocator *ra, struct model *m,
		     struct buffer *b)
{
	struct page_run unused;

	range_free(ra, b->range, &unused);
	must(same_run(unused,
		      model_move(m, b->offset, b->offset + b->size, -1)),
	     "unused pages of [%lu, +%lu)", (long)b->offset, (long)b->size);
}

/* Reserve all, free in one order, reserve again, free in the other. */
static void run_case(struct range_allocator *ra, struct buffer *buffers,
		     const int *order)
{
	struct model m = { .page_size = PAGE };
	uint32_t touched;
	int i;

	take_all(ra, &m, buffers);
	touched = m.nr_used;
	for (i = 0; i < NR_BUFFERS; i++) {
		give_one(ra, &m, &buffers[order[i]]);
		if (i == 2)
			must_be_sound(ra);
	}
	must(!m.nr_used, "every page is available");
	take_all(ra, &m, buffers);
	must(m.nr_used == touched, "no page stayed available");
	for (i = NR_BUFFERS; i--;)
		give_one(ra, &m, &buffers[order[i]]);
	must(!m.nr_used && stat_of(ra).nr_free == 1 && !stat_of(ra).reserved,
	     "all is one hole again");
}

/* Order number @nr of the buffers, by Lehmer code. */
static void pick_order(int *order, int nr)
{
	int left[NR_BUFFERS], i, k, n;

	for (i = 0; i < NR_BUFFERS; i++)
		left[i] = i;
	for (i = 0, n = NR_BUFFERS; n; i++, n--) {
		k = nr % n;
		nr /= n;
		order[i] = left[k];
		memmove(&left[k], &left[k + 1], (n - k - 1) * sizeof(*left));
	}
}

static void test_five_buffers(void)
{
	struct range_allocator *ra = range_allocator_new(REGION, PAGE);
	int orders[NR_ORDERS][NR_BUFFERS], pick, nr;
	struct buffer buffers[NR_BUFFERS];
	long cases[NR_LAYOUTS] = { 0 };
	enum layout layout;

	for (nr = 0; nr < NR_ORDERS; nr++)
		pick_order(orders[nr], nr);
	for (layout = 0; layout < NR_LAYOUTS; layout++) {
		for (pick = 0; pick < NR_PICKS; pick++) {
			lay_out(buffers, pick, layout);
			for (nr = 0; nr < NR_ORDERS; nr++) {
				run_case(ra, buffers, orders[nr]);
				cases[layout]++;
			}
		}
	}
	ok(cases[AT_FRONT] + cases[AT_BACK] == 750000,
	   "%ld cases: 5 buffers, every end, front and back, every free order",
	   cases[AT_FRONT] + cases[AT_BACK]);
	ok(cases[LOOSE] == 375000, "%ld more with a hole behind", cases[LOOSE]);
	range_allocator_free(ra);
}

/*
 * Regions of a few cells of 8 bytes, each reserved alone or free: all patterns,
 * in the order of the Gray code, so that each is one step from the last.
 */
#define MAX_CELLS 16

struct cells {
	struct range_allocator *ra;
	struct model m;
	struct range *range[MAX_CELLS]; /* NULL: free */
	int nr;
};

static void cells_init(struct cells *c, int nr, int page)
{
	*c = (struct cells){ .nr = nr, .m = { .page_size = page } };
	c->ra = range_allocator_new(nr * RANGE_ALIGN, page);
	must(c->ra, "%d cells", nr);
}

static void cells_flip(struct cells *c, int i)
{
	uint64_t from = i * RANGE_ALIGN, to = from + RANGE_ALIGN;
	struct page_run run;

	if (c->range[i]) {
		range_free(c->ra, c->range[i], &run);
		c->range[i] = NULL;
		must(same_run(run, model_move(&c->m, from, to, -1)), "free");
	} else {
		must(!range_reserve_at(c->ra, from, 1, UID, &c->range[i], &run),
		     "reserve cell %d", i);
		must(same_run(run, model_move(&c->m, from, to, 1)), "take");
	}
	must_be_sound(c->ra);
}

/* How many free cells begin at @i. */
static int cells_free_at(const struct cells *c, int i)
{
	int n = 0;

	while (i + n < c->nr && !c->range[i + n])
		n++;
	return n;
}

/* The lowest of the smallest gaps of at least @n cells, or -1. */
static int cells_best_fit(const struct cells *c, int n)
{
	int i, gap, best = -1, best_gap = MAX_CELLS + 1;

	for (i = 0; i < c->nr; i += gap + 1) {
		gap = cells_free_at(c, i);
		if (gap >= n && gap < best_gap) {
			best = i;
			best_gap = gap;
		}
	}
	return best;
}

static void try_best_fit(struct cells *c, int n)
{
	int want = cells_best_fit(c, n), got;
	struct page_run used = poison, unused;
	struct range *range = NULL;
	uint64_t from, to;

	got = range_reserve(c->ra, n * RANGE_ALIGN, UID, NO_QUOTA, &range,
			    &used);
	if (want < 0) {
		must(got == -ENOSPC && !range && same_run(used, poison),
		     "%d cells do not fit", n);
		return;
	}
	must(!got, "%d cells fit", n);
	from = want * RANGE_ALIGN;
	to = from + n * RANGE_ALIGN;
	must(range_offset(range) == from, "%d cells go to %d", n, want);
	must(same_run(used, model_move(&c->m, from, to, 1)), "used");
	range_free(c->ra, range, &unused);
	must(same_run(unused, model_move(&c->m, from, to, -1)), "unused");
}

static void test_best_fit(int nr, int page)
{
	struct cells c;
	long cases = 0;
	int step, n;

	cells_init(&c, nr, page);
	for (step = 1; step <= 1 << nr; step++) {
		for (n = 1; n <= nr; n++, cases++)
			try_best_fit(&c, n);
		must(range_reserve(c.ra, nr * RANGE_ALIGN + 1, UID, NO_QUOTA,
				   NULL, NULL) == -EMSGSIZE,
		     "larger than the region");
		if (step < 1 << nr)
			cells_flip(&c, __builtin_ctz(step));
	}
	ok(cases == (long)nr << nr,
	   "best fit of every size into every pattern of %d cells, pages of %d "
	   "bytes: %ld",
	   nr, page, cases);
	range_allocator_free(c.ra);
}

/* A range of @n cells at @from, which succeeded, to @to_n and back. */
static void try_resize(struct cells *c, struct range *range, int from, int n,
		       int to_n)
{
	uint64_t begin = from * RANGE_ALIGN, end = begin + n * RANGE_ALIGN;
	uint64_t new_end = begin + to_n * RANGE_ALIGN;
	struct page_run none = { 0, 0 }, used = poison, unused = poison;
	int got;

	got = range_resize(c->ra, range, to_n * RANGE_ALIGN, NO_QUOTA, &used,
			   &unused);
	if (to_n > cells_free_at(c, from)) {
		must(got == -ENOSPC && same_run(used, poison) &&
			     same_run(unused, poison),
		     "cannot grow to %d", to_n);
		must(range_size(range) == end - begin, "size is unchanged");
		return;
	}
	must(!got && range_size(range) == new_end - begin, "to %d", to_n);
	must_be_sound(c->ra);
	if (to_n >= n) {
		must(same_run(used, model_move(&c->m, end, new_end, 1)) &&
			     same_run(unused, none),
		     "grown to %d", to_n);
	} else {
		must(same_run(unused, model_move(&c->m, new_end, end, -1)) &&
			     same_run(used, none),
		     "shrunk to %d", to_n);
	}
	must(!range_resize(c->ra, range, n * RANGE_ALIGN, NO_QUOTA, &used,
			   &unused),
	     "back to %d", n);
	if (to_n >= n)
		must(same_run(unused, model_move(&c->m, end, new_end, -1)),
		     "back from %d", to_n);
	else
		must(same_run(used, model_move(&c->m, new_end, end, 1)),
		     "back from %d", to_n);
}

static void try_place(struct cells *c, int from, int n, long *resized)
{
	uint64_t begin = from * RANGE_ALIGN, size = n * RANGE_ALIGN;
	struct page_run used = poison, unused;
	struct range *range = NULL;
	int got, want = 0, to_n;

	got = range_reserve_at(c->ra, begin, size, UID, &range, &used);
	if (from + n > c->nr)
		want = -EINVAL;
	else if (cells_free_at(c, from) < n)
		want = -EEXIST;
	must(got == want, "%d cells at %d: %d", n, from, got);
	if (want) {
		must(!range && same_run(used, poison), "untouched");
		return;
	}
	must(range_offset(range) == begin && range_size(range) == size,
	     "in its place");
	must(same_run(used, model_move(&c->m, begin, begin + size, 1)), "used");
	for (to_n = 1; to_n <= c->nr; to_n++, ++*resized)
		try_resize(c, range, from, n, to_n);
	range_free(c->ra, range, &unused);
	must(same_run(unused, model_move(&c->m, begin, begin + size, -1)),
	     "unused");
}

static void test_place(int nr, int page)
{
	long placed = 0, resized = 0;
	int step, from, n;
	struct cells c;

	cells_init(&c, nr, page);
	for (step = 1; step <= 1 << nr; step++) {
		for (from = 0; from <= nr; from++)
			for (n = 1; n <= nr + 1; n++, placed++)
				try_place(&c, from, n, &resized);
		if (step < 1 << nr)
			cells_flip(&c, __builtin_ctz(step));
	}
	ok(placed == (long)((nr + 1) * (nr + 1)) << nr,
	   "every range at every place in every pattern of %d cells, pages of "
	   "%d bytes: %ld, resized %ld times",
	   nr, page, placed, resized);
	range_allocator_free(c.ra);
}

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
	test_five_buffers();
	test_best_fit(16, 32);
	test_best_fit(12, 8);
	test_best_fit(12, 16);
	test_place(8, 8);
	test_place(10, 16);
	test_place(12, 32);
	return done();
}
