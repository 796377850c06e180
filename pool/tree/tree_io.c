/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of plain files, as far as they come through the worker, and the space
 * they take.
 *
 * States: a store is either a file system of its own, which counts and says
 * ENOSPC itself, or a directory on somebody's file system: then every change
 * comes through here, is counted, and held against the pool's size.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: asked for room before anybody is refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* Most bytes that one copy moves. */
#define COPY_MAX (16u << 20)

/* --- space --- */

uint64_t space_of(struct pool *pool, int fd)
{
	struct stat st;

	if (pool->store->detached || fstat(fd, &st) < 0)
		return 0;
	return st.st_blocks;
}

void space_changed(struct pool *pool, uint64_t before, uint64_t after)
{
	struct tree *t = pool->tree;

	if (after < before && t->blocks < before - after)
		t->blocks = 0;
	else
		t->blocks += after - before;
}

void space_unlinked(struct pool *pool, int dirfd, const char *path)
{
	struct stat st;

	if (!pool->store->detached &&
	    fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink == 1)
		space_changed(pool, st.st_blocks, 0);
}

uint64_t space_used(struct pool *pool)
{
	return pool->tree->blocks * 512;
}

/* Directories below each other that a walk holds open. */
#define SPACE_DEPTH 200

/* Of the directory @fd, which is closed.  Files with several names are met that
 * often. */
static void space_count(struct tree *t, int fd, int depth)
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
		int fd = openat(pool->store->dirfd, dirs[i],
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		space_count(pool->tree, fd, 0);
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

static bool make_room(struct pool *pool, uint64_t len)
{
	return pool->ops && pool->ops->reclaim &&
	       pool->ops->reclaim(pool->arg, len / pool->page_size + 1);
}

/* May [off, off+len) of the file be written? */
static int space_reserve(struct pool *pool, int fd, off_t off, size_t len)
{
	off_t hole;

	if (!space_exceeds(pool, len))
		return 0;
	/* What has memory already takes no more. */
	hole = lseek(fd, off, SEEK_HOLE);
	if (hole >= off + (off_t)len)
		return 0;
	make_room(pool, len);
	return space_exceeds(pool, len) ? -ENOSPC : 0;
}

/* --- bytes --- */

static ssize_t write_all(struct pool *pool, int fd, const char *buf, size_t len,
			 off_t off)
{
	bool again = true;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, buf + done, len - done, off + done);

		if (n >= 0) {
			done += n;
		} else if (errno == ENOSPC && again &&
			   make_room(pool, len - done)) {
			again = false;
		} else if (errno != EINTR) {
			return done ? (ssize_t)done : -errno;
		}
	}
	return done;
}

ssize_t tree_write(struct pool *pool, uint32_t node, const void *buf,
		   size_t len, off_t off)
{
	int fd = tree_fd(pool, node, true);
	uint64_t before;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = space_reserve(pool, fd, off, len);
	if (n)
		return n;
	before = space_of(pool, fd);
	n = write_all(pool, fd, buf, len, off);
	space_changed(pool, before, space_of(pool, fd));
	return n;
}

int tree_fallocate(struct pool *pool, uint32_t node, int mode, off_t off,
		   off_t len)
{
	int fd = tree_fd(pool, node, true);
	uint64_t before;
	int err = 0;

	if (fd < 0)
		return fd;
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		err = space_reserve(pool, fd, off, len);
	if (err)
		return err;
	before = space_of(pool, fd);
	err = fallocate(fd, mode, off, len) < 0 ? -errno : 0;
	if (err == -ENOSPC && make_room(pool, len))
		err = fallocate(fd, mode, off, len) < 0 ? -errno : 0;
	space_changed(pool, before, space_of(pool, fd));
	ranges_changed(pool, node);
	return err;
}

ssize_t tree_copy_range(struct pool *pool, uint32_t from, off_t off,
			uint32_t to, off_t to_off, size_t len)
{
	int out = tree_fd(pool, to, true);
	int in = tree_fd(pool, from, false);
	uint64_t before;
	ssize_t n;

	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	/* One request of the loop must not take for ever. */
	if (len > COPY_MAX)
		len = COPY_MAX;
	n = space_reserve(pool, out, to_off, len);
	if (n)
		return n;
	before = space_of(pool, out);
	n = copy_file_range(in, &off, out, &to_off, len, 0);
	if (n < 0 && errno == ENOSPC && make_room(pool, len))
		n = copy_file_range(in, &off, out, &to_off, len, 0);
	n = n < 0 ? -errno : n;
	space_changed(pool, before, space_of(pool, out));
	return n;
}
