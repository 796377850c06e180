/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_unix - messages through a Unix stream socket, as a measure for boxes.
 *
 *	bench_unix [--name unix] [--size 1M] [--count 2000] [--rounds 5]
 *		[--send-cpu N] [--recv-cpu N]
 *
 * One process writes, another reads each message whole into a buffer and then
 * looks at all of it.  Prints the median of the rounds in GB/s.
 */
#include "tests/bench/lib/bench.h"

#include <getopt.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void *buffer(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "buffer");
	memset(p, 'x', size);
	return p;
}

static void move(int fd, char *buf, size_t size,
		 ssize_t (*call)(int, void *, size_t))
{
	while (size) {
		ssize_t n = call(fd, buf, size);

		if (n <= 0)
			err(1, "socket");
		buf += n;
		size -= n;
	}
}

static ssize_t put(int fd, void *buf, size_t size)
{
	return write(fd, buf, size);
}

static void sender(int fd, size_t size, long total, int cpu)
{
	char *buf;

	bench_pin(cpu);
	buf = buffer(size);
	for (long i = 0; i < total; i++)
		move(fd, buf, size, put);
	exit(0);
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
		{},
	};
	const char *name = "unix";
	int count = 2000, rounds = 5, send_cpu = -1, recv_cpu = -1;
	int opt, fd[2], status;
	size_t size = 1 << 20;
	uint64_t sum = 0;
	double *rate;
	char *buf;
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
		else
			return 2;
	}
	if (optind != argc || count < 1 || rounds < 1 || !size)
		errx(2, "usage: bench_unix [options]");

	rate = calloc(rounds, sizeof(*rate));
	if (!rate || socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		err(1, "socketpair");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		sender(fd[0], size, (long)count * rounds, send_cpu);
	close(fd[0]);
	bench_pin(recv_cpu);
	buf = buffer(size);
	for (int r = 0; r < rounds; r++) {
		double start = bench_now();

		for (int i = 0; i < count; i++) {
			move(fd[1], buf, size, read);
			sum += bench_sum(buf, size);
		}
		rate[r] = size * (double)count / (bench_now() - start) / 1e9;
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "the sender failed");
	if (sum != (uint64_t)count * rounds * bench_sum(buf, size))
		errx(1, "the sum is wrong");
	printf("%s %.3f GB/s\n", name, bench_median(rate, rounds));
	return 0;
}
