/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store of a pool: a detached tmpfs, a temporary directory, or a directory
 * that the user named.
 *
 * States: open (locked against a second pool) or closed.
 * Locks: none.  It is opened before there are threads; what is called later
 * keeps no state in memory.
 * Reclaim: punches holes in region files and plain files, and unlinks plain
 * files, through their own descriptors and paths.
 */
#include "pool/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "pool/store/store_priv.h"

static const struct store store_closed = {
	.dirfd = -1, .contentfd = -1, .boxfd = -1, .orphanfd = -1, .mountfd = -1
};

void store_say(char *why, int why_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
}

static bool store_is_tmpfs(const char *dir)
{
	struct statfs sfs;

	return statfs(dir, &sfs) == 0 && sfs.f_type == TMPFS_MAGIC;
}

static int store_make_temporary(struct store *store, char *why, int why_size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int fd, err;

	if (!base || !store_is_tmpfs(base) || access(base, W_OK) < 0)
		base = STORE_SHM;
	if (asprintf(&store->path, "%s/" STORE_PREFIX "XXXXXX", base) < 0) {
		store->path = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(store->path)) {
		err = -errno;
		store_say(why, why_size,
			  "cannot make the store in %s: %s; set "
			  "XDG_RUNTIME_DIR to a tmpfs, or use --store DIR",
			  base, strerror(-err));
		goto err_free;
	}
	fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		store->temporary = true;
		return fd;
	}
	err = -errno;
	rmdir(store->path);
err_free:
	free(store->path);
	store->path = NULL;
	return err;
}

static int store_adopt(struct store *store, const char *dir, char *why,
		       int why_size)
{
	int fd, err;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		store_say(why, why_size, "--store %s: %s", dir, strerror(-err));
		return err;
	}
	store->path = realpath(dir, NULL);
	if (store->path)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Reclaim needs a file system that can punch holes. */
static int store_probe_punch(int dirfd)
{
	int fd, err = 0;

	unlinkat(dirfd, "probe", 0);
	fd = openat(dirfd, "probe",
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, 4096) < 0 ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) <
		    0)
		err = -errno;
	close(fd);
	unlinkat(dirfd, "probe", 0);
	return err;
}

static int store_subdir(int dirfd, const char *name)
{
	int fd;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Both parts are in the directory @fd, which becomes the store's. */
static int store_has_one_part(struct store *store, int fd)
{
	if (fd < 0)
		return fd;
	store->dirfd = fd;
	store->contentfd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return store->contentfd < 0 ? -errno : 0;
}

/* Finds or makes both parts.  Return: 0 or -errno. */
static int store_find(struct store *store, const char *dir, uint64_t size,
		      const struct store_limits *limits, char *why,
		      int why_size)
{
	int fd;

	if (dir)
		return store_has_one_part(store, store_adopt(store, dir, why,
							     why_size));
	fd = store_mount_content(store, size, limits, why, why_size);
	if (fd == -EPERM || fd == -ENOSYS)
		return store_has_one_part(
			store, store_make_temporary(store, why, why_size));
	if (fd < 0)
		return fd;
	store->detached = true;
	store->contentfd = fd;
	fd = store_mount_records(size);
	if (fd < 0)
		return fd;
	store->dirfd = fd;
	return 0;
}

static int store_lay_out(struct store *store)
{
	int fd = store->contentfd, err;

	store->boxfd = err = store_subdir(fd, "box");
	if (err >= 0)
		store->orphanfd = err = store_subdir(fd, "orphan");
	/* Its modes are the users': "tree" above it keeps others out. */
	if (err >= 0 && mkdirat(fd, "tree", 0700) < 0 && errno != EEXIST)
		err = -errno;
	if (err >= 0 && mkdirat(fd, STORE_FILES, 0755) < 0 && errno != EEXIST)
		err = -errno;
	return err < 0 ? err : 0;
}

/* The processes of a pool that was killed need a moment to end. */
#define LOCK_TRIES 100
#define LOCK_PAUSE_US 20000

/* Children of the keeper inherit the descriptor, and the lock. */
static int store_lock(const struct store *store)
{
	int err = 0;

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (i)
			usleep(LOCK_PAUSE_US);
		err = flock(store->dirfd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
		if (err != -EWOULDBLOCK)
			break;
	}
	return err;
}

/* Locks the store against a second pool, looks whether it may be adopted, probes
 * it, and lays it out. */
static int store_take(struct store *store, const char *options, char *why,
		      int why_size)
{
	struct store_id id = { .temporary = store->temporary };
	bool is_new = !store->detached;
	int err = 0;

	if (options && !store->detached) {
		store_say(why, why_size,
			  "-o %s: only for a store of the pool's own, which "
			  "takes CAP_SYS_ADMIN and no --store",
			  options);
		return -EINVAL;
	}
	err = store_lock(store);
	if (err) {
		store_say(why, why_size,
			  "--store %s: another poolfs uses it; unmount that "
			  "one first",
			  store->path ? store->path : "");
		return err;
	}
	if (store->path && !store->temporary)
		err = store_check(store, &is_new, why, why_size);
	if (err)
		return err;
	err = store_probe_punch(store->contentfd);
	if (err) {
		store_say(why, why_size,
			  "the store's file system cannot punch holes (%s); "
			  "use a directory on tmpfs",
			  strerror(-err));
		return err;
	}
	if (is_new)
		err = store_id_write(store->dirfd, &id);
	if (!err)
		err = store_lay_out(store);
	/* So that nobody takes a copy of it for one to be removed. */
	if (!err && store->temporary)
		err = store_settle(store);
	if (err)
		store_say(why, why_size, "cannot lay out the store: %s",
			  strerror(-err));
	return err;
}

int store_open(struct store *store, const char *dir, uint64_t size,
	       const struct store_limits *limits, char *why, int why_size)
{
	int err;

	*store = store_closed;
	*why = 0;
	err = store_find(store, dir, size, limits, why, why_size);
	if (err && !*why)
		store_say(why, why_size, "cannot make the store: %s",
			  strerror(-err));
	if (!err)
		err = store_take(store, limits ? limits->options : NULL, why,
				 why_size);
	if (err)
		store_close(store);
	return err;
}

void store_close(struct store *store)
{
	const int fds[] = { store->boxfd, store->orphanfd, store->contentfd,
			    store->dirfd, store->mountfd };
	int again;

	if (store->temporary && store->path) {
		/* The caller may have closed all its descriptors. */
		again = open(store->path,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (again >= 0) {
			store_empty(again);
			close(again);
		}
		rmdir(store->path);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(store->path);
	*store = store_closed;
}

uint64_t store_tables_bytes(struct store *store)
{
	static const char *const names[] = {
		"boxes", "transactions", "handles", "inodes",	   "ranges",
		"texts", "journal",	 "events",  "config.json", "users"
	};
	struct stat st;
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fstatat(store->dirfd, names[i], &st, 0) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}
