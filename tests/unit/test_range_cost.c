/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator: what a call costs in comparisons and memory, and what it
 * does when there is no memory.
 *
 * The sources are included, so that their calls of malloc() and of comparison
 * functions can be counted without a hook in them.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static unsigned long nr_compared, nr_allocated;
static bool memory_is_short;

static bool refuse_memory(void)
{
	nr_allocated++;
	if (memory_is_short)
		errno = ENOMEM;
	return memory_is_short;
}

static void *counted_malloc(size_t size)
{
	return refuse_memory() ? NULL : malloc(size);
}

static void *counted_calloc(size_t nr, size_t size)
{
	return refuse_memory() ? NULL : calloc(nr, size);
}

#define cmp(a, b) cmp((nr_compared++, a), b)
#define key_cmp(a, b) key_cmp((nr_compared++, a), b)
#include "pool/lib/avl.c"
#undef cmp
#undef key_cmp

#define malloc(size) counted_malloc(size)
#define calloc(nr, size) counted_calloc(nr, size)
#include "pool/range/range.c"
#undef malloc
#undef calloc

#include "tests/unit/range_model.h"

#define NO_QUOTA UINT64_MAX
#define NR_UIDS 8
#define NR_MANY 100000

/*
 * As many ranges, holes and owners at a time as there will ever be: reserve
 * twice as many and free every other one.
 */
static void fill_with_holes(struct range_allocator *ra, struct range **ranges,
			    int nr)
{
	struct page_run run;
	struct range *other;
	int i;

	for (i = 0; i < nr; i++) {
		must(!range_reserve(ra, 64, i % NR_UIDS, NO_QUOTA, &ranges[i],
				    &run),
		     "fill");
		must(!range_reserve(ra, 64, NR_UIDS, NO_QUOTA, &other, &run),
		     "fill");
		ranges[nr + i] = other;
	}
	for (i = 0; i < nr; i++) {
		range_free(ra, ranges[nr + i], &run);
		ranges[nr + i] = NULL;
	}
}

static void test_steady(void)
{
	static struct range *ranges[2 * 1000];
	struct range_allocator *ra = range_allocator_new(64 << 20, 4096);
	uint64_t x = 4711, metadata;
	unsigned long before;
	struct page_run run, run2;
	int i, k;

	fill_with_holes(ra, ranges, 1000);
	before = nr_allocated;
	metadata = stat_of(ra).metadata;
	for (i = 0; i < 1000000; i++) {
		k = random_u64(&x) % 1000;
		range_free(ra, ranges[k], &run);
		must(!range_reserve(ra, x >> 52, x >> 32 & (NR_UIDS - 1),
				    NO_QUOTA, &ranges[k], &run),
		     "reserve");
		range_resize(ra, ranges[k], x >> 50 & 0xfff, NO_QUOTA, &run,
			     &run2);
	}
	must_be_sound(ra);
	ok(nr_allocated == before && stat_of(ra).metadata == metadata,
	   "1000000 times free, reserve, resize among 1000: no allocation");
	for (i = 0; i < 1000; i++)
		range_free(ra, ranges[i], &run);
	for (i = 0; i < 1000; i++)
		must(!range_reserve(ra, 1, i % NR_UIDS, NO_QUOTA, &ranges[i],
				    &run),
		     "again");
	ok(nr_allocated == before, "nor after all were freed");
	for (i = 0; i < 1000; i++)
		range_free(ra, ranges[i], &run);
	range_allocator_free(ra);
}

static void test_metadata(void)
{
	static struct range *ranges[2 * NR_MANY];
	struct range_allocator *ra = range_allocator_new(64 << 20, 4096);
	struct page_run run;
	double dense, holes;
	int i;

	ok(sizeof(struct range) == 56 && sizeof(union slot) == 56 &&
		   stat_of(ra).metadata < 1024,
	   "a range is %zu bytes, an allocator with none %lu",
	   sizeof(struct range), (long)stat_of(ra).metadata);
	for (i = 0; i < NR_MANY; i++)
		must(!range_reserve(ra, 8, 0, NO_QUOTA, &ranges[i], &run), "+");
	dense = (double)stat_of(ra).metadata / NR_MANY;
	for (i = 0; i < NR_MANY; i++)
		range_free(ra, ranges[i], &run);
	range_allocator_free(ra);
	ra = range_allocator_new(64 << 20, 4096);
	fill_with_holes(ra, ranges, NR_MANY);
	holes = (double)stat_of(ra).metadata / NR_MANY;
	ok(dense < 57 && holes < 114,
	   "%d ranges: %.2f bytes each, %.2f with a hole behind each", NR_MANY,
	   dense, holes);
	range_allocator_free(ra);
}

