/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adopting a store that comes from elsewhere: see adopt.h.
 *
 *	                     lengths of the tables
 *	                               |
 *	    private copies of the tables, the journal applied to them:
 *	                     each record looked at
 *	                               |
 *	   something is wrong          |          nothing is
 *	 --repair: once more ----------+----------- bound -----> adopted
 *	   in the store itself                 to its files
 *
 * States: none is kept; what is interrupted is done again from the start.
 * Locks: none; the pool is not open yet, and the store is locked against
 * others.
 * Reclaim: does not run.
 */
#include "pool/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/box/box_priv.h"
#include "pool/inode/inode_priv.h"
#include "pool/pool_priv.h"
#include "pool/volatile/volatile_priv.h"

static const struct {
	const char *name;
	size_t rec_size;
	uint32_t max;
} tables[] = {
	{ "boxes", sizeof(struct box_rec), BOX_MAX },
	{ "transactions", sizeof(struct tx_rec), TX_MAX },
	{ "handles", sizeof(struct handle_rec), HANDLE_MAX },
	{ "texts", sizeof(struct text_rec), TEXT_MAX },
	{ "inodes", sizeof(struct inode_rec), INODE_MAX },
	{ "ranges", sizeof(struct vrange_rec), VRANGE_MAX },
};

#define NR_TABLES (sizeof(tables) / sizeof(*tables))

static uint64_t table_most(int i)
{
	return (uint64_t)tables[i].max * tables[i].rec_size;
}

static void look_at_lengths(struct store *store, struct wrongs *w)
{
	struct stat st;

	for (size_t i = 0; i < NR_TABLES; i++)
		if (fstatat(store->dirfd, tables[i].name, &st,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    (uint64_t)st.st_size > table_most(i))
			wrong(w, "the file \"%s\" is longer than it can be",
			      tables[i].name);
}

static int cut_lengths(struct store *store)
{
	int err = 0;

	for (size_t i = 0; !err && i < NR_TABLES; i++)
		err = table_cut(store->dirfd, tables[i].name, table_most(i));
	return err;
}

static int look_at_records(struct pool *pool, struct wrongs *w)
{
	int err = boxes_validate(pool, w);

	if (!err)
		err = inodes_validate(pool, w);
	if (!err)
		err = volatile_validate(pool, w);
	if (!err && pool->store->copied)
		err = inodes_validate_purged(pool, w);
	return err;
}

/* The tables, open; no record was read. */
static int tables_open(struct store *store, struct pool **out)
{
	const struct pool_options opts = { .store = store };
	struct pool *pool = pool_new(&opts);
	int err;

	if (!pool)
		return -ENOMEM;
	pool->lru = lru_new(1, UINT64_MAX);
	err = pool->lru ? pool_open_tables(pool) : -errno;
	if (err)
		pool_close(pool);
	else
		*out = pool;
	return err;
}

/* Looks at all there is, and changes nothing. */
static int try(struct store *store, struct wrongs *w)
{
	struct pool *pool;
	int err = tables_open(store, &pool);

	if (err)
		return err;
	for (int i = 0; !err && i < pool->nr_tables; i++)
		err = table_try(pool->tables[i]);
	if (!err)
		err = journal_validate(store->dirfd, pool->tables,
				       JOURNAL_TABLES, true, w);
	if (!err)
		err = look_at_records(pool, w);
	pool_close(pool);
	return err;
}

/* Of files that were open in a mount that has ended. */
static int forget_texts(struct store *store)
{
	return unlinkat(store->dirfd, "texts", 0) < 0 && errno != ENOENT
		       ? -errno
		       : 0;
}

/* In the store itself: drops what is wrong, and binds inodes to files. */
static int settle(struct store *store, const struct wrongs *w)
{
	struct journal_intent unsure = { 0 };
	struct wrongs told = { .drop = w->drop };
	struct pool *pool;
	int err = cut_lengths(store);

	if (!err)
		err = tables_open(store, &pool);
	if (err)
		return err;
	err = journal_validate(store->dirfd, pool->tables, JOURNAL_TABLES,
			       false, &told);
	if (!err)
		err = pool_open_journal(pool, false);
	if (!err && w->nr)
		err = look_at_records(pool, &told);
	if (!err) {
		journal_unfinished(&pool->journal, &unsure);
		err = inodes_bind(pool, &unsure);
	}
	pool_close(pool);
	return err;
}

int pool_adopt(struct store *store, struct wrongs *w)
{
	uint64_t before = w->nr;
	int err = 0;

	look_at_lengths(store, w);
	if (w->nr > before && w->drop)
		err = cut_lengths(store);
	else if (w->nr > before)
		err = -EUCLEAN; /* no more can be looked at */
	if (!err)
		err = try(store, w);
	if (!err && w->nr && !w->drop)
		err = -EUCLEAN;
	if (!err)
		err = settle(store, w);
	if (!err)
		err = forget_texts(store);
	return err ? err : store_settle(store);
}
