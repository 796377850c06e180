/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recvtx - take transactions out of a box.
 *
 *	recvtx [OPTION...] BOXDIR
 *
 *	--count N		transactions to take; 1
 *	--header		print the header, a line of JSON
 *	--sum			print "ID SIZE CHECKSUM"; otherwise the payload
 *	--tx			take the payload from tx/ID, not from a mapping
 *	--free			delete tx/ID afterwards
 *	--nonblock		open recv with O_NONBLOCK
 *	--poll			wait in poll(), not in read()
 *	--timeout SECONDS	give up, with status 3
 *	--hold SECONDS		keep everything open before the end
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	OPT_COUNT = 256,
	OPT_HEADER,
	OPT_SUM,
	OPT_TX,
	OPT_FREE,
	OPT_NONBLOCK,
	OPT_POLL,
	OPT_TIMEOUT,
	OPT_HOLD,
};

static struct {
	const char *box;
	int count;
	double timeout;
	double hold;
	bool header;
	bool sum;
	bool tx;
	bool free;
	bool nonblock;
	bool poll;
} opt = { .count = 1 };

struct header {
	uint64_t id;
	uint64_t offset;
	uint64_t size;
	char line[4096];
};

static void on_alarm(int sig)
{
	_exit(EXIT_TIME);
}

static void give_up_after(double seconds)
{
	timer_t timer;
	struct itimerspec when = {
		.it_value.tv_sec = seconds,
		.it_value.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};

	signal(SIGALRM, on_alarm);
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) ||
	    timer_settime(timer, 0, &when, NULL))
		fail("alarm");
}

static void parse(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "count", required_argument, NULL, OPT_COUNT },
		{ "header", no_argument, NULL, OPT_HEADER },
		{ "sum", no_argument, NULL, OPT_SUM },
		{ "tx", no_argument, NULL, OPT_TX },
		{ "free", no_argument, NULL, OPT_FREE },
		{ "nonblock", no_argument, NULL, OPT_NONBLOCK },
		{ "poll", no_argument, NULL, OPT_POLL },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "hold", required_argument, NULL, OPT_HOLD },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case OPT_COUNT:
			opt.count = atoi(optarg);
			break;
		case OPT_HEADER:
			opt.header = true;
			break;
		case OPT_SUM:
			opt.sum = true;
			break;
		case OPT_TX:
			opt.tx = true;
			break;
		case OPT_FREE:
			opt.free = true;
			break;
		case OPT_NONBLOCK:
			opt.nonblock = true;
			break;
		case OPT_POLL:
			opt.poll = true;
			break;
		case OPT_TIMEOUT:
			opt.timeout = atof(optarg);
			break;
		case OPT_HOLD:
			opt.hold = atof(optarg);
			break;
		default:
			usage("[OPTION...] BOXDIR");
		}
	}
	if (optind != argc - 1)
		usage("[OPTION...] BOXDIR");
	opt.box = argv[optind];
}

static int open_in_box(const char *name, int flags)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", opt.box, name) >=
	    sizeof(path))
		usage("a shorter BOXDIR");
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(name);
	return fd;
}

static _Noreturn void nonsense(const char *line)
{
	fprintf(stderr, "recvtx: a strange header: %s\n", line);
	exit(EXIT_NONSENSE);
}

/*
 * The number after "key":, in a line where no string value can hold a quoted
 * key: the header has none.
 */
static uint64_t field(const char *line, const char *key)
{
	char quoted[32], *end;
	const char *p;
	uint64_t value;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	p = strstr(line, quoted);
	if (!p)
		nonsense(line);
	p += strlen(quoted);
	p += strspn(p, " :\"");
	value = strtoull(p, &end, 10);
	if (end == p)
		nonsense(line);
	return value;
}

static void wait_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, -1) < 0)
		fail("poll");
	if (!(pfd.revents & POLLIN)) {
		fprintf(stderr, "recvtx: poll: events %#x\n", pfd.revents);
		exit(EXIT_NONSENSE);
	}
}

static void read_header(int recv, struct header *head)
{
	ssize_t n;

	if (opt.poll)
		wait_readable(recv);
	n = read(recv, head->line, sizeof(head->line) - 1);
	if (n < 0)
		fail("recv");
	head->line[n] = 0;
	if (!n || head->line[n - 1] != '\n')
		nonsense(head->line);
	head->id = field(head->line, "id");
	head->offset = field(head->line, "offset");
	head->size = field(head->line, "size");
}

static void show(const struct header *head, const char *payload)
{
	if (opt.header)
		printf("%s", head->line);
	else if (opt.sum)
		printf("%" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", head->id,
		       head->size, checksum(payload, head->size));
	else
		fwrite(payload, 1, head->size, stdout);
	fflush(stdout);
}

static char *read_tx(const struct header *head)
{
	char name[32], *buf = malloc(head->size + 1);
	size_t got = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "tx/%" PRIu64, head->id);
	fd = open_in_box(name, O_RDONLY);
	if (!buf)
		fail("malloc");
	/* one byte more than there should be, to see the end */
	while ((n = read(fd, buf + got, head->size + 1 - got)) > 0)
		got += n;
	if (n < 0)
		fail(name);
	if (got != head->size)
		nonsense(head->line);
	close(fd);
	return buf;
}

static void free_tx(const struct header *head)
{
	char path[4096 + 32];

	snprintf(path, sizeof(path), "%s/tx/%" PRIu64, opt.box, head->id);
	if (unlink(path))
		fail("unlink");
}

int main(int argc, char **argv)
{
	static struct header head;
	const char *data = NULL;
	size_t data_size = 0;
	int recv;

	parse(argc, argv);
	if (opt.timeout > 0)
		give_up_after(opt.timeout);
	if (!opt.tx && !opt.header) {
		int fd = open_in_box("data", O_RDONLY);
		struct stat st;

		if (fstat(fd, &st))
			fail("fstat");
		data_size = st.st_size;
		data = mmap(NULL, data_size, PROT_READ, MAP_SHARED, fd, 0);
		if (data == MAP_FAILED)
			fail("mmap");
		close(fd);
	}
	recv = open_in_box("recv", O_RDONLY | (opt.nonblock ? O_NONBLOCK : 0));
	for (int i = 0; i < opt.count; i++) {
		char *copy = NULL;

		read_header(recv, &head);
		if (data && (head.size > data_size ||
			     head.offset > data_size - head.size))
			nonsense(head.line);
		if (opt.tx)
			copy = read_tx(&head);
		show(&head, opt.tx ? copy : data + (data ? head.offset : 0));
		free(copy);
		if (opt.free)
			free_tx(&head);
	}
	if (opt.hold > 0)
		usleep(opt.hold * 1e6);
	return 0;
}
