/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a store that is adopted, as sentences.
 *
 * Who looks at a record calls wrong() for what poolfs cannot have written, and
 * drops the record.  That is done to a private copy of the tables first, which
 * tells all that is wrong and changes nothing; and to the store itself only if
 * the user wants it (--repair).
 */
#ifndef POOLFS_POOL_STORE_WRONG_H
#define POOLFS_POOL_STORE_WRONG_H

#include <stdbool.h>
#include <stdint.h>

#define WRONG_TEXT 256

struct wrongs {
	bool drop; /* what is dropped is dropped from the store itself */
	uint64_t nr; /* wrong things that were found */
	char first[WRONG_TEXT]; /* the first of them */
	/* Called for each, if it is not NULL. */
	void (*say)(void *arg, const char *text);
	void *arg;
};

/** wrong - counts one wrong thing, and says it. */
__attribute__((format(printf, 2, 3))) void wrong(struct wrongs *w,
						 const char *fmt, ...);

#endif
