/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open files: read, written, mapped, held while they are opened once more. */
#include "tests/tools/everyop_parts/said.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

static char buf[1 << 20];

static void pread_told(int fd, size_t len, off_t off)
{
	told_bytes("pread", pread(fd, buf, len, off), buf);
}

/* One that is open all the time, and others that come and go. */
static void held(void)
{
	int fd, again;

	fd = tell_done(open(at("f/held"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			    0640));
	tell(open(at("f/held"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
	tell(write(fd, "content", 7));
	for (int i = 0; i < 3; i++) {
		again = tell_done(open(at("f/held"), O_RDWR | O_CLOEXEC));
		pread_told(again, 100, 0);
		tell(pwrite(again, "C", 1, i));
		tell(close(again));
		again = tell_done(open(at("f/held"), O_RDONLY | O_CLOEXEC));
		pread_told(again, 100, 0);
		pread_told(fd, 100, 0);
		tell(close(again));
	}
	again = tell_done(open(at("f/held"), O_WRONLY | O_TRUNC | O_CLOEXEC));
	pread_told(fd, 100, 0);
	tell(pwrite(again, "after", 5, 3));
	tell(close(again));
	pread_told(fd, 100, 0);
	again = tell_done(open(at("f/held"),
			       O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	tell(write(again, "end", 3));
	tell_fstat(again);
	/* Without a name. */
	tell(unlink(at("f/held")));
	tell_fstat(fd);
	tell(write(again, "more", 4));
	tell(close(again));
	pread_told(fd, 100, 0);
	tell(fchmod(fd, 0600));
	tell(ftruncate(fd, 5));
	tell_fstat(fd);
	tell(close(fd));
	tell_lstat(at("f/held"));
}

static void sizes(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct timespec past[2] = { { 1234, 0 }, { 5678, 0 } };
	int fd, to;

	memset(buf, 'x', sizeof(buf));
	fd = tell_done(open(at("f/a"), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	tell(write(fd, buf, 300000));
	tell(pwrite(fd, buf, 5, 1000000));
	tell(lseek(fd, 0, SEEK_HOLE));
	tell(lseek(fd, 400000, SEEK_DATA));
	tell(lseek(fd, 1000005, SEEK_DATA));
	tell(lseek(fd, 0, SEEK_END));
	tell(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096,
		       8192));
	tell(lseek(fd, 0, SEEK_HOLE));
	tell(fallocate(fd, 0, 1000000, 100000));
	tell(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1100000, 100000));
	tell(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	tell_fstat(fd);
	tell(fsync(fd));
	tell(fdatasync(fd));
	pread_told(fd, 300000, 0);
	to = tell_done(open(at("f/b"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	tell(copy_file_range(fd, &(off_t){ 100 }, to, &(off_t){ 50 }, 200000,
			     0));
	tell_fstat(to);
	pread_told(to, 200050, 0);
	tell(ftruncate(to, 77));
	tell(ftruncate(to, 7777));
	tell(futimens(to, past));
	tell_fstat(to);
	if (root)
		tell(fchown(to, 1111, 2222));
	tell(fchmod(to, 02711));
	tell_fstat(to);
	tell(flock(fd, LOCK_EX));
	tell(fcntl(fd, F_SETLK, &lock));
	tell(fsetxattr(fd, "user.x", "y", 1, XATTR_CREATE));
	tell(fremovexattr(fd, "user.x"));
	tell(close(to));
	tell(close(fd));
	tell_content(at("f/b"), 4096);
	tell(unlink(at("f/a")));
	tell(unlink(at("f/b")));
}

static void mapped(void)
{
	char *map;
	int fd = tell_done(open(at("f/m"), O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	tell(ftruncate(fd, 100000));
	map = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	told("mmap", map == MAP_FAILED ? -1 : 0);
	if (map == MAP_FAILED)
		return;
	memcpy(map + 5000, "mapped", 6);
	tell(msync(map, 100000, MS_SYNC));
	pread_told(fd, 20, 4990);
	tell(pwrite(fd, "file", 4, 50000));
	tell(close(fd));
	told_bytes("map", 6, map + 49999);
	memcpy(map + 90000, "late", 4);
	tell(munmap(map, 100000));
	tell_content(at("f/m"), 65536);
	tell(unlink(at("f/m")));
}

static void nameless(void)
{
	char proc[64];
	int fd = tell_done(open(at("f"), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));

	tell(write(fd, "nameless", 8));
	tell_fstat(fd);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	tell(linkat(AT_FDCWD, proc, AT_FDCWD, at("f/t"), AT_SYMLINK_FOLLOW));
	tell_fstat(fd);
	tell(close(fd));
	tell_content(at("f/t"), 100);
	tell(unlink(at("f/t")));
	fd = tell_done(
		open(at("f"), O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600));
	tell(close(fd));
}

/* A set-user-ID bit goes with a write, of those who are not root. */
static void setid(void)
{
	int fd = tell_done(open(at("f/s"), O_RDWR | O_CREAT | O_CLOEXEC, 0755));

	tell(fchmod(fd, 06755));
	tell(write(fd, "x", 1));
	tell_fstat(fd);
	tell(fchmod(fd, 06755));
	tell(ftruncate(fd, 0));
	tell_fstat(fd);
	tell(fchmod(fd, 06755));
	tell(fallocate(fd, 0, 0, 10));
	tell_fstat(fd);
	tell(close(fd));
	tell(chmod(at("f/s"), 0));
	tell_lstat(at("f/s"));
	tell(unlink(at("f/s")));
}

static void set_flags(int fd, unsigned int flags)
{
	tell(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	tell(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	told("flags", flags);
}

/* What is appended once is there once. */
static void flags(void)
{
	int fd, dir;

	fd = tell_done(open(at("f/log"), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	tell(write(fd, "one ", 4));
	set_flags(fd, FS_NODUMP_FL);
	set_flags(fd, FS_APPEND_FL);
	tell(close(fd));
	fd = tell_done(open(at("f/log"), O_WRONLY | O_CLOEXEC));
	tell(close(fd));
	fd = tell_done(open(at("f/log"), O_RDWR | O_APPEND | O_CLOEXEC));
	for (int i = 0; i < 4; i++)
		tell(write(fd, "more ", 5));
	pread_told(fd, 100, 0);
	tell(ftruncate(fd, 0));
	tell_fstat(fd);
	set_flags(fd, 0);
	tell(close(fd));
	dir = tell_done(open(at("f"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	set_flags(dir, FS_IMMUTABLE_FL);
	tell(unlink(at("f/log")));
	set_flags(dir, 0);
	tell(close(dir));
	tell(unlink(at("f/log")));
}

void do_files(void)
{
	int dir;

	tell(mkdir(at("f"), 0755));
	held();
	sizes();
	mapped();
	nameless();
	setid();
	flags();
	dir = tell_done(open(at("f"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	tell(fsync(dir));
	tell(rmdir(at("f")));
	tell_fstat(dir);
	tell(close(dir));
}
