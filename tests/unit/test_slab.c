/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arithmetic of a pass over one shrinker, against values worked out by
 * hand: first the calculation alone, then passes with a callback that follows
 * a script, then what passes leave for each other and for other nodes.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

#include "shrinker/registry.h"
#include "tests/unit/tap.h"

#define MAX SHRINK_MAX_OBJECTS
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct shrink_scope anything = { true, true, true };

/* --- the calculation ------------------------------------------------------ */

/*
 * delta = (freeable >> priority) * 4 / seeks, or freeable / 2 without seeks;
 * total = min((deferred >> priority) + delta, 2 * freeable).
 */
static const struct {
	unsigned long freeable, deferred;
	int priority, seeks;
	unsigned long delta, total;
} plans[] = {
	/* priority 12: nothing below 4096 objects, then steps of 4096 */
	{ 4095, 0, 12, 2, 0, 0 },
	{ 4096, 0, 12, 2, 2, 2 },
	{ 8191, 0, 12, 2, 2, 2 },
	{ 8192, 0, 12, 2, 4, 4 },
	{ 1000000, 0, 12, 2, 488, 488 }, /* 244 * 2 */
	/* each priority below it doubles that; at 1 all, at 0 twice all */
	{ 1000000, 0, 11, 2, 976, 976 },
	{ 1000000, 0, 6, 2, 31250, 31250 },
	{ 1000000, 0, 1, 2, 1000000, 1000000 },
	{ 1000000, 0, 0, 2, 2000000, 2000000 },
	/* seeks: the dearer, the less; rounded down once, at the end */
	{ 1000, 0, 0, 1, 4000, 2000 },
	{ 1000, 0, 0, 16, 250, 250 },
	{ 1000, 0, 0, INT_MAX, 0, 0 },
	{ 100, 0, 0, 3, 133, 133 },
	{ 101, 0, 2, 3, 33, 33 }, /* 25 * 4 / 3 */
	{ 7, 0, 1, 2, 6, 6 }, /* 3 * 4 / 2 */
	{ 5, 0, 0, 16, 1, 1 },
	{ 1, 0, 0, 2, 2, 2 },
	{ 1, 0, 0, 16, 0, 0 },
	/* no seeks: half, at any priority */
	{ 1000, 0, 0, 0, 500, 500 },
	{ 1000, 0, 12, 0, 500, 500 },
	{ 1, 0, 12, 0, 0, 0 },
	{ 1000, 0, 12, -5, 500, 500 },
	/* deferred work is shifted too, and the sum is capped */
	{ 1000, 4095, 12, 2, 0, 0 },
	{ 1000, 5000, 12, 2, 0, 1 },
	{ 1000, 5000, 0, 2, 2000, 2000 },
	{ 1000, 1500, 0, 16, 250, 1750 },
	{ 1000, 1500, 1, 16, 125, 875 },
	{ 100, 1000000, 12, 2, 0, 200 }, /* 244, capped */
	{ 10, 1000000, 4, 0, 5, 20 },
	/* as many as there can be: nothing wraps */
	{ MAX, 0, 0, 1, ULONG_MAX, ULONG_MAX - 1 },
	{ MAX, 0, 0, 2, ULONG_MAX - 1, ULONG_MAX - 1 },
	{ MAX, 0, 0, 4, MAX, MAX },
	{ MAX, 0, 0, 16, MAX / 4, MAX / 4 },
	{ MAX, 0, 0, 0, MAX / 2, MAX / 2 },
	{ MAX, 0, 12, 2, (MAX >> 12) * 2, (MAX >> 12) * 2 },
	{ MAX, ULONG_MAX, 0, 2, ULONG_MAX - 1, ULONG_MAX - 1 },
	{ MAX, ULONG_MAX, 12, 16, MAX >> 14, (ULONG_MAX >> 12) + (MAX >> 14) },
#if ULONG_MAX > 0xffffffff
	/* 2^65 - 4 is (2^31 - 1) * (2^34 + 2^3), and 4 over */
	{ MAX, 0, 0, INT_MAX, 17179869192, 17179869192 },
	{ MAX, 0, 62, 1, 4, 4 },
	{ MAX, 0, 63, 1, 0, 0 },
#endif
	/* priorities that nobody should ask for */
	{ 1000, 5000, 1000, 2, 0, 0 },
	{ 1000, 0, -1, 2, 2000, 2000 },
	{ 1000, 0, INT_MIN, 2, 2000, 2000 },
};

