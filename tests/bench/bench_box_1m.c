/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_box_1m - transactions through a box, sent, mapped, read and freed.
 *
 *	bench_box_1m [--name box] [--size 1M] [--count 500] [--rounds 5]
 *		[--send-cpu N] [--recv-cpu N] [--senders 1] BOXDIR
 *
 * The counterpart of bench_unix: one process sends, each write a transaction;
 * another takes the headers from recv, looks at all of the payload where it
 * lies in its mapping of data, and deletes the transaction.  Prints the median
 * of the rounds in GB/s.
 */
#include "tests/bench/lib/bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct receiver {
	int recv;
	int tx;
	const char *data;
	size_t data_size;
};

static int open_at(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void sender(int box, size_t size, long total, int cpu)
{
	char *buf;
	int fd;

	bench_pin(cpu);
	buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		err(1, "buffer");
	memset(buf, 'x', size);
	fd = open_at(box, "send", O_WRONLY | O_DSYNC);
	for (long i = 0; i < total; i++) {
		ssize_t n = write(fd, buf, size);

		if (n != size)
			err(1, "send number %ld gave %zd", i, n);
	}
	exit(0);
}

/* The number after "key": in a line of JSON without blanks in the numbers. */
static uint64_t field(const char *line, const char *key)
{
	char quoted[32];
	const char *p;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	p = strstr(line, quoted);
	if (!p)
		errx(1, "a header without %s: %s", key, line);
	p += strlen(quoted);
	p += strspn(p, " \"");
	return strtoull(p, NULL, 10);
}

static void open_receiver(struct receiver *rx, int box)
{
	int data = open_at(box, "data", O_RDONLY);
	struct stat st;

	if (fstat(data, &st))
		err(1, "data");
	rx->data_size = st.st_size;
	rx->data = mmap(NULL, rx->data_size, PROT_READ, MAP_SHARED, data, 0);
	if (rx->data == MAP_FAILED)
		err(1, "mmap of data");
	close(data);
	rx->recv = open_at(box, "recv", O_RDONLY);
	rx->tx = open_at(box, "tx", O_RDONLY | O_DIRECTORY);
}

static uint64_t receive(struct receiver *rx, size_t size)
{
	char line[4096], name[24];
	ssize_t n = read(rx->recv, line, sizeof(line) - 1);
	uint64_t offset, sum;

	if (n <= 0)
		err(1, "recv");
	line[n] = 0;
	offset = field(line, "offset");
	if (field(line, "size") != size || offset > rx->data_size - size)
		errx(1, "a strange header: %s", line);
	sum = bench_sum(rx->data + offset, size);
	snprintf(name, sizeof(name), "%" PRIu64, field(line, "id"));
	if (unlinkat(rx->tx, name, 0))
		err(1, "tx/%s", name);
	return sum;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "send-cpu", required_argument, NULL, 'S' },
		{ "recv-cpu", required_argument, NULL, 'R' },
		{ "senders", required_argument, NULL, 'm' },
		{},
	};
	const char *name = "box";
	int count = 500, rounds = 5, send_cpu = -1, recv_cpu = -1;
	int senders = 1, failed = 0;
	int opt, status, box;
	size_t size = 1 << 20;
	struct receiver rx;
	uint64_t sum = 0;
	double *rate;
	pid_t pid;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 's')
			size = bench_size(optarg);
		else if (opt == 'c')
			count = atoi(optarg);
		else if (opt == 'r')
			rounds = atoi(optarg);
		else if (opt == 'S')
			send_cpu = atoi(optarg);
		else if (opt == 'R')
			recv_cpu = atoi(optarg);
		else if (opt == 'm')
			senders = atoi(optarg);
		else
			return 2;
	}
	if (optind != argc - 1 || count < 1 || rounds < 1 || size % 64 ||
	    !size || senders < 1 || (long)count * rounds % senders)
		errx(2, "usage: bench_box_1m [options] BOXDIR");

	rate = calloc(rounds, sizeof(*rate));
	if (!rate)
		err(1, "memory");
	box = open_at(AT_FDCWD, argv[optind], O_RDONLY | O_DIRECTORY);
	open_receiver(&rx, box);
	for (int s = 0; s < senders; s++) {
		pid = fork();
		if (pid < 0)
			err(1, "fork");
		if (!pid)
			sender(box, size, (long)count * rounds / senders,
			       send_cpu);
	}
	bench_pin(recv_cpu);
	for (int r = 0; r < rounds; r++) {
		double start = bench_now();

		for (int i = 0; i < count; i++)
			sum += receive(&rx, size);
		rate[r] = size * (double)count / (bench_now() - start) / 1e9;
	}
	while (wait(&status) > 0)
		failed |= status;
	if (failed)
		errx(1, "a sender failed");
	if (sum != (uint64_t)count * rounds * (size / 64) * 0x7878787878787878)
		errx(1, "the sum is wrong");
	printf("%s %.3f GB/s\n", name, bench_median(rate, rounds));
	return 0;
}
