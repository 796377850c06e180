/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Temporary stores whose pools have ended without removing them: all processes
 * of a mount were killed at once.
 *
 * A store in use is locked, and says what it is only after that
 * (store_take()).  So what says that it is temporary, and is not locked, is
 * nobody's any more.  What was named by --store never says so, and a copy that
 * says so is known to be one.
 *
 * Locks: flock() of the store, as a pool has it.
 */
#include "pool/store/left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/store/remove.h"
#include "pool/store/store_priv.h"

/* Return: a descriptor, locked, or -1. */
static int open_left(int base, const char *name)
{
	int fd = openat(base, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct store_id id;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    !(st.st_mode & 077) && store_id_read(fd, &id) == 0 &&
	    id.temporary && store_id_is_here(fd, &id) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int remove_left(int base, const char *name, int fd)
{
	int err = store_empty(fd);

	if (!err && unlinkat(base, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

static void stores_left_in(const char *dir, bool remove, stores_left_fn *fn,
			   void *arg)
{
	const size_t len = sizeof(STORE_PREFIX) - 1;
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = strncmp(e->d_name, STORE_PREFIX, len)
				 ? -1
				 : open_left(dirfd(d), e->d_name);
		char *path;
		int err = 0;

		if (fd < 0)
			continue;
		if (remove)
			err = remove_left(dirfd(d), e->d_name, fd);
		close(fd);
		if (!fn || asprintf(&path, "%s/%s", dir, e->d_name) < 0)
			continue;
		fn(arg, path, err);
		free(path);
	}
	if (d)
		closedir(d);
}

void stores_left(bool remove, stores_left_fn *fn, void *arg)
{
	const char *run = getenv("XDG_RUNTIME_DIR");

	if (run && strcmp(run, STORE_SHM))
		stores_left_in(run, remove, fn, arg);
	stores_left_in(STORE_SHM, remove, fn, arg);
}
