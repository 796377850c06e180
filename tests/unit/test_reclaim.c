/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reclaimer: how fast and how hard it takes, from the first event to the
 * end, also when it is asked directly and by several threads.  Two tests use
 * the real shrink_slab().
 */
#include <dirent.h>
#include <pthread.h>

#include "shrinker/passes.h"
#include "tests/unit/reclaim_fixture.h"

static void test_reaction(void)
{
	struct reclaimer *r = NULL;
	struct reclaim_status st;
	uint64_t took = UINT64_MAX;
	bool calm = true, pass = true;

	st.reaction_ns = 0;
	for (int i = 0;
	     i < TRIES && (took >= 50 * MSEC || st.reaction_ns >= 50 * MSEC);
	     i++) {
		reclaimer_stop(r);
		heap_fill(1000000);
		r = start_fifo((struct reclaim_tuning){ 0 });
		calm &= becomes(r, &st,
				st.mem_available == 12288ull << 20 &&
					st.source[0].state == PSI_SOURCE_ARMED);
		calm &= !st.why && st.priority == 12 && !st.passes &&
			!st.mem_err && st.nr_sources == 1;
		took = clock_ns();
		say(0, "some", 500000);
		pass &= wait_event(RECLAIM_PASS, 1);
		took = freed_at - took;
		pass &= becomes(r, &st, st.freed && st.reaction_ns);
	}
	ok(calm, "calm: priority 12, the source armed");
	ok(pass, "an event brings a pass");
	ok(took < 50 * MSEC, "%.3f ms from writing to freeing", took / 1e6);
	ok(last_event(RECLAIM_BEGIN).why == RECLAIM_SOME, "because of some");
	ok(saw_block && saw_fs, "the thread may wait and enter file systems");
	ok(st.why == RECLAIM_SOME && st.priority == 12 && st.freed == 488 &&
		   st.reaction_ns && st.reaction_ns < 50 * MSEC,
	   "a little at first; reaction %.3f ms", st.reaction_ns / 1e6);
	ok(st.source[0].kind[PSI_SOME].events == 1 &&
		   st.source[0].kind[PSI_SOME].last.avg10 == 1000 &&
		   st.source[0].kind[PSI_SOME].last.total == 500000,
	   "the source's figures");
	ok(wait_event(RECLAIM_END, 1), "silence ends it");
	ok(becomes(r, &st, !st.why) && st.priority == 12 && st.passes == 1,
	   "back to calm");
	say(0, "some", 500010);
	ok(becomes(r, &st, st.source[0].kind[PSI_SOME].false_events == 1) &&
		   !st.why,
	   "a false event brings nothing");
	reclaimer_stop(r);
}

/* Says more and more until there is nothing to wait for, often enough. */
static int64_t escalate(struct reclaimer *r, struct reclaim_status *st)
{
	uint64_t begun = clock_ns(), said = begun, longest = 0;
	unsigned long total = 0;

	do {
		uint64_t now = clock_ns();

		if (now - said > longest)
			longest = now - said;
		said = now;
		say(0, "some", total += 60000);
		sleep_ms(100);
		reclaimer_status(r, st);
	} while (st->priority >= 4 && said - begun < 20000 * MSEC);
	/* with half a window of silence it may have ended in between */
	return longest < 250 * MSEC ? (int64_t)(said - begun) : -1;
}

static void test_escalation(void)
{
	struct reclaimer *r = NULL;
	struct reclaim_status st;
	struct reclaim_event ev;
	int64_t took = -1;
	int last = 12;

	for (int i = 0; i < TRIES && took < 0; i++) {
		reclaimer_stop(r);
		heap_fill(100000000);
		r = start_fifo((struct reclaim_tuning){
			.window_us = 500000, .some_stall_us = 50000 });
		took = escalate(r, &st);
	}
	for (int i = 0; event_at(i, &ev); i++) {
		if (ev.type != RECLAIM_PASS)
			continue;
		must(ev.priority <= last, "priority rose to %d", ev.priority);
		last = ev.priority;
	}
	ok(st.priority < 4 && st.pressures == 1,
	   "priority falls while pressure lasts: %d after %.1f s", st.priority,
	   took / 1e9);
	/* Ten looks a second; ten times as long on a machine that is busy. */
	ok(took < 10000 * (int64_t)MSEC, "and quickly");
	ok(wait_event(RECLAIM_END, 1), "and it ends");
	ok(becomes(r, &st, !st.why && st.priority == 12),
	   "the next one will begin at 12");
	reclaimer_stop(r);
}

