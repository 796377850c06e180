/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idmap FROM TO FIRST OUTSIDE COUNT: binds the mount FROM on TO, idmapped: what
 * belongs to FIRST there, to users and to groups, is OUTSIDE's for those who look.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

static void map_write(pid_t pid, const char *which, char **range)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%s %s %s\n", range[0], range[1], range[2]) < 0 ||
	    fclose(f))
		err(1, "%s", path);
}

/* A user namespace; the process that made it is gone when we are. */
static int userns(char **range)
{
	int ready[2], fd;
	char path[64], c;
	pid_t pid;

	if (pipe(ready) || (pid = fork()) < 0)
		err(1, "fork");
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		errx(1, "no user namespace");
	map_write(pid, "uid_map", range);
	map_write(pid, "gid_map", range);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(1, "%s", path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree;

	if (argc != 6)
		errx(2, "usage: idmap FROM TO FIRST OUTSIDE COUNT");
	tree = syscall(SYS_open_tree, AT_FDCWD, argv[1], OPEN_TREE_CLONE);
	if (tree < 0)
		err(1, "open_tree %s", argv[1]);
	attr.userns_fd = userns(argv + 3);
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr,
		    sizeof(attr)))
		err(1, "mount_setattr");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, argv[2],
		    MOVE_MOUNT_F_EMPTY_PATH))
		err(1, "move_mount %s", argv[2]);
	return 0;
}
