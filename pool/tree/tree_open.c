/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing plain files.
 *
 * States: an inode is open while the count of opens in its record is above 0.
 * In passthrough mode it has a backing id meanwhile, the same for all open
 * files.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not purge a file that is open; unpinned ranges of it may be.
 */
#include "pool/tree/tree_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool tree_has_passthrough(const struct pool *pool)
{
	return pool->ops && pool->ops->backing_open;
}

int tree_register(struct pool *pool, int fd)
{
	return pool->ops->backing_open(pool->arg, fd);
}

/*
 * Closes the backing id.  Before the commit of the last close: a worker that is
 * killed in between has cleared the id in the record.
 */
static void drop_backing(struct pool *pool, struct inode_rec *rec)
{
	if (rec->backing <= 0)
		return;
	if (pool->ops && pool->ops->backing_close)
		pool->ops->backing_close(pool->arg, rec->backing);
	rec->backing = 0;
}

/* Has a backing id in passthrough mode; the descriptor is not kept. */
static int ensure_backing(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	int fd, id;

	if (rec->backing > 0 || !tree_has_passthrough(pool))
		return 0;
	/* A client could write anywhere in an append-only one, by a mapping; while
	 * one is open in another way, all have to be. */
	if (rec->opens || guard_appends(pool, inode))
		return 0;
	fd = inode_fd(pool, inode, false);
	if (fd < 0)
		return fd;
	id = tree_register(pool, fd);
	inode_fd_done(pool, inode, fd);
	inode_fd_close(pool, inode);
	if (id < 0)
		return id;
	rec->backing = id;
	return 0;
}

static int open_truncate(struct pool *pool, uint32_t inode)
{
	int fd = inode_fd(pool, inode, true);
	struct space before;
	int err;

	if (fd < 0)
		return fd;
	inode_changed(pool, inode);
	before = space_of(pool, fd);
	err = ftruncate(fd, 0) < 0 ? -errno : 0;
	space_changed(pool, before, space_of(pool, fd));
	inode_fd_done(pool, inode, fd);
	if (!err)
		vrange_truncate(pool, inode, 0);
	return err;
}

static void open_commit(struct pool *pool, const struct op *op, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->opens, rec->opens + 1);
	journal_commit(&pool->journal, inode);
	pool->inodes->nr_open += rec->opens == 1;
	vfile_unlist(pool, inode);
	pool_fit_limit(pool);
}

/* Can the client write without a request to us? */
static bool open_writes_past(int32_t backing, int flags)
{
	return backing > 0 && (flags & O_ACCMODE) != O_RDONLY;
}

bool open_is_setid(int32_t backing, int flags, mode_t mode)
{
	return open_writes_past(backing, flags) && mode & (S_ISUID | S_ISGID);
}

static void open_tell(struct pool *pool, uint32_t inode, int flags,
		      struct tree_opened *out)
{
	int32_t backing = inode_rec(pool->inodes, inode)->backing;
	struct statx stx;

	*out = (struct tree_opened){
		.inode = inode,
		.backing = backing,
		.appends = guard_appends(pool, inode),
	};
	if (open_writes_past(backing, flags) &&
	    inode_stat(pool, inode, &stx) == 0)
		out->setid = open_is_setid(backing, flags, stx.stx_mode);
}

/* Return: whether the kernel may keep attributes that are about to change. */
static bool open_writes(struct pool *pool, struct inode_rec *rec, int flags)
{
	bool was = rec->flags & INODE_WRITTEN;

	if (!pool->leases || (flags & O_ACCMODE) == O_RDONLY)
		return false;
	rec->flags |= INODE_WRITTEN;
	return !was;
}

int tree_open(struct pool *pool, const struct op *op, uint32_t inode, int flags,
	      struct tree_opened *out)
{
	struct inode_rec *rec;
	bool first, again;
	int64_t done;
	int err;

	if (!inode_valid(pool, inode))
		return -ESTALE;
	rec = inode_rec(pool->inodes, inode);
	if (rec->flags & (INODE_DEAD | INODE_PURGED))
		return -ESTALE;
	again = journal_replayed(&pool->journal, op->token, &done);
	err = again ? 0 : guard_may_open(pool, inode, flags);
	if (err)
		return err;
	first = open_writes(pool, rec, flags);
	if (!again) {
		err = flags & O_TRUNC ? 0 : vfile_take_back(pool, inode);
		if (!err)
			err = ensure_backing(pool, inode);
		if (!err && flags & O_TRUNC)
			err = open_truncate(pool, inode);
		if (err) {
			if (!rec->opens)
				drop_backing(pool, rec);
			return err;
		}
		open_commit(pool, op, inode);
	}
	open_tell(pool, inode, flags, out);
	/* The worker before may have told nobody. */
	out->first_writer = first || (again && inode_is_written(pool, inode));
	return 0;
}

int tree_close(struct pool *pool, const struct op *op, uint32_t inode)
{
	struct inode_rec *rec;
	int64_t done;

	/* The last close may have freed the inode. */
	if (journal_replayed(&pool->journal, op->token, &done))
		return inode_opens(pool, inode);
	if (!inode_valid(pool, inode))
		return -ESTALE;
	rec = inode_rec(pool->inodes, inode);
	if (!rec->opens)
		return -EBADF;
	if (rec->opens == 1)
		drop_backing(pool, rec);
	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->opens, rec->opens - 1);
	journal_commit(&pool->journal, 0);
	if (rec->opens)
		return rec->opens;
	pool->inodes->nr_open--;
	vrange_remeasure_later(pool, inode);
	inode_fd_close(pool, inode);
	vfile_list(pool, inode);
	inode_free_unused(pool, inode);
	pool_fit_limit(pool);
	return 0;
}
