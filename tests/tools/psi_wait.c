/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * psi_wait - arm a pressure trigger and tell when it fires.
 *
 *	psi_wait [--timeout SECONDS] [--count N] PATH "some STALL_US WINDOW_US"
 *
 * Prints "armed TIME", then "fired TIME" for each event, TIME being seconds on
 * the monotonic clock.  Ends after N events, 1 if not said.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>

#define USAGE "[--timeout SECONDS] [--count N] PATH TRIGGER"

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'c' },
		{},
	};
	struct pollfd pfd = { .events = POLLPRI };
	double end = now() + 60;
	int count = 1, opt;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 't')
			end = now() + atof(optarg);
		else if (opt == 'c')
			count = atoi(optarg);
		else
			usage(USAGE);
	}
	if (argc - optind != 2)
		usage(USAGE);
	pfd.fd = open(argv[optind], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (pfd.fd < 0)
		fail(argv[optind]);
	/* with its NUL: the kernel overwrites the last byte it is given */
	if (write(pfd.fd, argv[optind + 1], strlen(argv[optind + 1]) + 1) < 0)
		fail("trigger");
	printf("armed %.3f\n", now());
	fflush(stdout);
	while (count) {
		double left = end - now();
		int n = left > 0 ? poll(&pfd, 1, left * 1000 + 1) : 0;

		if (n < 0 && errno != EINTR)
			fail("poll");
		if (!n) {
			printf("timeout %.3f\n", now());
			return EXIT_TIME;
		}
		if (n > 0 && pfd.revents & POLLERR) {
			printf("gone %.3f\n", now());
			return 17;
		}
		if (n > 0 && pfd.revents & POLLPRI) {
			printf("fired %.3f\n", now());
			fflush(stdout);
			count--;
		}
	}
	return 0;
}
