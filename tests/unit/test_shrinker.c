/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry with one thread: what it takes and refuses, what walks and the
 * debug view see.
 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/tame_shrinker.h"

/* --- making --------------------------------------------------------------- */

static bool name_becomes(struct shrinker *shrinker, const char *want)
{
	struct tame tame = { .count = 0 };
	bool found;

	must(shrinker, "errno %d", errno);
	shrinker->count_objects = tame_count;
	shrinker->scan_objects = tame_scan;
	shrinker->private_data = &tame;
	must(shrinker_register(shrinker) == 0, "%s", want);
	found = is_listed(want);
	must(shrinker_free(shrinker) == 0, "%s", want);
	return found;
}

static struct shrinker *alloc_without_name(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat"
	return shrinker_alloc(0, NULL);
#pragma GCC diagnostic pop
}

static void test_alloc(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "plain");
	char longer[101], kept[64];

	ok(shrinker && shrinker->seeks == DEFAULT_SEEKS &&
		   shrinker->batch == 0 && shrinker->flags == 0 &&
		   !shrinker->private_data && !shrinker->count_objects &&
		   !shrinker->scan_objects,
	   "a new shrinker has the defaults and nothing else");
	ok(list_all().nr == 0, "nobody sees it yet");
	ok(shrinker_free(shrinker) == 0, "never registered, it can be freed");
	ok(shrinker_free(NULL) == 0, "so can NULL");

	errno = 0;
	ok(!alloc_without_name() && errno == EINVAL, "no name is EINVAL");
	errno = 0;
	ok(!shrinker_alloc(0, "%s", "") && errno == EINVAL, "an empty one too");
	errno = 0;
	ok(!shrinker_alloc(1u << 31, "flags") && errno == EINVAL,
	   "unknown flags too");

	ok(name_becomes(shrinker_alloc(0, "box-%s:%d", "in", 7), "box-in:7"),
	   "a name is formatted");
	ok(name_becomes(shrinker_alloc(0, "a/b/../c"), "a_b_.._c"),
	   "no slash stays in it");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memset(kept, 'x', sizeof(kept) - 1);
	kept[sizeof(kept) - 1] = '\0';
	ok(name_becomes(shrinker_alloc(0, "%s", longer), kept),
	   "63 bytes of it are kept");
}

/* --- refusing ------------------------------------------------------------- */

static bool is_refused(struct shrinker *shrinker)
{
	return shrinker_register(shrinker) == -EINVAL &&
	       (!shrinker || shrinker_free(shrinker) == -EINVAL) &&
	       list_all().nr == 0;
}

static void test_refused(void)
{
	struct tame tame = { .count = 1000 };
	struct shrinker *real = made(&tame, "real");
	struct shrinker zeroed, garbage, copy = *real;
	struct shrinker own = {
		.count_objects = tame_count,
		.scan_objects = tame_scan,
		.seeks = DEFAULT_SEEKS,
		.private_data = &tame,
	};

	memset(&zeroed, 0, sizeof(zeroed));
	memset(&garbage, 0xa5, sizeof(garbage));
	ok(is_refused(NULL), "NULL is not registered");
	ok(is_refused(&zeroed), "a zeroed shrinker is refused");
	ok(is_refused(&garbage), "one full of garbage too");
	ok(is_refused(&own), "one that was filled in by hand too");
	ok(is_refused(&copy), "the copy of a real one too");
	ok(is_refused((struct shrinker *)((char *)real + 8)),
	   "a pointer into a real one too");
	ok(is_refused((struct shrinker *)(uintptr_t)16),
	   "a pointer to nowhere is not followed");

	real->count_objects = NULL;
	ok(shrinker_register(real) == -EINVAL, "count_objects is mandatory");
	real->count_objects = tame_count;
	real->scan_objects = NULL;
	ok(shrinker_register(real) == -EINVAL, "scan_objects is mandatory");
	real->scan_objects = tame_scan;
	real->batch = -1;
	ok(shrinker_register(real) == -EINVAL, "a batch is not negative");
	real->batch = 0;
	real->seeks = -1;
	ok(shrinker_register(real) == -EINVAL, "seeks are not negative");
	real->seeks = 0;
	ok(list_all().nr == 0, "none of these left anything behind");

	ok(shrinker_register(real) == 0, "put right, it is registered");
	ok(shrinker_register(real) == -EEXIST, "a second time is EEXIST");
	ok(list_all().nr == 1, "and it is there once");
	ok(shrinker_free(real) == 0 && list_all().nr == 0, "freed, it is gone");
	ok(is_refused(real), "a freed one is neither registered nor freed");
}

