/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of events: whole JSON lines in order, readers of any speed and any
 * buffer, lines of any size, paths that not everybody may read, a store that is
 * opened again, threads, and a writer that is killed.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/request/events.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define OWNER 4711 /* of the pool */

static int dirfd_;
static struct events ev;

static void add(const char *name, int64_t n)
{
	events_add(&ev, name, json_pack("{s:I}", "n", (json_int_t)n));
}

/* A line's "n"; -1 for one that has none, -2 for a lost one. */
static int64_t number_of(const char *line, size_t len)
{
	json_error_t error;
	json_t *object = json_loadb(line, len, 0, &error), *n;
	const char *name;
	int64_t number;

	must(object && json_is_object(object), "%.*s: %s", (int)len, line,
	     error.text);
	name = json_string_value(json_object_get(object, "event"));
	must(name, "an event has a name: %.*s", (int)len, line);
	n = json_object_get(object, "n");
	number = n ? json_integer_value(n) : -1;
	if (!strcmp(name, "lost"))
		number = -2;
	json_decref(object);
	return number;
}

struct reader {
	uid_t uid;
	uint64_t cursor;
	int64_t last; /* number, of what was numbered */
	uint64_t lines, lost;
};

/* Return: bytes read. */
static size_t read_some(struct reader *r, size_t size)
{
	char *buf = malloc(size), *at = buf;
	size_t len = events_read(&ev, &r->cursor, r->uid, buf, size);

	must(len <= size, "%zu of %zu", len, size);
	while (at < buf + len) {
		char *end = memchr(at, '\n', buf + len - at);
		int64_t n;

		must(end, "a line is cut");
		n = number_of(at, end - at);
		if (n == -2)
			r->lost++;
		if (n >= 0) {
			must(n > r->last, "%" PRId64 " after %" PRId64, n,
			     r->last);
			must(n == r->last + 1 || r->lost || !r->lines,
			     "one is missing before %" PRId64, n);
			r->last = n;
		}
		r->lines++;
		at = end + 1;
	}
	free(buf);
	return len;
}

static void start(const char *name)
{
	char *dir = scratch_dir(name);

	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dirfd_ >= 0 && events_open(&ev, dirfd_, OWNER, false) == 0,
	     "events_open");
	free(dir);
}

static void stop(void)
{
	events_release(&ev);
	events_release(&ev);
	close(dirfd_);
}

static void test_order(void)
{
	struct reader r = { .last = 0 }, late = { .last = -1 };

	start("order");
	ok(read_some(&r, 4096) == 0, "nothing has happened yet");
	for (int i = 1; i <= 20; i++)
		add("some", i);
	while (read_some(&r, 4096))
		;
	ok(r.lines == 20 && r.last == 20, "20 events are read in order");
	events_release(&ev);
	must(events_open(&ev, dirfd_, OWNER, false) == 0, "events_open");
	add("some", 21);
	ok(read_some(&r, 4096) && r.last == 21 && r.lines == 21,
	   "and go on where they were for the next worker");
	for (int i = 22; i < 22 + 3 * EVENTS_MAX; i++)
		add("some", i);
	while (read_some(&r, 4096))
		;
	ok(r.lost == 1 && r.last == 21 + 3 * EVENTS_MAX,
	   "who is too slow is told so, and goes on");
	while (read_some(&late, 4096))
		;
	ok(late.lost == 0 && late.lines == EVENTS_MAX,
	   "who comes late begins with the oldest there is");
	stop();
}

static void test_buffers(void)
{
	struct reader r = { .last = 0 };

	start("buffers");
	for (int i = 1; i <= 100; i++)
		add("some", i);
	ok(read_some(&r, 1) == 0 && r.cursor <= 1,
	   "a buffer smaller than a line gets none, and loses none");
	for (size_t size = 1; r.last < 100; size++)
		read_some(&r, size);
	ok(r.lines == 100, "buffers of every size: whole lines");
	stop();
}

