/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_reaction - from the kernel's pressure event to the first page back.
 *
 *	bench_reaction [--name reaction] [--timeout 30] COUNT PATH TRIGGER...
 *
 * Arms triggers of its own, the same as the pool's: the kernel looks at all of
 * them at the same moment.  Then watches COUNT, the count file of a shrinker of
 * the pool, until it has fallen, and prints how long after the last event that
 * was, in milliseconds: at most, for an event counts from the last look that
 * did not see it.  Somebody else has to make the pressure and the Available
 * memory.
 */
#include "tests/bench/lib/bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>

#define MAX_TRIGGERS 4

static long count_pages(const char *path)
{
	char text[128];
	long group, pages;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		err(1, "%s", path);
	close(fd);
	text[n] = 0;
	if (sscanf(text, "%ld %ld", &group, &pages) != 2)
		errx(1, "%s: %s", path, text);
	return pages;
}

static struct pollfd arm(const char *path, const char *trigger)
{
	struct pollfd pfd = { .events = POLLPRI };

	pfd.fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (pfd.fd < 0)
		err(1, "%s", path);
	if (write(pfd.fd, trigger, strlen(trigger) + 1) < 0)
		err(1, "trigger %s", trigger);
	return pfd;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{},
	};
	struct pollfd pfd[MAX_TRIGGERS];
	const char *name = "reaction";
	double end = bench_now() + 30, event = 0, looked = bench_now();
	const char *count;
	int opt, n = 0;
	long before;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 't')
			end = bench_now() + atof(optarg);
		else
			return 2;
	}
	if (argc - optind < 3 || argc - optind > MAX_TRIGGERS + 2)
		errx(2,
		     "usage: bench_reaction [options] COUNT PATH TRIGGER...");
	count = argv[optind++];
	for (int i = optind + 1; i < argc; i++)
		pfd[n++] = arm(argv[optind], argv[i]);

	before = count_pages(count);
	while (bench_now() < end) {
		bool fallen = count_pages(count) < before;

		/* After the count: what made it fall is not overlooked. */
		if (poll(pfd, n, 0) > 0)
			event = looked;
		if (fallen && !event)
			errx(1, "memory came back before any event");
		if (fallen) {
			printf("%s %.3f ms\n", name,
			       (bench_now() - event) * 1e3);
			return 0;
		}
		looked = bench_now();
		usleep(100);
	}
	errx(3, event ? "an event, but nothing came back" : "no event");
}
