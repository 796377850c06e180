/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reclaimer watches: MemAvailable, sources that go away or cannot be
 * read, and the thresholds, which may be changed while it runs.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/reclaim_fixture.h"

static void test_memory_edge(void)
{
	struct reclaimer *r = NULL;
	struct reclaim_status st;
	uint64_t took = UINT64_MAX;
	bool near = true, pass = true;

	for (int i = 0; i < TRIES && took >= 200 * MSEC; i++) {
		reclaimer_stop(r);
		heap_fill(100000);
		set_available(2200);
		r = start_fifo((struct reclaim_tuning){
			.min_free = 2048ull << 20, .floor = 50000 });
		near &= becomes(r, &st, !st.why && st.interval_ms < 100);
		took = clock_ns();
		set_available(2000);
		pass &= wait_event(RECLAIM_PASS, 1);
		took = freed_at - took;
	}
	ok(near, "near the edge: every %u ms", st.interval_ms);
	ok(pass, "under it: a pass");
	ok(took < 200 * MSEC, "%.1f ms after it fell", took / 1e6);
	ok(last_event(RECLAIM_BEGIN).why == RECLAIM_MEMORY,
	   "because of memory");
	for (int i = 0; i < PATIENCE_MS && heap; i++)
		sleep_ms(1);
	ok(heap == 0, "and all of it, whatever the floor");
	ok(count_events(RECLAIM_PASS) < 20, "passes that free nothing: silent");
	set_available(2100);
	sleep_ms(300);
	ok(!count_events(RECLAIM_END), "just above the edge: not over yet");
	set_available(12288);
	ok(wait_event(RECLAIM_END, 1), "well above: over");
	reclaimer_stop(r);
}

static void test_lost_source(void)
{
	const char *paths[] = { fifo[0], fifo[1] };
	struct reclaimer *r;
	struct reclaim_status st;

	heap_fill(1000000);
	set_available(2700); /* so that looks are frequent */
	r = reclaim_start(paths, 2,
			  (struct reclaim_tuning){ .min_free = 2048ull << 20 });
	unlink(fifo[0]);
	ok(wait_event(RECLAIM_SOURCE_LOST, 1), "a source goes away");
	ok(!strcmp(last_event(RECLAIM_SOURCE_LOST).path, fifo[0]) &&
		   last_event(RECLAIM_SOURCE_LOST).err == ENOENT,
	   "which, and why");
	say(1, "full", 500000);
	ok(wait_event(RECLAIM_PASS, 1), "the other goes on");
	ok(becomes(r, &st,
		   st.source[0].state == PSI_SOURCE_LOST &&
			   st.source[1].state == PSI_SOURCE_ARMED),
	   "in the status");
	reclaimer_stop(r);
	set_available(12288);
	must(!mkfifo(fifo[0], 0600), "mkfifo");
}

static void test_unreadable(void)
{
	const char *paths[] = { "/nonexistent/memory" };
	struct reclaimer *r;
	struct reclaim_status st;

	heap_fill(100000);
	r = reclaim_start(paths, 1,
			  (struct reclaim_tuning){ .min_free = 2048ull << 20 });
	ok(becomes(r, &st,
		   st.source[0].state == PSI_SOURCE_UNREADABLE &&
			   st.source[0].err == ENOENT) &&
		   *psi_source_strerror(st.source[0].err),
	   "an unreadable source is in the status");
	ok(becomes(r, &st, st.interval_ms > 1000 && st.interval_ms <= 2000),
	   "MemAvailable is watched closer: %u ms", st.interval_ms);
	set_available(1000);
	ok(wait_event(RECLAIM_PASS, 1), "and relied upon");
	reclaimer_stop(r);
	unlink(meminfo);
	r = reclaim_start(paths, 1, (struct reclaim_tuning){ 0 });
	ok(becomes(r, &st, st.mem_err == ENOENT) && !st.why,
	   "without meminfo either: no harm");
	reclaimer_stop(r);
	set_available(12288);
}

static void test_configure(void)
{
	struct reclaim_tuning t = { .some_stall_us = 10000,
				    .window_us = 3000000,
				    .floor = 42 };
	struct reclaimer *r;
	struct reclaim_status st;

	heap_fill(100000);
	r = start_fifo((struct reclaim_tuning){ 0 });
	say(0, "some", 20000);
	sleep_ms(50);
	ok(!count_events(RECLAIM_BEGIN), "20 ms of stall: under the threshold");
	ok(!reclaimer_configure(r, &t), "a lower threshold");
	ok(becomes(r, &st,
		   st.tuning.some_stall_us == 10000 && st.tuning.floor == 42 &&
			   st.tuning.full_stall_us == 50000 &&
			   st.source[0].kind[PSI_SOME].stall_us == 10000 &&
			   st.source[0].kind[PSI_FULL].window_us == 3000000),
	   "is armed");
	ok(wait_event(RECLAIM_BEGIN, 1),
	   "the next look finds that the 20 ms are over it");
	t.some_stall_us = 4000000;
	ok(reclaimer_configure(r, &t) == -EINVAL, "stall over window: EINVAL");
	t = (struct reclaim_tuning){ .window_us = 10000001 };
	ok(reclaimer_configure(r, &t) == -EINVAL, "over 10 s: EINVAL");
	t = (struct reclaim_tuning){ .min_free = 13000ull << 20 };
	ok(!reclaimer_configure(r, &t), "min_free above what there is");
	for (int i = 0; i < PATIENCE_MS && last_event(RECLAIM_PASS).why < 4;
	     i++)
		sleep_ms(1);
	ok(last_event(RECLAIM_PASS).why & RECLAIM_MEMORY, "acted upon at once");
	t = (struct reclaim_tuning){ 0 };
	ok(!reclaimer_configure(r, &t) &&
		   becomes(r, &st, st.tuning.min_free == 256ull << 20),
	   "the default is a part of all memory");
	set_memory(8192, 8192);
	say(0, "some", 30000);
	ok(becomes(r, &st, st.tuning.min_free == 128ull << 20),
	   "and follows it");
	set_available(12288);
	reclaimer_stop(r);
}

int main(void)
{
	reclaim_prepare();
	test_memory_edge();
	test_lost_source();
	test_unreadable();
	test_configure();
	reclaim_tidy();
	return done();
}