static void test_sizes(void)
{
	static char text[3 * EVENT_LINE];
	struct reader r = { .last = 0 };
	int brief = 0;

	start("sizes");
	for (size_t len = 0; len < sizeof(text) - 1; len += 13) {
		uint64_t before = r.lines;

		memset(text, len % 3 ? 'a' : '"', len);
		text[len] = 0;
		events_add(&ev, "sized", json_pack("{s:s}", "text", text));
		must(read_some(&r, EVENT_LINE) > 0, "%zu bytes", len);
		must(r.lines == before + 1, "%zu bytes", len);
		brief += len > EVENT_LINE;
	}
	ok(brief > 100, "objects of every size are one line");
	events_add(&ev, "empty", json_object());
	events_add(&ev, "mine", json_pack("{s:s}", "event", "other"));
	must(read_some(&r, 4096) > 0, "read");
	memset(text, 'n', sizeof(text) - 1);
	events_add(&ev, text, json_object());
	ok(read_some(&r, EVENT_LINE) == 0, "a name that fits no line is none");
	stop();
}

static void add_once(uint64_t token, int64_t n)
{
	events_add_once(&ev, token, "some",
			json_pack("{s:I}", "n", (json_int_t)n));
}

static void test_once(void)
{
	struct reader r = { .last = 0 };

	start("once");
	add_once(77, 1);
	add_once(77, 2);
	add("other", 2);
	events_release(&ev);
	must(events_open(&ev, dirfd_, OWNER, false) == 0, "events_open");
	add_once(77, 3);
	add_once(0, 3);
	add_once(0, 4);
	while (read_some(&r, 4096))
		;
	ok(r.lines == 4 && r.last == 4, "one event for one request");
	events_release(&ev);
	must(events_open(&ev, dirfd_, OWNER, true) == 0, "events_open");
	add_once(77, 5);
	while (read_some(&r, 4096))
		;
	ok(r.last == 5, "its number is another request for a new mount");
	for (int i = 6; i < 6 + EVENTS_MAX; i++)
		add("other", i);
	add_once(77, 6 + EVENTS_MAX);
	while (read_some(&r, 4096))
		;
	ok(r.last == 6 + EVENTS_MAX && r.lost == 1, "and once it is old");
	stop();
}

/* The last event, as @uid reads it. */
static json_t *read_as(uid_t uid)
{
	char buf[4 * EVENT_LINE];
	uint64_t cursor = 0;
	json_t *j = NULL;
	size_t len;

	while ((len = events_read(&ev, &cursor, uid, buf, sizeof(buf)))) {
		char *last = memrchr(buf, '\n', len - 1);

		must(buf[len - 1] == '\n', "no whole line");
		last = last ? last + 1 : buf;
		json_decref(j);
		j = json_loadb(last, buf + len - last, 0, NULL);
	}
	return j;
}

static bool reads_path(uid_t uid, const char *path)
{
	json_t *j = read_as(uid);
	const char *got = json_string_value(json_object_get(j, "path"));
	bool whole = json_integer_value(json_object_get(j, "pages")) == 3 &&
		     json_object_get(j, "time");
	bool same = path ? got && !strcmp(got, path)
			 : !got && !json_object_get(j, "path_bytes");

	must(j && whole, "the rest of the event");
	json_decref(j);
	return same;
}

static void add_path(const char *path, uid_t uid)
{
	events_add_path(&ev, "purge", json_pack("{s:i}", "pages", 3), path,
			uid);
}

