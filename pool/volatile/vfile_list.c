/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The LRU of volatile files.  A file is purged as a whole, so it is one extent:
 *
 *	oldest [aaaa] - [b] - [cc] youngest
 *
 * States: a file is listed while it is not open.  A listed file is idle if it
 * was not mapped either when that was last checked; else it is to be rechecked.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: walks the list with the same lock held (vfile_purge.c).
 */
#include "pool/volatile/volatile_priv.h"

static struct extent_link *file_link(const struct extent_list *list,
				     uint32_t inode)
{
	return &inode_mem(inodes_of(list->owner), inode)->link;
}

static uint64_t listed_pages(const struct extent_list *list, uint32_t inode)
{
	return inode_mem(inodes_of(list->owner), inode)->pages;
}

static const struct extent_ops file_extents = {
	.link = file_link,
	.pages = listed_pages,
};

void vfile_list_init(struct pool *pool)
{
	extent_list_init(&pool->volatiles->files, &file_extents, pool->inodes);
}

static void vfile_set_idle(struct pool *pool, struct inode *mem, bool idle)
{
	if (mem->idle == idle)
		return;
	mem->idle = idle;
	if (idle)
		pool->idle_pages += mem->pages;
	else
		pool->idle_pages -= mem->pages;
}

void vfile_not_idle(struct pool *pool, uint32_t inode)
{
	vfile_set_idle(pool, inode_mem(pool->inodes, inode), false);
}

/* For a moment after its close a file may still seem to be open. */
void vfile_update_idle(struct pool *pool, uint32_t inode)
{
	struct volatiles *v = pool->volatiles;

	if (vfile_is_idle(pool, inode)) {
		vfile_set_idle(pool, inode_mem(pool->inodes, inode), true);
	} else {
		/* A full ring drops its oldest file.  That one counts as mapped
		 * until a scan comes to it. */
		v->recheck[v->next_recheck++ % RECHECK_MAX] = inode;
		if (v->nr_recheck < RECHECK_MAX)
			v->nr_recheck++;
	}
}

void vfile_adopt_idle(struct pool *pool, uint32_t inode)
{
	vfile_set_idle(pool, inode_mem(pool->inodes, inode), true);
}

#define ADOPTED_RECORDS 64 /* to look through at a time */
#define ADOPTED_FILES 4 /* to check */

/* Some of the files that an earlier worker has closed may be mapped. */
static void vfile_check_adopted(struct pool *pool)
{
	struct volatiles *v = pool->volatiles;
	int files = 0;

	for (int n = 0; n < ADOPTED_RECORDS && files < ADOPTED_FILES &&
			v->adopted < v->adopted_end;
	     n++) {
		uint32_t inode = v->adopted++;

		if (!inode_valid(pool, inode) ||
		    !inode_mem(pool->inodes, inode)->idle)
			continue;
		vfile_not_idle(pool, inode);
		vfile_update_idle(pool, inode);
		files++;
	}
	if (files)
		pool_fit_limit(pool);
}

void vfile_recheck(struct pool *pool)
{
	struct volatiles *v = pool->volatiles;
	uint32_t inode;

	vrange_remeasure_some(pool);
	if (pool->inodes->busy || pool->journal.active)
		return;
	vfile_check_adopted(pool);
	if (!v->nr_recheck)
		return;
	inode = v->recheck[(v->next_recheck - v->nr_recheck--) % RECHECK_MAX];
	if (!inode_valid(pool, inode) ||
	    !inode_mem(pool->inodes, inode)->listed ||
	    inode_mem(pool->inodes, inode)->idle)
		return;
	vfile_update_idle(pool, inode);
	/* What was written by way of the mapping. */
	vfile_remeasure(pool, inode);
	pool_fit_limit(pool);
}

void vfile_list_add(struct pool *pool, uint32_t inode)
{
	struct inode *mem = inode_mem(pool->inodes, inode);
	struct extent_list *files = &pool->volatiles->files;

	mem->listed = true;
	extent_list_add_young(files, inode);
	extent_list_count(files, mem->pages);
}

void vfile_list_del(struct pool *pool, uint32_t inode)
{
	struct inode *mem = inode_mem(pool->inodes, inode);
	struct extent_list *files = &pool->volatiles->files;

	if (!mem->listed)
		return;
	vfile_set_idle(pool, mem, false);
	mem->listed = false;
	extent_list_del(files, inode);
	extent_list_count(files, -(int64_t)mem->pages);
}