static void test_plans(void)
{
	for (size_t i = 0; i < LENGTH(plans); i++) {
		struct slab_plan plan =
			slab_plan(plans[i].freeable, plans[i].deferred,
				  plans[i].priority, plans[i].seeks);

		must(plan.delta == plans[i].delta &&
			     plan.total == plans[i].total,
		     "row %zu: delta %lu, total %lu", i, plan.delta,
		     plan.total);
	}
	ok(LENGTH(plans) >= 40, "%zu plans as worked out by hand",
	   LENGTH(plans));
}

/* deferred + delta - scanned, with the unshifted deferred, 0 to 2 * freeable */
static const struct {
	unsigned long freeable, deferred, delta, scanned, undone;
} leftovers[] = {
	{ 1000, 0, 0, 0, 0 },
	{ 1000, 0, 500, 384, 116 },
	{ 1000, 100, 500, 600, 0 },
	{ 1000, 100, 500, 601, 0 },
	{ 1000, 100, 500, ULONG_MAX, 0 },
	{ 1000, 1500, 500, 0, 2000 },
	{ 1000, 1500, 501, 0, 2000 },
	{ 1000, 1500, 501, 2, 1999 },
	{ 1, ULONG_MAX, 0, 0, 2 },
	{ MAX, MAX, MAX, 0, ULONG_MAX - 1 },
	{ MAX, MAX, MAX, 1, ULONG_MAX - 2 },
	{ MAX, ULONG_MAX, ULONG_MAX, 0, ULONG_MAX - 1 },
};

static void test_leftovers(void)
{
	for (size_t i = 0; i < LENGTH(leftovers); i++) {
		unsigned long undone = slab_undone(leftovers[i].freeable,
						   leftovers[i].deferred,
						   leftovers[i].delta,
						   leftovers[i].scanned);

		must(undone == leftovers[i].undone, "row %zu: %lu", i, undone);
	}
	ok(true, "%zu leftovers as worked out by hand", LENGTH(leftovers));
}

/* --- passes --------------------------------------------------------------- */

#define ASKED (~0UL) /* looks at, or frees, as many as it was asked to */

#define OBEDIENT(nr)                                             \
	{                                                        \
		.count = (nr), .looks_at = ASKED, .frees = ASKED \
	}

/* What the callbacks do, and what they saw. */
struct script {
	unsigned long count;
	unsigned long looks_at; /* nr_scanned on return */
	unsigned long frees; /* of each call */
	int stop_at; /* the call that says SHRINK_STOP; 0: none */

	int counts;
	int calls;
	unsigned long last_asked;
	int last_nid;
};

static unsigned long script_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct script *script = shrinker->private_data;

	script->counts++;
	return script->count;
}

static unsigned long script_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct script *script = shrinker->private_data;

	must(sc->nr_scanned == sc->nr_to_scan, "%lu", sc->nr_scanned);
	script->calls++;
	script->last_asked = sc->nr_to_scan;
	script->last_nid = sc->nid;
	if (script->looks_at != ASKED)
		sc->nr_scanned = script->looks_at;
	if (script->calls == script->stop_at)
		return SHRINK_STOP;
	return script->frees == ASKED ? sc->nr_to_scan : script->frees;
}

static struct shrinker *script_shrinker(struct script *script,
					unsigned int flags)
{
	struct shrinker *shrinker = shrinker_alloc(flags, "script");

	must(shrinker, "errno %d", errno);
	shrinker->count_objects = script_count;
	shrinker->scan_objects = script_scan;
	shrinker->private_data = script;
	return shrinker;
}

static unsigned long deferred_on(struct shrinker *shrinker, int nid)
{
	return atomic_load(&shrinker_entry(shrinker)->deferred[nid]);
}

/* With seeks 4 at priority 0 delta is the count, and nothing gets done. */
static void defer(struct shrinker *shrinker, int nid, unsigned long nr)
{
	struct script idle = { .count = nr, .stop_at = 1 };
	struct script *script = shrinker->private_data;
	int seeks = shrinker->seeks;

	if (!nr)
		return;
	shrinker->private_data = &idle;
	shrinker->seeks = 4;
	must(do_shrink_slab(shrinker, nid, 0, &anything) == 0, "freed");
	must(deferred_on(shrinker, nid) == nr, "%lu", nr);
	shrinker->private_data = script;
	shrinker->seeks = seeks;
}

