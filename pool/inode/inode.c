/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes of plain files: their records, where they are, and who refers to them.
 *
 * States: see tree.h.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: never touches a node.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode.h"

/* --- by inode number --- */

static uint32_t *node_bucket(struct tree *t, uint64_t ino)
{
	/* Numbers are mostly given out one after another. */
	uint64_t h = (ino ^ ino >> 32) * 0x9e3779b97f4a7c15ull;

	return &t->bucket[h >> 32 & (t->nr_buckets - 1)];
}

uint32_t node_by_ino(struct tree *t, uint64_t ino)
{
	uint32_t i = *node_bucket(t, ino);

	while (i && node_rec(t, i)->ino != ino)
		i = node_mem(t, i)->next;
	return i;
}

void node_hash(struct tree *t, uint32_t i)
{
	uint32_t *head = node_bucket(t, node_rec(t, i)->ino);

	node_mem(t, i)->next = *head;
	*head = i;
}

static void node_unhash(struct tree *t, uint32_t i)
{
	uint32_t *at = node_bucket(t, node_rec(t, i)->ino);

	while (*at && *at != i)
		at = &node_mem(t, *at)->next;
	if (*at)
		*at = node_mem(t, i)->next;
}

/* Half as many buckets as nodes, to twice as many.  Without memory it is slow. */
static void node_rehash(struct tree *t)
{
	uint32_t nr = t->nr_buckets, *bucket;

	if (t->nr_nodes > nr)
		nr *= 2;
	else if (t->nr_nodes < nr / 8 && nr > NODE_BUCKETS_MIN)
		nr /= 2;
	else
		return;
	bucket = calloc(nr, sizeof(*bucket));
	if (!bucket)
		return;
	free(t->bucket);
	t->bucket = bucket;
	t->nr_buckets = nr;
	table_for_each (&t->nodes, i)
		if (node_rec(t, i)->state == NODE_LIVE &&
		    !(node_rec(t, i)->flags & NODE_GONE))
			node_hash(t, i);
}

/* --- records --- */

int node_need_mem(struct tree *t, uint32_t i)
{
	struct node **chunk = &t->chunk[i / NODE_CHUNK];

	if (!*chunk)
		*chunk = calloc(NODE_CHUNK, sizeof(**chunk));
	return *chunk ? 0 : -ENOMEM;
}

/* Memory beside the records goes with the last of them. */
static void node_mem_put(struct tree *t, uint32_t i)
{
	uint32_t chunk = i / NODE_CHUNK;

	if (--t->chunk_nodes[chunk])
		return;
	free(t->chunk[chunk]);
	t->chunk[chunk] = NULL;
}

static unsigned int place_len(const struct node_place *p)
{
	return (unsigned char)p->name_len;
}

/* The whole name, terminated. */
void node_place_name(struct tree *t, const struct node_place *p,
		     char name[TREE_NAME_MAX + 1])
{
	unsigned int len = place_len(p), at = NODE_NAME_INLINE;
	uint32_t more = p->more;

	memcpy(name, p->name, len < at ? len : at);
	while (at < len) {
		const struct node_name_rec *rec = table_get(&t->nodes, more);
		unsigned int n = len - at;

		if (n > sizeof(rec->name))
			n = sizeof(rec->name);
		memcpy(name + at, rec->name, n);
		at += n;
		more = rec->more;
	}
	name[len] = 0;
}

static void place_free(struct tree *t, const struct node_place *p)
{
	uint32_t more = p->more;

	while (more) {
		struct node_name_rec *rec = table_get(&t->nodes, more);
		uint32_t next = rec->more;

		rec->state = NODE_FREE;
		table_free(&t->nodes, more);
		more = next;
	}
}

/* Records with the rest of a name are live before what they belong to; those
 * of a worker that was killed before it was are found at the next start. */
static int place_make(struct pool *pool, struct node_place *p, uint32_t parent,
		      const char *name)
{
	struct tree *t = pool->tree;
	size_t len = strlen(name), at = NODE_NAME_INLINE;
	uint32_t *link = &p->more;

	memset(p, 0, sizeof(*p));
	p->parent = parent;
	p->name_len = (char)len;
	memcpy(p->name, name, len < at ? len : at);
	while (at < len) {
		struct node_name_rec *rec;
		uint32_t i;
		size_t n = len - at;
		int err = pool_record(pool, &t->nodes, &i);

		if (err) {
			place_free(t, p);
			return err;
		}
		rec = table_get(&t->nodes, i);
		if (n > sizeof(rec->name))
			n = sizeof(rec->name);
		memcpy(rec->name, name + at, n);
		rec->state = NODE_NAME;
		*link = i;
		link = &rec->more;
		at += n;
	}
	return 0;
}

static void place_journal(struct pool *pool, struct node_place *to,
			  const struct node_place *from)
{
	const char *src = (const char *)from;
	char *dst = (char *)to;

	for (size_t at = 0; at < sizeof(*from); at += JOURNAL_BYTES) {
		size_t n = sizeof(*from) - at;

		journal_set(&pool->journal, dst + at, src + at,
			    n < JOURNAL_BYTES ? n : JOURNAL_BYTES);
	}
}

