/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing plain files.
 *
 * States: an inode is open as long as its count of opens, which lives in the
 * store, is above 0.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: leaves alone what is open.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

int tree_open(struct pool *pool, uint32_t inode, int flags)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec;
	uint64_t before;
	int64_t done;
	int fd, err = 0;

	if (journal_replayed(&pool->journal, pool->token, &done))
		return done < 0 ? done : 0;
	if (!inode_valid(pool, inode))
		return -ESTALE;
	rec = inode_rec(t, inode);
	if (rec->flags & (INODE_DEAD | INODE_PURGED))
		return -ESTALE;
	if (flags & O_TRUNC) {
		fd = inode_fd(pool, inode, true);
		if (fd < 0)
			return fd;
		before = space_of(pool, fd);
		err = ftruncate(fd, 0) < 0 ? -errno : 0;
		space_changed(pool, before, space_of(pool, fd));
		inode_fd_done(pool, inode);
		if (err)
			return err;
		vrange_truncate(pool, inode, 0);
	}
	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->opens, rec->opens + 1);
	journal_commit(&pool->journal, inode);
	t->nr_open += rec->opens == 1;
	vfile_unlist(pool, inode);
	pool_fit_limit(pool);
	return 0;
}

int tree_close(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec;
	int64_t done;

	/* With the last close the inode may have gone. */
	if (journal_replayed(&pool->journal, pool->token, &done))
		return inode_opens(pool, inode);
	if (!inode_valid(pool, inode))
		return -ESTALE;
	rec = inode_rec(t, inode);
	if (!rec->opens)
		return -EBADF;
	journal_begin(&pool->journal, pool->token);
	jset(&pool->journal, rec->opens, rec->opens - 1);
	journal_commit(&pool->journal, 0);
	if (rec->opens)
		return rec->opens;
	t->nr_open--;
	vrange_remeasure(pool, inode);
	inode_fd_close(pool, inode);
	vfile_list(pool, inode);
	inode_free_unused(pool, inode);
	pool_fit_limit(pool);
	return 0;
}
