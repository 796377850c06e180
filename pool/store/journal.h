/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: a physical redo log with room for one change.  It makes a change
 * of several records atomic, and it makes a request that is sent again return
 * what it returned before.
 *
 * A worker may be killed between any two instructions.  journal_set() writes to
 * the log which bytes of which table get which value; journal_commit() marks
 * the log committed by one store, and then applies it.  A worker that starts
 * and finds a committed change applies it once more.  That is harmless, since
 * it only stores values.
 *
 *	EMPTY --journal_set()--> EMPTY --1 store--> COMMITTED --apply--> APPLIED
 *	  ^                                                                |
 *	  '------------------------- journal_begin() ----------------------'
 *
 * The token names the request that asked for the change.  Requests are carried
 * out and answered one after another, so only the last one can have been
 * carried out but not answered.  When it is sent again, its token matches.  A
 * new worker must handle that request before any other, because the next change
 * overwrites its token.
 *
 * A change of more than records (a rename in the store's tree) is not atomic.
 * Before it starts, an intent record is written: which inodes it is about to
 * change.  When its request is sent again, the intent record says that a part
 * of the change may have been made, and of which files.
 *
 * Locks: callers hold pool->lock (1).
 */
#ifndef POOLFS_POOL_STORE_JOURNAL_H
#define POOLFS_POOL_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/store/table.h"
#include "pool/store/wrong.h"

#define JOURNAL_TABLES 4
#define JOURNAL_ENTRIES 24
#define JOURNAL_BYTES 48 /* most bytes one entry stores */

struct journal_page;

struct journal {
	struct journal_page *page;
	struct table *tables[JOURNAL_TABLES];
	uint32_t nr_entries;
	bool active; /* a change is being written: begin to commit */
};

/**
 * journal_open - map the log and apply what a killed worker had committed.
 * @tables, @nr_tables: at most JOURNAL_TABLES; journal_set() is for records of
 *	these only.
 * @forget: this is a new mount, so no earlier request can be sent again: drop
 *	the token and the intent record.
 * Return: 0 or -errno of openat(), fallocate() or mmap().
 */
int journal_open(struct journal *j, int dirfd, struct table *const *tables,
		 int nr_tables, bool forget);

/**
 * journal_validate - look at the log of a store that comes from elsewhere,
 * without applying it.
 * @tables, @nr_tables: as those of journal_open(), open.
 * @try: the tables are tried (table_try()): make the change in them.
 * What is wrong is dropped by removing the file, if @w says so.
 * Return: 0, or -errno if it could not look.
 */
int journal_validate(int dirfd, struct table *const *tables, int nr_tables,
		     bool try, struct wrongs *w);
void journal_release(struct journal *j);

/**
 * journal_replayed - was the request @token the last one carried out?
 * @token: 0 never was.
 * @result: out, what it returned then; untouched if the answer is no.
 */
bool journal_replayed(const struct journal *j, uint64_t token, int64_t *result);

/* The intent record: which files a request is about to change. */
struct journal_intent {
	uint64_t ino; /* inode number of the file */
	uint32_t inode; /* its inode, 0: none */
	uint32_t victim; /* the inode that loses its name, 0: none */
};

/**
 * journal_intend - write the intent record of request @token, in place of the
 * one before.  @token 0: the record is empty.
 */
void journal_intend(struct journal *j, uint64_t token,
		    const struct journal_intent *intent);

/**
 * journal_intends - is the intent record that of @token, and @token not carried
 * out yet?  @intent: out, may be NULL.
 */
bool journal_intends(const struct journal *j, uint64_t token,
		     struct journal_intent *intent);

/**
 * journal_unfinished - is there an intent record whose request was not carried
 * out?  @intent: out.
 */
bool journal_unfinished(const struct journal *j, struct journal_intent *intent);

/**
 * journal_begin - start a change for request @token.  0: for none; then the
 * intent record stays.  Another token than that of the intent record ends the
 * record.
 */
void journal_begin(struct journal *j, uint64_t token);

/**
 * journal_set - when the change is committed, and not before, copy @len bytes
 * from @from to @to.
 * @to: in a table of journal_open().
 * @len: at most JOURNAL_BYTES.  A change has at most JOURNAL_ENTRIES of them.
 */
void journal_set(struct journal *j, void *to, const void *from, size_t len);

/** journal_commit - apply the change; keep @result for journal_replayed(). */
void journal_commit(struct journal *j, int64_t result);

/* journal_set() of one field of a record. */
#define jset(j, field, value)                                              \
	do {                                                               \
		typeof(field) jset_value = (value);                        \
		journal_set(j, &(field), &jset_value, sizeof(jset_value)); \
	} while (0)

#endif
