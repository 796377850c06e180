/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode overrides: access to files and directories whose modes forbid it to
 * their owner.
 *
 * A client that has a file open, or has a working directory, goes on when the
 * owner's permission to it, or to a directory above it, is taken away.  The
 * worker of an ordinary user opens a path for each operation, and has no
 * privilege.  So it sets the missing bits while one operation runs.
 *
 * States: mode as its user set it -> recorded in the table -> overridden (the
 * operation runs) -> restored -> record freed.  A worker that starts restores
 * what is recorded.
 *
 * Locks: pool->lock (1) held by all callers.
 * Reclaim: a purge overrides modes itself, between two operations.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pool/inode/inode_priv.h"

static struct mode_override_rec *override_rec(struct pool *pool, uint32_t slot)
{
	return table_record(&pool->inodes->table, slot);
}

/*
 * The path of @inode, to be freed by override_path_free().  In a deep directory
 * that can take an override of its own, and that another, each one level up.
 */
static int override_path(struct pool *pool, uint32_t inode,
			 struct inode_path **out)
{
	struct inode_table *t = pool->inodes;
	struct inode_path *at = malloc(sizeof(*at));
	int err;

	if (!at)
		return -ENOMEM;
	t->overriding++;
	err = t->overriding > OVERRIDES_MAX ? -EACCES
					    : inode_path(pool, inode, at);
	t->overriding--;
	if (err)
		free(at);
	else
		*out = at;
	return err;
}

static void override_path_free(struct inode_path *at)
{
	inode_path_release(at);
	free(at);
}

/* Sets @bits in the mode of the file at @at, of @inode. */
static int override_at(struct pool *pool, uint32_t inode,
		       const struct inode_path *at, mode_t bits,
		       struct inode_path *p)
{
	struct mode_override_rec *rec;
	struct stat st;
	uint32_t slot;
	int err;

	if (fstatat(at->dirfd, at->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if ((st.st_mode & bits) == bits)
		return 0;
	err = p->nr_overrides == OVERRIDES_MAX
		      ? -EACCES
		      : pool_record(pool, &pool->inodes->table, &slot);
	if (err)
		return err;
	rec = override_rec(pool, slot);
	rec->inode = inode;
	rec->mode = st.st_mode & 07777;
	table_publish(&rec->state, INODE_MODE_OVERRIDE);
	p->overrides[p->nr_overrides++] = slot;
	return inode_path_chmod(at, rec->mode | bits);
}

static int mode_override(struct pool *pool, uint32_t inode, mode_t bits,
			 struct inode_path *p)
{
	struct inode_path *at;
	int err = override_path(pool, inode, &at);

	if (err)
		return err;
	err = override_at(pool, inode, at, bits, p);
	override_path_free(at);
	return err;
}

/* From the top down: a path can be passed once those above can. */
int mode_override_path(struct pool *pool, uint32_t dir, uint32_t top,
		       struct inode_path *p)
{
	struct inode_rec *rec;
	int err;

	if (!dir || !inode_valid(pool, dir))
		return 0;
	rec = inode_rec(pool->inodes, dir);
	err = dir == top ? 0
			 : mode_override_path(pool, rec->place.parent, top, p);
	return err ? err : mode_override(pool, dir, S_IXUSR, p);
}

int mode_override_file(struct pool *pool, uint32_t inode, struct inode_path *p)
{
	return mode_override(pool, inode, S_IRUSR | S_IWUSR, p);
}

static void restore_one(struct pool *pool, uint32_t slot)
{
	struct mode_override_rec *rec = override_rec(pool, slot);
	struct inode_path *at;

	if (override_path(pool, rec->inode, &at) == 0) {
		inode_path_chmod(at, rec->mode);
		override_path_free(at);
	}
	rec->state = INODE_FREE;
	table_free(&pool->inodes->table, slot);
}

/* From the bottom up: the path is needed to restore what is below. */
void mode_override_restore(struct inode_path *p)
{
	while (p->nr_overrides)
		restore_one(p->pool, p->overrides[--p->nr_overrides]);
}

/* Overrides of one worker are all along one path. */
void mode_override_recover(struct pool *pool)
{
	struct inode_table *t = pool->inodes;
	bool again = true;

	/* The deepest first, which need not be the record with the highest
	 * number: it is reached through the others. */
	while (again) {
		uint32_t deepest = 0, depth_of = 0;

		table_for_each (&t->table, i) {
			uint32_t depth = 1, inode;

			if (inode_rec(t, i)->state != INODE_MODE_OVERRIDE)
				continue;
			for (inode = override_rec(pool, i)->inode;
			     inode_valid(pool, inode) && inode != INODE_ROOT;
			     inode = inode_rec(t, inode)->place.parent)
				depth++;
			if (depth > depth_of) {
				depth_of = depth;
				deepest = i;
			}
		}
		again = deepest;
		if (deepest)
			restore_one(pool, deepest);
	}
}
