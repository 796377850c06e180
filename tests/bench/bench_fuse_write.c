/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_fuse_write - what one write on an open descriptor costs.
 *
 *	bench_fuse_write [--name NAME] [--size 128] [--count 20000]
 *		[--rounds 5] [--warm 100] [--dsync] [--cpu N] [--free TXDIR] FILE
 *
 * Prints the time of a write, the median of the rounds, in microseconds, and
 * NAME_rate in GB/s.  With --dsync each write is a transaction of its own.
 * With --free the transactions are deleted from TXDIR between the rounds, out
 * of the measured time, so that a box does not fill up.  --warm is how many
 * writes go before the first round.
 */
#include "tests/bench/lib/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/uio.h>

static void free_all(const char *txdir)
{
	DIR *dir = opendir(txdir);
	struct dirent *ent;

	if (!dir)
		err(1, "%s", txdir);
	while ((ent = readdir(dir)))
		if (ent->d_name[0] != '.' &&
		    unlinkat(dirfd(dir), ent->d_name, 0))
			err(1, "%s/%s", txdir, ent->d_name);
	closedir(dir);
}

static double one_round(int fd, char *buf, size_t size, int count)
{
	double start = bench_now();

	for (int i = 0; i < count; i++) {
		ssize_t n = write(fd, buf, size);

		if (n != size)
			err(1, "write number %d of %zu bytes gave %zd", i, size,
			    n);
	}
	return (bench_now() - start) / count * 1e6;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "warm", required_argument, NULL, 'w' },
		{ "dsync", no_argument, NULL, 'd' },
		{ "cpu", required_argument, NULL, 'p' },
		{ "free", required_argument, NULL, 'f' },
		{},
	};
	const char *name = "fuse_write", *txdir = NULL;
	int count = 20000, rounds = 5, warm = 100, cpu = -1;
	int flags = O_WRONLY, opt, fd;
	size_t size = 128;
	double *us, median;
	char *buf;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 's')
			size = bench_size(optarg);
		else if (opt == 'c')
			count = atoi(optarg);
		else if (opt == 'r')
			rounds = atoi(optarg);
		else if (opt == 'w')
			warm = atoi(optarg);
		else if (opt == 'd')
			flags |= O_DSYNC;
		else if (opt == 'p')
			cpu = atoi(optarg);
		else if (opt == 'f')
			txdir = optarg;
		else
			return 2;
	}
	if (optind != argc - 1 || count < 1 || rounds < 1 || !size)
		errx(2, "usage: bench_fuse_write [options] FILE");

	bench_pin(cpu);
	us = calloc(rounds, sizeof(*us));
	if (!us || posix_memalign((void **)&buf, 4096, size))
		err(1, "memory");
	memset(buf, 'x', size);
	fd = open(argv[optind], flags | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[optind]);

	/* a short one first, so that caches and lazy set-up are not measured */
	if (warm)
		one_round(fd, buf, size, warm < count ? warm : count);
	for (int i = 0; i < rounds; i++) {
		if (txdir)
			free_all(txdir);
		us[i] = one_round(fd, buf, size, count);
	}
	if (txdir)
		free_all(txdir);
	median = bench_median(us, rounds);
	printf("%s %.3f us\n", name, median);
	printf("%s_rate %.3f GB/s\n", name, size / median / 1e3);
	return 0;
}
