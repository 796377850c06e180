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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

/* Room for events, journal and the first blocks of the tables, in bytes. */
#define STORE_TABLES (16u << 20)

static const struct store store_closed = {
	.dirfd = -1, .boxfd = -1, .openfd = -1, .orphanfd = -1
};

__attribute__((format(printf, 3, 4))) static void
store_say(char *why, int why_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
}

static int fs_set(int fs, const char *name, const char *value)
{
	return fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			name, value, 0) < 0
		       ? -errno
		       : 0;
}

/* Sets the options of tmpfs that the user gave: "a=1,b". */
static int fs_set_limits(int fs, const char *limits, char *why, int why_size)
{
	char *list = strdup(limits ? limits : "");
	char *rest = list, *item, *value;
	int err = list ? 0 : -ENOMEM;

	while (!err && (item = strsep(&rest, ","))) {
		value = strchr(item, '=');
		if (!*item)
			continue;
		if (value)
			*value++ = 0;
		err = fs_set(fs, item, value);
		if (err)
			store_say(why, why_size,
				  "-o %s%s%s: this kernel's tmpfs does not "
				  "take it: %s",
				  item, value ? "=" : "", value ? value : "",
				  strerror(-err));
	}
	free(list);
	return err;
}

static int fs_set_size(int fs, uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	return fs_set(fs, "size", text);
}

/* Mounts a tmpfs in no name space.  Return: its root, or -errno. */
static int store_mount_detached(uint64_t size, const char *limits, bool *huge,
				char *why, int why_size)
{
	int fs, mnt, root, err;

	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	*huge = fs_set(fs, "huge", "within_size") == 0;
	/* @size is for the content of files; tables come on top of it. */
	err = fs_set_size(fs, size + STORE_TABLES);
	if (!err)
		err = fs_set_limits(fs, limits, why, why_size);
	if (!err)
		err = fs_set(fs, "mode", "0700");
	if (!err && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		err = -errno;
	if (err) {
		close(fs);
		return err;
	}
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	err = -errno;
	close(fs);
	if (mnt < 0)
		return err;
	/* The descriptor of the mount is O_PATH: no good for file handles. */
	root = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = -errno;
	close(mnt);
	return root < 0 ? err : root;
}

static int store_change(struct store *store, const char *what, uint64_t value)
{
	char text[32];
	int fs, err;

	if (!store->detached)
		return -EOPNOTSUPP;
	fs = fspick(store->dirfd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	if (fs < 0)
		return -errno;
	snprintf(text, sizeof(text), "%" PRIu64, value);
	err = fs_set(fs, what, text);
	if (!err && fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		err = errno == EINVAL ? -EBUSY : -errno;
	close(fs);
	return err;
}

int store_set_limit(struct store *store, uint64_t bytes)
{
	return store_change(store, "size", bytes);
}

int store_set_inodes(struct store *store, uint64_t nr)
{
	return store_change(store, "nr_inodes", nr);
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
		base = "/dev/shm";
	if (asprintf(&store->path, "%s/poolfs-XXXXXX", base) < 0) {
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
	int fd = openat(dirfd, "probe", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int err = 0;

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
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Return: the root's descriptor, and what kind of store it is, or -errno. */
static int store_find(struct store *store, const char *dir, uint64_t size,
		      const char *limits, char *why, int why_size)
{
	int fd;

	if (dir)
		return store_adopt(store, dir, why, why_size);
	fd = store_mount_detached(size, limits, &store->huge, why, why_size);
	store->detached = fd >= 0;
	if (fd == -EPERM || fd == -ENOSYS)
		return store_make_temporary(store, why, why_size);
	return fd;
}

static int store_lay_out(struct store *store)
{
	int fd = store->dirfd, err;

	store->boxfd = err = store_subdir(fd, "box");
	if (err >= 0)
		store->openfd = err = store_subdir(fd, "open");
	if (err >= 0)
		store->orphanfd = err = store_subdir(fd, "orphan");
	/* Its modes are the users': "tree" above it keeps others out. */
	if (err >= 0 && mkdirat(fd, "tree", 0700) < 0 && errno != EEXIST)
		err = -errno;
	if (err >= 0 && mkdirat(fd, STORE_FILES, 0755) < 0 && errno != EEXIST)
		err = -errno;
	return err < 0 ? err : 0;
}

/* Locks the store against a second pool, probes it, and lays it out. */
static int store_take(struct store *store, const char *limits, char *why,
		      int why_size)
{
	int err;

	if (limits && !store->detached) {
		store_say(why, why_size,
			  "-o %s: only for a store of the pool's own, which "
			  "takes CAP_SYS_ADMIN and no --store",
			  limits);
		return -EINVAL;
	}
	/* Children of the keeper inherit the descriptor, and the lock. */
	if (flock(store->dirfd, LOCK_EX | LOCK_NB) < 0) {
		err = -errno;
		store_say(why, why_size,
			  "--store %s: another poolfs uses it; unmount that "
			  "one first",
			  store->path ? store->path : "");
		return err;
	}
	err = store_probe_punch(store->dirfd);
	if (err) {
		store_say(why, why_size,
			  "the store's file system cannot punch holes (%s); "
			  "use a directory on tmpfs",
			  strerror(-err));
		return err;
	}
	err = store_lay_out(store);
	if (err)
		store_say(why, why_size, "cannot lay out the store: %s",
			  strerror(-err));
	return err;
}

int store_open(struct store *store, const char *dir, uint64_t size,
	       const char *limits, char *why, int why_size)
{
	int fd, err;

	*store = store_closed;
	*why = 0;
	fd = store_find(store, dir, size, limits, why, why_size);
	if (fd < 0) {
		if (!*why)
			store_say(why, why_size, "cannot make the store: %s",
				  strerror(-fd));
		return fd;
	}
	store->dirfd = fd;
	err = store_take(store, limits, why, why_size);
	if (err)
		store_close(store);
	return err;
}

/* Removes everything in the directory @dirfd, and closes it. */
static void store_empty(int dirfd)
{
	DIR *d = fdopendir(dirfd);
	struct dirent *e;
	int sub;

	if (!d) {
		close(dirfd);
		return;
	}
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    unlinkat(dirfd, e->d_name, 0) == 0)
			continue;
		/* Its owner may have taken its permissions away. */
		fchmodat(dirfd, e->d_name, 0700, 0);
		sub = openat(dirfd, e->d_name,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			store_empty(sub);
		unlinkat(dirfd, e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

void store_close(struct store *store)
{
	const int fds[] = { store->boxfd, store->openfd, store->orphanfd,
			    store->dirfd };
	int again;

	if (store->temporary && store->path) {
		again = open(store->path,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (again >= 0)
			store_empty(again);
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
	static const char *const names[] = { "boxes",	"transactions",
					     "handles", "inodes",
					     "ranges",	"journal",
					     "events",	"config.json" };
	struct stat st;
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fstatat(store->dirfd, names[i], &st, 0) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

int store_space(struct store *store, struct statvfs *out)
{
	return fstatvfs(store->dirfd, out) < 0 ? -errno : 0;
}

int store_region_open(struct store *store, uint64_t serial, bool create)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%" PRIx64, serial);
	fd = openat(store->boxfd, name,
		    O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	return fd < 0 ? -errno : fd;
}

int store_region_unlink(struct store *store, uint64_t serial)
{
	char name[32];

	snprintf(name, sizeof(name), "%" PRIx64, serial);
	return unlinkat(store->boxfd, name, 0) < 0 ? -errno : 0;
}
