/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting names to users: see names.h.
 *
 * States: drawn in names.h.  A change is over (CHANGE_NONE), or is being made.
 * A user without a name has no record.
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: purges files, and so loses names, with the same lock held; never
 * between the beginning and the end of a change.
 */
#include "pool/inode/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

#define NAMES_MAX (1u << 24)

enum names_state {
	NAMES_FREE,
	NAMES_USER, /* struct names_rec */
	NAMES_CHANGE /* struct change_rec: the first record, always there */
};

struct names_rec {
	uint32_t state;
	uint32_t uid;
	uint64_t nr;
	char rest[48];
};
_Static_assert(sizeof(struct names_rec) == 64, "names_rec");

enum change_kind {
	CHANGE_NONE,
	CHANGE_LOST, /* the file with the handle has a name less */
	CHANGE_OWNER, /* it is @to_uid's */
	CHANGE_MADE /* @to has one more, if @token was committed */
};

struct change_rec {
	uint32_t state;
	uint32_t kind; /* enum change_kind */
	/* Records of users, 0: of one who is not counted. */
	uint32_t from, to;
	uint64_t from_had, to_had; /* names, before */
	uint64_t token;
	uint64_t ino; /* of the file, with @generation its handle */
	uint32_t generation;
	uint32_t nr; /* names that the file had */
	uint32_t to_uid; /* whose it will be */
	uint32_t rest;
};
_Static_assert(sizeof(struct change_rec) == 64, "change_rec");

struct names {
	struct table table;
};

#define CHANGE_REC 1

static struct names_rec *names_rec(struct pool *pool, uint32_t i)
{
	return table_record(&pool->names->table, i);
}

static struct change_rec *change_rec(struct pool *pool)
{
	return table_record(&pool->names->table, CHANGE_REC);
}

/* --- the change --- */

static void change_begin(struct pool *pool, const struct change_rec *model,
			 enum change_kind kind)
{
	struct change_rec *c = change_rec(pool);

	/* A bug of poolfs. */
	if (c->kind)
		abort();
	*c = *model;
	c->state = NAMES_CHANGE;
	c->from_had = c->from ? names_rec(pool, c->from)->nr : 0;
	c->to_had = c->to ? names_rec(pool, c->to)->nr : 0;
	table_publish(&c->kind, kind);
}

/* Now @from has @less names fewer, and @to @more. */
static void change_end(struct pool *pool, uint64_t less, uint64_t more)
{
	struct change_rec *c = change_rec(pool);

	if (c->from)
		names_rec(pool, c->from)->nr = c->from_had -
					       MIN(less, c->from_had);
	if (c->to)
		names_rec(pool, c->to)->nr = c->to_had + more;
	table_publish(&c->kind, CHANGE_NONE);
}

/* What tmpfs takes for it; a directory has one name. */
static uint32_t names_of(const struct stat *st)
{
	return S_ISDIR(st->st_mode) ? st->st_nlink > 0 : st->st_nlink;
}

/* --- handles of tmpfs: a generation and a 64-bit inode number --- */

#define HANDLE_TYPE 1
#define HANDLE_WORDS 3

struct name_handle {
	struct file_handle head;
	uint32_t word[MAX_HANDLE_SZ / 4];
};

/* 0: unknown, so the file is taken for gone. */
static uint32_t handle_generation(int dirfd, const char *path)
{
	struct name_handle h = { .head.handle_bytes = sizeof(h.word) };
	int mount;

	return name_to_handle_at(dirfd, path, &h.head, &mount, 0) < 0
		       ? 0
		       : h.word[0];
}

/* Return: 0 and *@st, with no name for one that is gone; or -errno. */
static int handle_stat(struct pool *pool, uint64_t ino, uint32_t generation,
		       struct stat *st)
{
	struct name_handle h = {
		.head = { .handle_bytes = 4 * HANDLE_WORDS,
			  .handle_type = HANDLE_TYPE },
		.word = { generation, ino, ino >> 32 },
	};
	int fd = open_by_handle_at(pool->store->contentfd, &h.head,
				   O_PATH | O_CLOEXEC),
	    err = 0;

