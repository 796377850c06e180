/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loaded into poolfs, it does what code of an intruder would try in the worker.
 * The file $INTRUDE says what, and is renamed to $INTRUDE.tried before; the
 * result, "0" or the name of an error, is in $INTRUDE.done then.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t write(int fd, const void *buf, size_t len);
ssize_t writev(int fd, const struct iovec *iov, int count);

static long try_it(const char *what)
{
	static char *const none[] = { NULL };
	const struct rlimit rl = { 1, 1 };

	if (!strcmp(what, "execve"))
		return execve("/bin/true", none, none);
	if (!strcmp(what, "mount"))
		return mount("none", "/", "tmpfs", 0, NULL);
	if (!strcmp(what, "ptrace"))
		return ptrace(PTRACE_ATTACH, 1, NULL, NULL);
	if (!strcmp(what, "setuid"))
		return syscall(SYS_setuid, 0);
	if (!strcmp(what, "fork"))
		return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!strcmp(what, "clone3"))
		return syscall(SYS_clone3, NULL, 0);
	if (!strcmp(what, "socket"))
		return socket(AF_INET, SOCK_DGRAM, 0);
	if (!strcmp(what, "local"))
		return socket(AF_UNIX, SOCK_DGRAM, 0);
	if (!strcmp(what, "kill"))
		return kill(1, SIGWINCH);
	if (!strcmp(what, "pidfd"))
		return syscall(SYS_pidfd_send_signal,
			       syscall(SYS_pidfd_open, getppid(), 0), 0, NULL,
			       0);
	if (!strcmp(what, "tgkill"))
		return syscall(SYS_tgkill, 1, 1, SIGWINCH);
	if (!strcmp(what, "ioctl"))
		return ioctl(0, TIOCSTI, "x");
	if (!strcmp(what, "dumpable"))
		return prctl(PR_SET_DUMPABLE, 1);
	if (!strcmp(what, "limit"))
		return setrlimit(RLIMIT_CORE, &rl);
	if (!strcmp(what, "code"))
		return (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	errno = EINVAL;
	return -1;
}

static void intrude(const void *buf, size_t len)
{
	const char *file = getenv("INTRUDE");
	const struct fuse_out_header *out = buf;
	char tried[512], done[512], what[32] = "";
	FILE *f;

	/* A reply, so that it is the worker. */
	if (!file || len < sizeof(*out) || out->len < len || !out->unique)
		return;
	snprintf(tried, sizeof(tried), "%s.tried", file);
	snprintf(done, sizeof(done), "%s.done", file);
	if (rename(file, tried) < 0)
		return;
	f = fopen(tried, "re");
	if (!f)
		return;
	if (fscanf(f, "%31s", what) != 1)
		*what = 0;
	fclose(f);
	errno = 0;
	if (try_it(what) != -1)
		errno = 0;
	f = fopen(done, "we");
	if (!f)
		return;
	fprintf(f, "%s\n", errno ? strerrorname_np(errno) : "0");
	fclose(f);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

	intrude(buf, len);
	return next(fd, buf, len);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	ssize_t (*next)(int, const struct iovec *, int) = dlsym(RTLD_NEXT,
								"writev");

	intrude(iov[0].iov_base, iov[0].iov_len);
	return next(fd, iov, count);
}
