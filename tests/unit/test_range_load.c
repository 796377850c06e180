/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator under load: long random histories against a naive model,
 * and rebuilding from records.  (test_range_cost.c counts what calls cost.)
 */
#include <errno.h>
#include <stdbool.h>

#include "pool/range/range.h"
#include "tests/unit/range_model.h"

#define NO_QUOTA UINT64_MAX
#define NR_CELLS 512
#define NR_UIDS 8

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

int main(void)
{
	test_random(64, 8, 1000000);
	test_random(8, 40, 1000000);
	test_random(512, 3, 1000000);
	test_random(4096, 512, 500000);
	test_rebuild();
	return done();
}