	*st = (struct stat){ 0 };
	if (fd < 0)
		return errno == ESTALE || errno == ENOENT ? 0 : -errno;
	if (fstat(fd, st) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* --- users --- */

static int names_record(struct pool *pool, uid_t uid)
{
	uint32_t *i = user_names(pool, uid);
	struct names_rec *rec;
	int err;

	if (*i)
		return 0;
	err = pool_record(pool, &pool->names->table, i);
	if (err)
		return err;
	rec = names_rec(pool, *i);
	rec->uid = uid;
	table_publish(&rec->state, NAMES_USER);
	return 0;
}

/* In memory; and without a name there is no record. */
static void names_uncharge(struct pool *pool, uid_t uid, uint64_t n)
{
	uint64_t held = user_held(pool, uid, USER_INODES);
	uint32_t *i;

	n = MIN(n, held);
	if (!n)
		return;
	i = user_names(pool, uid);
	if (n == held && *i) {
		names_rec(pool, *i)->state = NAMES_FREE;
		table_free(&pool->names->table, *i);
		*i = 0;
	}
	user_uncharge(pool, uid, USER_INODES, n);
}

static bool names_counts(const struct pool *pool, uid_t uid)
{
	return pool->names && !user_is_owner(pool, uid);
}

static int names_charge(struct pool *pool, uid_t uid, uint64_t n)
{
	int err = user_charge_anyway(pool, uid, USER_INODES, n);

	if (err)
		return err;
	err = names_record(pool, uid);
	if (err)
		user_uncharge(pool, uid, USER_INODES, n);
	return err;
}

int names_take(struct pool *pool, uid_t uid, bool again)
{
	int err;

	if (!names_counts(pool, uid))
		return 0;
	err = again ? 0 : user_may_charge(pool, uid, USER_INODES, 1);
	return err ? err : names_charge(pool, uid, 1);
}

int names_may_take(struct pool *pool, uid_t uid, uint64_t n)
{
	if (!names_counts(pool, uid))
		return 0;
	return user_may_charge(pool, uid, USER_INODES, n);
}

void names_put(struct pool *pool, uid_t uid)
{
	if (names_counts(pool, uid))
		names_uncharge(pool, uid, 1);
}

void names_made_begin(struct pool *pool, uint64_t token, uid_t uid)
{
	struct change_rec c = { .token = token };

	if (!names_counts(pool, uid))
		return;
	c.to = *user_names(pool, uid);
	change_begin(pool, &c, CHANGE_MADE);
}

void names_made_end(struct pool *pool)
{
	if (pool->names && change_rec(pool)->kind)
		change_end(pool, 0, 1);
}

/* --- names that are lost --- */

void name_lose_begin(struct pool *pool, int dirfd, const char *path,
		     uint64_t not, struct name_lost *lost)
{
	struct stat *st = &lost->st;
	struct change_rec c;

	lost->counted = (pool->names || space_counts(pool)) &&
			fstatat(dirfd, path, st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st->st_ino != not ;
	if (!lost->counted || !names_counts(pool, st->st_uid) ||
	    !user_held(pool, st->st_uid, USER_INODES))
		return;
	c = (struct change_rec){
		.from = *user_names(pool, st->st_uid),
		.ino = st->st_ino,
		.generation = handle_generation(dirfd, path),
		.nr = names_of(st),
	};
	change_begin(pool, &c, CHANGE_LOST);
}

void name_lose_end(struct pool *pool, const struct name_lost *lost, bool done)
{
	const struct stat *st = &lost->st;

	if (!lost->counted)
		return;
	if (done && !S_ISDIR(st->st_mode) && st->st_nlink == 1)
		space_changed(pool, space_of_stat(st),
			      (struct space){ .uid = st->st_uid });
	if (!pool->names || !change_rec(pool)->kind)
		return;
	change_end(pool, done, 0);
	if (done)
		names_uncharge(pool, st->st_uid, 1);
}

int name_unlink(struct pool *pool, int dirfd, const char *path, int flags)
{
	struct name_lost lost;
	int err;

	name_lose_begin(pool, dirfd, path, 0, &lost);
	err = unlinkat(dirfd, path, flags) < 0 ? -errno : 0;
	name_lose_end(pool, &lost, !err);
	return err;
}

/* --- files that change hands --- */

int names_chown_begin(struct pool *pool, int dirfd, const char *path, uid_t uid)
{
	struct change_rec c = { .to_uid = uid };
	struct stat st;
	int err;

	if (!pool->names ||
	    fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_uid == uid ||
	    st.st_ino == inode_rec(pool->inodes, INODE_ROOT)->ino)
		return 0;
	c.nr = names_of(&st);
	if (names_counts(pool, uid)) {
		err = names_charge(pool, uid, c.nr);
		if (err)
			return err;
		c.to = *user_names(pool, uid);
	}
	if (names_counts(pool, st.st_uid) &&
	    user_held(pool, st.st_uid, USER_INODES))
		c.from = *user_names(pool, st.st_uid);
	if (!c.from && !c.to)
		return 0;
	c.ino = st.st_ino;
	c.generation = handle_generation(dirfd, path);
	change_begin(pool, &c, CHANGE_OWNER);
	return 0;
}

void names_chown_end(struct pool *pool, bool done)
{
	struct change_rec c;

	if (!pool->names || !change_rec(pool)->kind)
		return;
	c = *change_rec(pool);
	change_end(pool, done ? c.nr : 0, done ? c.nr : 0);
	if (done && c.from)
		names_uncharge(pool, names_rec(pool, c.from)->uid, c.nr);
	else if (!done && c.to)
		names_uncharge(pool, c.to_uid, c.nr);
}

/* --- all of them --- */

int names_open(struct pool *pool)
{
	struct names *n;
	uint32_t i;
	int err;

	if (!pool->count_names)
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	pool->names = n;
	err = table_open(&n->table, pool->store->dirfd, "users",
			 sizeof(struct names_rec), NAMES_MAX);
	if (err || table_live(&n->table, CHANGE_REC))
		return err;
	err = table_alloc(&n->table, &i);
	if (!err && i != CHANGE_REC)
		err = -EUCLEAN;
	if (!err)
		table_publish(&change_rec(pool)->state, NAMES_CHANGE);
	return err;
}

/* What the worker before was about to change: was it made? */
static int change_settle(struct pool *pool)
{
	const struct change_rec *c = change_rec(pool);
	struct stat st = { 0 };
	int64_t result;
	bool made;
	int err = 0;

	if (c->kind == CHANGE_LOST || c->kind == CHANGE_OWNER)
		err = handle_stat(pool, c->ino, c->generation, &st);
	if (err)
		return err;
	switch (c->kind) {
	case CHANGE_LOST:
		change_end(pool, c->nr - MIN(names_of(&st), c->nr), 0);
		break;
	case CHANGE_OWNER:
		made = st.st_uid == c->to_uid;
		change_end(pool, made ? c->nr : 0, made ? c->nr : 0);
		break;
	case CHANGE_MADE:
		made = journal_replayed(&pool->journal, c->token, &result);
		change_end(pool, 0, made);
		break;
	}
	return 0;
}

int names_adopt(struct pool *pool)
{
	struct table *t;
	int err;

	if (!pool->names)
		return 0;
	t = &pool->names->table;
	err = change_settle(pool);
	if (err)
		return err;
	table_for_each (t, i) {
		struct names_rec *rec = names_rec(pool, i);

		if (rec->state != NAMES_USER)
			continue;
		if (!rec->nr) {
			rec->state = NAMES_FREE;
			table_free(t, i);
			continue;
		}
		err = user_charge_anyway(pool, rec->uid, USER_INODES, rec->nr);
		if (err)
			return err;
		*user_names(pool, rec->uid) = i;
	}
	return 0;
}

void names_close(struct pool *pool)
{
	if (!pool->names)
		return;
	table_release(&pool->names->table);
	free(pool->names);
	pool->names = NULL;
}

void names_count_users(struct pool *pool, struct users *counts)
{
	if (!pool->names)
		return;
	table_for_each (&pool->names->table, i)
		if (names_rec(pool, i)->state == NAMES_USER)
			users_recount(counts, names_rec(pool, i)->uid,
				      USER_INODES, names_rec(pool, i)->nr);
}
