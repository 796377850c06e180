/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_reaction - from the kernel's pressure event to the first page back.
 *
 *	bench_reaction [--name reaction] [--timeout 30] PATH TRIGGER
 *
 * Arms a trigger of its own beside the pool's: the kernel looks at all of them
 * at the same moment.  Then watches Shmem in /proc/meminfo, which tells of the
 * pages of all tmpfs, until it has fallen by 256 KiB, and prints how long after
 * the last event that was, in milliseconds: at most, for an event counts from
 * the last look that did not see it.  Somebody else has to make the pressure
 * and the Available memory.
 */
#include "bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>

static long shmem_kib(int meminfo)
{
	char text[4096];
	const char *p;
	ssize_t n = pread(meminfo, text, sizeof(text) - 1, 0);

	if (n < 0)
		err(1, "/proc/meminfo");
	text[n] = 0;
	p = strstr(text, "\nShmem:");
	if (!p)
		errx(1, "/proc/meminfo has no Shmem");
	return atol(p + strlen("\nShmem:"));
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{},
	};
	struct pollfd pfd = { .events = POLLPRI };
	const char *name = "reaction";
	double end = bench_now() + 30, event = 0, looked = bench_now();
	int opt, meminfo;
	long before;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 't')
			end = bench_now() + atof(optarg);
		else
			return 2;
	}
	if (argc - optind != 2)
		errx(2, "usage: bench_reaction [options] PATH TRIGGER");
	meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	pfd.fd = open(argv[optind], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (meminfo < 0 || pfd.fd < 0)
		err(1, "%s", argv[optind]);
	if (write(pfd.fd, argv[optind + 1], strlen(argv[optind + 1]) + 1) < 0)
		err(1, "trigger %s", argv[optind + 1]);

	before = shmem_kib(meminfo);
	while (bench_now() < end) {
		if (poll(&pfd, 1, 0) > 0 && pfd.revents & POLLPRI)
			event = looked;
		if (shmem_kib(meminfo) <= before - 256) {
			double ms = (bench_now() - event) * 1e3;

			if (!event)
				errx(1, "memory came back before any event");
			printf("%s %.3f ms\n", name, ms);
			return 0;
		}
		looked = bench_now();
		usleep(100);
	}
	errx(3, event ? "an event, but nothing came back" : "no event");
}
