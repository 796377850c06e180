/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets of what a counter numbers: each leads back to its number, fits into 31
 * bits, and whatever was removed meanwhile, a listing goes on and ends.
 */
#include <inttypes.h>

#include "fs/request/offset.h"
#include "tests/unit/tap.h"

#define SPAN (OFFSET_MODULUS / 2)
#define END UINT64_MAX

static const uint64_t bases[] = { 1,
				  2,
				  SPAN - 2,
				  OFFSET_MODULUS - 2,
				  OFFSET_MODULUS,
				  OFFSET_MODULUS + 1,
				  INT32_MAX,
				  UINT32_MAX,
				  (1ull << 40) + 12345,
				  (1ull << 61) - 100 };
#define NR_BASES (sizeof(bases) / sizeof(bases[0]))

static const uint64_t steps[] = { 0,
				  1,
				  2,
				  3,
				  1000,
				  SPAN - 2,
				  SPAN - 1,
				  SPAN,
				  SPAN + 1,
				  OFFSET_MODULUS,
				  10 * SPAN + 7 };
#define NR_STEPS (sizeof(steps) / sizeof(steps[0]))

static void each_leads_back(void)
{
	for (size_t b = 0; b < NR_BASES; b++)
		for (size_t s = 0; s < NR_STEPS; s++) {
			uint64_t id = bases[b] + steps[s];
			off_t off = offset_of_id(id, bases[b]);

			must(off > OFFSET_DOTS, "%" PRIu64, id);
			must((off <= INT32_MAX) == (steps[s] < SPAN),
			     "%" PRIu64 " in 31 bits", id);
			must(offset_id(off, bases[b]) == id,
			     "%" PRIu64 " of %" PRIu64, id, bases[b]);
		}
	ok(1, "an offset leads back to its number, in 31 bits up to 2^29");
}

/* The oldest are removed while somebody lists. */
static void oldest_removed(void)
{
	for (size_t b = 0; b < NR_BASES; b++)
		for (size_t s = 0; s < NR_STEPS; s++)
			for (size_t r = 0; r < NR_STEPS; r++) {
				uint64_t id = bases[b] + steps[s];
				uint64_t oldest = bases[b] + steps[r];
				off_t off = offset_of_id(id, bases[b]);
				uint64_t next = offset_id(off, oldest);

				if (oldest >= id && oldest - id > SPAN)
					continue;
				must((next < id ? oldest - 1 : next) ==
					     (id < oldest && off <= INT32_MAX
						      ? oldest - 1
						      : id),
				     "%" PRIu64 " of %" PRIu64 " then %" PRIu64,
				     id, bases[b], oldest);
			}
	ok(1, "the first that is left comes next");
}

static uint64_t entry_above(const uint64_t *ids, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] > id)
			return ids[i];
	return END;
}

static void listing_ends(void)
{
	uint64_t ids[NR_STEPS], id;

	for (size_t b = 0; b < NR_BASES; b++) {
		off_t off = OFFSET_DOTS;
		size_t n = 0;

		for (size_t s = 0; s < NR_STEPS; s++)
			ids[s] = bases[b] + steps[s];
		while ((id = entry_above(ids, NR_STEPS,
					 offset_id(off, ids[0]))) != END) {
			must(n < NR_STEPS && id == ids[n], "entry %zu", n);
			off = offset_of_id(id, ids[0]);
			n++;
		}
		must(n == NR_STEPS, "%zu entries", n);
	}
	ok(1, "a listing of any numbers gives each once");
}

static void no_entry(void)
{
	static const off_t offs[] = { OFFSET_MODULUS + OFFSET_DOTS + 1,
				      INT32_MAX, UINT32_MAX, 1ll << 61,
				      INT64_MAX };

	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++)
		must(offset_id(offs[i], 1) > 1ull << 60, "%jd",
		     (intmax_t)offs[i]);
	ok(1, "behind what was never given there is nothing");
}

int main(void)
{
	no_entry();
	each_leads_back();
	oldest_removed();
	listing_ends();
	return done();
}
