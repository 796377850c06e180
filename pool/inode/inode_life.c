/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of an inode: its references, and its end.
 *
 * References are lookups of the kernel (nlookup), open files (opens), children
 * and, in memory only, inode_hold().
 *
 * States: LIVE -> DEAD or ORPHAN, when its file is removed; -> FREE, when there is
 * no reference either; LIVE -> FREE for want of room.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: calls inode_set_dead() for files that it has purged.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"
#include "pool/inode/names.h"

static void inode_free(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec = inode_rec(t, inode);
	char name[16];

	if (rec->flags & INODE_ORPHAN) {
		inode_orphan_name(inode, name, sizeof(name));
		inode_orphan_unlink(pool, inode,
				    rec->flags & INODE_DIR ? AT_REMOVEDIR : 0);
	}
	inode_fd_close(pool, inode);
	t->hooks->evict(pool, inode);
	if (!(rec->flags & INODE_DEAD))
		inode_unhash(t, inode);
	t->nr_bare -= rec->flags == INODE_DEAD;
	/* Before its name: a kill in between must not leave a cut name. */
	rec->state = INODE_FREE;
	inode_place_free(t, &rec->place);
	table_free(&t->table, inode);
	t->nr_inodes--;
	inode_mem_free(t, inode);
}

static bool is_referenced(struct inode_table *t, uint32_t inode)
{
	const struct inode_rec *rec = inode_rec(t, inode);

	return inode == INODE_ROOT || rec->nlookup || rec->opens ||
	       inode_mem(t, inode)->children || inode_mem(t, inode)->held;
}

/* Return: its parent, 0: none. */
static uint32_t inode_free_of(struct pool *pool, uint32_t inode)
{
	uint32_t parent = inode_rec(pool->inodes, inode)->place.parent;

	inode_free(pool, inode);
	if (parent)
		inode_mem(pool->inodes, parent)->children--;
	return parent;
}

void inode_free_unused(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;

	while (inode && !is_referenced(t, inode) && t->hooks->drop(pool, inode))
		inode = inode_free_of(pool, inode);
	inode_hash_fit(t);
}

#define FORGET_LOOK 4096 /* records to look at for some to free */
#define FORGET_SOME 64

bool inodes_forget_some(struct pool *pool)
{
	struct inode_table *t = pool->inodes;
	uint32_t freed = 0;

	for (uint32_t n = 0; n < FORGET_LOOK && freed < FORGET_SOME; n++) {
		uint32_t i = t->forget_hand;

		t->forget_hand = i + 1 < t->table.nr ? i + 1 : INODE_ROOT + 1;
		/* Flags are what only the record says. */
		if (!inode_valid(pool, i) || is_referenced(t, i) ||
		    inode_rec(t, i)->flags &
			    ~(INODE_DIR | INODE_WRITTEN | INODE_GUARDED))
			continue;
		inode_free_of(pool, i);
		freed++;
	}
	inode_hash_fit(t);
	return freed;
}

void inode_journal_lookup(struct pool *pool, uint32_t inode)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	jset(&pool->journal, rec->nlookup, rec->nlookup + 1);
}

void inode_looked_up(struct pool *pool, uint32_t inode)
{
	pool->inodes->nr_known += inode_rec(pool->inodes, inode)->nlookup == 1;
}

/* An orphan has no parent. */
void inode_moved(struct pool *pool, struct inode_move *m)
{
	struct inode_table *t = pool->inodes;

	inode_changed(pool, m->inode);
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
	pool->inodes->nr_bare++;
	inode_free_unused(pool, inode);
}

#define BARE_MAX 4096

bool inode_may_be_bare(const struct pool *pool)
{
	return pool->inodes->nr_bare < BARE_MAX;
}

void inode_hold(struct pool *pool, uint32_t inode, bool hold)
{
	inode_mem(pool->inodes, inode)->held = hold;
	if (!hold)
		inode_free_unused(pool, inode);
}

uint64_t inode_lookups(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode)
		       ? inode_rec(pool->inodes, inode)->nlookup
		       : 0;
}

static void set_lookups(struct pool *pool, uint32_t inode, uint64_t n)
{
	pool->inodes->nr_known -= inode_rec(pool->inodes, inode)->nlookup != 0;
	pool->inodes->nr_known += n != 0;
	inode_rec(pool->inodes, inode)->nlookup = n;
}

void inode_forget(struct pool *pool, uint32_t inode, uint64_t n)
{
	uint64_t has = inode_lookups(pool, inode);

	if (!inode_valid(pool, inode) || inode == INODE_ROOT)
		return;
	set_lookups(pool, inode, has > n ? has - n : 0);
	inode_free_unused(pool, inode);
}

/* --- many at once --- */

/* Return: false: no memory, or there are so many that some must be twice. */
static bool end_later(struct inode_table *t, uint32_t inode)
{
	if (t->nr_ending == t->max_ending) {
		uint32_t max = t->max_ending * 2 + 1024;
		uint32_t *ending;

		if (t->max_ending > 2 * t->nr_inodes + 1024)
			return false;
		ending = realloc(t->ending, max * sizeof(*ending));
		if (!ending)
			return false;
		t->ending = ending;
		t->max_ending = max;
	}
	t->ending[t->nr_ending++] = inode;
	return true;
}

void inode_set_lookups(struct pool *pool, uint32_t inode, uint64_t n)
{
	struct inode_table *t = pool->inodes;

	if (!inode_valid(pool, inode) || inode == INODE_ROOT)
		return;
	set_lookups(pool, inode, n);
	/* Only with these goes a file. */
	if (n ||
	    !(inode_rec(t, inode)->flags & (INODE_ORPHAN | INODE_PURGED)) ||
	    !end_later(t, inode))
		inode_free_unused(pool, inode);
}

bool inodes_are_ending(const struct pool *pool)
{
	return pool->inodes->nr_ending;
}

bool inodes_end_some(struct pool *pool, unsigned int n)
{
	struct inode_table *t = pool->inodes;

	for (; n && t->nr_ending; n--) {
		uint32_t inode = t->ending[--t->nr_ending];

		/* By now it may be another one, or have references. */
		if (inode_valid(pool, inode))
			inode_free_unused(pool, inode);
	}
	if (t->nr_ending)
		return true;
	free(t->ending);
	t->ending = NULL;
	t->max_ending = 0;
	return false;
}
