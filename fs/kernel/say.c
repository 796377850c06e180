/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See say.h.  Standard error may be a pipe that is full, and the log a program
 * that was stopped: both could hold up who writes to them for ever.
 */
#include "fs/kernel/say.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* With what is put around it, not more than a pipe takes as a whole. */
#define TEXT_BYTES 3900
#define LINE_BYTES 4096

/* Return: false: it would have had to wait. */
static bool to_stderr(const char *text)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[LINE_BYTES];
	struct iovec iov = { line, snprintf(line, sizeof(line), "poolfs: %s\n",
					    text) };
	struct stat st;
	bool is_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);

	/* Not O_NONBLOCK: it would be that of all who have it open. */
	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLOUT | POLLERR)))
		return false;
	if (pwritev2(STDERR_FILENO, &iov, 1, -1, is_file ? 0 : RWF_NOWAIT) >= 0)
		return true;
	if (errno != EOPNOTSUPP)
		return errno != EAGAIN;
	/* A terminal, or an older kernel. */
	return write(STDERR_FILENO, line, iov.iov_len) >= 0 || errno != EAGAIN;
}

/* As syslog(3), which would wait. */
static bool to_log(const char *text)
{
	const struct sockaddr_un addr = { AF_UNIX, "/dev/log" };
	char line[LINE_BYTES], when[32];
	time_t now = time(NULL);
	struct tm tm;
	bool said;
	int fd, n;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	strftime(when, sizeof(when), "%b %e %T", localtime_r(&now, &tm));
	n = snprintf(line, sizeof(line), "<%d>%s poolfs[%d]: %s",
		     LOG_DAEMON | LOG_WARNING, when, (int)getpid(), text);
	said = sendto(fd, line, n, MSG_NOSIGNAL, (const struct sockaddr *)&addr,
		      sizeof(addr)) >= 0 ||
	       errno != EAGAIN;
	close(fd);
	return said;
}

static void say_to(bool (*to)(const char *text), unsigned int *lost,
		   const char *text)
{
	char more[TEXT_BYTES + 64];

	if (*lost) {
		snprintf(more, sizeof(more),
			 "%s (%u messages before were lost)", text, *lost);
		text = more;
	}
	*lost = to(text) ? 0 : *lost + 1;
}

void say(const char *fmt, ...)
{
	static unsigned int lost_stderr, lost_log;
	char text[TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say_to(to_log, &lost_log, text);
	say_to(to_stderr, &lost_stderr, text);
}
