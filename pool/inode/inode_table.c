/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inode table as a whole: opened, adopted by a worker that starts, checked
 * and closed.
 *
 * States: closed -> open -> adopted (indexed and counted; in a new mount
 * without references) -> tidied (what a kill has interrupted is ended) ->
 * closed.
 * Locks: none is needed while the pool is opened and closed; all else
 * is called with pool->lock (1) held.
 * Reclaim: does not run while the pool is opened and closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"
#include "pool/inode/names.h"
#include "pool/store/remove.h"

int inodes_open(struct pool *pool)
{
	struct inode_table *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->magic = INODES_MAGIC;
	pool->inodes = t;
	t->orphanfd = pool->store->orphanfd;
	t->root = geteuid() == 0;
	err = table_open(&t->table, pool->store->dirfd, "inodes",
			 sizeof(struct inode_rec), INODE_MAX);
	if (err)
		return err;
	pool_add_table(pool, &t->table);
	return names_open(pool);
}

static int inodes_adopt_root(struct pool *pool)
{
	struct inode_table *t = pool->inodes;
	struct inode_rec *rec;
	struct stat st;
	uint32_t i;
	int err;

	if (fstatat(pool->store->contentfd, STORE_FILES, &st, 0) < 0)
		return -errno;
	if (!table_live(&t->table, INODE_ROOT)) {
		err = table_alloc(&t->table, &i);
		if (err)
			return err;
		if (i != INODE_ROOT)
			return -EUCLEAN;
	}
	rec = inode_rec(t, INODE_ROOT);
	rec->ino = st.st_ino;
	rec->flags = INODE_DIR | (rec->flags & INODE_VOLATILE);
	rec->state = INODE_LIVE;
	return inode_mem_alloc(t, INODE_ROOT);
}

static int inodes_adopt_records(struct pool *pool, bool fresh)
{
	struct inode_table *t = pool->inodes;
	int err = 0;

	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (rec->state != INODE_LIVE)
			continue;
		err = inode_mem_alloc(t, i);
		if (err)
			return err;
		if (fresh) {
			/* They were those of the mount before. */
			rec->nlookup = rec->opens = 0;
			rec->backing = 0;
			rec->flags &= ~INODE_WRITTEN;
		}
		t->nr_inodes++;
		t->chunk_inodes[i / INODE_CHUNK]++;
		t->nr_open += rec->opens != 0;
		t->nr_known += rec->nlookup != 0;
		t->nr_bare += rec->flags == INODE_DEAD;
		if (!(rec->flags & INODE_DEAD))
			inode_hash(t, i);
	}
	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (rec->state == INODE_LIVE && rec->place.parent &&
		    i != INODE_ROOT)
			inode_mem(t, rec->place.parent)->children++;
	}
	return 0;
}

int inodes_adopt(struct pool *pool, bool fresh)
{
	struct inode_table *t = pool->inodes;
	int err = inode_hash_open(t, t->table.nr);

	if (!err)
		err = inodes_adopt_root(pool);
	if (!err)
		err = inodes_adopt_records(pool, fresh);
	return err ? err : space_adopt(pool);
}

/* --- what a kill between two stores has left; none of it is visible --- */

/* Is orphan/@inode the file of an orphan, or of an inode to become one? */
static bool orphan_is_needed(struct pool *pool, uint32_t inode)
{
	struct journal_intent intent;

	return inode_valid(pool, inode) &&
	       (inode_rec(pool->inodes, inode)->flags & INODE_ORPHAN ||
		(journal_unfinished(&pool->journal, &intent) &&
		 intent.victim == inode));
}

/* Removes files from orphan/ that no inode needs. */
static void inodes_tidy_orphans(struct pool *pool)
{
	struct inode_table *t = pool->inodes;
	int fd = openat(t->orphanfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		uint32_t inode = strtoul(e->d_name, NULL, 16);

		if (e->d_name[0] == '.' || orphan_is_needed(pool, inode))
			continue;
		/* One more name of a file that has others was counted. */
		if (inode_valid(pool, inode) &&
		    inode_rec(t, inode)->ino == e->d_ino)
			name_unlink(pool, t->orphanfd, e->d_name, 0);
		else
			remove_tree(t->orphanfd, e->d_name);
	}
	closedir(d);
}

/* Frees records with the rest of a name that belong to no inode. */
static void inodes_tidy_names(struct inode_table *t)
{
	uint8_t *named = calloc(1, t->table.nr / 8 + 1);

	if (!named)
		return;
	table_for_each (&t->table, i) {
		uint32_t more;

		if (inode_rec(t, i)->state != INODE_LIVE)
			continue;
		for (more = inode_rec(t, i)->place.more; more;
		     more = ((struct inode_name_rec *)table_record(&t->table,
								   more))
				    ->more)
			named[more / 8] |= 1u << more % 8;
	}
	table_for_each (&t->table, i) {
		if (inode_rec(t, i)->state != INODE_NAME ||
		    named[i / 8] & 1u << i % 8)
			continue;
		inode_rec(t, i)->state = INODE_FREE;
		table_free(&t->table, i);
	}
	free(named);
}

