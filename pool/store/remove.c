/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removing trees of any depth.  A directory is not walked down: what is in it
 * moves up, so it is empty and can go.
 *
 *	top/a/b/c        top/a            top/b/c
 *	                     '-- b: moved     '-- and so on
 *
 * States: none.
 * Locks: none; nobody else may change the tree.
 * Reclaim: does not know of these trees.
 */
#include "pool/store/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Is it a directory?  Gives back permissions that its owner took away: not even
 * its entry ".." can be changed otherwise. */
static int enter(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if ((st.st_mode & 0700) != 0700)
		fchmodat(dirfd, name, 0700, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int open_dir(int dirfd, const char *name, DIR **out)
{
	int err = enter(dirfd, name), fd;

	if (err)
		return err;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	*out = fd < 0 ? NULL : fdopendir(fd);
	if (*out)
		return 0;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Moves the directory @name of @from to @top, under a name that is free. */
static int move_up(int from, const char *name, int top, uint64_t *next)
{
	char up[32];
	int err = enter(from, name);

	if (err)
		return err;
	do
		snprintf(up, sizeof(up), ".%jx", (uintmax_t)(*next)++);
	while (faccessat(top, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	return renameat(from, name, top, up) < 0 ? -errno : 0;
}

/* Empties the directory @name of @top, and removes it. */
static int remove_dir(int top, const char *name, uint64_t *next)
{
	struct dirent *e;
	DIR *d;
	int err = open_dir(top, name, &d);

	if (err)
		return err;
	while ((e = readdir(d)))
		if (!is_dots(e->d_name) &&
		    unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT) {
			int why = move_up(dirfd(d), e->d_name, top, next);

			err = err ? err : why;
		}
	closedir(d);
	if (unlinkat(top, name, AT_REMOVEDIR) < 0)
		err = err ? err : -errno;
	return err;
}

/* One pass.  Return: names that were removed.  @err: out, 0 or -errno. */
static uint64_t remove_pass(int top, DIR *d, const char *keep, uint64_t *next,
			    int *err)
{
	uint64_t nr = 0;
	struct dirent *e;

	*err = 0;
	rewinddir(d);
	while ((e = readdir(d))) {
		int why = 0;

		if (is_dots(e->d_name) || (keep && !strcmp(e->d_name, keep)))
			continue;
		if (unlinkat(top, e->d_name, 0) < 0)
			why = errno == ENOENT
				      ? -ENOENT
				      : remove_dir(top, e->d_name, next);
		/* A pass may show names that it has made and removed. */
		if (!why)
			nr++;
		else if (why != -ENOENT)
			*err = why;
	}
	return nr;
}

int remove_content(int dir, const char *keep)
{
	uint64_t next = 0;
	DIR *d;
	int err = open_dir(dir, ".", &d);

	if (err)
		return err;
	/* What moved up is found by the same pass, or by the next one. */
	while (remove_pass(dir, d, keep, &next, &err))
		;
	closedir(d);
	return err;
}

int remove_tree(int dir, const char *name)
{
	DIR *d;
	int err;

	if (unlinkat(dir, name, 0) == 0)
		return 0;
	err = open_dir(dir, name, &d);
	if (err)
		return err;
	err = remove_content(dirfd(d), NULL);
	closedir(d);
	if (!err && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}
