/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator: small spaces, completely.  (test_range_errors.c has what
 * it refuses, test_range_load.c large spaces.)
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

int main(void)
{
	test_five_buffers();
	test_best_fit(16, 32);
	test_best_fit(12, 8);
	test_best_fit(12, 16);
	test_place(8, 8);
	test_place(10, 16);
	test_place(12, 32);
	return done();
}
