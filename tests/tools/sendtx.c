/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sendtx - write transactions into the send file of a box.
 *
 *	sendtx [OPTION...] FILE
 *
 *	--size SIZE[,SIZE...]	of the transactions, in turn; 100
 *	--count N		transactions; 1
 *	--text TEXT		what each of them says, instead of a pattern
 *	--first K		number of the first pattern; 0
 *	--pieces N		write calls for one transaction; 1
 *	--sums			print "SIZE CHECKSUM" of each that was sent
 *	--append, --nonblock	flags for open
 *	--interrupt SECONDS	SIGALRM after so long, with a handler
 *	--delay SECONDS		wait before each transaction
 *
 * How a transaction ends:
 *
 *	(nothing said)		close, and open again for the next
 *	--fsync			fsync on one descriptor
 *	--dsync			open with O_DSYNC
 *	--rwf-dsync		pwritev2() with RWF_DSYNC
 *	--rewind		no end; lseek to 0 for the next (must not help)
 *
 * With other processes:
 *
 *	--hold SECONDS		a child keeps the descriptor open for so long
 *	--dup			close a duplicate first, then the descriptor
 *	--kill-self-halfway	SIGKILL after the first half of the pieces
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/uio.h>

enum {
	OPT_SIZE = 256,
	OPT_COUNT,
	OPT_TEXT,
	OPT_FIRST,
	OPT_PIECES,
	OPT_SUMS,
	OPT_APPEND,
	OPT_NONBLOCK,
	OPT_INTERRUPT,
	OPT_DELAY,
	OPT_FSYNC,
	OPT_DSYNC,
	OPT_RWF_DSYNC,
	OPT_REWIND,
	OPT_HOLD,
	OPT_DUP,
	OPT_KILL,
};

#define MAX_SIZES 32

static struct {
	const char *file;
	const char *text;
	size_t sizes[MAX_SIZES];
	int nr_sizes;
	int count;
	int first;
	int pieces;
	int flags;
	double interrupt;
	double delay;
	double hold;
	bool sums;
	bool fsync;
	bool rwf_dsync;
	bool rewind;
	bool dup;
	bool kill;
} opt = {
	.sizes = { 100 },
	.nr_sizes = 1,
	.count = 1,
	.pieces = 1,
	.flags = O_WRONLY | O_CLOEXEC,
};

static void on_alarm(int sig)
{
}

static void sleep_for(double seconds)
{
	struct timespec ts = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static void interrupt_after(double seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	timer_t timer;
	struct itimerspec when = {
		.it_value.tv_sec = seconds,
		.it_value.tv_nsec = (seconds - (time_t)seconds) * 1e9,
		/* On a busy machine the first can come before the write. */
		.it_interval.tv_sec = 5,
	};

	if (sigaction(SIGALRM, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, NULL, &timer) ||
	    timer_settime(timer, 0, &when, NULL))
		fail("alarm");
}

static void parse_sizes(char *text)
{
	opt.nr_sizes = 0;
	for (char *p = strtok(text, ","); p; p = strtok(NULL, ",")) {
		if (opt.nr_sizes == MAX_SIZES)
			usage("at most 32 sizes");
		opt.sizes[opt.nr_sizes++] = to_size(p);
	}
	if (!opt.nr_sizes)
		usage("--size SIZE[,SIZE...]");
}

static void parse(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "size", required_argument, NULL, OPT_SIZE },
		{ "count", required_argument, NULL, OPT_COUNT },
		{ "text", required_argument, NULL, OPT_TEXT },
		{ "first", required_argument, NULL, OPT_FIRST },
		{ "pieces", required_argument, NULL, OPT_PIECES },
		{ "sums", no_argument, NULL, OPT_SUMS },
		{ "append", no_argument, NULL, OPT_APPEND },
		{ "nonblock", no_argument, NULL, OPT_NONBLOCK },
		{ "interrupt", required_argument, NULL, OPT_INTERRUPT },
		{ "delay", required_argument, NULL, OPT_DELAY },
		{ "fsync", no_argument, NULL, OPT_FSYNC },
		{ "dsync", no_argument, NULL, OPT_DSYNC },
		{ "rwf-dsync", no_argument, NULL, OPT_RWF_DSYNC },
		{ "rewind", no_argument, NULL, OPT_REWIND },
		{ "hold", required_argument, NULL, OPT_HOLD },
		{ "dup", no_argument, NULL, OPT_DUP },
		{ "kill-self-halfway", no_argument, NULL, OPT_KILL },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case OPT_SIZE:
			parse_sizes(optarg);
			break;
		case OPT_COUNT:
			opt.count = atoi(optarg);
			break;
		case OPT_TEXT:
			opt.text = optarg;
			break;
		case OPT_FIRST:
			opt.first = atoi(optarg);
			break;
		case OPT_PIECES:
			opt.pieces = atoi(optarg);
			break;
		case OPT_SUMS:
			opt.sums = true;
			break;
		case OPT_APPEND:
			opt.flags |= O_APPEND;
			break;
		case OPT_NONBLOCK:
			opt.flags |= O_NONBLOCK;
			break;
		case OPT_INTERRUPT:
			opt.interrupt = atof(optarg);
			break;
		case OPT_DELAY:
			opt.delay = atof(optarg);
			break;
		case OPT_FSYNC:
			opt.fsync = true;
			break;
		case OPT_DSYNC:
			opt.flags |= O_DSYNC;
			break;
		case OPT_RWF_DSYNC:
			opt.rwf_dsync = true;
			break;
		case OPT_REWIND:
			opt.rewind = true;
			break;
		case OPT_HOLD:
			opt.hold = atof(optarg);
			break;
		case OPT_DUP:
			opt.dup = true;
			break;
		case OPT_KILL:
			opt.kill = true;
			break;
		default:
			usage("[OPTION...] FILE");
		}
	}
	if (optind != argc - 1 || opt.pieces < 1)
		usage("[OPTION...] FILE");
	opt.file = argv[optind];
}

