/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are the files of a store that comes from elsewhere where their records say?
 *
 * A record has the place of its file, and its inode number.  In the file system
 * where the store was written, both must be right: what is at the place now may
 * be another file.  In a copy the numbers are others, and mean nothing; there
 * the place alone decides, and the number is set.
 *
 * States: a record stays, with the number of its file, or is FREE.  What it
 * said, that the file is volatile or has unpinned ranges, is then forgotten: the
 * file is not purged.
 * Locks: none; the pool is not open yet.
 * Reclaim: does not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "pool/inode/inode_priv.h"

struct binding {
	struct pool *pool;
	const struct journal_intent *unsure;
	uint8_t *seen; /* by record: its file was looked for */
	uint32_t *path;
	uint64_t *taken; /* inode numbers that are a record's, hashed */
	uint64_t nr_taken; /* places in it, a power of 2 */
};

/* Return: whether no other record has this inode number. */
static bool take_number(struct binding *b, uint64_t ino)
{
	uint64_t h = ino * 0x9e3779b97f4a7c15ull >> 32;

	if (!ino)
		return false;
	for (;; h++) {
		uint64_t *at = &b->taken[h & (b->nr_taken - 1)];

		if (*at == ino)
			return false;
		if (!*at) {
			*at = ino;
			return true;
		}
	}
}

static int binding_init(struct binding *b)
{
	uint32_t nr = b->pool->inodes->table.nr + 1;
	struct stat st;

	for (b->nr_taken = 1; b->nr_taken < 2ull * nr;)
		b->nr_taken *= 2;
	b->seen = calloc(nr, 1);
	b->path = calloc(nr, sizeof(*b->path));
	b->taken = calloc(b->nr_taken, sizeof(*b->taken));
	if (!b->seen || !b->path || !b->taken)
		return -ENOMEM;
	if (fstatat(b->pool->store->contentfd, STORE_FILES, &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	take_number(b, st.st_ino);
	return 0;
}

static void binding_release(struct binding *b)
{
	free(b->seen);
	free(b->path);
	free(b->taken);
}

/*
 * Paths of deep directories begin at descriptors, which are kept in memory.  A
 * handle from elsewhere may be that of any file.
 */
static int paths_prepare(struct inode_table *t)
{
	int err = 0;

	table_for_each (&t->table, i) {
		struct inode_rec *rec = inode_rec(t, i);

		if (err || rec->state != INODE_LIVE)
			continue;
		if (rec->flags & INODE_DIR)
			rec->stamp = 0;
		err = inode_mem_alloc(t, i);
	}
	return err;
}

/* Looks for the file, purged or not.  Return: 0 or -errno. */
static int look_for_file(struct pool *pool, uint32_t i, struct stat *st)
{
	struct inode_rec *rec = inode_rec(pool->inodes, i);
	uint32_t purged = rec->flags & INODE_PURGED;
	struct inode_path p;
	int err;

	/* A purged file has no path for others. */
	rec->flags &= ~INODE_PURGED;
	err = inode_path(pool, i, &p);
	if (!err && fstatat(p.dirfd, p.path, st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	if (!err)
		inode_path_release(&p);
	rec->flags |= purged;
	return err;
}

/* Of a copy: is it known what was at the place when it was taken? */
static bool is_sure(const struct binding *b, uint32_t i)
{
	return !b->pool->store->copied ||
	       (i != b->unsure->inode && i != b->unsure->victim);
}

/* Is that the file of the record? */
static bool is_its_file(const struct binding *b, uint32_t i,
			const struct stat *st)
{
	const struct inode_rec *rec = inode_rec(b->pool->inodes, i);

	if (!b->pool->store->copied && st->st_ino != rec->ino)
		return false;
	if (rec->flags & INODE_DIR)
		return S_ISDIR(st->st_mode);
	if (rec->flags & (INODE_VOLATILE | INODE_PURGED | INODE_RANGES))
		return S_ISREG(st->st_mode);
	return !S_ISDIR(st->st_mode);
}

static void bind_one(struct binding *b, uint32_t i)
{
	struct inode_table *t = b->pool->inodes;
	struct inode_rec *rec = inode_rec(t, i);
	uint32_t parent = rec->place.parent;
	struct stat st;
	bool found;

	b->seen[i] = 1;
	if (i == INODE_ROOT)
		return;
	/* Its directory is not the one that it was in. */
	found = (!parent || inode_valid(b->pool, parent) ||
		 rec->flags & INODE_ORPHAN) &&
		!(rec->flags & INODE_DEAD);
	if (found)
		found = look_for_file(b->pool, i, &st) == 0 &&
			is_its_file(b, i, &st);
	if (found && is_sure(b, i) && take_number(b, st.st_ino)) {
		rec->ino = st.st_ino;
		if (parent && !inode_valid(b->pool, parent))
			memset(&rec->place, 0, sizeof(rec->place));
		/* vranges_adopt() sets it. */
		rec->flags &= ~INODE_RANGES;
		return;
	}
	/* By number alone its names are known, which must not show. */
	if (rec->flags & INODE_PURGED && !b->pool->store->copied && !found &&
	    take_number(b, rec->ino)) {
		if (!inode_valid(b->pool, parent))
			memset(&rec->place, 0, sizeof(rec->place));
		return;
	}
	inode_fd_close(b->pool, i);
	rec->state = INODE_FREE;
}

/* From the top: what is below a directory that is none has no path. */
static void bind_path(struct binding *b, uint32_t i)
{
	struct inode_table *t = b->pool->inodes;
	uint32_t nr = 0;

	for (; i && !b->seen[i]; i = inode_rec(t, i)->place.parent) {
		b->path[nr++] = i;
		if (!inode_valid(b->pool, inode_rec(t, i)->place.parent))
			break;
	}
	while (nr)
		bind_one(b, b->path[--nr]);
}

int inodes_validate_purged(struct pool *pool, struct wrongs *w)
{
	struct binding b = { .pool = pool };
	int err = paths_prepare(pool->inodes);

	if (err)
		return err;
	table_for_each (&pool->inodes->table, i) {
		struct inode_rec *rec = inode_rec(pool->inodes, i);
		struct stat st;

		if (rec->state != INODE_LIVE || !(rec->flags & INODE_PURGED) ||
		    (look_for_file(pool, i, &st) == 0 &&
		     is_its_file(&b, i, &st) && !st.st_size))
			continue;
		wrong(w,
		      "inode record %u is of a purged file, whose other names "
		      "cannot be told in this copy: they would show an empty "
		      "file",
		      i);
		rec->state = INODE_FREE;
	}
	return 0;
}

int inodes_bind(struct pool *pool, const struct journal_intent *unsure)
{
	struct inode_table *t = pool->inodes;
	struct binding b = { .pool = pool, .unsure = unsure };
	int err = binding_init(&b);

	if (!err)
		err = paths_prepare(t);
	if (!err)
		table_for_each (&t->table, i)
			if (inode_rec(t, i)->state == INODE_LIVE)
				bind_path(&b, i);
	binding_release(&b);
	return err;
}
