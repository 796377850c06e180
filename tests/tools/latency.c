/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * latency - how long a user of a pool waits for it.
 *
 *	latency SECONDS DIR [BOX [WORKER]]
 *
 * 500 times a second it does one of these, in turn, in its own directory and
 * box: stat() of a name that is not there and was never asked for; create,
 * close and unlink; open, send, close, receive and rm.  For each, and for all,
 * it prints number, minimum, median, 99th percentile and maximum, in
 * microseconds.  An operation that is refused for want of room counts, too.  What
 * begins late because the one before took so long counts
 * from when it should have begun.
 *
 * With the pid of the worker it is not the time that passes, but the processor
 * time of the worker meanwhile, for this operation and for whatever others have
 * it do before: that depends little on what else the machine does.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define PERIOD 2000000 /* ns */
#define KINDS 3

static const char *const names[KINDS + 1] = { "stat", "create", "send", "all" };
static const char *dir, *box;
static uint32_t *took[KINDS + 1], nr[KINDS + 1]; /* microseconds */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		fail("clock_gettime");
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void sleep_until(int64_t at)
{
	struct timespec ts = { at / 1000000000, at % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void do_stat(uint64_t i)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/none.%d.%ju", dir, getpid(),
		 (uintmax_t)i);
	if (stat(path, &st) == 0 || errno != ENOENT)
		fail(path);
}

/* Refused: that was an answer, too. */
static bool is_full(void)
{
	return errno == ENOSPC || errno == EDQUOT;
}

static void do_create(uint64_t i)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/new.%d.%ju", dir, getpid(),
		 (uintmax_t)i);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && is_full())
		return;
	if (fd < 0 || close(fd) < 0 || unlink(path) < 0)
		fail(path);
}

static void do_send(void)
{
	char path[4096], line[512], *id;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/send", box);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && is_full())
		return;
	if (fd >= 0 && write(fd, "hello", 5) < 0 && is_full()) {
		close(fd);
		return;
	}
	if (fd < 0 || fsync(fd) < 0 || close(fd) < 0)
		fail(path);
	snprintf(path, sizeof(path), "%s/recv", box);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (n <= 0)
		fail(path);
	close(fd);
	line[n] = 0;
	id = strstr(line, "\"id\":");
	if (!id)
		fail(line);
	snprintf(path, sizeof(path), "%s/tx/%ju", box,
		 (uintmax_t)strtoull(id + 5, NULL, 10));
	if (unlink(path) < 0)
		fail(path);
}

static void note(int kind, int64_t ns)
{
	uint32_t us = ns / 1000;

	took[kind][nr[kind]++] = us;
	took[KINDS][nr[KINDS]++] = us;
}

static int cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print(int kind)
{
	uint32_t n = nr[kind], *t = took[kind];

	if (!n)
		return;
	qsort(t, n, sizeof(*t), cmp);
	printf("%s %u %u %u %u %u\n", names[kind], n, t[0], t[n / 2],
	       t[n - 1 - n / 100], t[n - 1]);
}

static void operate(int kind, uint64_t i)
{
	if (kind == 0)
		do_stat(i);
	else if (kind == 1)
		do_create(i);
	else
		do_send();
}

int main(int argc, char **argv)
{
	int64_t start, at, end, from, work;
	int kinds = argc > 3 ? 3 : 2, kind;
	clockid_t worker = CLOCK_MONOTONIC;
	uint64_t max;

	if (argc < 3 || argc > 5)
		usage("SECONDS DIR [BOX [WORKER]]");
	dir = argv[2];
	box = argc > 3 ? argv[3] : NULL;
	if (argc > 4 && clock_getcpuclockid(atoi(argv[4]), &worker))
		usage("WORKER is the pid of a process");
	max = strtod(argv[1], NULL) * (1000000000 / PERIOD);
	for (int i = 0; i <= KINDS; i++)
		took[i] = calloc(max + 1, sizeof(**took));
	start = at = end = now_ns();
	for (uint64_t i = 0; i < max; i++, at += PERIOD) {
		if (at > end)
			sleep_until(at);
		from = at > end ? now_ns() : at;
		work = clock_ns(worker);
		kind = i % kinds;
		operate(kind, i);
		end = now_ns();
		note(kind, argc > 4 ? clock_ns(worker) - work : end - from);
		if (end - start > 10 * (int64_t)max * PERIOD)
			break; /* it takes ten times as long as it may */
	}
	for (int i = 0; i <= KINDS; i++)
		print(i);
	return 0;
}
