/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reclaimer, driven through FIFOs and a file in the place of meminfo.  The
 * shrink function is a fake: a heap of objects, of which a pass gives two
 * shares of heap >> priority, as shrink_slab() asks of the usual shrinker.
 * Two tests at the end use the real one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shrinker/reclaim.h"
#include "tests/unit/tap.h"

#define MSEC 1000000ull
#define MAX_EVENTS 512

static char dir[] = "/tmp/test_reclaim.XXXXXX";
static char fifo[2][64];
static char meminfo[64];

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MSEC + ts.tv_nsec;
}

static void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* The fake heap. */
static atomic_ulong heap;
static atomic_int last_priority, fake_calls;
static atomic_ullong freed_at; /* first time something was freed */
static atomic_bool saw_block, saw_fs;

static void heap_fill(unsigned long objects)
{
	heap = objects;
	last_priority = -1;
	fake_calls = 0;
	freed_at = 0;
	saw_block = saw_fs = false;
}

/* Up to @want objects; other threads take some at the same time. */
static unsigned long heap_take(unsigned long want)
{
	unsigned long have = heap, take;

	do
		take = want < have ? want : have;
	while (!atomic_compare_exchange_weak(&heap, &have, have - take));
	return take;
}

static unsigned long fake_shrink(int nid, int priority,
				 const struct shrink_scope *scope)
{
	unsigned long take;

	if (nid != 0)
		return 0;
	take = heap_take((heap >> priority) * 2);
	if (scope->may_block)
		saw_block = true;
	if (scope->fs_allowed)
		saw_fs = true;
	last_priority = priority;
	fake_calls++;
	if (take && !freed_at)
		freed_at = clock_ns();
	return take;
}

static unsigned long fake_available(void *arg)
{
	return heap;
}

/* What the reclaimer told. */
static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reclaim_event events[MAX_EVENTS];
static int nr_events;

static void keep_event(void *arg, const struct reclaim_event *ev)
{
	pthread_mutex_lock(&events_lock);
	if (nr_events < MAX_EVENTS)
		events[nr_events++] = *ev;
	pthread_mutex_unlock(&events_lock);
}

static int count_events(enum reclaim_event_type type)
{
	int nr = 0;

	pthread_mutex_lock(&events_lock);
	for (int i = 0; i < nr_events; i++)
		nr += events[i].type == type;
	pthread_mutex_unlock(&events_lock);
	return nr;
}

static struct reclaim_event last_event(enum reclaim_event_type type)
{
	struct reclaim_event ev = { .err = -1 };

	pthread_mutex_lock(&events_lock);
	for (int i = 0; i < nr_events; i++)
		if (events[i].type == type)
			ev = events[i];
	pthread_mutex_unlock(&events_lock);
	return ev;
}

static bool wait_event(enum reclaim_event_type type, int nr, unsigned int ms)
{
	for (unsigned int i = 0; i < ms; i++) {
		if (count_events(type) >= nr)
			return true;
		sleep_ms(1);
	}
	return false;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, text, strlen(text)) == strlen(text), "%s",
	     path);
	close(fd);
}

/* In one go, as the kernel's file changes. */
static void set_available(unsigned long mib)
{
	char text[128], other[80];

	snprintf(text, sizeof(text), "MemTotal: %lu kB\nMemAvailable: %lu kB\n",
		 16384 * 1024ul, mib * 1024);
	snprintf(other, sizeof(other), "%s.new", meminfo);
	write_text(other, text);
	must(!rename(other, meminfo), "rename");
}

static void say(int which, const char *kind, unsigned long total)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "%s avg10=10.00 avg60=1.00 avg300=0.50 total=%lu\n", kind,
		 total);
	write_text(fifo[which], text);
}

static struct reclaimer *start(const char *const *paths, int nr,
			       struct reclaim_tuning tuning)
{
	struct reclaim_options o = {
		.tuning = tuning,
		.psi_paths = paths,
		.nr_psi_paths = nr,
		.meminfo_path = meminfo,
		.cgroup_root = dir,
		.event = keep_event,
		.available = fake_available,
		.shrink = fake_shrink,
	};
	struct reclaimer *r;