/* --- walking -------------------------------------------------------------- */

static void test_order(void)
{
	struct tame tame = { .count = 0 };
	struct shrinker *a = registered(&tame, "a");
	struct shrinker *b = registered(&tame, "b");
	struct shrinker *c = registered(&tame, "c");
	struct listing listing = list_all();

	ok(listing.nr == 3 && !strcmp(listing.info[0].name, "a") &&
		   !strcmp(listing.info[1].name, "b") &&
		   !strcmp(listing.info[2].name, "c"),
	   "the oldest comes first");
	ok(listing.info[0].id != listing.info[1].id &&
		   listing.info[1].id != listing.info[2].id,
	   "each has an id of its own");
	listing = (struct listing){ .stop_after = 2 };
	ok(shrinker_for_each(list_one, &listing) == 42 && listing.nr == 2,
	   "an answer ends the listing");

	shrinker_free(b);
	listing = list_all();
	ok(listing.nr == 2 && !strcmp(listing.info[1].name, "c"),
	   "one leaves from the middle");
	shrinker_free(c);
	b = registered(&tame, "b2");
	listing = list_all();
	ok(listing.nr == 2 && !strcmp(listing.info[1].name, "b2"),
	   "one leaves from the end, another joins there");
	shrinker_free(a);
	ok(list_all().nr == 1 && is_listed("b2"), "one leaves from the front");
	shrinker_free(b);
	ok(list_all().nr == 0, "the last one leaves");
	a = registered(&tame, "again");
	ok(is_listed("again"), "and it starts anew");
	shrinker_free(a);
}

static void test_walk(void)
{
	struct tame many = { .count = 1000, .frees = 300 };
	struct tame none = { .count = SHRINK_EMPTY };
	struct tame unknown = { .count = 0 };
	struct tame stops = { .count = 1000, .frees = SHRINK_STOP };
	struct tame more = { .count = 50, .frees = 20 };
	struct shrinker *all[] = {
		registered(&many, "many"),  registered(&none, "none"),
		registered(&unknown, "un"), registered(&stops, "stops"),
		registered(&more, "more"),
	};

	ok(shrink_slab(0, 0, &anything) == 320,
	   "a walk adds up what is freed; empty and stopped ones are 0");
	ok(many.scans == 1 && more.scans == 1 && stops.scans == 1 &&
		   none.scans == 0 && unknown.scans == 0,
	   "who has nothing is not asked to scan");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		shrinker_free(all[i]);
	ok(shrink_slab(0, 0, &anything) == 0, "an empty registry frees 0");
}

static bool same_scope(const struct shrink_control *sc,
		       const struct shrink_scope *scope)
{
	return sc->may_block == scope->may_block &&
	       sc->fs_allowed == scope->fs_allowed &&
	       sc->io_allowed == scope->io_allowed;
}

static unsigned long obeying_scan(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	if (!sc->fs_allowed || !sc->io_allowed)
		return SHRINK_STOP;
	return tame_scan(shrinker, sc);
}

static void test_scope(void)
{
	struct tame tame = { .count = 1000, .frees = 10 };
	struct shrinker *shrinker = registered(&tame, "scope");

	for (int i = 0; i < 8; i++) {
		struct shrink_scope scope = { i & 1, i & 2, i & 4 };

		must(shrink_slab(0, 0, &scope) == 10, "%d", i);
		must(same_scope(&tame.counted, &scope), "count %d", i);
		must(same_scope(&tame.scanned, &scope), "scan %d", i);
	}
	ok(tame.counts == 8 && tame.scans == 8,
	   "both callbacks are told what they may do, in all 8 cases");
	shrinker_free(shrinker);

	tame.scans = 0;
	shrinker = made(&tame, "obeys");
	shrinker->scan_objects = obeying_scan;
	must(shrinker_register(shrinker) == 0, "register");
	ok(shrink_slab(0, 0, &(struct shrink_scope){ true, false, true }) ==
			   0 &&
		   shrink_slab(0, 0,
			       &(struct shrink_scope){ true, true, false }) ==
			   0 &&
		   tame.scans == 0,
	   "a callback that must not enter the file system stops");
	ok(shrink_slab(0, 0, &anything) == 10, "and one that may goes on");
	shrinker_free(shrinker);
}

