/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: made, linked, moved, removed, listed; attributes and access lists. */
#include "tests/tools/everyop_parts/said.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static void make_all(void)
{
	char target[16] = "";

	tell(mkdir(at("n"), 0750));
	tell(mkdir(at("n"), 0750));
	tell(mkdir(at("n/d"), 0755));
	tell(mknod(at("n/f"), S_IFREG | 0640, 0));
	tell(mknod(at("n/f"), S_IFREG | 0640, 0));
	tell(mkfifo(at("n/p"), 0600));
	if (root)
		tell(mknod(at("n/dev"), S_IFCHR | 0600, makedev(1, 3)));
	tell(symlink("to/there", at("n/l")));
	tell(symlink("to/there", at("n/l")));
	told_bytes("readlink", readlink(at("n/l"), target, sizeof(target)),
		   target);
	tell(link(at("n/f"), at("n/d/g")));
	tell(link(at("n/f"), at("n/d/g")));
	tell(link(at("n/none"), at("n/h")));
	tell_lstat(at("n"));
	tell_lstat(at("n/d"));
	tell_lstat(at("n/f"));
	tell_lstat(at("n/p"));
	tell_lstat(at("n/l"));
	tell_lstat(at("n/dev"));
	tell_names(at("n"));
	tell_names(at("n/d"));
}

static void move_all(void)
{
	tell(rename(at("n/f"), at("n/f2")));
	tell(rename(at("n/f"), at("n/f2")));
	tell(renameat2(AT_FDCWD, at("n/f2"), AT_FDCWD, at("n/p"),
		       RENAME_NOREPLACE));
	tell(renameat2(AT_FDCWD, at("n/f2"), AT_FDCWD, at("n/f3"),
		       RENAME_NOREPLACE));
	tell(renameat2(AT_FDCWD, at("n/f3"), AT_FDCWD, at("n/l"),
		       RENAME_EXCHANGE));
	tell_lstat(at("n/f3"));
	tell_lstat(at("n/l"));
	tell(renameat2(AT_FDCWD, at("n/f3"), AT_FDCWD, at("n/l"),
		       RENAME_EXCHANGE));
	/* Over others. */
	tell(mkdir(at("n/e"), 0700));
	tell(mkdir(at("n/full"), 0700));
	tell(mknod(at("n/full/x"), S_IFREG | 0600, 0));
	tell(mknod(at("n/over"), S_IFREG | 0600, 0));
	tell(rename(at("n/f3"), at("n/over")));
	tell(rename(at("n/e"), at("n/full")));
	tell(rename(at("n/full"), at("n/e")));
	tell(rename(at("n/e"), at("n/e/in")));
	tell_names(at("n"));
	tell_names(at("n/e"));
	tell(rmdir(at("n/e")));
	tell(unlink(at("n/e/x")));
	tell(unlink(at("n/e/x")));
	tell(rmdir(at("n/e")));
	tell(rmdir(at("n/e")));
	tell_lstat(at("n/over"));
	tell_lstat(at("n/d/g"));
}

static void change_all(void)
{
	const struct timespec past[2] = { { 1234, 0 }, { 5678, 123456789 } };
	const struct timespec omit[2] = { { 4321, 0 }, { 0, UTIME_OMIT } };
	const struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct statx stx;

	tell(chmod(at("n/over"), 04755));
	tell_lstat(at("n/over"));
	if (root) {
		tell(chown(at("n/over"), 1234, 5678));
		tell_lstat(at("n/over"));
		tell(lchown(at("n/l"), 12, -1));
		tell_lstat(at("n/l"));
	}
	tell(truncate(at("n/over"), 12345));
	tell(utimensat(AT_FDCWD, at("n/over"), past, 0));
	tell_lstat(at("n/over"));
	tell(utimensat(AT_FDCWD, at("n/over"), omit, 0));
	tell(utimensat(AT_FDCWD, at("n/l"), past, AT_SYMLINK_NOFOLLOW));
	tell_lstat(at("n/over"));
	tell_lstat(at("n/l"));
	tell(utimensat(AT_FDCWD, at("n/over"), now, 0));
	tell_lstat(at("n/over"));
	tell(statx(AT_FDCWD, at("n/over"), AT_STATX_FORCE_SYNC,
		   STATX_BTIME | STATX_BASIC_STATS, &stx));
	fprintf(said, "\tsize %llu mask %x\n", stx.stx_size,
		stx.stx_mask & (STATX_BTIME | STATX_BASIC_STATS));
}

