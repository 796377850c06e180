/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions against a naive model: every sequence of up to three operations over
 * four pages, and long random sequences, also over a window that lies across a
 * 2 MiB boundary.  After each sequence, and each random operation, the states,
 * the content, the order of the extents on the LRU, and all invariants are
 * compared.
 */
#include <stdint.h>
#include <string.h>

#include "pool/region/region.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmpfs.h"

#define MOST 16 /* pages of the window */

enum kind {
	OP_USE,
	OP_STOP,
	OP_WRITE,
	OP_SHRINK,
	NR_KINDS
};

struct op {
	enum kind kind;
	uint32_t first, nr; /* of the window */
};

struct run {
	uint32_t first, nr;
};

static struct model {
	uint32_t base, cut; /* of the window; where extents end */
	uint32_t nr;
	enum page_state state[MOST];
	bool populated[MOST];
	char content[MOST];
	struct run list[MOST]; /* oldest first */
	uint32_t nr_list;
} model;

static struct lru *lru;
static struct region *region;
static uint32_t page_size;
static char next_content;

/* --- the model --- */

static void list_delete(uint32_t i)
{
	memmove(&model.list[i], &model.list[i + 1],
		(--model.nr_list - i) * sizeof(model.list[0]));
}

static void list_insert(uint32_t i, uint32_t first, uint32_t nr)
{
	memmove(&model.list[i + 1], &model.list[i],
		(model.nr_list++ - i) * sizeof(model.list[0]));
	model.list[i] = (struct run){ first, nr };
}

static uint32_t list_find(uint32_t page)
{
	uint32_t i;

	for (i = 0; i < model.nr_list; i++)
		if (page - model.list[i].first < model.list[i].nr)
			return i;
	must(0, "page %u is on no list", page);
	return 0;
}

static void model_take(uint32_t page)
{
	uint32_t i = list_find(page);
	struct run e = model.list[i];

	list_delete(i);
	if (page + 1 < e.first + e.nr)
		list_insert(i, page + 1, e.first + e.nr - page - 1);
	if (e.first < page)
		list_insert(i, e.first, page - e.first);
}

/* A run becomes Available: joined with its neighbours, youngest. */
static void model_put(uint32_t first, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		model.state[first + i] = PAGE_AVAILABLE;
	for (i = 0; i < model.nr_list; i++) {
		struct run e = model.list[i];

		if (e.first + e.nr == first && first != model.cut) {
			first = e.first;
			nr += e.nr;
			list_delete(i--);
		} else if (first + nr == e.first && e.first != model.cut) {
			nr += e.nr;
			list_delete(i--);
		}
	}
	list_insert(model.nr_list, first, nr);
}

static void model_put_part(uint32_t page, uint32_t end,
			   bool (*is)(uint32_t page))
{
	uint32_t n;

	for (; page < end; page += n) {
		for (n = 0; page + n < end && is(page + n);)
			n++;
		if (n)
			model_put(page, n);
		n += !n;
	}
}

/* Every run of the range in which all pages are as @is says, the last chunk
 * first. */
static void model_put_runs(const struct op *op, bool (*is)(uint32_t page))
{
	uint32_t end = op->first + op->nr, cut = model.cut;

	cut = cut < op->first ? op->first : cut > end ? end : cut;
	model_put_part(cut, end, is);
	model_put_part(op->first, cut, is);
}

static bool is_used_with_memory(uint32_t page)
{
	return model.state[page] == PAGE_USED && model.populated[page];
}

static bool is_free(uint32_t page)
{
	return model.state[page] == PAGE_FREE;
}

static void model_forget(uint32_t page)
{
	model.state[page] = PAGE_FREE;
	model.populated[page] = false;
	model.content[page] = 0;
}

static void model_shrink(uint32_t nr)
{
	while (nr-- && model.nr_list) {
		struct run *oldest = &model.list[0];
		uint32_t page = oldest->first + oldest->nr - 1;

		model_take(page);
		model_forget(page);
	}
}

static void model_do(const struct op *op)
{
	uint32_t page, end = op->first + op->nr;

	if (op->kind == OP_STOP)
		model_put_runs(op, is_used_with_memory);
	else if (op->kind == OP_WRITE)
		model_put_runs(op, is_free);
	else if (op->kind == OP_SHRINK)
		model_shrink(op->nr);
	for (page = op->first; page < end && op->kind != OP_SHRINK; page++) {
		if (op->kind != OP_STOP && op->kind != OP_WRITE &&
		    model.state[page] == PAGE_AVAILABLE)
			model_take(page);
		if (op->kind == OP_USE)
			model.state[page] = PAGE_USED;
		if (op->kind == OP_STOP && !model.populated[page])
			model_forget(page);
		if (op->kind == OP_WRITE) {
			model.populated[page] = true;
			model.content[page] = next_content;
		}
	}
}

/* --- the real one --- */

static void real_do(const struct op *op)
{
	static char buf[MOST * 65536];
	uint32_t first = model.base + op->first, missing = 0, i, expect = 0;
	uint64_t scanned;

	switch (op->kind) {
	case OP_USE:
		for (i = 0; i < op->nr; i++)
			expect += !model.populated[op->first + i];
		must(!region_use_range(region, first, op->nr, &missing), "use");
		must(missing == expect, "%u missing, not %u", missing, expect);
		break;
	case OP_STOP:
		must(!region_stop_using_range(region, first, op->nr), "stop");
		break;
	case OP_WRITE:
		memset(buf, next_content, (size_t)op->nr * page_size);
		must(!region_write(region, (uint64_t)first * page_size, buf,
				   (size_t)op->nr * page_size),
		     "write");
		break;
	default:
		expect = lru_count(lru, 0) < op->nr ? lru_count(lru, 0)
						    : op->nr;
		must(lru_shrink(lru, 0, op->nr, true, &scanned) == expect &&
			     scanned == expect,
		     "shrink");
	}
}

