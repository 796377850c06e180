/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame of an operation that changes names by system calls and records:
 *
 *	checked --intent record--> intended --system calls--> changed
 *	                               |                         | journal
 *	                               '- killed: sent again     v
 *	                                  and continued here  committed
 *
 * A request that is sent again after a kill continues at "intended".  No other
 * operation changes the tree in between, so the checks are not repeated, and a
 * change that is found in the tree was made by the same request.
 */
#ifndef POOLFS_POOL_TREE_INTENT_H
#define POOLFS_POOL_TREE_INTENT_H

#include <errno.h>
#include <fcntl.h>

#include "pool/tree/tree_priv.h"

struct intent {
	bool again; /* a worker that was killed wrote the record */
	struct journal_intent what;
};

/* Was the request committed before?  @result: out, what it returned. */
static inline bool intent_is_done(struct pool *pool, const struct op *op,
				  int64_t *result)
{
	return journal_replayed(&pool->journal, op->token, result);
}

/* Writes the intent record, or reads it into @in if the request has one. */
static inline void intent_begin(struct pool *pool, const struct op *op,
				struct intent *in)
{
	in->again = journal_intends(&pool->journal, op->token, &in->what);
	if (!in->again)
		journal_intend(&pool->journal, op->token, &in->what);
}

/*
 * The same for a name that is to be made.  -EEXIST if it exists, unless the
 * request has an intent record: then it may have made the name itself.
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
