/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame of an operation that changes names:
 *
 *	checked --note--> begun --system calls--> done --journal--> answered
 *
 * It is entered anew at "begun" when its request comes again after a kill.
 * Nobody else changes the tree, so what was checked before still holds, and
 * what is found done was done by the same request.
 */
#ifndef POOLFS_POOL_TREE_INTENT_H
#define POOLFS_POOL_TREE_INTENT_H

#include <errno.h>
#include <fcntl.h>

#include "pool/tree/tree_priv.h"

/* Has the request been answered, or begun, before? */
struct intent {
	bool again;
	struct journal_intent what;
};

static inline bool intent_is_done(struct pool *pool, const struct op *op,
				  int64_t *result)
{
	return journal_replayed(&pool->journal, op->token, result);
}

static inline void intent_begin(struct pool *pool, const struct op *op,
				struct intent *in)
{
	in->again = journal_intends(&pool->journal, op->token, &in->what);
	if (!in->again)
		journal_intend(&pool->journal, op->token, &in->what);
}

/*
 * The same for a name that is to be made.  One that was there before must not be
 * taken for the work of a worker that was killed.
 */
static inline int intent_begin_name(struct pool *pool, const struct op *op,
				    struct intent *in,
				    const struct inode_path *p)
{
	struct stat st;

	if (!journal_intends(&pool->journal, op->token, NULL) &&
	    fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	intent_begin(pool, op, in);
	return 0;
}

#endif
