/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * walkall DIR...: lists each directory and all below it, and prints of each entry
 * its path, its number by readdir() and by stat(), and its type, after it has
 * looked whether seekdir() finds it again.  Plain POSIX: built with -m32 it is
 * what 32-bit programs are.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <limits.h>

static int failed;

static void complain(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", path, what, strerror(errno));
	failed = 1;
}

static void again(DIR *dir, const char *path, long at, const char *name)
{
	long after = telldir(dir);
	struct dirent *e;

	seekdir(dir, at);
	e = readdir(dir);
	if (!e || strcmp(e->d_name, name)) {
		fprintf(stderr, "%s: not at %ld again\n", path, at);
		failed = 1;
	}
	seekdir(dir, after);
}

static void walk(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	long at;

	if (!dir) {
		complain(path, "opendir");
		return;
	}
	for (at = telldir(dir); (errno = 0, e = readdir(dir));
	     at = telldir(dir)) {
		char name[NAME_MAX + 1], below[PATH_MAX];
		unsigned long ino = e->d_ino;
		struct stat st;

		strcpy(name, e->d_name);
		snprintf(below, sizeof(below), "%s/%s", path, name);
		again(dir, below, at, name);
		if (!strcmp(name, "..") || !strcmp(name, "."))
			continue;
		if (lstat(below, &st)) {
			complain(below, "lstat");
			continue;
		}
		printf("%s %lu %lu %o\n", below, ino, (unsigned long)st.st_ino,
		       (unsigned int)st.st_mode);
		if (ino != st.st_ino) {
			fprintf(stderr, "%s: readdir() gives %lu\n", below,
				ino);
			failed = 1;
		}
		if (S_ISDIR(st.st_mode))
			walk(below);
	}
	if (errno)
		complain(path, "readdir");
	closedir(dir);
}

int main(int argc, char **argv)
{
	struct statvfs vfs;

	for (int i = 1; i < argc; i++) {
		if (statvfs(argv[i], &vfs))
			complain(argv[i], "statvfs");
		walk(argv[i]);
	}
	return failed;
}
