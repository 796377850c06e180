/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of directories, for paths that would be long: what a request
 * costs must not depend on how deep its directory is.
 *
 *	inode  <-- parent -- inode  <-- parent -- ... <-- parent -- dir
 *	  |                                                          |
 *	the root, or a directory with a descriptor or a handle       path of
 *	                                                    PATH_LEVELS at most
 *
 * States: a directory has no descriptor -> inode_dir_fd() opens one, which is
 * kept in pool->fds until that needs room, or the inode ends -> it is opened
 * again: by its handle, in one step, or from the next directory above that has
 * either.
 *
 * A handle is what open_by_handle_at() takes.  That of a tmpfs is the inode
 * number and a generation, which is kept in the record (inode_rec.stamp).  An
 * ordinary user may not use it, so descriptors must do.
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: uses it for the files that it purges.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

/* --- handles --- */

#define HANDLE_TYPE 1 /* a generation and a 64-bit inode number */
#define HANDLE_KNOWN (1ull << 32) /* in inode_rec.stamp, with the generation */

struct dir_handle {
	struct file_handle head;
	uint32_t word[MAX_HANDLE_SZ / 4];
};

static void handle_learn(struct pool *pool, uint32_t dir, int fd)
{
	struct inode_rec *rec = inode_rec(pool->inodes, dir);
	struct dir_handle h = { .head.handle_bytes = sizeof(h.word) };
	int mount;

	if (!pool->inodes->root || rec->stamp & HANDLE_KNOWN ||
	    name_to_handle_at(fd, "", &h.head, &mount, AT_EMPTY_PATH) < 0)
		return;
	if (h.head.handle_type == HANDLE_TYPE && h.head.handle_bytes == 12 &&
	    h.word[1] == (uint32_t)rec->ino && h.word[2] == rec->ino >> 32)
		rec->stamp = HANDLE_KNOWN | h.word[0];
}

/* Return: a descriptor, or 0. */
static int handle_open(struct pool *pool, uint32_t dir)
{
	struct inode_rec *rec = inode_rec(pool->inodes, dir);
	struct dir_handle h = {
		.head = { .handle_bytes = 12, .handle_type = HANDLE_TYPE },
		.word = { rec->stamp, rec->ino, rec->ino >> 32 },
	};
	int fd;

	if (!pool->inodes->root || !(rec->stamp & HANDLE_KNOWN))
		return 0;
	fd = open_by_handle_at(pool->store->contentfd, &h.head,
			       O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd > 0 ? fd : 0;
}

/* --- descriptors --- */

static int dir_keep(struct pool *pool, uint32_t dir, int fd)
{
	return fd_cache_add(&pool->fds, &inode_mem(pool->inodes, dir)->fd, fd);
}

/* Return: as inode_dir_fd(); 0: it cannot be had in one step. */
static int dir_fd_known(struct pool *pool, uint32_t dir)
{
	int fd = fd_cache_use(&pool->fds, &inode_mem(pool->inodes, dir)->fd);

	if (fd)
		return fd;
	fd = handle_open(pool, dir);
	return fd ? dir_keep(pool, dir, fd) : 0;
}

/* The directories at which a path has to be cut, the deepest first. */
struct dir_way {
	uint32_t *dir;
	size_t nr, max;
	uint32_t top; /* where it begins, 0: the root */
};

static int way_add(struct dir_way *way, uint32_t dir)
{
	if (way->nr == way->max) {
		size_t max = way->max * 2 + 16;
		uint32_t *new = realloc(way->dir, max * sizeof(*new));

		if (!new)
			return -ENOMEM;
		way->dir = new;
		way->max = max;
	}
	way->dir[way->nr++] = dir;
	return 0;
}

/* Up to where a descriptor is.  @from: out, that one, or 0: the store's. */
static int way_up(struct pool *pool, uint32_t dir, struct dir_way *way,
		  struct inode_path *p, int *from)
{
	uint32_t stop;

	for (*from = 0; !*from; dir = stop) {
		int err = way_add(way, dir);

		if (!err)
			err = path_make_below(pool, dir, PATH_TO_FD, p, &stop);
		if (err)
			return err;
		way->top = stop;
		if (!stop)
			return 0;
		*from = dir_fd_known(pool, stop);
	}
	return *from < 0 ? *from : 0;
}

/* One step down: opens @dir below @top by @from, which is done with. */
static int way_step(struct pool *pool, uint32_t dir, uint32_t top,
		    struct inode_path *p, int from)
{
	int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd, err;
	uint32_t stop;

	err = path_make_below(pool, dir, top, p, &stop);
	if (!err && stop != top)
		err = -ESTALE;
	if (err) {
		if (from)
			fd_cache_done(&pool->fds, from);
		return err;
	}
	if (from)
		p->own = p->dirfd = from;
	fd = openat(p->dirfd, p->path, flags);
	if (fd < 0 && errno == EACCES && !pool->inodes->root) {
		err = mode_override_path(
			pool, inode_rec(pool->inodes, dir)->place.parent,
			stop ? stop : INODE_ROOT, p);
		fd = err ? -1 : openat(p->dirfd, p->path, flags);
	}
	if (fd < 0)
		fd = err ? err : -errno;
	inode_path_release(p);
	if (fd < 0)
		return fd;
	handle_learn(pool, dir, fd);
	return dir_keep(pool, dir, fd);
}

int inode_dir_fd(struct pool *pool, uint32_t dir)
{
	struct dir_way way = { 0 };
	struct inode_path *p;
	int fd = dir_fd_known(pool, dir), err;

	if (fd)
		return fd;
	p = malloc(sizeof(*p));
	err = p ? way_up(pool, dir, &way, p, &fd) : -ENOMEM;
	if (err)
		fd = err;
	while (fd >= 0 && way.nr) {
		dir = way.dir[--way.nr];
		fd = way_step(pool, dir, way.top, p, fd);
		way.top = dir;
	}
	free(way.dir);
	free(p);
	return fd;
}
