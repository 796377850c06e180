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
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

/* Bytes of one tree_copy_range(), at most: as many as one read or write has. */
#define COPY_MAX (1u << 20)
/* Bytes of one step of an allocation. */
#define FALLOCATE_STEP (16u << 20)

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

/*
 * May this be written to an append-only file?  A worker that was killed before it
 * could answer may have appended it, or some of it.
 * Return: how many bytes are there already, or -EPERM.
 */
static ssize_t append_done(int fd, const char *buf, size_t len, off_t off)
{
	char is[4096];
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (off > st.st_size)
		return -EPERM;
	while (done < len && off + (off_t)done < st.st_size) {
		ssize_t n = len - done < sizeof(is) ? len - done : sizeof(is);

		n = pread(fd, is, n, off + done);
		if (n <= 0 || memcmp(is, buf + done, n))
			return -EPERM;
		done += n;
	}
	/* It would end up elsewhere. */
	return off + (off_t)done == st.st_size ? (ssize_t)done : -EPERM;
}

ssize_t tree_write(struct pool *pool, uint32_t inode, const void *buf,
		   size_t len, off_t off)
{
	int fd = inode_fd(pool, inode, true);
	struct space before;
	ssize_t n = 0, done = 0;

	if (fd < 0)
		return fd;
	inode_changed(pool, inode);
	if (inode_rec(pool->inodes, inode)->flags & INODE_GUARDED)
		done = append_done(fd, buf, len, off);
	if (done < 0)
		n = done;
	else
		n = space_reserve(pool, fd, off + done, len - done);
	if (!n) {
		before = space_of(pool, fd);
		n = write_all(pool, fd, (const char *)buf + done, len - done,
			      off + done);
		space_changed(pool, before, space_of(pool, fd));
		n = n < 0 ? n : n + done;
	}
	inode_fd_done(pool, inode, fd);
	return n;
}

/*
 * Allocates @len of the @left bytes of @whole that are still to come.  For what
 * no pool could hold, no room is made in vain.
 */
static int fallocate_some(struct pool *pool, int fd, int mode, off_t off,
			  off_t len, off_t left, off_t whole)
{
	struct space before = space_of(pool, fd);
	int err = retry_with_room(
		fallocate(fd, mode, off, len) < 0 ? -errno : 0,
		(uint64_t)whole <= pool->size &&
			pool_make_room(pool,
				       space_missing(pool, fd, off, left)));

	space_changed(pool, before, space_of(pool, fd));
	return err;
}

/*
 * One step of an allocation.  The size changes with the last one.  It ends where
 * a huge page does.
 */
static int fallocate_step(struct pool *pool, int fd, int mode, off_t off,
			  off_t len, struct tree_steps *steps)
{
	off_t at = off + steps->done, left = len - steps->done;
	off_t n = FALLOCATE_STEP - at % FALLOCATE_STEP;
	int err;

	if (n > left)
		n = left;
	/* The store never holds more: in vain, and in many steps. */
	if (left > n && (uint64_t)len / 2 > pool->size)
		return -ENOSPC;
	err = space_reserve(pool, fd, at, steps->done ? n : len);
	if (!err)
		err = fallocate_some(
			pool, fd, n < left ? mode | FALLOC_FL_KEEP_SIZE : mode,
			at, n, left, len);
	if (err) {
		steps->err = err;
		if (steps->again)
			steps->done = len;
		return steps->done ? -EINPROGRESS : err;
	}
	steps->done += n;
	return n < left ? -EINPROGRESS : 0;
}

/* Makes a hole of what has no content in [off, end), as tmpfs does itself when
 * an allocation fails: what was allocated only is a hole to lseek(). */
static void give_back(int fd, off_t off, off_t end, off_t page)
{
	off = off / page * page;
	end = (end + page - 1) / page * page;
	while (off < end) {
		off_t hole = lseek(fd, off, SEEK_HOLE), data;

		/* Behind the end there is no content. */
		if (hole < 0)
			hole = off;
		if (hole >= end)
			break;
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 || data > end)
			data = end;
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, hole,
			  data - hole);
		off = data;
	}
}

/* One step back, of an allocation that has failed. */
static int fallocate_back(struct pool *pool, int fd, off_t off,
			  struct tree_steps *steps)
{
	uint64_t n = steps->done < FALLOCATE_STEP ? steps->done
						  : FALLOCATE_STEP;
	struct space before = space_of(pool, fd);

	steps->done -= n;
	give_back(fd, off + steps->done, off + steps->done + n,
		  pool->page_size);
	space_changed(pool, before, space_of(pool, fd));
	return steps->done ? -EINPROGRESS : steps->err;
}

int tree_fallocate(struct pool *pool, uint32_t inode, int mode, off_t off,
		   off_t len, struct tree_steps *steps)
{
	int fd = inode_fd(pool, inode, true), err;

	if (fd < 0)
		return fd;
	inode_changed(pool, inode);
	if (mode & ~FALLOC_FL_KEEP_SIZE)
		err = fallocate_some(pool, fd, mode, off, len, len, len);
	else if (steps->err)
		err = fallocate_back(pool, fd, off, steps);
	else
		err = fallocate_step(pool, fd, mode, off, len, steps);
	if (err != -EINPROGRESS)
		vrange_remeasure(pool, inode, off / pool->page_size,
				 (off + len) / pool->page_size + 1);
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
		inode_changed(pool, to);
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

/* By the time of last access that a mount of this kind has, is it up to date
 * until the file changes? */
static bool access_lasts(int fd)
{
	struct statvfs st;

	return fstatvfs(fd, &st) == 0 && st.f_flag & (ST_NOATIME | ST_RELATIME);
}

bool tree_access(struct pool *pool, uint32_t inode)
{
	struct stat before, after;
	bool changed = false;
	char byte;
	int fd;

	if (pool->noatime || !inode_valid(pool, inode) ||
	    inode_mem(pool->inodes, inode)->accessed)
		return false;
	fd = inode_fd(pool, inode, false);
	if (fd < 0)
		return false;
	/* The kernel knows when a read sets it. */
	if (fstat(fd, &before) == 0 && pread(fd, &byte, 1, 0) >= 0 &&
	    fstat(fd, &after) == 0)
		changed = before.st_atim.tv_sec != after.st_atim.tv_sec ||
			  before.st_atim.tv_nsec != after.st_atim.tv_nsec;
	inode_mem(pool->inodes, inode)->accessed = access_lasts(fd);
	inode_fd_done(pool, inode, fd);
	return changed;
}
