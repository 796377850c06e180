/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_map - how fast a file is read through a mapping.
 *
 *	bench_map [--name map] [--rounds 7] [--repeat N] FILE [LENGTH]
 *
 * Prints two medians in GB/s: NAME_fresh, of mappings just made, page faults
 * and all, and NAME_warm, of one that has been read before.
 */
#include "tests/bench/lib/bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void *map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static double fresh(int fd, size_t size, int repeat, uint64_t *sum)
{
	double spent = 0;

	for (int i = 0; i < repeat; i++) {
		double start = bench_now();
		void *p = map(fd, size);

		*sum += bench_sum(p, size);
		spent += bench_now() - start;
		munmap(p, size);
	}
	return size * (double)repeat / spent / 1e9;
}

static double warm(int fd, size_t size, int repeat, uint64_t *sum)
{
	void *p = map(fd, size);
	double start;

	*sum += bench_sum(p, size);
	start = bench_now();
	for (int i = 0; i < repeat; i++)
		*sum += bench_sum(p, size);
	start = bench_now() - start;
	munmap(p, size);
	return size * (double)repeat / start / 1e9;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "repeat", required_argument, NULL, 'p' },
		{},
	};
	const char *name = "map";
	int rounds = 7, repeat = 0, opt, fd;
	double *cold, *hot;
	uint64_t sum = 0;
	struct stat st;
	size_t size;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 'r')
			rounds = atoi(optarg);
		else if (opt == 'p')
			repeat = atoi(optarg);
		else
			return 2;
	}
	if (optind >= argc || argc - optind > 2 || rounds < 1)
		errx(2, "usage: bench_map [options] FILE [LENGTH]");
	fd = open(argv[optind], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", argv[optind]);
	size = st.st_size;
	if (argv[optind + 1] && bench_size(argv[optind + 1]) < size)
		size = bench_size(argv[optind + 1]);
	if (!size)
		errx(1, "%s: empty", argv[optind]);
	if (repeat < 1) /* about a gigabyte a round */
		repeat = size < 1u << 30 ? (1u << 30) / size : 1;

	cold = calloc(rounds, sizeof(*cold));
	hot = calloc(rounds, sizeof(*hot));
	if (!cold || !hot)
		err(1, "memory");
	for (int i = 0; i < rounds; i++) {
		cold[i] = fresh(fd, size, repeat, &sum);
		hot[i] = warm(fd, size, repeat, &sum);
	}
	printf("%s_fresh %.3f GB/s\n", name, bench_median(cold, rounds));
	printf("%s_warm %.3f GB/s\n", name, bench_median(hot, rounds));
	return 0;
}
