/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of an inode: who refers to it, and what becomes of it when nobody
 * does.
 *
 * States: LIVE -> FREE, when neither the kernel nor an open file nor a child
 * refers to it and the hooks let it go; its file may be dead before.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: ends inodes of files that it has purged, by inode_set_dead().
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
	if (inode_mem(t, inode)->fd)
		close(inode_mem(t, inode)->fd);
	t->hooks->evict(pool, inode);
	if (!(rec->flags & INODE_DEAD))
		inode_unhash(t, inode);
	/* First, or a worker that is killed here would leave a half of it. */
	rec->state = INODE_FREE;
	inode_place_free(t, &rec->place);
	table_free(&t->table, inode);
	t->nr_inodes--;
	inode_mem_put(t, inode);
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
	inode_rehash(t);
}

/* An orphan is nobody's child. */
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

void inode_set_dead(struct pool *pool, uint32_t inode)
{
	pool->inodes->hooks->evict(pool, inode);
	inode_unhash(pool->inodes, inode);
	/*
	 * In one store, and not through the journal: this is done between
	 * requests, and the last one's token must stay.
	 */
	inode_rec(pool->inodes, inode)->flags = INODE_DEAD;
	inode_free_unused(pool, inode);
}

void inode_forget(struct pool *pool, uint32_t inode, uint64_t n)
{
	struct inode_rec *rec;

	if (!inode_valid(pool, inode) || inode == INODE_ROOT)
		return;
	rec = inode_rec(pool->inodes, inode);
	rec->nlookup = rec->nlookup > n ? rec->nlookup - n : 0;
	inode_free_unused(pool, inode);
}
