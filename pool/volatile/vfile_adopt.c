/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The LRU of volatile files as a worker that starts makes it anew.
 *
 * States: see vfile.c.
 * Locks: none yet, or pool->lock (1).
 * Reclaim: not running yet.
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

/* Is a file, or a directory that it is in, between two names? */
static bool vfile_in_between(struct pool *pool)
{
	struct journal_intent intent;

	return journal_unfinished(&pool->journal, &intent) &&
	       (intent.inode || intent.victim);
}

/* Lists it, if it is where its inode says. */
static void vfile_adopt(struct pool *pool, uint32_t inode)
{
	struct inode *mem = inode_mem(pool->inodes, inode);
	uint32_t nlink;
	int err = vfile_pages(pool, inode, &mem->pages, &nlink);

	if (!err) {
		if (mem->pages &&
		    (nlink > 1 ||
		     !(inode_rec(pool->inodes, inode)->flags & INODE_ORPHAN))) {
			vfile_list_add(pool, inode);
			vfile_look(pool, inode);
		}
	} else if (means_no_file(err) && !vfile_in_between(pool)) {
		inode_set_dead(pool, inode); /* the worker before did it */
	}
}

void vfile_relist(struct pool *pool)
{
	struct inode_table *t = pool->inodes;

	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (rec->state == INODE_LIVE && vfile_is_purgeable(rec) &&
		    !rec->opens && !inode_mem(t, i)->listed)
			vfile_adopt(pool, i);
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
	for (uint32_t i = 0; i < nr; i++)
		vfile_adopt(pool, all[i].inode);
	free(all);
	return 0;
}
