/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The space that plain files take.
 *
 * States: none.  A detached store is a file system of its own, which counts and
 * returns ENOSPC itself.  In a directory of another file system, every change
 * is counted here and compared with the pool's size, and boxes get what files
 * leave.  What the process itself may have (pool_grow()) bounds both.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: changes the count by purges; space_reserve() calls it before it
 * returns -ENOSPC.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

uint64_t space_of(struct pool *pool, int fd)
{
	struct stat st;

	if (pool->store->detached || fstat(fd, &st) < 0)
		return 0;
	return st.st_blocks;
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

void space_changed(struct pool *pool, uint64_t before, uint64_t after)
{
	struct inode_table *t = pool->inodes;

	if (after < before && t->blocks < before - after)
		t->blocks = 0;
	else
		t->blocks += after - before;
	if (before != after)
		space_fit(pool);
}

void space_unlinked(struct pool *pool, int dirfd, const char *path)
{
	struct stat st;

	if (!pool->store->detached &&
	    fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink == 1)
		space_changed(pool, st.st_blocks, 0);
}

/* Directories below each other that a walk holds open. */
#define SPACE_DEPTH 200

/*
 * Counts the files below the directory @fd, and closes it.  A file with n names
 * is found n times, and counted as a part of n each time.
 */
static void space_count(struct inode_table *t, int fd, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		return;
	}
	while ((e = readdir(d))) {
		struct stat st;
		int sub;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			t->blocks += st.st_blocks / st.st_nlink;
		if (!S_ISDIR(st.st_mode) || depth == SPACE_DEPTH)
			continue;
		sub = openat(fd, e->d_name,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			space_count(t, sub, depth + 1);
	}
	closedir(d);
}

int space_adopt(struct pool *pool)
{
	static const char *const dirs[] = { STORE_FILES, "orphan" };

	if (pool->store->detached)
		return 0;
	for (int i = 0; i < 2; i++) {
		int fd = openat(pool->store->contentfd, dirs[i],
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		space_count(pool->inodes, fd, 0);
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

int space_reserve(struct pool *pool, int fd, off_t off, size_t len)
{
	bool exceeds = space_exceeds(pool, len);
	off_t hole;

	if (!exceeds && !pool_grow(pool, len, false))
		return 0;
	/* Bytes that have memory already take no more. */
	hole = lseek(fd, off, SEEK_HOLE);
	if (hole >= off + (off_t)len)
		return 0;
	if (!exceeds)
		return -ENOSPC;
	pool_make_room(pool, len);
	return space_exceeds(pool, len) ? -ENOSPC : pool_grow(pool, len, false);
}
