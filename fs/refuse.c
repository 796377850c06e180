/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See refuse.h. */
#include "fs/refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/kernel/say.h"
#include "fs/kernel/wire.h"
#include "fs/request/context.h"

void refuse_requests(int fd)
{
	void *buf = malloc(REQUEST_BUFFER);
	struct wire_request r;
	ssize_t n;

	if (!buf)
		return;
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	wire_notify_resend(fd);
	while ((n = read(fd, buf, REQUEST_BUFFER)) > 0)
		if (wire_parse(buf, n, &r) && wire_has_reply(&r))
			wire_reply_error(fd, r.raw_unique, -ENOTCONN);
	free(buf);
}

/* The store, its lock, and what the user waits for are not kept. */
static void keep_only(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	close_range(3, fd - 1, 0);
	close_range(fd + 1, ~0u, 0);
}

void refuse_in_background(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	sigset_t none;
	pid_t pid = fork();

	if (pid < 0)
		say("cannot answer those who still use the mount");
	if (pid)
		return;
	setsid();
	keep_only(fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The file system ends with its last user: the end of the connection. */
	do
		refuse_requests(fd);
	while (poll(&p, 1, -1) > 0 && !(p.revents & POLLERR));
	_exit(0);
}
