/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inodes of plain files: their records, and the names in them.
 *
 * States: drawn in inode.h.  A record is made in two parts: inode_prepare(),
 * inode_publish(); a name is changed in two: inode_move_prepare(),
 * inode_move_journal().  A kill in between leaves records that inodes_tidy()
 * frees.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: a purge makes an inode dead or PURGED, with the same lock held, and
 * never while inode_table.busy is not 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

int inode_mem_alloc(struct inode_table *t, uint32_t i)
{
	struct inode **chunk = &t->chunk[i / INODE_CHUNK];

	if (!*chunk)
		*chunk = calloc(INODE_CHUNK, sizeof(**chunk));
	return *chunk ? 0 : -ENOMEM;
}

void inode_mem_free(struct inode_table *t, uint32_t i)
{
	uint32_t chunk = i / INODE_CHUNK;

	if (--t->chunk_inodes[chunk])
		return;
	free(t->chunk[chunk]);
	t->chunk[chunk] = NULL;
}

static unsigned int place_len(const struct inode_place *p)
{
	return (unsigned char)p->name_len;
}

void inode_place_name(struct inode_table *t, const struct inode_place *p,
		      char name[INODE_NAME_MAX + 1])
{
	unsigned int len = place_len(p), at = INODE_NAME_INLINE;
	uint32_t more = p->more;

	memcpy(name, p->name, len < at ? len : at);
	while (at < len) {
		const struct inode_name_rec *rec = table_record(&t->table,
								more);
		unsigned int n = len - at;

		if (n > sizeof(rec->name))
			n = sizeof(rec->name);
		memcpy(name + at, rec->name, n);
		at += n;
		more = rec->more;
	}
	name[len] = 0;
}

void inode_place_free(struct inode_table *t, const struct inode_place *p)
{
	uint32_t more = p->more;

	while (more) {
		struct inode_name_rec *rec = table_record(&t->table, more);
		uint32_t next = rec->more;

		rec->state = INODE_FREE;
		table_free(&t->table, more);
		more = next;
	}
}

static int inode_record(struct pool *pool, uint32_t *i)
{
	struct table *t = &pool->inodes->table;
	int err = pool_record(pool, t, i);

	if (err == -ENOSPC && inodes_forget_some(pool))
		err = pool_record(pool, t, i);
	return err;
}

/* Records with the rest of a name get their state before the inode that they
 * belong to.  If a kill comes between, inodes_tidy_names() frees them. */
static int place_make(struct pool *pool, struct inode_place *p, uint32_t parent,
		      const char *name)
{
	struct inode_table *t = pool->inodes;
	size_t len = strlen(name), at = INODE_NAME_INLINE;
	uint32_t *link = &p->more;

	memset(p, 0, sizeof(*p));
	p->parent = parent;
	p->name_len = (char)len;
	memcpy(p->name, name, len < at ? len : at);
	while (at < len) {
		struct inode_name_rec *rec;
		uint32_t i;
		size_t n = len - at;
		int err = inode_record(pool, &i);

		if (err) {
			inode_place_free(t, p);
			return err;
		}
		rec = table_record(&t->table, i);
		if (n > sizeof(rec->name))
			n = sizeof(rec->name);
		memcpy(rec->name, name + at, n);
		table_publish(&rec->state, INODE_NAME);
		*link = i;
		link = &rec->more;
		at += n;
	}
	return 0;
}

static void place_journal(struct pool *pool, struct inode_place *to,
			  const struct inode_place *from)
{
	const char *src = (const char *)from;
	char *dst = (char *)to;

	for (size_t at = 0; at < sizeof(*from); at += JOURNAL_BYTES) {
		size_t n = sizeof(*from) - at;

		journal_set(&pool->journal, dst + at, src + at,
			    n < JOURNAL_BYTES ? n : JOURNAL_BYTES);
	}
}