void vfile_unlist(struct pool *pool, uint32_t inode)
{
	vfile_list_del(pool, inode);
}

void vfile_list(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	uint32_t pages, nlink;

	vfile_list_del(pool, inode);
	if (!vfile_is_purgeable(rec) ||
	    vfile_pages(pool, inode, &pages, &nlink))
		return;
	/* One that is mapped may get some. */
	if (!pages && vfile_is_idle(pool, inode))
		return;
	/* An orphan without other names ends with its last reference. */
	if (rec->flags & INODE_ORPHAN && nlink < 2)
		return;
	rec->stamp = ++pool->volatiles->stamp;
	inode_mem(pool->inodes, inode)->pages = pages;
	vfile_list_add(pool, inode);
	vfile_update_idle(pool, inode);
}

void vfile_remeasure(struct pool *pool, uint32_t inode)
{
	struct inode *mem = inode_mem(pool->inodes, inode);
	bool idle = mem->idle;
	uint32_t pages, nlink;

	if (!mem->listed || vfile_pages(pool, inode, &pages, &nlink))
		return;
	vfile_set_idle(pool, mem, false);
	extent_list_count(&pool->volatiles->files, (int64_t)pages - mem->pages);
	mem->pages = pages;
	vfile_set_idle(pool, mem, idle);
	if (!pages && idle)
		vfile_list_del(pool, inode);
}

/* With system calls for those only that count as mapped. */
#define FILES_LOOKED_AT 256

bool vfiles_look(struct pool *pool)
{
	struct inode_table *t = pool->inodes;
	uint32_t next, nr = 0;

	for (uint32_t i = pool->volatiles->files.oldest; i; i = next) {
		next = inode_mem(t, i)->link.younger;
		if (inode_mem(t, i)->idle)
			continue;
		if (nr++ == FILES_LOOKED_AT)
			return false;
		if (!vfile_is_idle(pool, i))
			continue;
		vfile_set_idle(pool, inode_mem(t, i), true);
		vfile_remeasure(pool, i);
	}
	return true;
}

void vfile_renamed(struct pool *pool, uint32_t inode)
{
	if (!inode_opens(pool, inode))
		vfile_list(pool, inode);
}

/* --- the flag --- */

void vfile_journal_flag(struct pool *pool, const struct op *op, uint32_t inode,
			bool on)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);
	uint32_t volatile_flag = on ? INODE_VOLATILE : 0;
	bool was = rec->flags & INODE_VOLATILE;

	journal_begin(&pool->journal, op->token);
	jset(&pool->journal, rec->flags,
	     (rec->flags & ~INODE_VOLATILE) | volatile_flag);
	journal_commit(&pool->journal, 0);
	pool->volatiles->nr_files += on - was;
}

/* Of an inode that is not published. */
static void vfile_inherit_flag(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	pool->volatiles->nr_files += !(rec->flags & INODE_VOLATILE);
	rec->flags |= INODE_VOLATILE;
}

void vfile_inherit(struct pool *pool, uint32_t inode, uint32_t parent,
		   mode_t mode)
{
	if (inode_rec(pool->inodes, parent)->flags & INODE_VOLATILE &&
	    (S_ISREG(mode) || S_ISDIR(mode)))
		vfile_inherit_flag(pool, inode);
}

void vfile_evict(struct pool *pool, uint32_t inode)
{
	struct volatiles *v = pool->volatiles;
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	vfile_list_del(pool, inode);
	if (rec->flags & INODE_PURGED)
		v->nr_purged--;
	if (rec->flags & INODE_VOLATILE)
		v->nr_files--;
}

const char *vfiles_check(struct pool *pool)
{
	const struct extent_list *files = &pool->volatiles->files;
	struct inode_table *t = pool->inodes;
	uint64_t idle = 0;

	for (uint32_t i = files->oldest; i; i = inode_mem(t, i)->link.younger) {
		struct inode_rec *rec = inode_rec(t, i);

		if (!vfile_is_purgeable(rec) || rec->opens)
			return "a file on the LRU is not volatile, or open";
		if (!inode_mem(t, i)->listed)
			return "a file on the LRU does not know";
		if (inode_mem(t, i)->idle)
			idle += inode_mem(t, i)->pages;
	}
	if (idle != pool->idle_pages)
		return "pages of idle volatile files are miscounted";
	return extent_list_check(files);
}