static const struct {
	unsigned long count, deferred;
	int priority, seeks;
	long batch;
	unsigned long looks_at, frees;
	int stop_at;
	/* expected */
	unsigned long ret;
	int calls;
	unsigned long last_asked, left;
} passes[] = {
	/* nothing there: what was deferred is not touched */
	{ 0, 77, 0, 2, 0, ASKED, ASKED, 0, 0, 0, 0, 77 },
	{ SHRINK_EMPTY, 77, 0, 2, 0, ASKED, ASKED, 0, SHRINK_EMPTY, 0, 0, 77 },
	/* too little for a batch: kept for later */
	{ 4095, 0, 12, 2, 0, ASKED, ASKED, 0, 0, 0, 0, 0 },
	{ 10000, 0, 12, 2, 0, ASKED, ASKED, 0, 0, 0, 0, 4 },
	/* 15 batches of 128, and 80 over */
	{ 1000, 0, 0, 2, 0, ASKED, ASKED, 0, 1920, 15, 128, 80 },
	{ 256, 0, 0, 4, 0, ASKED, ASKED, 0, 256, 2, 128, 0 },
	/* less there than a batch: at once, if the total covers it */
	{ 50, 0, 0, 2, 0, ASKED, ASKED, 0, 100, 1, 100, 0 },
	{ 50, 0, 0, 4, 0, ASKED, ASKED, 0, 50, 1, 50, 0 },
	{ 50, 0, 0, 16, 0, ASKED, ASKED, 0, 0, 0, 0, 12 },
	{ 50, 37, 0, 16, 0, ASKED, ASKED, 0, 0, 0, 0, 49 },
	{ 50, 38, 0, 16, 0, ASKED, ASKED, 0, 50, 1, 50, 0 },
	{ 1, 0, 0, 2, 0, ASKED, ASKED, 0, 2, 1, 2, 0 },
	/* other batches */
	{ 10, 0, 0, 4, 7, ASKED, ASKED, 0, 7, 1, 7, 3 },
	{ 10, 0, 1, 4, 1, ASKED, ASKED, 0, 5, 5, 1, 0 },
	{ 1000, 0, 0, 2, 1000000, ASKED, ASKED, 0, 2000, 1, 2000, 0 },
	{ 5000, 0, 0, 4, 1024, ASKED, ASKED, 0, 4096, 4, 1024, 904 },
	/* SHRINK_STOP: that call is not counted, whatever it looked at */
	{ 1000, 0, 0, 2, 0, ASKED, ASKED, 1, 0, 1, 128, 2000 },
	{ 1000, 0, 0, 2, 0, ASKED, ASKED, 3, 256, 3, 128, 1744 },
	{ 1000, 0, 0, 2, 0, ASKED, ASKED, 15, 1792, 15, 128, 208 },
	{ 50, 0, 0, 4, 0, 9, ASKED, 1, 0, 1, 50, 50 },
	/* deferred: shifted in what is done, whole in what is left */
	{ 1000, 1500, 12, 2, 0, ASKED, ASKED, 0, 0, 0, 0, 1500 },
	{ 1000, 1500, 0, 2, 0, ASKED, ASKED, 1, 0, 1, 128, 2000 },
	{ 1000, 1500, 1, 16, 0, ASKED, ASKED, 0, 768, 6, 128, 857 },
	{ 100, 1000000, 12, 2, 0, ASKED, ASKED, 0, 128, 1, 128, 200 },
	/* seeks */
	{ 1000, 0, 12, 0, 0, ASKED, ASKED, 0, 384, 3, 128, 116 },
	{ 100, 0, 0, 1, 0, ASKED, ASKED, 0, 128, 1, 128, 200 },
	{ 1000000, 0, 4, 16, 0, ASKED, ASKED, 0, 15616, 122, 128, 9 },
	/* looks at fewer or more than it was asked to */
	{ 1000, 0, 0, 4, 0, 64, 64, 0, 896, 14, 128, 104 },
	{ 1000, 0, 0, 4, 0, 500, 500, 0, 1000, 2, 128, 0 },
	{ 1000, 0, 0, 4, 0, 600, 600, 0, 1200, 2, 128, 0 },
	/* frees fewer than it looks at */
	{ 1000, 0, 0, 4, 0, ASKED, 1, 0, 7, 7, 128, 104 },
	{ 1000, 0, 0, 4, 0, ASKED, 0, 0, 0, 7, 128, 104 },
	/* looks at nothing: ends, and what it freed still counts */
	{ 1000, 0, 0, 4, 0, 0, 0, 0, 0, 1, 128, 1000 },
	{ 1000, 0, 0, 4, 0, 0, 5, 0, 5, 1, 128, 1000 },
	/* as many as there can be, and more */
	{ MAX, 0, 0, 4, 0, ASKED, ASKED, 1, 0, 1, 128, MAX },
	{ MAX + 1, 0, 0, 4, 0, ASKED, ASKED, 1, 0, 1, 128, MAX },
	{ ULONG_MAX - 2, 0, 0, 2, 0, ASKED, ASKED, 1, 0, 1, 128,
	  ULONG_MAX - 1 },
	{ MAX, 0, 0, 2, LONG_MAX, ASKED, ASKED, 0, MAX, 2, MAX, 0 },
	{ MAX, MAX, 0, 4, 1, MAX, ULONG_MAX - 2, 0, MAX, 2, 1, 0 },
	/* wrong answers: no count, and no number freed */
	{ SHRINK_STOP, 77, 0, 2, 0, ASKED, ASKED, 0, 0, 0, 0, 77 },
	{ 1000, 0, 0, 2, 0, ASKED, SHRINK_EMPTY, 0, 0, 1, 128, 2000 },
};

