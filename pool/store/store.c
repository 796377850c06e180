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

#include <ctype.h>
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
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "pool/store/store_priv.h"

/* Bytes of records: so many, and this part of the size. */
#define RECORDS_LEAST (64ull << 20)
#define RECORDS_PART 4
/*
 * Each file that the kernel knows has a record, of 384 bytes at most.  So that
 * these leave room for others, there is a file for so many bytes of records.
 */
#define RECORDS_INODE 1024
/* Inodes of the content that are no user's: its root, box, tree, orphan. */
#define CONTENT_INODES 4
#define REGIONS_STEP 1024

static const struct store store_closed = {
	.dirfd = -1, .contentfd = -1, .boxfd = -1, .orphanfd = -1
};

void store_say(char *why, int why_size, const char *fmt, ...)
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

static int fs_set_number(int fs, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return fs_set(fs, name, text);
}

/* As the kernel reads numbers: "100", "0x10", "2k".  0: none, or not one. */
static uint64_t parse_inodes(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text)
		return 0;
	if (!*end)
		return n;
	unit = strchr(units, toupper((unsigned char)*end));
	if (!unit || end[1] || n >> 20)
		return 0;
	return n << 10 * (unit - units + 1);
}

/* One option of tmpfs that the user gave: "a=1" or "b". */
static int fs_set_user(struct store *store, int fs, char *item, char *why,
		       int why_size)
{
	char *value = strchr(item, '=');
	uint64_t nr = 0;
	int err;

	if (value)
		*value++ = 0;
	if (value && !strcmp(item, "nr_inodes"))
		nr = store->inodes = parse_inodes(value);
	store->inodes_exact |= nr != 0;
	/* One more for the probes, until store_spare_inodes(). */
	if (nr)
		err = fs_set_number(fs, item,
				    store->inodes + CONTENT_INODES + 1);
	else
		err = fs_set(fs, item, value);
	if (err)
		store_say(why, why_size,
			  "-o %s%s%s: this kernel's tmpfs does not take it: %s",
			  item, value ? "=" : "", value ? value : "",
			  strerror(-err));
	return err;
}

static int fs_set_limits(struct store *store, int fs, const char *limits,
			 char *why, int why_size)
{
	char *list = strdup(limits ? limits : "");
	char *rest = list, *item;
	int err = list ? 0 : -ENOMEM;

	while (!err && (item = strsep(&rest, ",")))
		if (*item)
			err = fs_set_user(store, fs, item, why, why_size);
	free(list);
	return err;
}

/* Mounts a tmpfs in no name space, and closes @fs.  Return: its root. */
static int fs_mount(int fs)
{
	int mnt, root, err;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		err = -errno;
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

static uint64_t records_size(uint64_t size)
{
	return RECORDS_LEAST + size / RECORDS_PART;
}

/* nr_inodes= where the user gives none; never more than that of tmpfs. */
static uint64_t default_inodes(uint64_t size)
{
	uint64_t nr = records_size(size) / RECORDS_INODE;
	long pages = sysconf(_SC_PHYS_PAGES);

	return pages > 0 && nr > (uint64_t)pages / 2 ? (uint64_t)pages / 2 : nr;
}

static int store_mount_content(struct store *store, uint64_t size,
			       const char *limits, char *why, int why_size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), err;

	if (fs < 0)
		return -errno;
	store->huge = fs_set(fs, "huge", "within_size") == 0;
	store->inodes = default_inodes(size);
	err = fs_set_number(fs, "size", size);
	if (!err)
		err = fs_set_number(fs, "nr_inodes",
				    store->inodes + CONTENT_INODES + 1);
	if (!err)
		err = fs_set_limits(store, fs, limits, why, why_size);
	if (!err)
		err = fs_set(fs, "mode", "0700");
	if (!err)
		return fs_mount(fs);
	close(fs);
	return err;
}

static int store_mount_records(uint64_t size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), err;

	if (fs < 0)
		return -errno;
	err = fs_set_number(fs, "size", records_size(size));
	if (!err)
		err = fs_set(fs, "mode", "0700");
	if (!err)
		return fs_mount(fs);
	close(fs);
	return err;
}

