/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manyopen - many open files on one inode, of which some are closed and one is
 * polled.
 *
 *	manyopen FILE COUNT POLLED FROM TO READY
 *
 * opens FILE so often for reading, has the file of number POLLED polled, closes
 * those from FROM to before TO, makes READY, and prints what the poll said.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct rlimit files = { 0 };
	size_t count, polled, n;
	int epoll, *fd;

	if (argc != 7)
		usage("FILE COUNT POLLED FROM TO READY");
	count = to_size(argv[2]);
	polled = to_size(argv[3]);
	files.rlim_cur = files.rlim_max = count + 16;
	/* Who may not have so many fails below. */
	setrlimit(RLIMIT_NOFILE, &files);
	fd = calloc(count, sizeof(*fd));
	for (n = 0; fd && n < count; n++) {
		fd[n] = open(argv[1], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd[n] < 0)
			fail(argv[1]);
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!fd || epoll_ctl(epoll, EPOLL_CTL_ADD, fd[polled], &e) < 0)
		fail("epoll_ctl");
	for (n = to_size(argv[4]); n < to_size(argv[5]); n++)
		close(fd[n]);
	close(open(argv[6], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	n = epoll_wait(epoll, &e, 1, 60000);
	printf("%s\n", n == 1 && e.events & EPOLLIN ? "ready" : "nothing");
	free(fd);
	return 0;
}