static void attributes(void)
{
	/* Version 2: user::rw-, user:1234:r--, group::r--, mask::r--,
	 * other::--- */
	static const unsigned char acl[] = {
		2,    0,    0,	  0,	1,    0,    6,	0,    0xff, 0xff, 0xff,
		0xff, 2,    0,	  4,	0,    0xd2, 4,	0,    0,    4,	  0,
		4,    0,    0xff, 0xff, 0xff, 0xff, 16, 0,    4,    0,	  0xff,
		0xff, 0xff, 0xff, 32,	0,    0,    0,	0xff, 0xff, 0xff, 0xff,
	};
	char got[256];

	tell(setxattr(at("n/over"), "user.a", "first", 5, XATTR_REPLACE));
	tell(setxattr(at("n/over"), "user.a", "first", 5, XATTR_CREATE));
	tell(setxattr(at("n/over"), "user.a", "second", 6, XATTR_CREATE));
	tell(setxattr(at("n/over"), "user.a", "third", 5, XATTR_REPLACE));
	tell(setxattr(at("n/over"), "user.b", "", 0, 0));
	told_bytes("getxattr", getxattr(at("n/over"), "user.a", got, 256), got);
	tell(getxattr(at("n/over"), "user.a", got, 2));
	tell(getxattr(at("n/over"), "user.none", got, 256));
	tell(listxattr(at("n/over"), NULL, 0));
	told_bytes("listxattr", listxattr(at("n/over"), got, 256), got);
	tell(removexattr(at("n/over"), "user.a"));
	tell(removexattr(at("n/over"), "user.a"));
	tell(removexattr(at("n/over"), "user.b"));
	tell(setxattr(at("n/over"), "system.posix_acl_access", acl, sizeof(acl),
		      0));
	told_bytes("getxattr",
		   getxattr(at("n/over"), "system.posix_acl_access", got, 256),
		   got);
	tell_lstat(at("n/over"));
	tell(removexattr(at("n/over"), "system.posix_acl_access"));
	tell_lstat(at("n/over"));
	if (root)
		tell(setxattr(at("n/over"), "trusted.a", "x", 1, XATTR_CREATE));
	tell(setxattr(at("n/d"), "user.pool.volatile", "1", 1, XATTR_CREATE));
	tell(setxattr(at("n/d"), "user.pool.volatile", "1", 1, XATTR_CREATE));
	told_bytes("getxattr",
		   getxattr(at("n/d"), "user.pool.volatile", got, 256), got);
	tell(setxattr(at("n/d"), "user.pool.volatile", "0", 1, XATTR_REPLACE));
	tell(setxattr(at("n/d"), "user.pool.volatile", "0", 1, XATTR_REPLACE));
	tell(setxattr(at("n/d"), "user.pool.volatile", "1", 1, 0));
	tell(removexattr(at("n/d"), "user.pool.volatile"));
	tell(removexattr(at("n/d"), "user.pool.volatile"));
}

/* A stream of which names are read in between. */
static void stream(void)
{
	char buf[256];
	int fd, n = 0;
	long got;

	tell(mkdir(at("n/s"), 0755));
	for (int i = 0; i < 16; i++)
		if (mknod(at("n/s/name-%d", i), S_IFREG | 0600, 0) < 0)
			tell(i);
	fd = tell_done(open(at("n/s"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while ((got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long i = 0; i < got; n++)
			i += *(unsigned short *)(buf + i + 16);
	told("getdents64", got);
	tell(n);
	close(fd);
	for (int i = 0; i < 16; i++)
		if (unlink(at("n/s/name-%d", i)) < 0)
			told("unlink", -1);
	tell(rmdir(at("n/s")));
}

void do_names(void)
{
	struct statfs fs;

	make_all();
	move_all();
	change_all();
	attributes();
	stream();
	tell(statfs(at("n"), &fs));
	fprintf(said, "\t%jd %jd\n", (intmax_t)fs.f_blocks,
		(intmax_t)fs.f_namelen);
	tell(unlink(at("n/over")));
	tell(unlink(at("n/d/g")));
	tell(unlink(at("n/l")));
	tell(unlink(at("n/p")));
	if (root)
		tell(unlink(at("n/dev")));
	tell(rmdir(at("n")));
	tell(rmdir(at("n/d")));
	tell(rmdir(at("n")));
	tell_lstat(at("n"));
}