bool node_is_at(struct tree *t, uint32_t node, uint32_t parent,
		const char *name)
{
	struct node_rec *rec = node_rec(t, node);
	char is[TREE_NAME_MAX + 1];

	if (rec->flags & (NODE_ORPHAN | NODE_GONE) || node == TREE_ROOT ||
	    rec->place.parent != parent ||
	    place_len(&rec->place) != strlen(name))
		return false;
	node_place_name(t, &rec->place, is);
	return !strcmp(is, name);
}

int node_prepare(struct pool *pool, uint32_t parent, const char *name,
		 const struct stat *st, uint32_t *node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec;
	uint32_t i;
	int err = pool_record(pool, &t->nodes, &i);

	if (err)
		return err;
	rec = node_rec(t, i);
	err = node_need_mem(t, i);
	if (!err)
		err = place_make(pool, &rec->place, parent, name);
	if (err) {
		table_free(&t->nodes, i);
		return err;
	}
	rec->ino = st->st_ino;
	rec->flags = S_ISDIR(st->st_mode) ? NODE_DIR : 0;
	*node = i;
	return 0;
}

void node_unprepare(struct pool *pool, uint32_t node)
{
	place_free(pool->tree, &node_rec(pool->tree, node)->place);
	table_free(&pool->tree->nodes, node);
}

void node_publish(struct pool *pool, uint32_t node, uint32_t opens)
{
	struct node_rec *rec = node_rec(pool->tree, node);

	rec->nlookup = 1;
	rec->opens = opens;
	jset(&pool->journal, rec->state, NODE_LIVE);
}

void node_published(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec = node_rec(t, node);

	*node_mem(t, node) = (struct node){ 0 };
	t->chunk_nodes[node / NODE_CHUNK]++;
	t->nr_nodes++;
	if (rec->opens)
		t->nr_open++;
	node_hash(t, node);
	if (rec->place.parent)
		node_mem(t, rec->place.parent)->children++;
	node_rehash(t);
}

int node_move_prepare(struct pool *pool, struct node_move *m, uint32_t node,
		      uint32_t parent, const char *name)
{
	m->node = node;
	m->old = node_rec(pool->tree, node)->place;
	return place_make(pool, &m->new, parent, name);
}

void node_move_nowhere(struct pool *pool, struct node_move *m, uint32_t node)
{
	m->node = node;
	m->old = node_rec(pool->tree, node)->place;
	memset(&m->new, 0, sizeof(m->new));
}

void node_move_cancel(struct pool *pool, struct node_move *m)
{
	place_free(pool->tree, &m->new);
}

void node_move_journal(struct pool *pool, struct node_move *m)
{
	place_journal(pool, &node_rec(pool->tree, m->node)->place, &m->new);
}

/* An orphan is nobody's child. */
void node_moved(struct pool *pool, struct node_move *m)
{
	struct tree *t = pool->tree;

	place_free(t, &m->old);
	if (m->new.parent)
		node_mem(t, m->new.parent)->children++;
	if (!m->old.parent)
		return;
	node_mem(t, m->old.parent)->children--;
	node_put(pool, m->old.parent);
}

void node_orphan_name(uint32_t node, char *buf, size_t size)
{
	snprintf(buf, size, "%x", node);
}

static void node_free(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec = node_rec(t, node);
	char name[16];

	if (rec->flags & NODE_ORPHAN) {
		node_orphan_name(node, name, sizeof(name));
		space_unlinked(pool, t->orphanfd, name);
		unlinkat(t->orphanfd, name,
			 rec->flags & NODE_DIR ? AT_REMOVEDIR : 0);
	}
	if (node_mem(t, node)->fd)
		close(node_mem(t, node)->fd);
	volatile_freed(pool, node);
	ranges_freed(pool, node);
	if (!(rec->flags & NODE_GONE))
		node_unhash(t, node);
	/* First, or a worker that is killed here would leave a half of it. */
	rec->state = NODE_FREE;
	place_free(t, &rec->place);
	table_free(&t->nodes, node);
	t->nr_nodes--;
	node_mem_put(t, node);
}

/* What of it is volatile is known nowhere else. */
static bool node_is_pinned(struct pool *pool, uint32_t node)
{
	uint32_t flags = node_rec(pool->tree, node)->flags;

	if (flags & NODE_PURGED)
		return true;
	if (!(flags & (NODE_VOLATILE | NODE_RANGES)) || flags & NODE_GONE)
		return false;
	return !(flags & NODE_ORPHAN) ||
	       (!(flags & NODE_DIR) && volatile_has_names(pool, node));
}

void node_put(struct pool *pool, uint32_t node)
{
	struct tree *t = pool->tree;

	while (node != TREE_ROOT) {
		struct node_rec *rec = node_rec(t, node);
		uint32_t parent = rec->place.parent;

		if (rec->nlookup || rec->opens || node_mem(t, node)->children ||
		    node_is_pinned(pool, node))
			break;
		node_free(pool, node);
		if (!parent)
			break;
		node_mem(t, parent)->children--;
		node = parent;
	}
	node_rehash(t);
}