static void test_paths(void)
{
	char path[4096], escaped[4096] = "";
	json_t *j;

	start("paths");
	add_path("a/secret", 1000);
	ok(reads_path(0, "a/secret") && reads_path(OWNER, "a/secret") &&
		   reads_path(1000, "a/secret"),
	   "root, the owner of the pool and of the file read a path");
	ok(reads_path(1001, NULL) && reads_path(65534, NULL),
	   "others read the rest of the event");
	add_path("", 0);
	ok(reads_path(1000, NULL) && reads_path(OWNER, ""),
	   "a path that is not known is \"\"");
	for (int i = 0; i < 600; i++) {
		path[i] = "\xff/"[i % 2];
		strcat(escaped, i % 2 ? "/" : "%FF");
	}
	path[600] = 0;
	add_path(path, 0);
	ok(reads_path(0, escaped), "one that is not UTF-8 is escaped");
	for (size_t len = 500; len < 4000; len++) {
		const char *got;

		memset(path, '\xff', len);
		path[len] = 0;
		add_path(path, 0);
		j = read_as(0);
		got = json_string_value(json_object_get(j, "path"));
		if (got ? strlen(got) != 3 * len
			: json_integer_value(json_object_get(
				  j, "path_bytes")) != (json_int_t)len)
			break;
		json_decref(j);
		must(reads_path(1, NULL), "others of %zu bytes", len);
		if (len == 3999)
			ok(!got, "too long for a line: its length is said");
	}
	stop();
}

/* Random adding and reading, by readers of their own speed. */
static void test_random(void)
{
	struct reader r[5] = { 0 };
	unsigned int seed = 5;
	int64_t n = 0;

	start("random");
	for (int step = 0; step < 100000; step++) {
		int who = rand_r(&seed) % 5;

		if (rand_r(&seed) % 3)
			add("some", ++n);
		else if (rand_r(&seed) % (who * who * 20 + 1) == 0)
			read_some(&r[who], rand_r(&seed) % 8192);
		if (step % 64 == 0)
			read_some(&r[0], 65536);
		if (step % 20000 == 0) {
			events_release(&ev);
			must(events_open(&ev, dirfd_, OWNER, false) == 0,
			     "events_open");
		}
	}
	for (int i = 0; i < 5; i++) {
		while (read_some(&r[i], 8192))
			;
		must(r[i].last == n, "reader %d", i);
	}
	ok(!r[0].lost && r[4].lost, "five readers of different speed");
	stop();
}

#define PER_THREAD 5000

static void *adder(void *arg)
{
	for (int i = 0; i < PER_THREAD; i++)
		events_add(&ev, "from", json_pack("{s:i}", "k", i));
	return NULL;
}

static void test_threads(void)
{
	struct reader r = { .last = 0 };
	pthread_t thread[3];

	start("threads");
	for (int i = 0; i < 3; i++)
		must(!pthread_create(&thread[i], NULL, adder, NULL), "thread");
	while (r.cursor <= 3 * PER_THREAD)
		read_some(&r, 65536);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ok(r.cursor == 3 * PER_THREAD + 1, "three threads: every one counted");
	stop();
}

static void test_killed(void)
{
	unsigned int seed = 9;
	struct reader r = { 0 };
	int64_t n = 0;

	start("killed");
	events_release(&ev);
	for (int round = 0; round < 100; round++) {
		int fds[2];
		pid_t pid;

		must(pipe2(fds, O_CLOEXEC) == 0, "pipe2");
		fflush(stdout);
		pid = fork();
		must(pid >= 0, "fork");
		if (pid == 0) {
			must(events_open(&ev, dirfd_, OWNER, false) == 0,
			     "events_open");
			for (;;) {
				n++;
				add("some", n);
				if (write(fds[1], &n, sizeof(n)) < 0)
					_exit(1);
			}
		}
		close(fds[1]);
		must(read(fds[0], &n, sizeof(n)) == sizeof(n), "read");
		usleep(rand_r(&seed) % 1000);
		kill(pid, SIGKILL);
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			;
		waitpid(pid, NULL, 0);
		close(fds[0]);
		must(events_open(&ev, dirfd_, OWNER, false) == 0,
		     "events_open");
		while (read_some(&r, 65536))
			;
		/* The last one may be there and not have been told of. */
		must(r.last == n || r.last == n + 1,
		     "round %d: %" PRId64 " after %" PRId64, round, r.last, n);
		n = r.last;
		events_release(&ev);
	}
	ok(true, "100 writers killed: no line lost or cut");
	stop();
}

int main(void)
{
	scratch_new();
	test_order();
	test_buffers();
	test_sizes();
	test_once();
	test_paths();
	test_random();
	test_threads();
	test_killed();
	return done();
}