/* Every call that wants memory is refused it once. */
static void test_no_memory(void)
{
	static struct range *ranges[2000];
	struct range_allocator *ra;
	struct range_stat a, b;
	struct page_run run, run2;
	int i, refused = 0, err;

	memory_is_short = true;
	errno = 0;
	ra = range_allocator_new(1 << 20, 4096);
	ok(!ra && errno == ENOMEM, "no memory for an allocator");
	memory_is_short = false;
	ra = range_allocator_new(1 << 20, 4096);
	for (i = 0; i < 2000; i++) {
		ranges[i] = NULL;
		run = (struct page_run){ 7, 7 };
		a = stat_of(ra);
		memory_is_short = true;
		err = range_reserve(ra, 64, i, NO_QUOTA, &ranges[i], &run);
		memory_is_short = false;
		if (!err)
			continue;
		b = stat_of(ra);
		must(err == -ENOMEM && !ranges[i] && run.first == 7, "%d", err);
		must(!memcmp(&a, &b, sizeof(a)), "nothing changed");
		must_be_sound(ra);
		must(!range_reserve(ra, 64, i, NO_QUOTA, &ranges[i], &run),
		     "now");
		refused++;
	}
	ok(refused > 20, "ENOMEM %d times, nothing changed", refused);
	for (i = 0, refused = 0; i < 2000; i++) {
		a = stat_of(ra);
		run = (struct page_run){ 7, 7 };
		memory_is_short = true;
		err = range_resize(ra, ranges[i], 8, 0, &run, &run2);
		memory_is_short = false;
		if (!err)
			continue;
		b = stat_of(ra);
		must(err == -ENOMEM && range_size(ranges[i]) == 64 &&
			     run.first == 7,
		     "%d", err);
		must(!memcmp(&a, &b, sizeof(a)), "nothing changed");
		must(!range_resize(ra, ranges[i], 8, 0, &run, &run2), "now");
		refused++;
	}
	must_be_sound(ra);
	ok(refused > 20, "the same %d times for shrinking", refused);
	range_allocator_free(ra);
}

/* The call that takes most slots, with every number of spare ones. */
static void test_most_slots(void)
{
	struct range_allocator *ra;
	struct page_run run;
	struct range *range;
	int before, i;

	for (before = 0; before < 200; before++) {
		ra = range_allocator_new(1 << 20, 4096);
		for (i = 0; i < before; i++)
			must(!range_reserve(ra, 8, 0, NO_QUOTA, &range, &run),
			     "%d", i);
		must(!range_reserve_at(ra, 1 << 19, 8, 1, &range, &run),
		     "after %d", before);
		must_be_sound(ra);
		range_allocator_free(ra);
	}
	ok(true, "a range, a hole and an owner at once, after 0 to %d ranges",
	   before - 1);
}

struct cost {
	unsigned long reserve, free, resize, place, account; /* the worst */
};

static void worst(unsigned long *most)
{
	if (nr_compared > *most)
		*most = nr_compared;
	nr_compared = 0;
}

/* What calls cost in comparisons when @nr ranges of as many owners live. */
static struct cost measure(int nr)
{
	static struct range *ranges[2 * NR_MANY];
	struct range_allocator *ra = range_allocator_new(1 << 30, 4096);
	struct page_run run, run2;
	struct cost cost = { 0 };
	uint64_t x = 31337, offset, size;
	int i, k;

	for (i = 0; i < 2 * nr; i++) {
		size = 8 + (random_u64(&x) >> 52);
		nr_compared = 0;
		must(!range_reserve(ra, size, i, NO_QUOTA, &ranges[i], &run),
		     "%d", i);
		worst(&cost.reserve);
	}
	/* Half of them, at random: holes of all sizes. */
	for (i = 0; i < nr; i++) {
		k = i + random_u64(&x) % (2 * nr - i);
		nr_compared = 0;
		range_free(ra, ranges[k], &run);
		worst(&cost.free);
		ranges[k] = ranges[i];
		ranges[i] = NULL;
	}
	for (i = nr; i < 2 * nr; i++) {
		offset = range_offset(ranges[i]);
		size = range_size(ranges[i]);
		nr_compared = 0;
		range_resize(ra, ranges[i], 8, NO_QUOTA, &run, &run2);
		worst(&cost.resize);
		range_free(ra, ranges[i], &run);
		worst(&cost.free);
		must(!range_reserve_at(ra, offset, size, i, &ranges[i], &run),
		     "back");
		worst(&cost.place);
		range_owner_bytes(ra, i, NULL);
		worst(&cost.account);
		range_free(ra, ranges[i], &run);
		worst(&cost.free);
		must(!range_reserve(ra, x >> 52, i, NO_QUOTA, &ranges[i], &run),
		     "again");
		worst(&cost.reserve);
	}
	range_allocator_free(ra);
	return cost;
}

static void test_comparisons(void)
{
	struct cost few = measure(100), many = measure(NR_MANY);

	/*
	 * A tree of 200,000 is at most 25 high.  Freeing puts one hole into
	 * its tree; resizing too.  Reserving looks a hole up, a hole and a
	 * range are put into their trees, the owner is looked up twice and
	 * put into his.  Placing is the same with two holes and one owner less.
	 */
	ok(many.free <= 25 && many.resize <= 25 && many.account <= 26 &&
		   many.reserve <= 6 * 26 && many.place <= 6 * 26,
	   "comparisons at worst among %d: reserve %lu, free %lu, resize %lu, "
	   "reserve_at %lu, owner_bytes %lu",
	   NR_MANY, many.reserve, many.free, many.resize, many.place,
	   many.account);
	ok(many.reserve < 3 * few.reserve && many.free < 3 * few.free,
	   "a thousand times the ranges, not three times the comparisons: "
	   "%lu to %lu, %lu to %lu",
	   few.reserve, many.reserve, few.free, many.free);
}

int main(void)
{
	test_no_memory();
	test_most_slots();
	test_metadata();
	test_steady();
	test_comparisons();
	return done();
}
