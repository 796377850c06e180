/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebuilding the LRU of volatile files in a worker that starts.
 *
 * States: files become LISTED, in the order of their stamps; see vfile.c.
 * Locks: vfiles_adopt() needs none while the pool is opened; vfile_relist() is
 * called with pool->lock (1) held.
 * Reclaim: does not run during vfiles_adopt().
 */
#include <errno.h>
#include <stdlib.h>

#include "pool/volatile/volatile_priv.h"

struct stamped {
	uint64_t stamp;
	uint32_t inode;
};

static int by_stamp(const void *a, const void *b)
{
	const struct stamped *x = a, *y = b;

	return x->stamp < y->stamp ? -1 : x->stamp > y->stamp;
}

/* Was a request interrupted that moves a file, or a directory above one? */
static bool vfile_rename_pending(struct pool *pool)
{
	struct journal_intent intent;

	return journal_unfinished(&pool->journal, &intent) &&
	       (intent.inode || intent.victim);
}

/* Lists it, if it is at its inode's path. */
static void vfile_adopt(struct pool *pool, uint32_t inode,
			void (*idle)(struct pool *pool, uint32_t inode))
{
	struct inode *mem = inode_mem(pool->inodes, inode);
	uint32_t nlink;
	int err = vfile_pages(pool, inode, &mem->pages, &nlink);

	if (!err) {
		if (mem->pages &&
		    (nlink > 1 ||
		     !(inode_rec(pool->inodes, inode)->flags & INODE_ORPHAN))) {
			vfile_list_add(pool, inode);
			idle(pool, inode);
		}
	} else if (vfile_error_is_missing(err) && !vfile_rename_pending(pool)) {
		inode_set_dead(pool, inode); /* the last worker purged it */
	}
}

void vfile_relist(struct pool *pool)
{
	struct inode_table *t = pool->inodes;

	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (rec->state == INODE_LIVE && vfile_is_purgeable(rec) &&
		    !rec->opens && !inode_mem(t, i)->listed)
			vfile_adopt(pool, i, vfile_update_idle);
	}
}

/* In the order in which they were closed. */
int vfiles_adopt(struct pool *pool)
{
	struct volatiles *v = pool->volatiles;
	struct inode_table *t = pool->inodes;
	struct stamped *all;
	uint32_t nr = 0, nr_all = 0;

	table_for_each (&t->table, i)
		if (inode_rec(t, i)->state == INODE_LIVE) {
			nr_all++;
			vfile_purge_finish(pool, i);
			v->nr_files += !!(inode_rec(t, i)->flags &
					  INODE_VOLATILE);
			v->nr_purged += !!(inode_rec(t, i)->flags &
					   INODE_PURGED);
		}
	all = calloc(nr_all, sizeof(*all));
	if (!all)
		return nr_all ? -ENOMEM : 0;
	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (rec->state != INODE_LIVE || !vfile_is_purgeable(rec))
			continue;
		if (rec->stamp > v->stamp)
			v->stamp = rec->stamp;
		if (!rec->opens)
			all[nr++] = (struct stamped){ rec->stamp, i };
	}
	qsort(all, nr, sizeof(*all), by_stamp);
	/* To ask of each whether it is mapped would take long. */
	for (uint32_t i = 0; i < nr; i++)
		vfile_adopt(pool, all[i].inode, vfile_adopt_idle);
	v->adopted = 1;
	v->adopted_end = t->table.nr;
	free(all);
	return 0;
}
