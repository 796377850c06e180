/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: makes a change of several records all or nothing, and makes an
 * operation that comes again answer what it answered before.
 *
 * A worker may be killed between any two instructions.  A change is first
 * written down (which bytes of which table get which value), then declared
 * committed by one store, then carried out.  A worker that starts and finds a
 * committed change carries it out once more; that is harmless, since it only
 * stores values.  (Physical redo logging with a log of one transaction.)
 *
 *	EMPTY --write down--> EMPTY --one store--> COMMITTED --apply--> APPLIED
 *	  ^                                                               |
 *	  '------------------------- journal_begin() --------------------'
 *
 * The token names the request that asked for the change.  Requests are carried
 * out and answered one after another, so only the last can have been carried
 * out but not answered; when it is sent again, its token matches.  A new worker
 * must handle that one before any other: the next change overwrites its token.
 *
 * A change that is not to records alone (a rename in the store's tree) is noted
 * before it begins: when its request comes again, it may or may not have
 * happened, and what was noted tells which.
 *
 * Locks: callers hold pool->lock (1).
 */
#ifndef POOLFS_POOL_STORE_JOURNAL_H
#define POOLFS_POOL_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/store/table.h"

#define JOURNAL_TABLES 4
#define JOURNAL_ENTRIES 24
#define JOURNAL_BYTES 48 /* most bytes one entry stores */

struct journal_page;

struct journal {
	struct journal_page *page;
	struct table *tables[JOURNAL_TABLES];
	uint32_t nr_entries;
	bool begun; /* between journal_begin() and journal_commit() */
};

/**
 * journal_open - map it and finish what a killed worker had committed.
 * @tables: every table that journal_set() will be used on.
 * @forget: no request of before can come again (a new mount): drop the token.
 * Return: 0 or -errno.
 */
int journal_open(struct journal *j, int dirfd, struct table *const *tables,
		 int nr_tables, bool forget);
void journal_release(struct journal *j);

/**
 * journal_replayed - was the request @token the last one carried out?
 * @result: out, what it returned then.
 */
bool journal_replayed(const struct journal *j, uint64_t token, int64_t *result);

/* What is about to be done, for who finds it begun. */
struct journal_intent {
	uint64_t ino; /* of the file that it is done to */
	uint32_t inode;
	uint32_t victim; /* the node that loses its name, 0: none */
};

/** journal_note - request @token is going to change something else. */
void journal_intend(struct journal *j, uint64_t token,
		    const struct journal_intent *intent);

/**
 * journal_intends - was the request @token noted last, and not carried out to
 * its end?  @note: out, may be NULL.
 */
bool journal_intends(const struct journal *j, uint64_t token,
		     struct journal_intent *intent);

/**
 * journal_unfinished - is some request noted that was not carried out, and not
 * followed by another?  @note: out.
 */
bool journal_unfinished(const struct journal *j, struct journal_intent *intent);

/* A change for another request, @token not 0, ends what is noted. */
void journal_begin(struct journal *j, uint64_t token);

/**
 * journal_set - @len bytes at @to, inside a table, get the value at @from when
 * the change is committed, not before.
 */
void journal_set(struct journal *j, void *to, const void *from, size_t len);

/** journal_commit - carry it out; @result is kept for journal_replayed(). */
void journal_commit(struct journal *j, int64_t result);

/* One field of a record. */
#define jset(j, field, value)                                              \
	do {                                                               \
		typeof(field) jset_value = (value);                        \
		journal_set(j, &(field), &jset_value, sizeof(jset_value)); \
	} while (0)

#endif
