/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fileops - a few calls on files, one after another, and what each returned.
 * ops.h says how, and has most of them.  Its own:
 *
 *	zeros SIZE		writes so many zero bytes
 *	dsync-write TEXT	pwritev2() at -1 with RWF_DSYNC
 *	poll EVENTS MSEC	in, out; its result, and ":in", ":hup" and so on
 *	select MSEC		for reading; its result
 *	writable-map SIZE	as map, also for writing; only tried
 *	mknod FILE		a regular file
 *	alarm MSEC		SIGALRM, with a handler and no restarting
 */
#include "tests/tools/lib/ops.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/uio.h>

static void op_zeros(char **arg)
{
	size_t size = to_size(arg[0]);
	void *buf;

	/* aligned: the kernel makes the fewest requests of it */
	if (posix_memalign(&buf, 4096, size + 1))
		fail("posix_memalign");
	memset(buf, 0, size);
	say(write(fd, buf, size));
	free(buf);
}

static void op_dsync_write(char **arg)
{
	struct iovec iov = { arg[0], strlen(arg[0]) };

	say(pwritev2(fd, &iov, 1, -1, RWF_DSYNC));
}

static void op_poll(char **arg)
{
	struct pollfd pfd = { .fd = fd };
	int n;

	pfd.events = strcmp(arg[0], "out") ? POLLIN : POLLOUT;
	n = poll(&pfd, 1, atoi(arg[1]));
	if (n < 0) {
		say(n);
		return;
	}
	printf("%d%s%s%s%s\n", n, pfd.revents & POLLIN ? ":in" : "",
	       pfd.revents & POLLOUT ? ":out" : "",
	       pfd.revents & POLLERR ? ":err" : "",
	       pfd.revents & POLLHUP ? ":hup" : "");
	fflush(stdout);
}

static void op_select(char **arg)
{
	struct timeval tv = { .tv_sec = atoi(arg[0]) / 1000,
			      .tv_usec = atoi(arg[0]) % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	say(select(fd + 1, &set, NULL, NULL, &tv));
}

static void op_writable_map(char **arg)
{
	void *p = mmap(NULL, to_size(arg[0]), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);

	say(p == MAP_FAILED ? -1 : 0);
}

static void op_mknod(char **arg)
{
	say(mknod(arg[0], S_IFREG | 0644, 0));
}

static void on_alarm(int sig)
{
}

static void op_alarm(char **arg)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerspec when = {
		.it_value.tv_sec = atoi(arg[0]) / 1000,
		.it_value.tv_nsec = atoi(arg[0]) % 1000 * 1000000,
	};
	timer_t timer;

	if (sigaction(SIGALRM, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, NULL, &timer) ||
	    timer_settime(timer, 0, &when, NULL))
		fail("alarm");
}

static const struct op ops[] = {
	{ "zeros", 1, op_zeros },
	{ "dsync-write", 1, op_dsync_write },
	{ "poll", 2, op_poll },
	{ "select", 1, op_select },
	{ "writable-map", 1, op_writable_map },
	{ "mknod", 1, op_mknod },
	{ "alarm", 1, op_alarm },
	{ NULL, 0, NULL },
};

int main(int argc, char **argv)
{
	return run_ops(argc, argv, ops);
}