struct seen {
	struct run list[MOST];
	uint32_t nr;
};

static enum lru_status look(struct lru *walked, struct lru_extent *e, void *arg)
{
	struct seen *seen = arg;

	must(seen->nr < MOST && e->region == region, "extent of somebody");
	seen->list[seen->nr++] = (struct run){ e->first - model.base, e->nr };
	return LRU_SKIP;
}

static void compare(void)
{
	uint64_t budget = UINT64_MAX;
	struct seen seen = { .nr = 0 };
	const char *broken;
	uint32_t i;
	char c;

	for (i = 0; i < model.nr; i++) {
		must(region_page_state(region, model.base + i) ==
			     model.state[i],
		     "state of page %u", i);
		must(!region_read(region,
				  (uint64_t)(model.base + i) * page_size + 7,
				  &c, 1) &&
			     c == model.content[i],
		     "content of page %u", i);
	}
	lru_walk(lru, 0, look, &seen, &budget);
	must(seen.nr == model.nr_list &&
		     !memcmp(seen.list, model.list,
			     seen.nr * sizeof(seen.list[0])),
	     "the order of the extents");
	broken = lru_check(lru);
	must(!broken, "%s", broken);
}

static void step(const struct op *op)
{
	next_content = next_content % 100 + 1;
	real_do(op);
	model_do(op);
}

static void reset(void)
{
	uint32_t base = model.base, cut = model.cut, nr = model.nr;

	must(!region_stop_using_range(region, 0,
				      region_size(region) / page_size),
	     "reset");
	lru_shrink(lru, 0, UINT64_MAX, true, NULL);
	memset(&model, 0, sizeof(model));
	model.base = base;
	model.cut = cut;
	model.nr = nr;
}

static void start(uint32_t base, uint32_t nr, uint32_t cut)
{
	int dir = tmpfs_new("never", NULL);
	int fd = dir < 0 ? memory_file() : tmpfs_file(dir);

	close(dir);
	lru = lru_new(1, UINT64_MAX);
	must(lru, "lru_new");
	region = region_new(lru, fd, (uint64_t)(base + nr) * page_size, NULL,
			    NULL);
	must(region, "region_new");
	memset(&model, 0, sizeof(model));
	model.base = base;
	model.nr = nr;
	model.cut = cut;
}

static void finish(void)
{
	struct lru_stat st;

	region_free(region);
	must(!lru_check(lru), "check after the region");
	lru_stat(lru, &st);
	must(!st.metadata && !st.available && !st.used && !st.extents,
	     "something is left");
	lru_free(lru);
}

static uint32_t all_ops(struct op *ops, uint32_t pages)
{
	uint32_t n = 0, kind, first, nr;

	for (kind = OP_USE; kind < OP_SHRINK; kind++)
		for (first = 0; first < pages; first++)
			for (nr = 1; first + nr <= pages; nr++)
				ops[n++] = (struct op){ kind, first, nr };
	for (nr = 0; nr <= pages; nr++) /* 0: nothing is done */
		ops[n++] = (struct op){ OP_SHRINK, 0, nr };
	return n;
}

/*
 * Every sequence after a prefix in which all pages were used and written, so
 * that each of the three can find memory to work on.
 */
static uint32_t exhaust(bool prefix)
{
	static const struct op use = { OP_USE, 0, 4 },
			       fill = { OP_WRITE, 0, 4 };
	uint32_t nr_ops, a, b, c, cases = 0;
	struct op ops[64];

	start(0, 4, UINT32_MAX);
	nr_ops = all_ops(ops, 4);
	for (a = 0; a < nr_ops; a++) {
		for (b = 0; b < nr_ops; b++) {
			for (c = 0; c < nr_ops; c++, cases++) {
				reset();
				if (prefix) {
					step(&use);
					step(&fill);
				}
				step(&ops[a]);
				step(&ops[b]);
				step(&ops[c]);
				compare();
			}
		}
	}
	finish();
	return cases;
}

static void random_ops(uint32_t base, uint32_t cut, int count)
{
	uint32_t seed = 12345;
	int i;

	start(base, MOST, cut);
	for (i = 0; i < count; i++) {
		struct op op;

		op.kind = rand_r(&seed) % NR_KINDS;
		op.first = rand_r(&seed) % MOST;
		op.nr = 1 + rand_r(&seed) % (MOST - op.first);
		if (op.nr > 4 && rand_r(&seed) % 4)
			op.nr = 1 + rand_r(&seed) % 4;
		step(&op);
		compare();
	}
	finish();
}

int main(void)
{
	uint32_t chunk;

	page_size = sysconf(_SC_PAGESIZE);
	chunk = (1u << EXTENT_SHIFT) / page_size;
	ok(exhaust(false) == 35 * 35 * 35, "sequences of 3 from nothing");
	ok(exhaust(true) == 35 * 35 * 35, "sequences of 3 from full pages");
	random_ops(0, UINT32_MAX, 20000);
	ok(1, "20,000 random operations in one chunk");
	random_ops(chunk - MOST / 2, MOST / 2, 4000);
	ok(1, "4,000 across a 2 MiB boundary");
	return done();
}
