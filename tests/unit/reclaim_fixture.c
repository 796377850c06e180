/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/reclaim_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 512

static char dir[] = "/tmp/test_reclaim.XXXXXX";
char fifo[2][64];
char meminfo[64];

uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MSEC + ts.tv_nsec;
}

void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

atomic_ulong heap;
atomic_int last_priority, fake_calls;
atomic_ullong freed_at;
atomic_bool saw_block, saw_fs;

void heap_fill(unsigned long objects)
{
	heap = objects;
	last_priority = -1;
	fake_calls = 0;
	freed_at = 0;
	saw_block = saw_fs = false;
}

unsigned long heap_take(unsigned long want)
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

int count_events(enum reclaim_event_type type)
{
	int nr = 0;

	pthread_mutex_lock(&events_lock);
	for (int i = 0; i < nr_events; i++)
		nr += events[i].type == type;
	pthread_mutex_unlock(&events_lock);
	return nr;
}

struct reclaim_event last_event(enum reclaim_event_type type)
{
	struct reclaim_event ev = { .err = -1 };

	pthread_mutex_lock(&events_lock);
	for (int i = 0; i < nr_events; i++)
		if (events[i].type == type)
			ev = events[i];
	pthread_mutex_unlock(&events_lock);
	return ev;
}

bool event_at(int index, struct reclaim_event *event)
{
	bool there;

	pthread_mutex_lock(&events_lock);
	there = index < nr_events;
	if (there)
		*event = events[index];
	pthread_mutex_unlock(&events_lock);
	return there;
}

bool wait_event(enum reclaim_event_type type, int nr)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
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
void set_memory(unsigned long total_mib, unsigned long mib)
{
	char text[128], other[80];

	snprintf(text, sizeof(text), "MemTotal: %lu kB\nMemAvailable: %lu kB\n",
		 total_mib * 1024, mib * 1024);
	snprintf(other, sizeof(other), "%s.new", meminfo);
	write_text(other, text);
	must(!rename(other, meminfo), "rename");
}

void set_available(unsigned long mib)
{
	set_memory(16384, mib);
}

void say(int which, const char *kind, unsigned long total)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "%s avg10=10.00 avg60=1.00 avg300=0.50 total=%lu\n", kind,
		 total);
	write_text(fifo[which], text);
}

static struct reclaimer *begin(const struct reclaim_options *o)
{
	struct reclaimer *r;

	nr_events = 0;
	r = reclaimer_new(o);
	must(r, "new: %s", strerror(errno));
	must(!reclaimer_start(r), "start");
	return r;
}

struct reclaimer *reclaim_start(const char *const *paths, int nr,
				struct reclaim_tuning tuning)
{
	struct reclaimer *r = begin(&(struct reclaim_options){
		.tuning = tuning,
		.psi_paths = paths,
		.nr_psi_paths = nr,
		.meminfo_path = meminfo,
		.cgroup_root = dir,
		.event = keep_event,
		.available = fake_available,
		.shrink = fake_shrink,
	});

	for (int i = 0; i < PATIENCE_MS; i++) {
		if (count_events(RECLAIM_SOURCE_ARMED) ||
		    count_events(RECLAIM_SOURCE_LOST))
			return r;
		sleep_ms(1);
	}
	must(false, "the thread runs");
}

struct reclaimer *start_fifo(struct reclaim_tuning tuning)
{
	const char *paths[] = { fifo[0] };

	return reclaim_start(paths, 1, tuning);
}

struct reclaimer *start_real(struct reclaim_tuning tuning)
{
	const char *paths[] = { fifo[0] };

	return begin(&(struct reclaim_options){
		.tuning = tuning,
		.psi_paths = paths,
		.nr_psi_paths = 1,
		.meminfo_path = meminfo,
		.cgroup_root = dir,
		.event = keep_event,
	});
}

void reclaim_prepare(void)
{
	must(mkdtemp(dir), "a directory");
	snprintf(meminfo, sizeof(meminfo), "%s/meminfo", dir);
	for (int i = 0; i < 2; i++) {
		snprintf(fifo[i], sizeof(fifo[i]), "%s/fifo%d", dir, i);
		must(!mkfifo(fifo[i], 0600), "mkfifo");
	}
	set_available(12288);
}

void reclaim_tidy(void)
{
	unlink(meminfo);
	unlink(fifo[0]);
	unlink(fifo[1]);
	rmdir(dir);
}
