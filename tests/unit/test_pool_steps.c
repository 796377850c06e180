/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every operation of the pool, killed after every instruction.  Each state of
 * the store that this can leave is opened as the next worker would: it must
 * show all of the operation or nothing of it; the request, coming again with
 * its token, must be carried out exactly once and be answered the same; and in
 * the end every byte and page must be given back.
 */
#include <stdint.h>

#include "tests/unit/pool_fixture.h"
#include "tests/unit/pool_scenarios.h"
#include "tests/unit/step.h"

#define SIZE (1ull << 20)

/*
 * ThreadSanitizer makes hundreds of instructions of one, and a program of one
 * thread tells it little: there only some of the scenarios are walked through.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EVERY 14
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define EVERY 14
#endif
#ifndef EVERY
#define EVERY 1
#endif

static const struct pool_scenario *now;
static char *dir, *copy;
static char *before, *after, *at_end;
static int64_t result;
static uint32_t seen_before, seen_after;

static void settle_at_once(void *arg, struct box *box, uint32_t slot,
			   uint64_t off, uint64_t len)
{
	tx_invalidated(pool, slot);
}

static const struct pool_ops ops = { .copies_stale = settle_at_once };

static void start_copy(void)
{
	pool_start(copy, SIZE, false, &ops);
	tx_invalidate_again(pool);
	must(pool_intact(), "%s: pool_check", now->name);
}

static void new_copy(void)
{
	scratch_empty(copy);
	scratch_copy(dir, copy);
	start_copy();
}

static void must_be(const char *what, const char *expect)
{
	char *text = pool_dump();

	if (strcmp(text, expect))
		printf("# is:\n%s# should be:\n%s", text, expect);
	must(!strcmp(text, expect), "%s: %s", now->name, what);
	free(text);
}

static void ask_again(void)
{
	int64_t r;

	the_op.token = SCENARIO_TOKEN;
	r = now->op();
	must(r == result, "%s: %" PRId64 ", not %" PRId64, now->name, r,
	     result);
	must(pool_intact(), "%s: pool_check", now->name);
	must_be("carried out once", after);
}

static void step_prepare(void *arg)
{
	pool_start(dir, SIZE, false, &ops);
	tx_invalidate_again(pool);
	the_op.token = SCENARIO_TOKEN;
}

static void step_op(void *arg)
{
	now->op();
}

/* No region stays that no box has. */
static bool no_regions(void)
{
	char path[256];
	struct dirent *e;
	int nr = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/box", copy);
	d = opendir(path);
	must(d, "%s", path);
	while ((e = readdir(d)))
		nr += e->d_name[0] != '.';
	closedir(d);
	return nr == 0;
}

static void step_see(void *arg)
{
	char *text;

	new_copy();
	text = pool_dump();
	/* Where the two look the same, either is right. */
	if (!strcmp(text, before) && (!seen_after || !strcmp(before, after))) {
		seen_before++;
	} else {
		must_be("all or nothing", after);
		seen_after++;
	}
	free(text);
	ask_again();
	pool_stop();
	/* This worker was killed before it could answer, too. */
	start_copy();
	ask_again();
	pool_close_all_handles();
	must_be("at the end", at_end);
	pool_drain();
	pool_stop();
	must(no_regions(), "%s: a region is left", now->name);
}

static void learn(void)
{
	scratch_empty(dir);
	pool_start(dir, SIZE, true, &ops);
	now->setup();
	pool_stop();
	new_copy();
	before = pool_dump();
	the_op.token = SCENARIO_TOKEN;
	result = now->op();
	must(now->result == ANY ? result > 0 : result == now->result,
	     "%s: %" PRId64, now->name, result);
	must(pool_intact(), "%s: pool_check", now->name);
	after = pool_dump();
	pool_close_all_handles();
	at_end = pool_dump();
	pool_drain();
	pool_stop();
}

static bool walk(void)
{
	struct step_watch watch = {
		.dir = dir,
		.file = { { .name = "boxes" },
			  { .name = "transactions" },
			  { .name = "handles" },
			  { .name = "journal" },
			  { .name = "box/1", .bulk = true },
			  { .name = "box/2", .bulk = true } },
	};
	struct step_result r;

	seen_before = seen_after = 0;
	learn();
	r = step_through(&watch, step_prepare, step_op, step_see, NULL);
	if (!r.refused)
		ok(!r.died && r.states && seen_before,
		   "%s: %" PRIu64 " instructions, %u + %u states", now->name,
		   r.steps, seen_before, seen_after);
	free(before);
	free(after);
	free(at_end);
	return !r.refused;
}

int main(void)
{
	scratch_new();
	dir = scratch_dir("pool");
	copy = scratch_dir("copy");
	for (size_t i = 0; i < nr_pool_scenarios; i += EVERY) {
		now = &pool_scenarios[i];
		if (!walk()) {
			ok(true, "# SKIP this machine refuses ptrace");
			break;
		}
	}
	free(dir);
	free(copy);
	return done();
}