/* At least thirty times, and until the heap is smaller than @below. */
static unsigned long say_until(const char *kind, unsigned long total,
			       unsigned long below)
{
	for (int i = 0; i < 30 || (heap >= below && i < 1000); i++) {
		say(0, kind, total += 150000);
		sleep_ms(60);
	}
	return total;
}

static void test_floor(void)
{
	struct reclaimer *r;

	heap_fill(10000);
	r = start_fifo((struct reclaim_tuning){ .floor = 9000 });
	say_until("some", 0, 9500);
	ok(heap >= 9000 && heap < 9500, "some leaves the floor: %lu of 10000",
	   (unsigned long)heap);
	say_until("full", 0, 1);
	ok(heap == 0, "full does not");
	reclaimer_stop(r);
	heap_fill(8000);
	r = start_fifo((struct reclaim_tuning){ .floor = 9000 });
	say(0, "some", 1000000);
	ok(wait_event(RECLAIM_BEGIN, 1), "under the floor already");
	sleep_ms(300);
	ok(heap == 8000 && !fake_calls, "nothing is even asked");
	reclaimer_stop(r);
}

static unsigned long there_are(void *arg)
{
	return *(unsigned long *)arg;
}

static void test_lowest(void)
{
	static const struct {
		unsigned long have, floor;
		int priority;
	} rows[] = {
		{ 100, 0, 0 },	   { 0, 0, 0 },
		{ 100, 100, 13 },  { 99, 100, 13 },
		{ 101, 100, 7 },   { 127, 120, 6 },
		{ 1200, 600, 4 },  { 1201, 600, 4 },
		{ 1200, 1, 3 },	   { 1000, 999, 10 },
		{ 1 << 20, 1, 3 }, { 1 << 20, (1 << 20) - 1, 13 },
	};
	unsigned long have;
	struct passes p;

	passes_init(&p, NULL, there_are, &have);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		have = rows[i].have;
		must(passes_lowest(&p, rows[i].floor) == rows[i].priority,
		     "row %zu: %d", i, passes_lowest(&p, rows[i].floor));
	}
	ok(true, "the lowest priority that leaves the floor");
}

static void test_start_errors(void)
{
	const char *many[PSI_SET_MAX + 1];
	char names[PSI_SET_MAX + 1][8];
	struct reclaim_options o = { .tuning.some_stall_us = 2000000 };

	ok(!reclaimer_new(&o) && errno == EINVAL, "stall over window");
	for (int i = 0; i <= PSI_SET_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "/%d", i);
		many[i] = names[i];
	}
	o = (struct reclaim_options){ .psi_paths = many,
				      .nr_psi_paths = PSI_SET_MAX + 1 };
	ok(!reclaimer_new(&o) && errno == E2BIG, "too many paths");
	reclaimer_stop(NULL);
	ok(!strcmp(reclaim_why_name(5), "some+memory") &&
		   !strcmp(reclaim_why_name(8), "unknown") &&
		   !strcmp(reclaim_event_name(RECLAIM_PASS), "pass"),
	   "names");
}

/* Voluntary context switches of the thread called "reclaim". */
static long reclaim_switches(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	long switches = -1;

	while ((entry = readdir(tasks))) {
		char path[300], line[128];
		bool found = false;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status",
			 entry->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			if (!strcmp(line, "Name:\treclaim\n"))
				found = true;
			if (found)
				sscanf(line, "voluntary_ctxt_switches: %ld",
				       &switches);
		}
		if (f)
			fclose(f);
	}
	closedir(tasks);
	return switches;
}

