/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Content of plain files, for requests that come to the worker.
 *
 * States: none; content is that of the store's files.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: is called to make room before -ENOSPC is returned.  The file itself
 * is open, so it is not purged; unpinned ranges of it may be.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

/* Bytes of one tree_copy_range(), at most: as many as one read or write has. */
#define COPY_MAX (1u << 20)

static ssize_t write_some(int fd, const char *buf, size_t len, off_t off)
{
	ssize_t n;

	do
		n = pwrite(fd, buf, len, off);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t write_all(struct pool *pool, int fd, const char *buf, size_t len,
			 off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = retry_with_room(
			write_some(fd, buf + done, len - done, off + done),
			pool_make_some_room(pool, len - done));

		if (n < 0)
			return done ? (ssize_t)done : n;
		done += n;
	}
	return done;
}

ssize_t tree_write(struct pool *pool, uint32_t inode, const void *buf,
		   size_t len, off_t off)
{
	int fd = inode_fd(pool, inode, true);
	struct space before;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = space_reserve(pool, fd, off, len);
	if (!n) {
		before = space_of(pool, fd);
		n = write_all(pool, fd, buf, len, off);
		space_changed(pool, before, space_of(pool, fd));
	}
	inode_fd_done(pool, inode, fd);
	return n;
}

int tree_fallocate(struct pool *pool, uint32_t inode, int mode, off_t off,
		   off_t len)
{
	int fd = inode_fd(pool, inode, true);
	struct space before;
	uint64_t missing;
	int err = 0;

	if (fd < 0)
		return fd;
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		err = space_reserve(pool, fd, off, len);
	if (!err) {
		before = space_of(pool, fd);
		missing = space_missing(pool, fd, off, len);
		err = retry_with_room(fallocate(fd, mode, off, len) < 0 ? -errno
									: 0,
				      pool_make_room(pool, missing));
		space_changed(pool, before, space_of(pool, fd));
		vrange_remeasure(pool, inode, off / pool->page_size,
				 (off + len) / pool->page_size + 1);
	}
	inode_fd_done(pool, inode, fd);
	return err;
}

off_t tree_lseek(struct pool *pool, uint32_t inode, off_t off, int whence)
{
	int fd = inode_fd(pool, inode, false);
	off_t at;

	if (fd < 0)
		return fd;
	at = lseek(fd, off, whence);
	if (at < 0)
		at = -errno;
	inode_fd_done(pool, inode, fd);
	return at;
}

static ssize_t copy_some(int in, off_t off, int out, off_t to, size_t len)
{
	ssize_t n = copy_file_range(in, &off, out, &to, len, 0);

	return n < 0 ? -errno : n;
}

ssize_t tree_copy_range(struct pool *pool, uint32_t from, off_t off,
			uint32_t to, off_t to_off, size_t len)
{
	/* In this order: from may be to, which is opened for writing then. */
	int out = inode_fd(pool, to, true);
	int in = inode_fd(pool, from, false);
	struct space before;
	ssize_t n = in < 0 ? in : out < 0 ? out : 0;

	/* Other requests wait meanwhile; the caller asks for the rest. */
	if (len > COPY_MAX)
		len = COPY_MAX;
	if (!n)
		n = space_reserve(pool, out, to_off, len);
	if (!n) {
		before = space_of(pool, out);
		n = retry_with_room(copy_some(in, off, out, to_off, len),
				    pool_make_some_room(pool, len));
		space_changed(pool, before, space_of(pool, out));
	}
	if (in >= 0)
		inode_fd_done(pool, from, in);
	if (out >= 0)
		inode_fd_done(pool, to, out);
	return n;
}
