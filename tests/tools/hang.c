/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hang DIR getdents|read|write|unlink-write PATH [SIZE]
 * hang DIR serve PATH
 *
 * What a hostile user can do.  Mounts a file system on DIR, an empty directory,
 * whose one file is never read to the end, and has a child call getdents64(2),
 * read(2) or write(2) on PATH with a buffer in a private mapping of that file; or
 * unlink(2) between open and write.  The child waits in the middle of the system
 * call, with whatever locks the kernel holds there, until this process is
 * killed.
 *
 * With "serve" it leaves the calls to others: open(2) of DIR/f does not return,
 * not even when its caller is killed.  The mount is there until PATH is.
 *
 * Prints "PID held", its own, when the child waits.  The mount is gone from DIR
 * by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

#define FILE_INO 2
#define FILE_SIZE (64u << 20)

static void fill(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = ino == FILE_INO ? S_IFREG | 0666 : S_IFDIR | 0755;
	st->st_size = ino == FILE_INO ? FILE_SIZE : 0;
	st->st_nlink = 1;
	st->st_uid = getuid();
	st->st_gid = getgid();
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .ino = FILE_INO, .attr_timeout = 3600 };

	fill(FILE_INO, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	struct stat st;

	fill(ino, &st);
	fuse_reply_attr(req, &st, 3600);
}

static bool serves;

static void say_held(void)
{
	static bool said;

	if (!said) {
		printf("%d held\n", (int)getpid());
		fflush(stdout);
	}
	said = true;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (serves)
		say_held();
	else
		fuse_reply_open(req, fi);
}

/* Never answered. */
static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	say_held();
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
};

/* Out of the name space at once, so that nothing is left behind. */
static void detach(const char *dir)
{
	char command[4200];

	if (umount2(dir, MNT_DETACH) == 0)
		return;
	snprintf(command, sizeof(command), "fusermount3 -uz '%s'", dir);
	if (system(command) != 0)
		fail("fusermount3");
}

static void client(const char *dir, const char *what, const char *path,
		   size_t size)
{
	char name[4200];
	void *buf;
	long n;
	int file, fd;

	if (serves) {
		while (access(path, F_OK) < 0)
			usleep(10000);
		detach(dir);
		_exit(0);
	}
	fd = open(path, strstr(what, "write") ? O_RDWR : O_RDONLY);
	if (fd < 0)
		fail("open");
	snprintf(name, sizeof(name), "%s/f", dir);
	file = open(name, O_RDONLY);
	if (file < 0)
		fail("open the mapped file");
	buf = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file,
		   0);
	if (buf == MAP_FAILED)
		fail("mmap");
	detach(dir);
	if (!strcmp(what, "unlink-write") && unlink(path) < 0)
		fail("unlink");
	if (!strcmp(what, "getdents"))
		n = syscall(SYS_getdents64, fd, buf, size);
	else if (!strcmp(what, "read"))
		n = read(fd, buf, size);
	else
		n = write(fd, buf, size);
	_exit(n < 0);
}

int main(int argc, char **argv)
{
	char *fuse_argv[] = { argv[0], NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, fuse_argv);
	struct fuse_session *se;
	pid_t pid;

	if (argc < 4)
		usage("hang DIR getdents|read|write|unlink-write|serve PATH [SIZE]");
	serves = !strcmp(argv[2], "serve");
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!se || fuse_session_mount(se, argv[1]))
		fail("mount");
	pid = fork();
	if (pid == 0) {
		close(fuse_session_fd(se));
		client(argv[1], argv[2], argv[3],
		       argc > 4 ? strtoul(argv[4], NULL, 0) : 32768);
	}
	if (pid < 0)
		fail("fork");
	fuse_session_loop(se);
	return 0;
}