static void test_idle_and_stop(void)
{
	const char *paths[] = { fifo[0], fifo[1] };
	struct reclaimer *r = reclaim_start(paths, 2,
					    (struct reclaim_tuning){ 0 });
	struct reclaim_status st;
	long before, after;
	uint64_t begun;

	sleep_ms(100);
	before = reclaim_switches();
	sleep_ms(3000);
	after = reclaim_switches();
	reclaimer_status(r, &st);
	ok(before >= 0 && after - before <= 2 && st.wakeups <= 2,
	   "%ld wake-ups in 3 s of an idle machine", after - before);
	ok(st.interval_ms == 5000, "looks are %u ms apart", st.interval_ms);
	begun = clock_ns();
	reclaimer_stop(r);
	ok(clock_ns() - begun < 2500 * MSEC, "stopped in %.1f ms",
	   (clock_ns() - begun) / 1e6);
}

static void test_direct(void)
{
	struct reclaimer *r;
	struct reclaim_status st;

	heap_fill(100000);
	r = start_fifo((struct reclaim_tuning){ .floor = 50000 });
	ok(reclaim_direct(r, 1000) >= 1000 && heap > 95000,
	   "a request gets what it wants and little more");
	ok(!saw_block && !saw_fs, "and neither waits nor enters file systems");
	ok(reclaim_direct(r, 200000) > 95000 && heap == 0,
	   "all there is, whatever the floor");
	ok(reclaim_direct(r, 1) == 0 && last_priority == 0,
	   "nothing left: 0, after asking for everything");
	reclaimer_status(r, &st);
	ok(st.direct_calls == 3 && st.direct_freed == 100000 && !st.passes,
	   "counted apart");
	reclaimer_stop(r);
}

/* A real shrinker under the real shrink_slab(). */
static unsigned long count_heap(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long have = heap;

	return have ? have : SHRINK_EMPTY;
}

static unsigned long scan_heap(struct shrinker *s, struct shrink_control *sc)
{
	return heap_take(sc->nr_to_scan);
}

static void test_real_shrinkers(void)
{
	struct shrinker *s = shrinker_alloc(0, "heap");
	struct reclaimer *r;

	s->count_objects = count_heap;
	s->scan_objects = scan_heap;
	s->seeks = DEFAULT_SEEKS;
	s->private_data = &heap;
	must(!shrinker_register(s), "register");
	heap_fill(100);
	r = start_real((struct reclaim_tuning){ 0 });
	say(0, "full", 1000000);
	ok(wait_event(RECLAIM_PASS, 1) && heap == 0,
	   "shrink_slab: less than a batch is found at once, too");
	reclaimer_stop(r);
	heap_fill(100000);
	r = start_real((struct reclaim_tuning){ .floor = 90000 });
	say_until("some", 0, 93000);
	ok(heap >= 90000 && heap < 93000,
	   "shrink_slab: some leaves the floor: %lu of 100000",
	   (unsigned long)heap);
	ok(reclaim_direct(r, ~0ul) >= 90000 && heap == 0,
	   "shrink_slab: direct takes it all");
	reclaimer_stop(r);
	shrinker_free(s);
}

/* Everything that may be called from another thread, at once. */
static void *hammer(void *arg)
{
	struct reclaimer *r = arg;
	struct reclaim_status st;

	for (int i = 0; i < 200; i++) {
		struct reclaim_tuning t = { .floor = i };

		reclaimer_status(r, &st);
		reclaim_direct(r, 10);
		reclaimer_configure(r, &t);
		heap += 100;
	}
	return NULL;
}

static void test_threads(void)
{
	struct reclaimer *r;
	pthread_t thread[4];

	heap_fill(100000);
	r = start_fifo((struct reclaim_tuning){ 0 });
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, hammer, r);
	for (int i = 0; i < 20; i++)
		say(0, "full", 60000 * (i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	reclaimer_stop(r);
	ok(true, "status, configure and direct from four threads");
}

int main(void)
{
	reclaim_prepare();
	test_start_errors();
	test_reaction();
	test_escalation();
	test_floor();
	test_lowest();
	test_direct();
	test_real_shrinkers();
	test_threads();
	test_idle_and_stop();
	reclaim_tidy();
	return done();
}
