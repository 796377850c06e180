/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * churn - changes names and attributes without end, and looks at each answer.
 *
 *	churn DIR STOP
 *
 * works in DIR until the file STOP is there.  Nobody else may work in DIR.
 * Each call must succeed, and have been carried out exactly once: a second
 * mkdir would give EEXIST, a second rename ENOENT, a second exchange the old
 * files, a second O_APPEND a line too many.  At the end only "log" is left; the
 * number of rounds is printed.  The first thing that is wrong ends it.
 */
#include "tests/tools/lib/tool.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static long round_nr;

/* Says what failed, and in which round. */
static void must(bool ok, const char *what)
{
	char text[128];

	if (ok)
		return;
	snprintf(text, sizeof(text), "round %ld: %s", round_nr, what);
	fail(text);
}

#define DO(call) must((call) == 0, #call)

/* As DO(), for what is true or false; errno says nothing then. */
#define CHECK(condition)                     \
	do {                                 \
		errno = 0;                   \
		must(condition, #condition); \
	} while (0)

static struct stat status(const char *name)
{
	struct stat st;

	must(lstat(name, &st) == 0, name);
	return st;
}

static bool gone(const char *name)
{
	struct stat st;

	return lstat(name, &st) && errno == ENOENT;
}

/* A new file of @size bytes; open. */
static int make(const char *name, size_t size)
{
	static const char bytes[64];
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	must(fd >= 0, name);
	must(write(fd, bytes, size) == size, "write");
	return fd;
}

static void names(void)
{
	DO(mkdir("d", 0755));
	CHECK(mkdir("d", 0755) && errno == EEXIST);
	close(make("d/a", 1));
	DO(link("d/a", "d/b"));
	CHECK(status("d/b").st_nlink == 2);
	DO(rename("d/a", "d/c"));
	CHECK(gone("d/a"));
	DO(renameat2(AT_FDCWD, "d/c", AT_FDCWD, "d/a", RENAME_NOREPLACE));
	close(make("e", 2));
	DO(renameat2(AT_FDCWD, "e", AT_FDCWD, "d/a", RENAME_EXCHANGE));
	CHECK(status("e").st_size == 1 && status("d/a").st_size == 2);
	DO(unlink("d/b"));
	CHECK(gone("d/b") && status("e").st_nlink == 1);
	DO(symlink("nowhere", "d/l"));
	DO(rename("d/l", "l"));
	DO(unlink("l"));
	DO(mkfifo("d/p", 0600));
	DO(unlink("d/p"));
	DO(mkdir("d/sub", 0700));
	DO(rename("d/sub", "sub"));
	CHECK(status("d").st_nlink == 2);
	DO(rmdir("sub"));
	/* onto one that is there */
	DO(rename("e", "d/a"));
	CHECK(gone("e") && status("d/a").st_size == 1);
	DO(unlink("d/a"));
	DO(rmdir("d"));
	CHECK(gone("d"));
}

static void attributes(void)
{
	struct timespec times[2] = { { 1, round_nr }, { 2, round_nr } };
	char value[32], got[32];
	int n = snprintf(value, sizeof(value), "%ld", round_nr);
	struct stat st;

	close(make("x", 3));
	DO(setxattr("x", "user.nr", value, n, XATTR_CREATE));
	CHECK(getxattr("x", "user.nr", got, sizeof(got)) == n &&
	      !memcmp(got, value, n));
	DO(setxattr("x", "user.nr", "", 0, XATTR_REPLACE));
	DO(removexattr("x", "user.nr"));
	CHECK(getxattr("x", "user.nr", got, sizeof(got)) < 0);
	DO(chmod("x", 0600));
	DO(utimensat(AT_FDCWD, "x", times, 0));
	DO(truncate("x", round_nr % 5000));
	DO(utimensat(AT_FDCWD, "x", times, 0));
	st = status("x");
	CHECK(st.st_mode == (S_IFREG | 0600) &&
	      st.st_mtim.tv_nsec == round_nr && st.st_size == round_nr % 5000);
	DO(unlink("x"));
}

/* Files that are open while their names come and go. */
static void open_files(void)
{
	char path[64], bytes[8];
	struct stat st;
	int fd;

	fd = make("o", 0);
	must(pwrite(fd, "before", 6, 0) == 6, "pwrite");
	DO(unlink("o"));
	must(pwrite(fd, "after", 5, 6) == 5, "pwrite");
	must(pread(fd, bytes, 8, 3) == 8, "pread");
	CHECK(!memcmp(bytes, "oreafter", 8));
	DO(ftruncate(fd, 4));
	DO(fstat(fd, &st));
	CHECK(st.st_nlink == 0 && st.st_size == 4);
	close(fd);
	/* one that gets its name last */
	fd = open(".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0644);
	must(fd >= 0, "O_TMPFILE");
	must(write(fd, "x", 1) == 1, "write");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	DO(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	close(fd);
	CHECK(status("t").st_size == 1);
	DO(unlink("t"));
}

/* A line a round, and never another. */
static void append(int log)
{
	char line[16];
	struct stat st;
	int n = snprintf(line, sizeof(line), "%09ld\n", round_nr);

	must(write(log, line, n) == n, "append");
	DO(fstat(log, &st));
	CHECK(st.st_size == n * (round_nr + 1));
	must(pread(log, line, n, st.st_size - n) == n, "read back");
	CHECK(atol(line) == round_nr);
}

int main(int argc, char **argv)
{
	int log;

	if (argc != 3)
		usage("DIR STOP");
	if (chdir(argv[1]))
		fail(argv[1]);
	log = open("log", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC,
		   0644);
	if (log < 0)
		fail("log");
	for (; access(argv[2], F_OK); round_nr++) {
		names();
		attributes();
		open_files();
		append(log);
	}
	printf("%ld\n", round_nr);
	return 0;
}