	nr_events = 0;
	r = reclaimer_start(&o);
	must(r, "start: %s", strerror(errno));
	must(wait_event(RECLAIM_SOURCE_ARMED, 1, 1000) ||
		     count_events(RECLAIM_SOURCE_LOST),
	     "the thread runs");
	return r;
}

static struct reclaimer *start_fifo(struct reclaim_tuning tuning)
{
	const char *paths[] = { fifo[0] };

	return start(paths, 1, tuning);
}

static void test_reaction(void)
{
	struct reclaimer *r;
	struct reclaim_status st;
	uint64_t said;

	heap_fill(1000000);
	r = start_fifo((struct reclaim_tuning){ 0 });
	sleep_ms(50);
	reclaimer_status(r, &st);
	ok(!st.why && st.priority == 12 && !st.passes && !st.mem_err &&
		   st.mem_available == 12288ull << 20 && st.nr_sources == 1 &&
		   st.source[0].state == PSI_SOURCE_ARMED,
	   "calm: priority 12, the source armed");
	said = clock_ns();
	say(0, "some", 500000);
	ok(wait_event(RECLAIM_PASS, 1, 1000), "an event brings a pass");
	ok(freed_at - said < 50 * MSEC, "%.3f ms from writing to freeing",
	   (freed_at - said) / 1e6);
	ok(last_event(RECLAIM_BEGIN).why == RECLAIM_SOME, "because of some");
	ok(saw_block && saw_fs, "the thread may wait and enter file systems");
	sleep_ms(20);
	reclaimer_status(r, &st);
	ok(st.why == RECLAIM_SOME && st.priority == 12 && st.freed == 488 &&
		   st.reaction_ns && st.reaction_ns < 50 * MSEC,
	   "a little at first; reaction %.3f ms", st.reaction_ns / 1e6);
	ok(st.source[0].kind[PSI_SOME].events == 1 &&
		   st.source[0].kind[PSI_SOME].last.avg10 == 1000 &&
		   st.source[0].kind[PSI_SOME].last.total == 500000,
	   "the source's figures");
	ok(wait_event(RECLAIM_END, 1, 3000), "silence ends it");
	sleep_ms(20);
	reclaimer_status(r, &st);
	ok(!st.why && st.priority == 12 && st.passes == 1, "back to calm");
	say(0, "some", 500010);
	sleep_ms(100);
	reclaimer_status(r, &st);
	ok(!st.why && st.source[0].kind[PSI_SOME].false_events == 1,
	   "a false event brings nothing");
	reclaimer_stop(r);
}

static void test_escalation(void)
{
	unsigned long total = 0;
	struct reclaimer *r;
	struct reclaim_status st;
	int last = 12;

	heap_fill(100000000);
	r = start_fifo((struct reclaim_tuning){ .window_us = 500000,
						.some_stall_us = 50000 });
	for (int i = 0; i < 20; i++) {
		say(0, "some", total += 60000);
		sleep_ms(100);
	}
	pthread_mutex_lock(&events_lock);
	for (int i = 0; i < nr_events; i++) {
		if (events[i].type != RECLAIM_PASS)
			continue;
		must(events[i].priority <= last, "priority rose to %d",
		     events[i].priority);
		last = events[i].priority;
	}
	pthread_mutex_unlock(&events_lock);
	reclaimer_status(r, &st);
	ok(st.priority < 4 && st.pressures == 1,
	   "priority falls while pressure lasts: %d after 2 s", st.priority);
	ok(wait_event(RECLAIM_END, 1, 2000), "and it ends");
	reclaimer_stop(r);
}