static int store_change(struct store *store, const char *what, uint64_t value)
{
	int fs, err;

	if (!store->detached)
		return -EOPNOTSUPP;
	fs = fspick(store->contentfd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	if (fs < 0)
		return -errno;
	err = fs_set_number(fs, what, value);
	if (!err && fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		err = errno == EINVAL ? -EBUSY : -errno;
	close(fs);
	return err;
}

int store_set_limit(struct store *store, uint64_t bytes)
{
	return store_change(store, "size", bytes);
}

/*
 * Region files that the limit leaves room for.  A limit that the user gave is
 * exact; else it costs a call for every so many.
 */
static uint64_t regions_allowed(const struct store *store)
{
	if (store->inodes_exact)
		return store->nr_regions;
	return (store->nr_regions / REGIONS_STEP + 1) * REGIONS_STEP;
}

int store_spare_inodes(struct store *store, uint64_t nr)
{
	uint64_t want = store->inodes + CONTENT_INODES +
			regions_allowed(store) + nr;
	int err = 0;

	if (!store->inodes)
		return -EOPNOTSUPP;
	if (want != store->inodes_set)
		err = store_change(store, "nr_inodes", want);
	if (!err)
		store->inodes_set = want;
	store->inodes_stale = err || nr;
	return err;
}

int store_count_regions(struct store *store)
{
	struct dirent *e;
	DIR *d;
	int fd;

	if (!store->inodes)
		return 0;
	fd = openat(store->boxfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	store->nr_regions = 0;
	while ((e = readdir(d)))
		store->nr_regions += e->d_name[0] != '.';
	closedir(d);
	return store_spare_inodes(store, 0);
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
		      const char *limits, char *why, int why_size)
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

/* Locks the store against a second pool, looks whether it may be adopted, probes
 * it, and lays it out. */
static int store_take(struct store *store, const char *limits, char *why,
		      int why_size)
{
	struct store_id id = { .temporary = store->temporary };
	bool is_new = !store->detached;
	int err = 0;

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
	       const char *limits, char *why, int why_size)
{
	int err;

	*store = store_closed;
	*why = 0;
	err = store_find(store, dir, size, limits, why, why_size);
	if (err && !*why)
		store_say(why, why_size, "cannot make the store: %s",
			  strerror(-err));
	if (!err)
		err = store_take(store, limits, why, why_size);
	if (err)
		store_close(store);
	return err;
}

void store_close(struct store *store)
{
	const int fds[] = { store->boxfd, store->orphanfd, store->contentfd,
			    store->dirfd };
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
		"boxes", "transactions", "handles", "inodes",	  "ranges",
		"texts", "journal",	 "events",  "config.json"
	};
	struct stat st;
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (fstatat(store->dirfd, names[i], &st, 0) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

int store_space(struct store *store, struct statvfs *out)
{
	uint64_t allowed = regions_allowed(store);
	uint64_t spare = allowed - MIN(store->nr_regions, allowed);

	if (fstatvfs(store->contentfd, out) < 0)
		return -errno;
	if (!store->inodes)
		return 0;
	out->f_files -= MIN(CONTENT_INODES + allowed, out->f_files);
	out->f_ffree -= MIN(spare, out->f_ffree);
	out->f_favail -= MIN(spare, out->f_favail);
	return 0;
}

static int region_open(struct store *store, const char *name, int flags)
{
	int fd = openat(store->boxfd, name,
			O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);

	return fd < 0 ? -errno : fd;
}

/* A region file is the pool's own: users may have no inode less for it. */
static int region_create(struct store *store, const char *name)
{
	int fd = region_open(store, name, store->inodes ? 0 : O_CREAT);

	if (fd != -ENOENT || !store->inodes)
		return fd;
	store->nr_regions++;
	store_spare_inodes(store, 0);
	fd = region_open(store, name, O_CREAT);
	if (fd < 0) {
		store->nr_regions--;
		store_spare_inodes(store, 0);
	}
	return fd;
}

int store_region_open(struct store *store, uint64_t serial, bool create)
{
	char name[32];

	snprintf(name, sizeof(name), "%" PRIx64, serial);
	return create ? region_create(store, name)
		      : region_open(store, name, 0);
}

int store_each_region(struct store *store,
		      int (*fn)(void *arg, uint64_t serial), void *arg)
{
	int fd = openat(store->boxfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int err = 0;

	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (errno = 0, e = readdir(d))) {
		char *end;
		uint64_t serial = strtoull(e->d_name, &end, 16);

		if (isxdigit((unsigned char)*e->d_name) && !*end)
			err = fn(arg, serial);
	}
	/* errno is readdir()'s if that has ended the loop. */
	if (!err)
		err = -errno;
	closedir(d);
	return err;
}

int store_region_unlink(struct store *store, uint64_t serial)
{
	char name[32];

	snprintf(name, sizeof(name), "%" PRIx64, serial);
	if (unlinkat(store->boxfd, name, 0) < 0)
		return -errno;
	if (store->nr_regions) {
		store->nr_regions--;
		store_spare_inodes(store, 0);
	}
	return 0;
}
