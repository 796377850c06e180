/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking up names of plain files.
 *
 * States: FREE -> LIVE for a file without an inode; ORPHAN -> LIVE for an
 * orphan with another name, which its record gets.  See inode.h.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: does not run during a lookup (INODES_BUSY()).  A name of a purged
 * file is removed here, and not found.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/inode/names.h"
#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

/*
 * An orphan was found by another name: the name becomes that of its record.  Not
 * while a client may be writing to it, for to unlink the old one takes the lock
 * of the store's file: see pool/volatile/hole.h.
 */
static int inode_adopt_name(struct pool *pool, uint32_t inode, uint32_t parent,
			    const char *name)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	struct inode_move m;
	int err = inode_move_prepare(pool, &m, inode, parent, name);

	if (err)
		return err;
	journal_begin(&pool->journal, 0);
	inode_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, rec->flags & ~INODE_ORPHAN);
	journal_commit(&pool->journal, 0);
	inode_moved(pool, &m);
	vfile_renamed(pool, inode);
	inode_orphan_unlink(pool, inode, 0);
	return 0;
}

/* Finds the file; *@inode stays 0 if it has no inode yet. */
static int lookup_find(struct pool *pool, uint32_t parent, const char *name,
		       struct statx *stx, uint32_t *inode)
{
	struct inode_path p;
	int err = inode_path_at(pool, parent, name, &p);

	if (err)
		return err;
	if (statx(p.dirfd, p.path, AT_SYMLINK_NOFOLLOW,
		  STATX_TYPE | STATX_MODE | STATX_INO, stx) < 0)
		err = -errno;
	else
		*inode = inode_by_ino(pool->inodes, stx->stx_ino);
	if (!err && *inode && vfile_sweep(pool, *inode, p.dirfd, p.path))
		err = -ENOENT;
	inode_path_release(&p);
	return err;
}

static int lookup_new(struct pool *pool, const struct op *op, uint32_t parent,
		      const char *name, const struct statx *stx,
		      uint32_t *inode)
{
	int err = inode_prepare(pool, parent, name, stx->stx_ino, stx->stx_mode,
				inode);

	if (err)
		return err;
	if (stx->stx_attributes & GUARDS)
		inode_rec(pool->inodes, *inode)->flags |= INODE_GUARDED;
	journal_begin(&pool->journal, op->token);
	inode_publish(pool, *inode, 0);
	journal_commit(&pool->journal, *inode);
	inode_published(pool, *inode);
	return 0;
}

static int lookup_again(struct pool *pool, const struct op *op, uint32_t parent,
			const char *name, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	bool held = pool->leases && rec->opens;
	int err = rec->flags & INODE_ORPHAN && !held
			  ? inode_adopt_name(pool, inode, parent, name)
			  : 0;

	if (err)
		return err;
	journal_begin(&pool->journal, op->token);
	inode_journal_lookup(pool, inode);
	journal_commit(&pool->journal, inode);
	inode_looked_up(pool, inode);
	return 0;
}

int tree_lookup_known(struct pool *pool, const struct op *op, uint32_t inode,
		      bool parent, uint32_t *out)
{
	const struct inode_rec *rec;
	int64_t done;

	if (journal_replayed(&pool->journal, op->token, &done)) {
		*out = done;
		return 0;
	}
	if (!inode_valid(pool, inode))
		return -ESTALE;
	rec = inode_rec(pool->inodes, inode);
	if (rec->flags & (INODE_DEAD | INODE_PURGED) ||
	    (rec->flags & INODE_ORPHAN && !vfile_has_names(pool, inode)))
		return -ESTALE;
	if (parent && inode != INODE_ROOT)
		inode = rec->place.parent;
	if (!inode)
		return -ESTALE;
	*out = inode;
	/* Nobody counts the references to the root. */
	if (inode == INODE_ROOT)
		return 0;
	journal_begin(&pool->journal, op->token);
	inode_journal_lookup(pool, inode);
	journal_commit(&pool->journal, inode);
	inode_looked_up(pool, inode);
	return 0;
}

int tree_lookup(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, uint32_t *inode)
{
	struct statx st;
	int64_t done;
	uint32_t i = 0;
	int err;

	INODES_BUSY(pool);
	if (journal_replayed(&pool->journal, op->token, &done)) {
		*inode = done;
		return 0;
	}
	err = lookup_find(pool, parent, name, &st, &i);
	if (!err)
		err = i ? lookup_again(pool, op, parent, name, i)
			: lookup_new(pool, op, parent, name, &st, &i);
	if (!err)
		*inode = i;
	return err;
}
