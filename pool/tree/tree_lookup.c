/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking up names of plain files.
 *
 * States: an inode that is found is referred to once more; one that was an
 * orphan is known by the name it was found by from then on.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: what it has purged is not found any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

/* An orphan that has another name: it is known by that from now on. */
static int inode_adopt_name(struct pool *pool, uint32_t inode, uint32_t parent,
			    const char *name)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	struct inode_move m;
	char orphan[16];
	int err = inode_move_prepare(pool, &m, inode, parent, name);

	if (err)
		return err;
	journal_begin(&pool->journal, 0);
	inode_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, rec->flags & ~INODE_ORPHAN);
	journal_commit(&pool->journal, 0);
	inode_moved(pool, &m);
	vfile_renamed(pool, inode);
	inode_orphan_name(inode, orphan, sizeof(orphan));
	unlinkat(pool->inodes->orphanfd, orphan, 0);
	return 0;
}

int tree_lookup(struct pool *pool, const struct op *op, uint32_t parent,
		const char *name, uint32_t *inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec;
	struct inode_path p;
	struct stat st;
	int64_t done;
	uint32_t i;
	int err;

	INODES_BUSY(pool);
	if (journal_replayed(&pool->journal, op->token, &done)) {
		*inode = done;
		return 0;
	}
	err = inode_path_at(pool, parent, name, &p);
	if (err)
		return err;
	err = fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
								     : 0;
	i = err ? 0 : inode_by_ino(t, st.st_ino);
	if (i && vfile_sweep(pool, i, &p))
		err = -ENOENT;
	inode_path_release(&p);
	if (err)
		return err;
	if (i && inode_rec(t, i)->flags & INODE_ORPHAN) {
		err = inode_adopt_name(pool, i, parent, name);
		if (err)
			return err;
	}
	if (!i) {
		err = inode_prepare(pool, parent, name, st.st_ino, st.st_mode,
				    &i);
		if (err)
			return err;
		journal_begin(&pool->journal, op->token);
		inode_publish(pool, i, 0);
		journal_commit(&pool->journal, i);
		inode_published(pool, i);
	} else {
		rec = inode_rec(t, i);
		journal_begin(&pool->journal, op->token);
		jset(&pool->journal, rec->nlookup, rec->nlookup + 1);
		journal_commit(&pool->journal, i);
	}
	*inode = i;
	return 0;
}
