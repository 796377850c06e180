/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it has workers die as the file $CRASH says, "HOW N TEXT":
 * so many of them, each at an answer that has TEXT in it, or, if TEXT is "ready",
 * when it would say that it is ready.  HOW is the number of a signal; "eat": it
 * takes memory until it is killed for that; "hang": it goes no further; or the
 * path of a file that it opens.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECE (1u << 20)

ssize_t write(int fd, const void *buf, size_t len);
ssize_t writev(int fd, const struct iovec *iov, int count);
int kill(pid_t pid, int sig);

struct crash {
	char how[128], text[64];
	int left;
};

static bool crash_read(struct crash *c)
{
	const char *file = getenv("CRASH");
	FILE *f = file ? fopen(file, "re") : NULL;
	bool is = f &&
		  fscanf(f, "%127s %d %63s", c->how, &c->left, c->text) == 3;

	if (f)
		fclose(f);
	return is && c->left > 0;
}

static void crash_now(struct crash *c)
{
	FILE *f = fopen(getenv("CRASH"), "we");

	if (f) {
		fprintf(f, "%s %d %s\n", c->how, c->left - 1, c->text);
		fclose(f);
	}
	while (!strcmp(c->how, "eat")) {
		char *piece = malloc(PIECE);

		if (piece)
			memset(piece, 1, PIECE);
	}
	while (!strcmp(c->how, "hang"))
		pause();
	if (c->how[0] == '/')
		close(open(c->how, O_RDONLY | O_CLOEXEC));
	signal(atoi(c->how), SIG_DFL);
	raise(atoi(c->how));
}

int kill(pid_t pid, int sig)
{
	int (*next)(pid_t, int) = dlsym(RTLD_NEXT, "kill");
	struct crash c;

	if (sig == SIGUSR1 && crash_read(&c) && !strcmp(c.text, "ready"))
		crash_now(&c);
	return next(pid, sig);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	ssize_t (*next)(int, const struct iovec *, int) = dlsym(RTLD_NEXT,
								"writev");
	const struct fuse_out_header *out = iov[0].iov_base;
	struct crash c;

	if (iov[0].iov_len >= sizeof(*out) && out->unique && crash_read(&c))
		for (int i = 0; i < count; i++)
			if (memmem(iov[i].iov_base, iov[i].iov_len, c.text,
				   strlen(c.text)))
				crash_now(&c);
	return next(fd, iov, count);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return writev(fd, &iov, 1);
}
