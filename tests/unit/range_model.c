/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/range_model.h"

struct page_run model_move(struct model *m, uint64_t from, uint64_t to,
			   int sign)
{
	struct page_run run = { 0, 0 };
	uint64_t page, end;

	for (; from < to; from = end) {
		bool used;

		page = from / m->page_size;
		must(page < MODEL_MAX_PAGES, "too many pages");
		end = (page + 1) * m->page_size;
		if (end > to)
			end = to;
		used = m->bytes[page];
		m->bytes[page] += sign * (int64_t)(end - from);
		if (used == (m->bytes[page] != 0))
			continue;
		m->nr_used += sign;
		if (!run.nr)
			run.first = page;
		must(page == run.first + run.nr, "the model's run has a gap");
		run.nr++;
	}
	return run;
}

bool same_run(struct page_run a, struct page_run b)
{
	return a.nr == b.nr && (!a.nr || a.first == b.first);
}

void must_be_sound(const struct range_allocator *ra)
{
	const char *wrong = range_check(ra);

	must(!wrong, "%s", wrong);
}

struct range_stat stat_of(const struct range_allocator *ra)
{
	struct range_stat stat;

	range_stat(ra, &stat);
	return stat;
}

uint64_t random_u64(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}