static void test_floor(void)
{
	struct reclaimer *r;
	unsigned long total = 0;

	heap_fill(10000);
	r = start_fifo((struct reclaim_tuning){ .floor = 9000 });
	for (int i = 0; i < 30; i++) {
		say(0, "some", total += 150000);
		sleep_ms(60);
	}
	ok(heap >= 9000 && heap < 9500, "some leaves the floor: %lu of 10000",
	   (unsigned long)heap);
	for (int i = 0; i < 30; i++) {
		say(0, "full", 150000 + 150000 * i);
		sleep_ms(60);
	}
	ok(heap == 0, "full does not");
	reclaimer_stop(r);
	heap_fill(8000);
	r = start_fifo((struct reclaim_tuning){ .floor = 9000 });
	say(0, "some", 1000000);
	ok(wait_event(RECLAIM_BEGIN, 1, 1000), "under the floor already");
	sleep_ms(300);
	ok(heap == 8000 && !fake_calls, "nothing is even asked");
	reclaimer_stop(r);
}

static void test_memory_edge(void)
{
	struct reclaimer *r;
	struct reclaim_status st;
	uint64_t fell;

	heap_fill(100000);
	set_available(2200);
	r = start_fifo((struct reclaim_tuning){ .min_free = 2048ull << 20,
						.floor = 50000 });
	sleep_ms(100);
	reclaimer_status(r, &st);
	ok(!st.why && st.interval_ms < 100, "near the edge: every %u ms",
	   st.interval_ms);
	fell = clock_ns();
	set_available(2000);
	ok(wait_event(RECLAIM_PASS, 1, 1000), "under it: a pass");
	ok(freed_at - fell < 200 * MSEC, "%.1f ms after it fell",
	   (freed_at - fell) / 1e6);
	ok(last_event(RECLAIM_BEGIN).why == RECLAIM_MEMORY,
	   "because of memory");
	for (int i = 0; i < 300 && heap; i++)
		sleep_ms(10);
	ok(heap == 0, "and all of it, whatever the floor");
	ok(count_events(RECLAIM_PASS) < 20, "passes that free nothing: silent");
	set_available(2100);
	sleep_ms(300);
	ok(!count_events(RECLAIM_END), "just above the edge: not over yet");
	set_available(12288);
	ok(wait_event(RECLAIM_END, 1, 1000), "well above: over");
	reclaimer_stop(r);
}