static void test_passes(void)
{
	for (size_t i = 0; i < LENGTH(passes); i++) {
		struct script script = {
			.count = passes[i].count,
			.looks_at = passes[i].looks_at,
			.frees = passes[i].frees,
			.stop_at = passes[i].stop_at,
		};
		struct shrinker *shrinker = script_shrinker(&script, 0);
		unsigned long ret;

		defer(shrinker, 0, passes[i].deferred);
		shrinker->seeks = passes[i].seeks;
		shrinker->batch = passes[i].batch;
		ret = do_shrink_slab(shrinker, 0, passes[i].priority,
				     &anything);
		must(ret == passes[i].ret, "row %zu: freed %lu", i, ret);
		must(script.counts == 1, "row %zu: %d counts", i,
		     script.counts);
		must(script.calls == passes[i].calls, "row %zu: %d calls", i,
		     script.calls);
		must(script.last_asked == passes[i].last_asked,
		     "row %zu: last asked for %lu", i, script.last_asked);
		must(deferred_on(shrinker, 0) == passes[i].left,
		     "row %zu: deferred %lu", i, deferred_on(shrinker, 0));
		must(shrinker_free(shrinker) == 0, "row %zu", i);
	}
	ok(LENGTH(passes) >= 35, "%zu passes as worked out by hand",
	   LENGTH(passes));
}

/* --- what passes leave for each other ------------------------------------- */

static void test_small_passes_add_up(void)
{
	struct script script = OBEDIENT(10000);
	struct shrinker *shrinker = script_shrinker(&script, 0);

	for (int i = 1; i <= 10; i++) {
		must(do_shrink_slab(shrinker, 0, 12, &anything) == 0, "%d", i);
		must(deferred_on(shrinker, 0) == 4 * i, "%d", i);
	}
	ok(script.calls == 0, "ten light passes scan nothing, defer 40");
	/* 156 * 2 = 312, that is two batches and 56 over */
	ok(do_shrink_slab(shrinker, 0, 6, &anything) == 256 &&
		   deferred_on(shrinker, 0) == 40 + 56,
	   "a heavier one adds its rest to them");
	/* 20000 at most: 156 batches and 32 over, beside the 96 deferred */
	ok(do_shrink_slab(shrinker, 0, 0, &anything) == 19968 &&
		   deferred_on(shrinker, 0) == 128,
	   "one that takes all there is keeps what was deferred");
	shrinker_free(shrinker);
}

static void test_nodes(void)
{
	struct script script = OBEDIENT(50);
	struct shrinker *shrinker = script_shrinker(&script,
						    SHRINKER_NUMA_AWARE);

	shrinker->seeks = 16;
	defer(shrinker, 5, 38);
	ok(do_shrink_slab(shrinker, 4, 0, &anything) == 0 &&
		   deferred_on(shrinker, 4) == 12,
	   "what node 5 deferred does not count on node 4");
	ok(do_shrink_slab(shrinker, 5, 0, &anything) == 50 &&
		   script.last_nid == 5 && deferred_on(shrinker, 5) == 0 &&
		   deferred_on(shrinker, 4) == 12,
	   "on node 5 it does, and node 4 keeps its own");
	ok(do_shrink_slab(shrinker, 63, 0, &anything) == 0 &&
		   deferred_on(shrinker, 63) == 12,
	   "the last node has a counter");
	script.counts = 0;
	ok(do_shrink_slab(shrinker, 64, 0, &anything) == 0 &&
		   do_shrink_slab(shrinker, -1, 0, &anything) == 0 &&
		   script.counts == 0,
	   "nodes that cannot be are not asked");
	shrinker_free(shrinker);
}