void node_lose(struct pool *pool, uint32_t node)
{
	volatile_freed(pool, node);
	ranges_freed(pool, node);
	node_unhash(pool->tree, node);
	/*
	 * In one store, and not through the journal: this is done between
	 * requests, and the last one's token must stay.
	 */
	node_rec(pool->tree, node)->flags = NODE_GONE;
	node_put(pool, node);
}

bool tree_valid(struct pool *pool, uint32_t node)
{
	return table_live(&pool->tree->nodes, node) &&
	       node_rec(pool->tree, node)->state == NODE_LIVE;
}

void tree_forget(struct pool *pool, uint32_t node, uint64_t n)
{
	struct node_rec *rec;

	if (!tree_valid(pool, node) || node == TREE_ROOT)
		return;
	rec = node_rec(pool->tree, node);
	rec->nlookup = rec->nlookup > n ? rec->nlookup - n : 0;
	node_put(pool, node);
}

/* --- what the kernel asks first --- */

/* An orphan that has another name: it is known by that from now on. */
static int node_adopt_name(struct pool *pool, uint32_t node, uint32_t parent,
			   const char *name)
{
	struct node_rec *rec = node_rec(pool->tree, node);
	struct node_move m;
	char orphan[16];
	int err = node_move_prepare(pool, &m, node, parent, name);

	if (err)
		return err;
	journal_begin(&pool->journal, 0);
	node_move_journal(pool, &m);
	jset(&pool->journal, rec->flags, rec->flags & ~NODE_ORPHAN);
	journal_commit(&pool->journal, 0);
	node_moved(pool, &m);
	volatile_placed(pool, node);
	node_orphan_name(node, orphan, sizeof(orphan));
	unlinkat(pool->tree->orphanfd, orphan, 0);
	return 0;
}

int tree_lookup(struct pool *pool, uint32_t parent, const char *name,
		uint32_t *node)
{
	struct tree *t = pool->tree;
	struct node_rec *rec;
	struct tree_path p;
	struct stat st;
	int64_t done;
	uint32_t i;
	int err;

	TREE_BUSY(pool);
	if (journal_replayed(&pool->journal, pool->token, &done)) {
		*node = done;
		return 0;
	}
	err = tree_path_at(pool, parent, name, &p);
	if (err)
		return err;
	err = fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
								     : 0;
	i = err ? 0 : node_by_ino(t, st.st_ino);
	if (i && volatile_sweep(pool, i, &p))
		err = -ENOENT;
	tree_path_release(&p);
	if (err)
		return err;
	if (i && node_rec(t, i)->flags & NODE_ORPHAN) {
		err = node_adopt_name(pool, i, parent, name);
		if (err)
			return err;
	}
	if (!i) {
		err = node_prepare(pool, parent, name, &st, &i);
		if (err)
			return err;
		journal_begin(&pool->journal, pool->token);
		node_publish(pool, i, 0);
		journal_commit(&pool->journal, i);
		node_published(pool, i);
	} else {
		rec = node_rec(t, i);
		journal_begin(&pool->journal, pool->token);
		jset(&pool->journal, rec->nlookup, rec->nlookup + 1);
		journal_commit(&pool->journal, i);
	}
	*node = i;
	return 0;
}

int tree_stat(struct pool *pool, uint32_t node, struct statx *out)
{
	struct tree_path p;
	struct statx stx;
	int err = tree_path(pool, node, &p);

	if (err)
		return err;
	if (statx(p.dirfd, p.path, AT_SYMLINK_NOFOLLOW,
		  STATX_BASIC_STATS | STATX_BTIME, &stx) < 0)
		err = -errno;
	tree_path_release(&p);
	if (err)
		return err;
	/* The name that keeps it is nobody's. */
	if (node_rec(pool->tree, node)->flags & NODE_ORPHAN)
		stx.stx_nlink -= stx.stx_nlink > 0 && !S_ISDIR(stx.stx_mode)
					 ? 1
					 : stx.stx_nlink;
	*out = stx;
	return 0;
}

void tree_usage(struct pool *pool, struct tree_usage *out)
{
	struct tree *t = pool->tree;

	out->nodes = t->nr_nodes;
	out->open = t->nr_open;
	out->bytes = table_bytes(&t->nodes) +
		     t->nodes.nr / t->nodes.per_step *
			     sizeof(struct table_step) +
		     t->nr_buckets * sizeof(*t->bucket);
	for (uint32_t i = 0; i < NODE_MAX / NODE_CHUNK; i++)
		if (t->chunk[i])
			out->bytes += NODE_CHUNK * sizeof(struct node);
}

uint32_t tree_next_known(struct pool *pool, uint32_t node, enum tree_known what)
{
	struct tree *t = pool->tree;

	while (++node < t->nodes.nr) {
		struct node_rec *rec = node_rec(t, node);

		if (table_live(&t->nodes, node) && rec->state == NODE_LIVE &&
		    rec->nlookup &&
		    rec->flags &
			    (what == TREE_KNOWN_DIR ? NODE_DIR
						    : NODE_GONE | NODE_PURGED))
			return node;
	}
	return 0;
}
