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
#ifndef POOLFS_TREE_ATTEMPT_H
#define POOLFS_TREE_ATTEMPT_H

#include <errno.h>
#include <fcntl.h>

#include "pool/inode/inode.h"

/* Has the request been answered, or begun, before? */
struct attempt {
	bool again;
	struct journal_note note;
};

static inline bool attempt_is_over(struct pool *pool, int64_t *result)
{
	return journal_replayed(&pool->journal, pool->token, result);
}

static inline void attempt_begin(struct pool *pool, struct attempt *a)
{
	a->again = journal_noted(&pool->journal, pool->token, &a->note);
	if (!a->again)
		journal_note(&pool->journal, pool->token, &a->note);
}

/*
 * The same for a name that is to be made.  One that was there before must not be
 * taken for the work of a worker that was killed.
 */
static inline int attempt_begin_name(struct pool *pool, struct attempt *a,
				     const struct tree_path *p)
{
	struct stat st;

	if (!journal_noted(&pool->journal, pool->token, NULL) &&
	    fstatat(p->dirfd, p->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	attempt_begin(pool, a);
	return 0;
}

/* tree_name.c.  After -ENOSPC; return: whether to try once more. */
bool tree_made_room(struct pool *pool);
/* The name goes; who has the file's node goes on with orphan/NODE. */
int tree_to_orphan(struct pool *pool, const struct tree_path *p,
		   uint32_t victim);
/* The node's file has lost a name that it is not known by: maybe the last. */
void tree_lost_a_name(struct pool *pool, uint32_t node);

#endif
