/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of volatile ranges in a store that comes from elsewhere.  One of
 * an inode that is not there is no mistake: vranges_adopt() frees it.
 *
 * States: a record stays as it is, or is FREE.
 * Locks: none; the pool is not open yet.
 * Reclaim: does not run.
 */
#include "pool/volatile/volatile_priv.h"

/* Return: NULL, or what is wrong with it. */
static const char *vrange_rec_wrong(struct pool *pool,
				    const struct vrange_rec *rec)
{
	if (rec->state > VRANGE_PURGING)
		return "is in no state that there is";
	if (rec->first >= rec->end || rec->end > INT64_MAX / pool->page_size)
		return "has an impossible place";
	if (rec->stamp > COUNT_MAX)
		return "was unpinned at an impossible time";
	if (inode_valid(pool, rec->inode) &&
	    inode_rec(pool->inodes, rec->inode)->flags & INODE_DIR)
		return "is in a directory";
	return NULL;
}

int volatile_validate(struct pool *pool, struct wrongs *w)
{
	struct table *t = &pool->volatiles->ranges;

	table_for_each (t, i) {
		struct vrange_rec *rec = table_record(t, i);
		const char *bad = vrange_rec_wrong(pool, rec);

		if (!bad)
			continue;
		wrong(w, "range record %u %s", i, bad);
		rec->state = VRANGE_FREE;
	}
	return 0;
}
