/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of an inode: its references, and its end.
 *
 * References are lookups of the kernel (nlookup), open files (opens) and
 * children.
 *
 * States: LIVE -> FREE, when there is no reference and inode_hooks.drop agrees;
 * LIVE -> DEAD -> FREE, when its file is removed before that.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: calls inode_set_dead() for files that it has purged.
 */
#include <fcntl.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

static void inode_free(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec = inode_rec(t, inode);
	char name[16];

	if (rec->flags & INODE_ORPHAN) {
		inode_orphan_name(inode, name, sizeof(name));
		space_unlinked(pool, t->orphanfd, name);
		unlinkat(t->orphanfd, name,
			 rec->flags & INODE_DIR ? AT_REMOVEDIR : 0);
	}
	inode_fd_close(pool, inode);
	t->hooks->evict(pool, inode);
	if (!(rec->flags & INODE_DEAD))
		inode_unhash(t, inode);
	/* Before its name: a kill in between must not leave a cut name. */
	rec->state = INODE_FREE;
	inode_place_free(t, &rec->place);
	table_free(&t->table, inode);
	t->nr_inodes--;
	inode_mem_free(t, inode);
}

void inode_free_unused(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;

	while (inode != INODE_ROOT) {
		struct inode_rec *rec = inode_rec(t, inode);
		uint32_t parent = rec->place.parent;

		if (rec->nlookup || rec->opens ||
		    inode_mem(t, inode)->children ||
		    !t->hooks->drop(pool, inode))
			break;
		inode_free(pool, inode);
		if (!parent)
			break;
		inode_mem(t, parent)->children--;
		inode = parent;
	}
	inode_hash_fit(t);
}

/* An orphan has no parent. */
void inode_moved(struct pool *pool, struct inode_move *m)
{
	struct inode_table *t = pool->inodes;

	inode_place_free(t, &m->old);
	if (m->new.parent)
		inode_mem(t, m->new.parent)->children++;
	if (!m->old.parent)
		return;
	inode_mem(t, m->old.parent)->children--;
	inode_free_unused(pool, m->old.parent);
}

void inode_evict(struct pool *pool, uint32_t inode)
{
	inode_fd_close(pool, inode);
	pool->inodes->hooks->evict(pool, inode);
	inode_unhash(pool->inodes, inode);
}

void inode_set_dead(struct pool *pool, uint32_t inode)
{
	inode_evict(pool, inode);
	/*
	 * One store, and not through the journal: a purge is not a request, and
	 * the token of the last request must stay.
	 */
	inode_rec(pool->inodes, inode)->flags = INODE_DEAD;
	inode_free_unused(pool, inode);
}

uint64_t inode_lookups(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode)
		       ? inode_rec(pool->inodes, inode)->nlookup
		       : 0;
}

void inode_set_lookups(struct pool *pool, uint32_t inode, uint64_t n)
{
	if (!inode_valid(pool, inode) || inode == INODE_ROOT)
		return;
	inode_rec(pool->inodes, inode)->nlookup = n;
	inode_free_unused(pool, inode);
}

void inode_forget(struct pool *pool, uint32_t inode, uint64_t n)
{
	uint64_t has = inode_lookups(pool, inode);

	inode_set_lookups(pool, inode, has > n ? has - n : 0);
}