bool inode_is_at(struct inode_table *t, uint32_t inode, uint32_t parent,
		 const char *name)
{
	struct inode_rec *rec = inode_rec(t, inode);
	char is[INODE_NAME_MAX + 1];

	if (rec->flags & (INODE_ORPHAN | INODE_DEAD) || inode == INODE_ROOT ||
	    rec->place.parent != parent ||
	    place_len(&rec->place) != strlen(name))
		return false;
	inode_place_name(t, &rec->place, is);
	return !strcmp(is, name);
}

/* A number is used again, but not with the same generation. */
static uint32_t next_generation(struct inode_table *t)
{
	uint32_t *last = &inode_rec(t, INODE_ROOT)->generation;

	if (!++*last)
		++*last;
	return *last;
}

int inode_prepare(struct pool *pool, uint32_t parent, const char *name,
		  uint64_t ino, mode_t mode, uint32_t *inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec;
	uint32_t i;
	int err = inode_record(pool, &i);

	if (err)
		return err;
	rec = inode_rec(t, i);
	err = inode_mem_alloc(t, i);
	if (!err)
		err = place_make(pool, &rec->place, parent, name);
	if (err) {
		table_free(&t->table, i);
		return err;
	}
	rec->ino = ino;
	rec->flags = S_ISDIR(mode) ? INODE_DIR : 0;
	rec->generation = next_generation(t);
	*inode = i;
	return 0;
}

void inode_unprepare(struct pool *pool, uint32_t inode)
{
	inode_place_free(pool->inodes, &inode_rec(pool->inodes, inode)->place);
	table_free(&pool->inodes->table, inode);
}

void inode_publish(struct pool *pool, uint32_t inode, uint32_t opens)
{
	struct inode_rec *rec = inode_rec(pool->inodes, inode);

	rec->nlookup = 1;
	rec->opens = opens;
	jset(&pool->journal, rec->state, INODE_LIVE);
}

void inode_published(struct pool *pool, uint32_t inode)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec = inode_rec(t, inode);

	*inode_mem(t, inode) = (struct inode){ 0 };
	t->chunk_inodes[inode / INODE_CHUNK]++;
	t->nr_inodes++;
	t->nr_known += rec->nlookup != 0;
	if (rec->opens)
		t->nr_open++;
	inode_hash(t, inode);
	if (rec->place.parent)
		inode_mem(t, rec->place.parent)->children++;
	inode_hash_fit(t);
}

int inode_move_prepare(struct pool *pool, struct inode_move *m, uint32_t inode,
		       uint32_t parent, const char *name)
{
	m->inode = inode;
	m->old = inode_rec(pool->inodes, inode)->place;
	return place_make(pool, &m->new, parent, name);
}

void inode_move_nowhere(struct pool *pool, struct inode_move *m, uint32_t inode)
{
	m->inode = inode;
	m->old = inode_rec(pool->inodes, inode)->place;
	memset(&m->new, 0, sizeof(m->new));
}

void inode_move_cancel(struct pool *pool, struct inode_move *m)
{
	inode_place_free(pool->inodes, &m->new);
}

void inode_move_journal(struct pool *pool, struct inode_move *m)
{
	place_journal(pool, &inode_rec(pool->inodes, m->inode)->place, &m->new);
}

void inode_orphan_name(uint32_t inode, char *buf, size_t size)
{
	snprintf(buf, size, "%x", inode);
}

bool inode_valid(struct pool *pool, uint32_t inode)
{
	return table_live(&pool->inodes->table, inode) &&
	       inode_rec(pool->inodes, inode)->state == INODE_LIVE;
}

uint32_t inode_generation(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) && inode != INODE_ROOT
		       ? inode_rec(pool->inodes, inode)->generation
		       : 0;
}

uint32_t inode_opens(struct pool *pool, uint32_t inode)
{
	return inode_valid(pool, inode) ? inode_rec(pool->inodes, inode)->opens
					: 0;
}
