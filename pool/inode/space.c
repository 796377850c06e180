/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The space that plain files take.
 *
 * States: none.  A detached store is a file system of its own, which counts and
 * returns ENOSPC itself.  In a directory of another file system, every change
 * is counted here and compared with the pool's size, and boxes get what files
 * leave.  In a pool that several users share, it is counted to files' owners,
 * too, unless clients write past us.  What the process itself may have
 * (pool_grow()) bounds both.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: changes the count by purges; space_reserve() calls it before it
 * returns -ENOSPC.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pool/core/user.h"
#include "pool/inode/inode_priv.h"
#include "pool/lib/cachestat.h"

bool space_counts(const struct pool *pool)
{
	return !pool->store->detached || pool->count_files;
}

struct space space_of_stat(const struct stat *st)
{
	return (struct space){ .blocks = S_ISREG(st->st_mode) ? st->st_blocks
							      : 0,
			       .uid = st->st_uid };
}

struct space space_of(struct pool *pool, int fd)
{
	struct stat st;

	if (!space_counts(pool) || fstat(fd, &st) < 0)
		return (struct space){ 0 };
	return space_of_stat(&st);
}

struct space space_at(struct pool *pool, int dirfd, const char *path)
{
	struct stat st;

	if (!space_counts(pool) ||
	    fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct space){ 0 };
	return space_of_stat(&st);
}

uint64_t space_used(struct pool *pool)
{
	return pool->inodes->blocks * 512;
}

void space_fit(struct pool *pool)
{
	uint64_t left = pool->size, used = space_used(pool);

	if (!pool->store->detached)
		left = used < left ? left - used : 0;
	lru_set_limit(pool->lru, left / pool->page_size);
}

/* Counts are not exact for files with several names: see space_count(). */
static void space_of_users(struct pool *pool, const struct space *before,
			   const struct space *after)
{
	uint64_t less = before->blocks * 512, held;

	if (!pool->count_files)
		return;
	user_charge_anyway(pool, after->uid, USER_FILE_BYTES,
			   after->blocks * 512);
	held = user_held(pool, before->uid, USER_FILE_BYTES);
	user_uncharge(pool, before->uid, USER_FILE_BYTES,
		      less < held ? less : held);
}

void space_changed(struct pool *pool, struct space before, struct space after)
{
	struct inode_table *t = pool->inodes;

	if (before.blocks == after.blocks && before.uid == after.uid)
		return;
	space_of_users(pool, &before, &after);
	if (after.blocks < before.blocks &&
	    t->blocks < before.blocks - after.blocks)
		t->blocks = 0;
	else
		t->blocks += after.blocks - before.blocks;
	space_fit(pool);
}

/*
 * Counts a file that a walk finds.  One with n names is found n times, and
 * counted as a part of n each time.  Return: is it a directory to go into?
 */
static bool space_count_one(struct pool *pool, int fd, const char *name)
{
	static const struct space none;
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") ||
	    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	st.st_blocks /= st.st_nlink;
	space_changed(pool, none, space_of_stat(&st));
	/* Without these there is no way out of it again. */
	return S_ISDIR(st.st_mode) &&
	       faccessat(fd, name, R_OK | X_OK, AT_EACCESS) == 0;
}

static DIR *space_opendir(int fd, const char *name)
{
	int sub = openat(fd, name,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |
				 O_CLOEXEC);
	DIR *d = sub < 0 ? NULL : fdopendir(sub);

	if (!d && sub >= 0)
		close(sub);
	return d;
}

/*
 * Counts the files below the directory @name at @fd.  One directory is open at
 * a time, and the place in each above it is kept: there may be any number.
 */
static int space_count(struct pool *pool, int fd, const char *name)
{
	DIR *d = space_opendir(fd, name), *next;
	size_t depth = 0, max = 0;
	long *place = NULL, *more;
	struct dirent *e;
	int err = 0;

	while (d && !err) {
		e = readdir(d);
		if (!e && !depth)
			break;
		if (e && !space_count_one(pool, dirfd(d), e->d_name))
			continue;
		if (e && depth == max) {
			max = max * 2 + 64;
			more = realloc(place, max * sizeof(*place));
			err = more ? 0 : -ENOMEM;
			place = more ? more : place;
			if (err)
				break;
		}
		next = space_opendir(dirfd(d), e ? e->d_name : "..");
		if (!next && e)
			continue;
		if (!next) {
			err = -errno;
			break;
		}
		if (e)
			place[depth++] = telldir(d);
		else
			seekdir(next, place[--depth]);
		closedir(d);
		d = next;
	}
	if (d)
		closedir(d);
	else
		err = -errno;
	free(place);
	return err;
}

int space_adopt(struct pool *pool)
{
	static const char *const dirs[] = { STORE_FILES, "orphan" };

	if (!space_counts(pool))
		return 0;
	for (int i = 0; i < 2; i++) {
		int err = space_count(pool, pool->store->contentfd, dirs[i]);

		if (err)
			return err;
	}
	return 0;
}

/* Would @len more bytes be too many? */
static bool space_exceeds(struct pool *pool, uint64_t len)
{
	struct lru_stat ls;

	if (pool->store->detached)
		return false;
	lru_stat(pool->lru, &ls);
	return space_used(pool) + (ls.used + ls.available) * pool->page_size +
		       len >
	       pool->size;
}

static bool is_tmpfs(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == TMPFS_MAGIC;
}

uint64_t space_missing(struct pool *pool, int fd, off_t off, size_t len)
{
	uint64_t page = pool->page_size, pages;
	uint64_t at = off / page * page;
	uint64_t end = (off + len + page - 1) / page * page;

	if (count_cached(fd, at, end - at, &pages)) {
		pages *= page;
		if (pages >= end - at)
			return 0;
		if (pool->store->detached || is_tmpfs(fd))
			return end - at - pages < len ? end - at - pages : len;
		/* A file system of another kind may have it elsewhere. */
	}
	return lseek(fd, off, SEEK_HOLE) >= off + (off_t)len ? 0 : len;
}

/* -EDQUOT, -ENOSPC: @len more are too many for the file's owner. */
static int space_of_owner(struct pool *pool, int fd, size_t len)
{
	struct stat st;

	if (!pool->count_files || fstat(fd, &st) < 0)
		return 0;
	/* The pool's owner may have all that the size leaves. */
	return user_is_owner(pool, st.st_uid)
		       ? 0
		       : user_may_charge(pool, st.st_uid, USER_FILE_BYTES, len);
}

/* -EDQUOT, -ENOSPC: @len more are too many; else 0 or what pool_grow() says. */
static int space_take(struct pool *pool, int fd, uint64_t len)
{
	int err = space_of_owner(pool, fd, len);

	if (!err && space_exceeds(pool, len))
		err = -ENOSPC;
	return err ? err : pool_grow(pool, len, false);
}

/* So much is looked at before anything is reclaimed for it. */
#define LOOK_FIRST (1u << 20)

int space_reserve(struct pool *pool, int fd, off_t off, size_t len)
{
	int err;

	if (len > LOOK_FIRST)
		len = space_missing(pool, fd, off, len);
	err = space_take(pool, fd, len);
	if (!err)
		return 0;
	/* Bytes that have memory already take no more. */
	len = space_missing(pool, fd, off, len);
	if (!len)
		return 0;
	err = space_take(pool, fd, len);
	if (err != -ENOSPC || !space_exceeds(pool, len))
		return err;
	pool_make_room(pool, len);
	return space_take(pool, fd, len);
}
