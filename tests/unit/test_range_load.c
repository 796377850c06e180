/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator under load: long random histories against a naive model,
 * rebuilding from records, and what a call costs in comparisons and memory.
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
#define NR_CELLS 512
#define NR_UIDS 8
#define NR_MANY 100000

struct live {
	struct range *range;
	uint64_t offset, size;
	uid_t uid;
};

/* A region of NR_CELLS times 8 bytes and what is in it. */
struct world {
	struct range_allocator *ra;
	struct model m;
	bool taken[NR_CELLS];
	struct live live[NR_CELLS];
	int nr_live;
	uint64_t bytes[NR_UIDS];
	uint32_t ranges[NR_UIDS];
	uint64_t seed;
	unsigned int max_cells; /* of a reservation */
};

static void world_init(struct world *w, int page, int max_cells, uint64_t seed)
{
	*w = (struct world){ .m = { .page_size = page },
			     .seed = seed,
			     .max_cells = max_cells };
	w->ra = range_allocator_new(NR_CELLS * RANGE_ALIGN, page);
	must(w->ra, "region");
}

/* Bytes [from, to) change hands; the pages that @run tells must be right. */
static void world_move(struct world *w, uint64_t from, uint64_t to, int sign,
		       struct page_run run)
{
	uint64_t i;

	must(same_run(run, model_move(&w->m, from, to, sign)),
	     "pages of [%lu, %lu)", (long)from, (long)to);
	for (i = from / RANGE_ALIGN; i < to / RANGE_ALIGN; i++) {
		must(w->taken[i] == (sign < 0), "cell %lu", (long)i);
		w->taken[i] = sign > 0;
	}
}

static void world_add(struct world *w, struct range *range, uint64_t offset,
		      uint64_t size, uid_t uid, struct page_run used)
{
	must(range_offset(range) == offset && range_size(range) == size,
	     "where it should be");
	world_move(w, offset, offset + size, 1, used);
	w->live[w->nr_live++] = (struct live){ range, offset, size, uid };
	w->bytes[uid] += size;
	w->ranges[uid]++;
}

/* Free cells that follow cell @i. */
static uint64_t world_gap(const struct world *w, uint64_t i)
{
	uint64_t n = 0;

	while (i + n < NR_CELLS && !w->taken[i + n])
		n++;
	return n;
}

/* The lowest of the smallest gaps that hold @n cells; NR_CELLS if none. */
static uint64_t world_best_fit(const struct world *w, uint64_t n)
{
	uint64_t i, gap, best = NR_CELLS, best_gap = NR_CELLS + 1;

	for (i = 0; i < NR_CELLS; i += gap + 1) {
		gap = world_gap(w, i);
		if (gap >= n && gap < best_gap) {
			best = i;
			best_gap = gap;
		}
	}
	return best;
}

static uint64_t pick(struct world *w, uint64_t below)
{
	return random_u64(&w->seed) % below;
}

static void step_reserve(struct world *w)
{
	uint64_t bytes = pick(w, w->max_cells * RANGE_ALIGN + 1);
	uint64_t cells = bytes ? (bytes + 7) / RANGE_ALIGN : 1;
	uint64_t quota = pick(w, 4) ? NO_QUOTA : pick(w, NR_CELLS * 4);
	uint64_t at = world_best_fit(w, cells);
	uid_t uid = pick(w, NR_UIDS);
	struct range *range;
	struct page_run used;
	int got, want = 0;

	if (w->bytes[uid] + cells * RANGE_ALIGN > quota)
		want = -EDQUOT;
	else if (at == NR_CELLS)
		want = -ENOSPC;
	got = range_reserve(w->ra, bytes, uid, quota, &range, &used);
	must(got == want, "%lu bytes: %d, not %d", (long)bytes, got, want);
	if (!got)
		world_add(w, range, at * RANGE_ALIGN, cells * RANGE_ALIGN, uid,
			  used);
}

static void step_reserve_at(struct world *w)
{
	uint64_t at = pick(w, NR_CELLS), cells = 1 + pick(w, w->max_cells);
	uid_t uid = pick(w, NR_UIDS);
	struct range *range;
	struct page_run used;
	int got, want = 0;

	if (at + cells > NR_CELLS)
		want = -EINVAL;
	else if (world_gap(w, at) < cells)
		want = -EEXIST;
	got = range_reserve_at(w->ra, at * RANGE_ALIGN, cells * RANGE_ALIGN,
			       uid, &range, &used);
	must(got == want, "at %lu: %d, not %d", (long)at, got, want);
	if (!got)
		world_add(w, range, at * RANGE_ALIGN, cells * RANGE_ALIGN, uid,
			  used);
}

static void step_resize(struct world *w)
{
	struct live *l = &w->live[pick(w, w->nr_live)];
	uint64_t size = RANGE_ALIGN * (1 + pick(w, w->max_cells));
	uint64_t quota = pick(w, 4) ? NO_QUOTA : pick(w, NR_CELLS * 4);
	uint64_t end = l->offset + l->size, to = l->offset + size;
	struct page_run used, unused;
	int got, want = 0;

	if (size > l->size && w->bytes[l->uid] + size - l->size > quota)
		want = -EDQUOT;
	else if (to > end + RANGE_ALIGN * world_gap(w, end / RANGE_ALIGN))
		want = -ENOSPC;
	got = range_resize(w->ra, l->range, size, quota, &used, &unused);
	must(got == want, "resize: %d, not %d", got, want);
	if (got)
		return;
	must(range_size(l->range) == size &&
		     range_offset(l->range) == l->offset,
	     "resized");
	must(!used.nr || !unused.nr, "not both");
	if (size > l->size)
		world_move(w, end, to, 1, used);
	else
		world_move(w, to, end, -1, unused);
	w->bytes[l->uid] += size - l->size;
	l->size = size;
}

