/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two tmpfs of a store of the pool's own: mounted where no path leads to, and
 * what they may take.
 *
 * Locks: none.  The worker changes the limits with pool->lock (1) held.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/statvfs.h>
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

static int fs_set_limits(struct store *store, int fs, const char *options,
			 char *why, int why_size)
{
	char *list = strdup(options ? options : "");
	char *rest = list, *item;
	int err = list ? 0 : -ENOMEM;

	while (!err && (item = strsep(&rest, ",")))
		if (*item)
			err = fs_set_user(store, fs, item, why, why_size);
	free(list);
	return err;
}

/*
 * Mounts a tmpfs in no name space, unless @err says that it could not be
 * configured, and closes @fs.
 * @mountfd: out, unless NULL: the mount, whose attributes can be set while this
 *	is open.
 * Return: its root, or -errno.
 */
static int fs_mount(int fs, int err, int *mountfd)
{
	int mnt, root;

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
	if (mountfd && root >= 0)
		*mountfd = mnt;
	else
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

/* Not every kernel's tmpfs has quotas. */
static bool fs_set_share(int fs, uint64_t share)
{
	return share && fs_set(fs, "usrquota", NULL) == 0 &&
	       fs_set_number(fs, "usrquota_block_hardlimit", share) == 0;
}

/* Return: as store_mount_content(). */
static int mount_content(struct store *store, uint64_t size,
			 const char *options, uint64_t share, char *why,
			 int why_size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), err;

	if (fs < 0)
		return -errno;
	store->huge = fs_set(fs, "huge", "within_size") == 0;
	fs_set(fs, "inode64", NULL); /* never the same number twice */
	store->inodes = default_inodes(size);
	err = fs_set_number(fs, "size", size);
	if (!err)
		err = fs_set_number(fs, "nr_inodes",
				    store->inodes + CONTENT_INODES + 1);
	if (!err)
		err = fs_set_limits(store, fs, options, why, why_size);
	store->share = !err && fs_set_share(fs, share) ? share : 0;
	store->share_mounted = store->share;
	store->contentfd = fs_mount(fs, err, &store->mountfd);
	store->counts_users = store->contentfd >= 0 &&
			      store_quota_spare_root(store);
	return store->contentfd;
}

int store_mount_content(struct store *store, uint64_t size,
			const struct store_limits *limits, char *why,
			int why_size)
{
	const char *options = limits ? limits->options : NULL;
	uint64_t share = limits ? limits->share : 0;
	int fd;

	if (options && strstr(options, "usrquota"))
		share = 0;
	fd = mount_content(store, size, options, share, why, why_size);
	if (!store->share || (fd >= 0 && store->counts_users))
		return fd;
	/* Without what this kernel has refused after all. */
	if (fd >= 0) {
		close(fd);
		close(store->mountfd);
		store->mountfd = -1;
	}
	return mount_content(store, size, options, 0, why, why_size);
}

int store_mount_records(uint64_t size)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), err;

	if (fs < 0)
		return -errno;
	err = fs_set_number(fs, "size", records_size(size));
	return fs_mount(fs, err, NULL);
}

/* @fd: the root of one of the two. */
static int store_change(struct store *store, int fd, const char *what,
			uint64_t value)
{
	int fs, err;

	if (!store->detached)
		return -EOPNOTSUPP;
	fs = fspick(fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
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
	return store_change(store, store->contentfd, "size", bytes);
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
		err = store_change(store, store->contentfd, "nr_inodes", want);
	if (!err)
		store->inodes_set = want;
	store->inodes_stale = err || nr;
	return err;
}

int store_limit_inodes(struct store *store, uint64_t nr, bool exact)
{
	uint64_t inodes = store->inodes;
	bool was_exact = store->inodes_exact;
	int err;

	store->inodes = nr;
	store->inodes_exact = exact;
	err = store_spare_inodes(store, 0);
	if (err) {
		store->inodes = inodes;
		store->inodes_exact = was_exact;
		store_spare_inodes(store, 0);
	}
	return err;
}

void store_fit_records(struct store *store, uint64_t size)
{
	/* Records that are there stay, so a lower limit may be refused. */
	store_change(store, store->dirfd, "size", records_size(size));
	if (store->inodes && !store->inodes_exact)
		store_limit_inodes(store, default_inodes(size), false);
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