static void test_lost_source(void)
{
	const char *paths[] = { fifo[0], fifo[1] };
	struct reclaimer *r;
	struct reclaim_status st;

	heap_fill(1000000);
	set_available(2700); /* so that looks are frequent */
	r = start(paths, 2,
		  (struct reclaim_tuning){ .min_free = 2048ull << 20 });
	unlink(fifo[0]);
	ok(wait_event(RECLAIM_SOURCE_LOST, 1, 2000), "a source goes away");
	ok(!strcmp(last_event(RECLAIM_SOURCE_LOST).path, fifo[0]) &&
		   last_event(RECLAIM_SOURCE_LOST).err == ENOENT,
	   "which, and why");
	say(1, "full", 500000);
	ok(wait_event(RECLAIM_PASS, 1, 1000), "the other goes on");
	reclaimer_status(r, &st);
	ok(st.source[0].state == PSI_SOURCE_LOST &&
		   st.source[1].state == PSI_SOURCE_ARMED,
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
	r = start(paths, 1,
		  (struct reclaim_tuning){ .min_free = 2048ull << 20 });
	sleep_ms(50);
	reclaimer_status(r, &st);
	ok(st.source[0].state == PSI_SOURCE_UNREADABLE &&
		   st.source[0].err == ENOENT &&
		   *psi_source_strerror(st.source[0].err),
	   "an unreadable source is in the status");
	ok(st.interval_ms > 1000 && st.interval_ms <= 2000,
	   "MemAvailable is watched closer: %u ms", st.interval_ms);
	set_available(1000);
	ok(wait_event(RECLAIM_PASS, 1, 3000), "and relied upon");
	reclaimer_stop(r);
	unlink(meminfo);
	r = start(paths, 1, (struct reclaim_tuning){ 0 });
	sleep_ms(50);
	reclaimer_status(r, &st);
	ok(st.mem_err == ENOENT && !st.why, "without meminfo either: no harm");
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
	sleep_ms(50);
	reclaimer_status(r, &st);
	ok(st.tuning.some_stall_us == 10000 && st.tuning.floor == 42 &&
		   st.tuning.full_stall_us == 50000 &&
		   st.source[0].kind[PSI_SOME].stall_us == 10000 &&
		   st.source[0].kind[PSI_FULL].window_us == 3000000,
	   "is armed");
	ok(wait_event(RECLAIM_BEGIN, 1, 1000),
	   "the next look finds that the 20 ms are over it");
	t.some_stall_us = 4000000;
	ok(reclaimer_configure(r, &t) == -EINVAL, "stall over window: EINVAL");
	t = (struct reclaim_tuning){ .window_us = 10000001 };
	ok(reclaimer_configure(r, &t) == -EINVAL, "over 10 s: EINVAL");
	t = (struct reclaim_tuning){ .min_free = 13000ull << 20 };
	ok(!reclaimer_configure(r, &t), "min_free above what there is");
	for (int i = 0; i < 1000 && last_event(RECLAIM_PASS).why < 4; i++)
		sleep_ms(1);
	ok(last_event(RECLAIM_PASS).why & RECLAIM_MEMORY, "acted upon at once");
	reclaimer_stop(r);
}

static void test_start_errors(void)
{
	const char *many[PSI_SET_MAX + 1];
	char names[PSI_SET_MAX + 1][8];
	struct reclaim_options o = { .tuning.some_stall_us = 2000000 };

	ok(!reclaimer_start(&o) && errno == EINVAL, "stall over window");
	for (int i = 0; i <= PSI_SET_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "/%d", i);
		many[i] = names[i];
	}
	o = (struct reclaim_options){ .psi_paths = many,
				      .nr_psi_paths = PSI_SET_MAX + 1 };
	ok(!reclaimer_start(&o) && errno == E2BIG, "too many paths");
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
	const char *paths[] = { fifo[0], "/proc/pressure/memory" };
	struct reclaimer *r = start(paths, 2, (struct reclaim_tuning){ 0 });
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

static struct reclaimer *start_real(struct reclaim_tuning tuning)
{
	const char *paths[] = { fifo[0] };
	struct reclaim_options o = {
		.tuning = tuning,
		.psi_paths = paths,
		.nr_psi_paths = 1,
		.meminfo_path = meminfo,
		.cgroup_root = dir,
		.event = keep_event,
	};
	struct reclaimer *r;

	nr_events = 0;
	r = reclaimer_start(&o);
	must(r, "start: %s", strerror(errno));
	return r;
}

static void test_real_shrinkers(void)
{
	struct shrinker *s = shrinker_alloc(0, "heap");
	unsigned long total = 0;
	struct reclaimer *r;

	s->count_objects = count_heap;
	s->scan_objects = scan_heap;
	s->seeks = DEFAULT_SEEKS;
	must(!shrinker_register(s), "register");
	heap_fill(100);
	r = start_real((struct reclaim_tuning){ 0 });
	say(0, "full", 1000000);
	ok(wait_event(RECLAIM_PASS, 1, 1000) && heap == 0,
	   "shrink_slab: less than a batch is found at once, too");
	reclaimer_stop(r);
	heap_fill(100000);
	r = start_real((struct reclaim_tuning){ .floor = 90000 });
	for (int i = 0; i < 20; i++) {
		say(0, "some", total += 150000);
		sleep_ms(60);
	}
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
	must(mkdtemp(dir), "a directory");
	snprintf(meminfo, sizeof(meminfo), "%s/meminfo", dir);
	for (int i = 0; i < 2; i++) {
		snprintf(fifo[i], sizeof(fifo[i]), "%s/fifo%d", dir, i);
		must(!mkfifo(fifo[i], 0600), "mkfifo");
	}
	set_available(12288);
	test_start_errors();
	test_reaction();
	test_escalation();
	test_floor();
	test_memory_edge();
	test_lost_source();
	test_unreadable();
	test_configure();
	test_direct();
	test_real_shrinkers();
	test_threads();
	test_idle_and_stop();
	unlink(meminfo);
	unlink(fifo[0]);
	unlink(fifo[1]);
	rmdir(dir);
	return done();
}