/* Every byte depends on its place and on the number of the transaction. */
static void fill(char *buf, size_t size, int number)
{
	for (size_t i = 0; i < size; i++)
		buf[i] = number * 131 + i * 7 + (i >> 8) * 13 + (i >> 16);
}

static void write_piece(int fd, const char *data, size_t size)
{
	struct iovec iov = { (void *)data, size };
	ssize_t n = opt.rwf_dsync ? pwritev2(fd, &iov, 1, -1, RWF_DSYNC)
				  : write(fd, data, size);

	if (n < 0)
		fail("write");
	if (n != size) {
		fprintf(stderr, "sendtx: write: %zd of %zu bytes\n", n, size);
		exit(EXIT_SHORT);
	}
}

static void write_one(int fd, const char *data, size_t size)
{
	for (int i = 0; i < opt.pieces; i++) {
		size_t from = size * i / opt.pieces;
		size_t to = size * (i + 1) / opt.pieces;

		if (opt.kill && i >= opt.pieces / 2 && i)
			raise(SIGKILL);
		/* no write at all makes an empty transaction, too */
		if (size)
			write_piece(fd, data + from, to - from);
	}
	if (opt.kill)
		raise(SIGKILL);
}

static int open_file(void)
{
	int fd = open(opt.file, opt.flags);

	if (fd < 0)
		fail(opt.file);
	return fd;
}

static void close_file(int fd)
{
	if (opt.dup && close(dup(fd)))
		fail("close of the duplicate");
	if (close(fd))
		fail("close");
}

/* A child that holds a copy of the descriptor and nothing of our output. */
static void hold(double seconds)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return;
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	sleep_for(seconds);
	_exit(0);
}

static void send_one(int fd, int number)
{
	size_t size = opt.text ? strlen(opt.text)
			       : opt.sizes[number % opt.nr_sizes];
	char *buf = malloc(size + 1);

	if (!buf)
		fail("malloc");
	if (opt.text)
		memcpy(buf, opt.text, size);
	else
		fill(buf, size, opt.first + number);
	write_one(fd, buf, size);
	if (opt.fsync && fsync(fd))
		fail("fsync");
	if (opt.rewind && lseek(fd, 0, SEEK_SET) < 0)
		fail("lseek");
	if (opt.sums)
		printf("%zu %016jx\n", size, (uintmax_t)checksum(buf, size));
	free(buf);
}

int main(int argc, char **argv)
{
	bool keep;
	int fd = -1;

	parse(argc, argv);
	keep = opt.fsync || opt.rwf_dsync || opt.rewind ||
	       (opt.flags & O_DSYNC) == O_DSYNC;
	if (opt.interrupt > 0)
		interrupt_after(opt.interrupt);
	for (int i = 0; i < opt.count; i++) {
		if (opt.delay > 0)
			sleep_for(opt.delay);
		if (fd < 0) {
			fd = open_file();
			if (opt.hold > 0)
				hold(opt.hold);
		}
		send_one(fd, i);
		if (!keep) {
			close_file(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close_file(fd);
	return 0;
}