/* --- what is told of --- */

/* What @fn writes to stderr. */
static char *told_by(void (*fn)(void *arg), void *arg)
{
	static char text[4096];
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t n;

	must(f && saved >= 0, "errno %d", errno);
	fflush(stderr);
	must(dup2(fileno(f), STDERR_FILENO) >= 0, "errno %d", errno);
	fn(arg);
	fflush(stderr);
	must(dup2(saved, STDERR_FILENO) >= 0, "errno %d", errno);
	close(saved);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void register_and_free(void *arg)
{
	must(shrinker_register(arg) == -EINVAL, "registered");
	must(shrinker_free(arg) == -EINVAL, "freed");
}

static void test_told_not_ours(void)
{
	struct tame tame = { .count = 1 };
	struct shrinker *real = made(&tame, "real"), copy = *real;
	char name[64], *told = told_by(register_and_free, &copy);

	snprintf(name, sizeof(name), "shrinker_register: %p did not come from",
		 (void *)&copy);
	ok(strstr(told, name), "a shrinker of another origin is told of");
	snprintf(name, sizeof(name), "shrinker_free: %p did not come from",
		 (void *)&copy);
	ok(strstr(told, name), "when it is freed, too");
	real->private_data = NULL;
	ok(shrinker_register(real) == -EINVAL, "private data is mandatory");
	shrinker_free(real);
}

static void walk_and_debug(void *arg)
{
	struct listing listing = list_all();
	unsigned long nr = 77, *sum = arg;

	*sum = 0;
	must(listing.nr == 1, "%d", listing.nr);
	for (int i = 0; i < 3; i++) {
		*sum += shrink_slab(0, 0, &anything);
		must(!shrinker_debug_count(listing.info[0].id, 0, &nr), "id");
		*sum += nr;
		must(!shrinker_debug_scan(listing.info[0].id, 0, 10, &nr),
		     "id");
		*sum += nr;
	}
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void test_told_wrong_answers(void)
{
	struct tame tame = { .count = SHRINK_STOP, .frees = SHRINK_EMPTY };
	struct shrinker *shrinker = registered(&tame, "wrong");
	unsigned long sum;
	char *told = told_by(walk_and_debug, &sum);

	told = told_by(walk_and_debug, &sum);
	ok(sum == 0, "a count of SHRINK_STOP and a scan of SHRINK_EMPTY are 0");
	ok(!*told, "and were told of before");
	shrinker_free(shrinker);

	shrinker = registered(&tame, "wrong");
	told = told_by(walk_and_debug, &sum);
	ok(lines(told) == 1 && strstr(told, "shrinker wrong-") &&
		   strstr(told, "SHRINK_STOP"),
	   "once, by name");
	tame.count = 1000;
	told = told_by(walk_and_debug, &sum);
	ok(sum == 3000 && tame.scans, "the count is right again");
	shrinker_free(shrinker);

	shrinker = registered(&tame, "wrong");
	told = told_by(walk_and_debug, &sum);
	ok(lines(told) == 1 && strstr(told, "SHRINK_EMPTY"),
	   "a wrong answer to a scan is told of");
	ok(list_all().nr == 1 && list_all().info[0].freed == 0,
	   "and is in no total");
	shrinker_free(shrinker);
}

/* --- the debug view ------------------------------------------------------- */

static void test_info(void)
{
	struct tame tame = { .count = 1000, .frees = 7 };
	struct shrinker *shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "info");
	struct listing listing;

	must(shrinker, "alloc");
	shrinker->count_objects = tame_count;
	shrinker->scan_objects = tame_scan;
	shrinker->private_data = &tame;
	shrinker->seeks = 4;
	shrinker->batch = 500;
	must(shrinker_register(shrinker) == 0, "register");
	must(shrink_slab(0, 0, &anything) == 7, "one call, 2000 looked at");
	tame.count = 40960; /* 10 * 4 / 4 at priority 12 */
	must(shrink_slab(0, 12, &anything) == 0, "too little for a batch");
	must(shrink_slab(9, 12, &anything) == 0, "too little for a batch");
	listing = list_all();
	ok(listing.nr == 1 && !strcmp(listing.info[0].name, "info") &&
		   listing.info[0].seeks == 4 && listing.info[0].batch == 500 &&
		   listing.info[0].flags == SHRINKER_NUMA_AWARE &&
		   listing.info[0].freed == 7 &&
		   listing.info[0].scanned == 2000 &&
		   listing.info[0].deferred == 20,
	   "the listing tells settings, totals, and what all nodes deferred");
	shrinker_free(shrinker);
}

static void test_debug_count(void)
{
	struct tame tame = { .count = 123 };
	struct shrinker *shrinker = registered(&tame, "debug");
	unsigned int id = list_all().info[0].id;
	unsigned long count = 99;

	ok(shrinker_debug_count(id, 0, &count) == 0 && count == 123,
	   "count by hand");
	ok(tame.counted.may_block && !tame.counted.fs_allowed &&
		   tame.counted.io_allowed,
	   "it must not enter the file system it is asked through");
	tame.count = SHRINK_EMPTY;
	ok(shrinker_debug_count(id, 0, &count) == 0 && count == 0,
	   "SHRINK_EMPTY reads 0");
	tame.count = ULONG_MAX - 2;
	ok(shrinker_debug_count(id, 0, &count) == 0 && count == ULONG_MAX / 2,
	   "half of the maximum is the most");
	count = 99;
	ok(shrinker_debug_count(id + 1, 0, &count) == -ENOENT && count == 99,
	   "no such id");
	ok(shrinker_debug_count(id, -1, &count) == -EINVAL &&
		   shrinker_debug_count(id, shrinker_nr_nodes(), &count) ==
			   -EINVAL &&
		   count == 99,
	   "no such node");
	shrinker_free(shrinker);
	ok(shrinker_debug_count(id, 0, &count) == -ENOENT && count == 99,
	   "one that is gone is not there");
}

static void test_debug_scan(void)
{
	struct tame tame = { .count = 10, .frees = 3 };
	struct shrinker *shrinker = registered(&tame, "debug");
	unsigned int id = list_all().info[0].id;
	unsigned long freed = 99;

	ok(shrinker_debug_scan(id, 0, 5000, &freed) == 0 && freed == 3 &&
		   tame.scans == 1 && tame.scanned.nr_to_scan == 5000 &&
		   tame.scanned.nr_scanned == 5000 && tame.counts == 0,
	   "scan by hand is one call, for just that many");
	ok(tame.scanned.may_block && !tame.scanned.fs_allowed &&
		   tame.scanned.io_allowed,
	   "it must not enter the file system it is asked through");
	tame.frees = SHRINK_STOP;
	ok(shrinker_debug_scan(id, 0, 1, &freed) == 0 && freed == 0,
	   "SHRINK_STOP reads 0");
	ok(list_all().info[0].freed == 3 && list_all().info[0].deferred == 0,
	   "it counts as freed, and defers nothing");
	freed = 99;
	ok(shrinker_debug_scan(id + 1, 0, 1, &freed) == -ENOENT &&
		   shrinker_debug_scan(id, -1, 1, &freed) == -EINVAL &&
		   shrinker_debug_scan(id, SHRINK_MAX_NODES, 1, &freed) ==
			   -EINVAL &&
		   freed == 99 && tame.scans == 2,
	   "no such id, no such node");
	tame.frees = ULONG_MAX - 2;
	ok(shrinker_debug_scan(id, 0, 1, &freed) == 0 && freed == ULONG_MAX / 2,
	   "half of the maximum is the most");
	shrinker_free(shrinker);
}

int main(void)
{
	test_alloc();
	test_refused();
	test_order();
	test_walk();
	test_scope();
	test_told_not_ours();
	test_told_wrong_answers();
	test_info();
	test_debug_count();
	test_debug_scan();
	return done();
}
