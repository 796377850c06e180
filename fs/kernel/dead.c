/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounts that nobody serves: see dead.h. */
#include "fs/kernel/dead.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/kernel/mountinfo.h"

#define ANSWER_SECONDS 5 /* for a mount that may not answer at all */

/* In a process of its own: a mount that hangs shall not hold up the caller. */
static bool is_dead(const char *dir)
{
	struct statfs sfs;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGALRM, SIG_DFL);
		alarm(ANSWER_SECONDS);
		/* Unlike stat(), it is not answered from a cache. */
		_exit(statfs(dir, &sfs) < 0 && errno == ENOTCONN);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static int unmount(const char *dir)
{
	int status;
	pid_t pid;

	if (umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	pid = fork();
	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-q", "-z", "--",
		       dir, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPERM;
}

/*
 * Takes a line of mountinfo apart.  Return: the mount point, from malloc(), if it
 * is a mount of poolfs that is the caller's; else NULL.
 */
static char *own_mount(const char *line, uint64_t *device)
{
	const char *rest = strstr(line, " - ");
	unsigned int major, minor, uid;
	const char *owner;
	char type[32], *dir;

	if (!rest || sscanf(rest, " - %31s", type) != 1 ||
	    strcmp(type, "fuse.poolfs"))
		return NULL;
	owner = strstr(rest, "user_id=");
	if (!owner || sscanf(owner, "user_id=%u", &uid) != 1 ||
	    uid != getuid() ||
	    sscanf(line, "%*d %*d %u:%u %*s %ms", &major, &minor, &dir) != 3)
		return NULL;
	mount_unescape(dir);
	*device = mount_device(dir);
	/* Another file system may be on top. */
	if (*device == makedev(major, minor))
		return dir;
	free(dir);
	return NULL;
}

void mounts_dead(const char *only, bool remove, mounts_dead_fn *fn, void *arg)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *dir;
	uint64_t device;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		int err = 0;

		dir = own_mount(line, &device);
		if (dir && (!only || !strcmp(dir, only)) && is_dead(dir)) {
			if (remove)
				err = unmount(dir);
			if (fn)
				fn(arg, dir, err);
		}
		free(dir);
	}
	free(line);
	if (f)
		fclose(f);
}
