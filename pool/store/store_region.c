/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Region files of a store.
 *
 * Locks: pool->lock (1) held by all callers, but for store_region_open() without
 * @create, which reclaim calls, too.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pool/store/store_priv.h"

/* Return: NULL and errno. */
static DIR *regions_list(struct store *store)
{
	int fd = openat(store->boxfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int err = errno;

	if (!d && fd >= 0)
		close(fd);
	errno = err;
	return d;
}

int store_count_regions(struct store *store)
{
	struct dirent *e;
	DIR *d;

	if (!store->inodes)
		return 0;
	d = regions_list(store);
	if (!d)
		return -errno;
	store->nr_regions = 0;
	while ((e = readdir(d)))
		store->nr_regions += e->d_name[0] != '.';
	closedir(d);
	return store_spare_inodes(store, 0);
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
	DIR *d = regions_list(store);
	struct dirent *e;
	int err = 0;

	if (!d)
		return -errno;
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
