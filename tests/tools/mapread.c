/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mapread - read a file through a shared mapping.
 *
 *	mapread [--sum] [--hold SECONDS] [--close] FILE [OFFSET LENGTH]
 *
 * Writes the bytes, or with --sum their checksum, to standard output.  With
 * --hold the mapping stays for so long, or until SIGTERM, and SIGUSR1 writes
 * what is in it then.  With --close the file itself is closed beforehand.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define USAGE "[--sum] [--hold SECONDS] [--close] FILE [OFFSET LENGTH]"

static void on_sigbus(int sig)
{
	static const char text[] = "mapread: SIGBUS\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	_exit(n < 0 ? 1 : EXIT_SIGBUS);
}

static void print(const char *data, size_t size, bool sum)
{
	if (sum) {
		printf("%016jx\n", (uintmax_t)checksum(data, size));
		fflush(stdout);
	} else {
		write_all(STDOUT_FILENO, data, size);
	}
}

static void hold(const char *data, size_t size, bool sum, double seconds)
{
	double end = now() + seconds;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	for (;;) {
		double left = end - now();
		struct timespec ts = {
			.tv_sec = left,
			.tv_nsec = (left - (time_t)left) * 1e9,
		};

		if (left <= 0)
			return;
		switch (sigtimedwait(&set, NULL, &ts)) {
		case SIGUSR1:
			print(data, size, sum);
			break;
		case SIGTERM:
			return;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "sum", no_argument, NULL, 's' },
		{ "hold", required_argument, NULL, 'h' },
		{ "close", no_argument, NULL, 'c' },
		{},
	};
	size_t offset = 0, size, page = sysconf(_SC_PAGESIZE), skip;
	bool sum = false, close_it = false;
	double seconds = 0;
	int opt, fd;
	struct stat st;
	sigset_t set;
	char *map = NULL;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 's')
			sum = true;
		else if (opt == 'h')
			seconds = atof(optarg);
		else if (opt == 'c')
			close_it = true;
		else
			usage(USAGE);
	}
	if (argc - optind != 1 && argc - optind != 3)
		usage(USAGE);
	/* before anything is printed: who waits for that may signal at once */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	if (seconds > 0)
		sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGBUS, on_sigbus);

	fd = open(argv[optind], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail(argv[optind]);
	size = st.st_size;
	if (argc - optind == 3) {
		offset = to_size(argv[optind + 1]);
		size = to_size(argv[optind + 2]);
	}
	skip = offset % page;
	if (size) {
		map = mmap(NULL, size + skip, PROT_READ, MAP_SHARED, fd,
			   offset - skip);
		if (map == MAP_FAILED)
			fail("mmap");
		map += skip;
	}
	if (close_it)
		close(fd);
	print(map, size, sum);
	hold(map, size, sum, seconds);
	return 0;
}