void inodes_tidy(struct pool *pool)
{
	struct inode_table *t = pool->inodes;

	mode_override_recover(pool);
	table_for_each (&t->table, i)
		if (inode_rec(t, i)->state == INODE_LIVE && i != INODE_ROOT)
			inode_free_unused(pool, i);
	inodes_tidy_names(t);
	inodes_tidy_orphans(pool);
}

void inodes_close(struct pool *pool)
{
	struct inode_table *t = pool->inodes;

	if (!t)
		return;
	table_for_each (&t->table, i)
		if (inode_rec(t, i)->state == INODE_LIVE &&
		    t->chunk[i / INODE_CHUNK])
			inode_fd_close(pool, i);
	for (uint32_t i = 0; i < INODE_MAX / INODE_CHUNK; i++)
		free(t->chunk[i]);
	free(t->ending);
	inode_hash_close(t);
	table_release(&t->table);
	free(t);
	pool->inodes = NULL;
}

/* --- counters and checks --- */

void inode_usage(struct pool *pool, struct inode_usage *out)
{
	struct inode_table *t = pool->inodes;

	out->inodes = t->nr_known + 1;
	out->records = t->nr_inodes;
	out->open = t->nr_open;
	out->bytes = table_bytes(&t->table) +
		     t->table.nr / t->table.per_block *
			     sizeof(struct table_block) +
		     t->nr_buckets * sizeof(*t->bucket);
	for (uint32_t i = 0; i < INODE_MAX / INODE_CHUNK; i++)
		if (t->chunk[i])
			out->bytes += INODE_CHUNK * sizeof(struct inode);
}

uint32_t inode_next_known(struct pool *pool, uint32_t inode,
			  enum inode_known what)
{
	struct inode_table *t = pool->inodes;

	while (++inode < t->table.nr) {
		struct inode_rec *rec = inode_rec(t, inode);

		if (table_live(&t->table, inode) && rec->state == INODE_LIVE &&
		    rec->nlookup &&
		    rec->flags & (what == INODE_KNOWN_DIR
					  ? INODE_DIR
					  : INODE_DEAD | INODE_PURGED))
			return inode;
	}
	return 0;
}

/* Compares its record with the index and its parent. */
static const char *inode_check(struct inode_table *t, uint32_t i)
{
	const struct inode_rec *rec = inode_rec(t, i);
	uint32_t parent = rec->place.parent;

	if (i == INODE_ROOT || rec->flags & (INODE_DEAD | INODE_PURGED))
		return NULL;
	if (inode_by_ino(t, rec->ino) != i)
		return "an inode is not found by its inode number";
	if (parent && inode_rec(t, parent)->state != INODE_LIVE)
		return "the parent of an inode is not there";
	if (parent && !inode_mem(t, parent)->children)
		return "the parent of an inode does not know of it";
	return NULL;
}

/* Compares its record with the store. */
static const char *inode_check_file(struct pool *pool, uint32_t i)
{
	const struct inode_rec *rec = inode_rec(pool->inodes, i);
	struct inode_path p;
	struct stat st;
	int err;

	if (i == INODE_ROOT || rec->flags & (INODE_DEAD | INODE_PURGED))
		return NULL;
	err = inode_path(pool, i, &p);
	if (!err && fstatat(p.dirfd, p.path, &st, AT_SYMLINK_NOFOLLOW))
		err = -errno;
	inode_path_release(&p);
	if (err)
		return "an inode is not where it should be";
	if (st.st_ino != rec->ino)
		return "another file is where an inode should be";
	return NULL;
}

#define CHECK_SOME 32 /* records of one inodes_check_some() */

const char *inodes_check_some(struct pool *pool, uint32_t n)
{
	struct inode_table *t = pool->inodes;
	const char *broken = NULL;

	for (int k = 0; k < CHECK_SOME && !broken; k++) {
		uint32_t i = ((uint64_t)n * CHECK_SOME + k) % t->table.nr;

		if (table_live(&t->table, i) &&
		    inode_rec(t, i)->state == INODE_LIVE)
			broken = inode_check(t, i);
	}
	return broken;
}

const char *inodes_check(struct pool *pool)
{
	struct inode_table *t = pool->inodes;
	const char *broken = NULL;
	uint32_t inodes = 0, open = 0, known = 0, bare = 0;
	uint64_t children = 0, parents = 0;

	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (rec->state != INODE_LIVE)
			continue;
		inodes++;
		open += rec->opens != 0;
		known += rec->nlookup != 0;
		bare += rec->flags == INODE_DEAD;
		children += inode_mem(t, i)->children;
		parents += i != INODE_ROOT && rec->place.parent != 0;
		broken = inode_check(t, i);
		if (!broken)
			broken = inode_check_file(pool, i);
		if (broken)
			return broken;
	}
	if (inodes != t->nr_inodes || open != t->nr_open ||
	    known != t->nr_known || bare != t->nr_bare)
		return "inodes are miscounted";
	if (children != parents)
		return "children are miscounted";
	return NULL;
}