static void step_free(struct world *w)
{
	int i = pick(w, w->nr_live);
	struct live l = w->live[i];
	struct page_run unused;

	range_free(w->ra, l.range, &unused);
	world_move(w, l.offset, l.offset + l.size, -1, unused);
	w->bytes[l.uid] -= l.size;
	w->ranges[l.uid]--;
	w->live[i] = w->live[--w->nr_live];
}

static void world_check(struct world *w)
{
	struct range_stat stat = stat_of(w->ra);
	uint64_t reserved = 0, largest = 0, i, gap;
	uint32_t nr, nr_free = 0;
	uid_t uid;

	must_be_sound(w->ra);
	for (uid = 0; uid < NR_UIDS; uid++) {
		must(range_owner_bytes(w->ra, uid, &nr) == w->bytes[uid] &&
			     nr == w->ranges[uid],
		     "account of %u", uid);
		reserved += w->bytes[uid];
	}
	for (i = 0; i < NR_CELLS; i += gap + 1) {
		gap = world_gap(w, i);
		if (gap > largest)
			largest = gap;
		nr_free += gap > 0;
	}
	must(stat.reserved == reserved && stat.nr_reserved == w->nr_live &&
		     stat.nr_free == nr_free &&
		     stat.largest_free == largest * RANGE_ALIGN &&
		     stat.size == NR_CELLS * RANGE_ALIGN,
	     "figures");
}

/* Of 16 steps, @share reserve: a tide that fills and drains. */
static void world_run(struct world *w, int steps)
{
	int i, share = 8;

	for (i = 0; i < steps; i++) {
		if (i % 1024 == 0)
			share = 3 + pick(w, 10);
		if (i % 256 == 0)
			world_check(w);
		if (!w->nr_live || pick(w, 16) < share)
			pick(w, 4) ? step_reserve(w) : step_reserve_at(w);
		else
			pick(w, 3) ? step_free(w) : step_resize(w);
	}
	world_check(w);
}

static void test_random(int page, int max_cells, int steps)
{
	struct world w;

	world_init(&w, page, max_cells, 0x9e3779b97f4a7c15 + page);
	world_run(&w, steps);
	while (w.nr_live)
		step_free(&w);
	world_check(&w);
	ok(stat_of(w.ra).nr_free == 1 && !w.m.nr_used,
	   "%d random calls, pages of %d bytes, up to %d cells a range", steps,
	   page, max_cells);
	range_allocator_free(w.ra);
}

/* The same calls to both, until they are full, then all is freed in both. */
static void must_behave_alike(struct world *w, struct range_allocator *copy,
			      struct range **copies)
{
	struct page_run a, b;
	struct range *x, *y;
	int err = 0, i;

	while (w->nr_live < NR_CELLS && err != -ENOSPC) {
		uint64_t bytes = err ? 1 : 1 + pick(w, 64);

		err = range_reserve(w->ra, bytes, 0, NO_QUOTA, &x, &a);
		must(err == range_reserve(copy, bytes, 0, NO_QUOTA, &y, &b),
		     "the same answer");
		if (err)
			continue;
		must(range_offset(x) == range_offset(y) && same_run(a, b),
		     "the same place");
		copies[w->nr_live] = y;
		world_add(w, x, range_offset(x), range_size(x), 0, a);
	}
	for (i = 0; i < w->nr_live; i++) {
		range_free(w->ra, w->live[i].range, &a);
		range_free(copy, copies[i], &b);
		must(same_run(a, b), "the same pages");
	}
}

static void test_rebuild(void)
{
	struct range *copies[NR_CELLS];
	struct range_allocator *copy;
	struct range_stat a, b;
	uint32_t pages, nr, copy_nr;
	struct page_run used;
	struct world w;
	int round, i, k;
	uid_t uid;

	for (round = 0; round < 200; round++) {
		world_init(&w, 64, 1 + round % 40, 77 + round);
		world_run(&w, 2000);
		for (i = w.nr_live - 1; i > 0; i--) {
			struct live swap = w.live[i];

			k = pick(&w, i + 1);
			w.live[i] = w.live[k];
			w.live[k] = swap;
		}
		copy = range_allocator_new(NR_CELLS * RANGE_ALIGN, 64);
		for (i = 0, pages = 0; i < w.nr_live; i++) {
			must(!range_reserve_at(copy, w.live[i].offset,
					       w.live[i].size, w.live[i].uid,
					       &copies[i], &used),
			     "put back");
			pages += used.nr;
		}
		must_be_sound(copy);
		a = stat_of(w.ra);
		b = stat_of(copy);
		must(a.reserved == b.reserved && a.nr_free == b.nr_free &&
			     a.nr_reserved == b.nr_reserved &&
			     a.largest_free == b.largest_free,
		     "the same figures");
		must(pages == w.m.nr_used, "the same pages");
		for (uid = 0; uid < NR_UIDS; uid++)
			must(range_owner_bytes(copy, uid, &copy_nr) ==
					     range_owner_bytes(w.ra, uid,
							       &nr) &&
				     nr == copy_nr,
			     "the same accounts");
		must_behave_alike(&w, copy, copies);
		range_allocator_free(copy);
		range_allocator_free(w.ra);
	}
	ok(true, "%d allocators rebuilt from records, in any order", round);
}

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
	test_random(64, 8, 1000000);
	test_random(8, 40, 1000000);
	test_random(512, 3, 1000000);
	test_random(4096, 512, 500000);
	test_rebuild();
	return done();
}