static void test_not_node_aware(void)
{
	struct script script = OBEDIENT(1000);
	struct shrinker *shrinker = script_shrinker(&script, 0);

	script.last_nid = -1;
	ok(do_shrink_slab(shrinker, 3, 0, &anything) == 1920 &&
		   script.last_nid == 0 && deferred_on(shrinker, 0) == 80,
	   "without nodes there is one counter, and callbacks see node 0");
	must(shrinker_register(shrinker) == 0, "register");
	script.counts = 0;
	ok(shrink_slab(3, 0, &anything) == 0 && script.counts == 0,
	   "a walk over node 3 leaves it out");
	ok(shrink_slab(0, 0, &anything) > 0 && script.counts == 1,
	   "a walk over node 0 does not");
	shrinker_free(shrinker);
}

/* Two passes at once on one node: the second finds nothing deferred. */

struct slow {
	struct script script;
	sem_t in_scan, go_on;
};

static unsigned long slow_scan(struct shrinker *shrinker,
			       struct shrink_control *sc)
{
	struct slow *slow = shrinker->private_data;

	if (++slow->script.calls == 1) {
		sem_post(&slow->in_scan);
		sem_wait(&slow->go_on);
	}
	return SHRINK_STOP;
}

static void *slow_pass(void *arg)
{
	return (void *)do_shrink_slab(arg, 0, 0, &anything);
}

static void test_swap(void)
{
	struct slow slow = { .script = OBEDIENT(1000) };
	struct shrinker *shrinker = script_shrinker(&slow.script, 0);
	pthread_t thread;

	sem_init(&slow.in_scan, 0, 0);
	sem_init(&slow.go_on, 0, 0);
	defer(shrinker, 0, 1000);
	shrinker->scan_objects = slow_scan;
	shrinker->seeks = 4;
	must(!pthread_create(&thread, NULL, slow_pass, shrinker), "thread");
	sem_wait(&slow.in_scan);
	ok(deferred_on(shrinker, 0) == 0, "a pass takes all that is deferred");
	do_shrink_slab(shrinker, 0, 0, &anything);
	ok(deferred_on(shrinker, 0) == 1000,
	   "another one meanwhile defers only its own");
	sem_post(&slow.go_on);
	pthread_join(thread, NULL);
	ok(deferred_on(shrinker, 0) == 3000,
	   "the first adds back what it took and did not do");
	shrinker_free(shrinker);
	sem_destroy(&slow.in_scan);
	sem_destroy(&slow.go_on);
}

#define ADDS 1000000

/* Two objects a pass, which are never enough for a batch. */
static unsigned long endless_count(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	return 1ul << 28;
}

static struct shrinker *interrupted;
static volatile sig_atomic_t nr_interruptions;

static void one_more_pass(int sig)
{
	do_shrink_slab(interrupted, 0, 28, &anything);
	nr_interruptions++;
}

/* Passes by a timer, between any two instructions of others. */
static void test_interrupted(void)
{
	struct itimerval often = { { 0, 20 }, { 0, 20 } }, never = { 0 };
	struct script script = OBEDIENT(0);

	interrupted = script_shrinker(&script, 0);
	interrupted->count_objects = endless_count;
	signal(SIGALRM, one_more_pass);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ADDS; i++)
		do_shrink_slab(interrupted, 0, 28, &anything);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN);
	ok(deferred_on(interrupted, 0) ==
		   2 * (ADDS + (unsigned long)nr_interruptions),
	   "%d passes in the middle of others lose nothing",
	   (int)nr_interruptions);
	shrinker_free(interrupted);
}

static void test_node_list(void)
{
	static const struct {
		const char *list;
		int nr;
	} lists[] = {
		{ "0\n", 1 },	    { "0-3\n", 4 },
		{ "0-3", 4 },	    { "0,2-5\n", 6 },
		{ "7,1\n", 8 },	    { "0-63", 64 },
		{ "0-64", 64 },	    { "99999999999999999999", 64 },
		{ "", -EINVAL },    { "\n", -EINVAL },
		{ "-1", -EINVAL },  { "0-", -EINVAL },
		{ "0,", -EINVAL },  { "0-1-2", -EINVAL },
		{ "0 1", -EINVAL }, { "0\n\n", -EINVAL },
		{ "a", -EINVAL },
	};

	for (size_t i = 0; i < LENGTH(lists); i++)
		must(node_list_count(lists[i].list) == lists[i].nr, "\"%s\"",
		     lists[i].list);
	ok(true, "%zu lists of nodes, good and bad", LENGTH(lists));
	ok(shrinker_nr_nodes() >= 1 && shrinker_nr_nodes() <= SHRINK_MAX_NODES,
	   "this machine has nodes");
}

int main(void)
{
	test_plans();
	test_leftovers();
	test_passes();
	test_small_passes_add_up();
	test_nodes();
	test_not_node_aware();
	test_swap();
	test_interrupted();
	test_node_list();
	return done();
}
