/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of inodes: all are found while it grows and shrinks, and that is done
 * in small steps.
 */
#include "pool/inode/inode_priv.h"
#include "tests/unit/tree_fixture.h"

#define NR 9000

static uint32_t node[NR];
static uint64_t ino[NR];

static bool all_found(int first, int end)
{
	for (int i = first; i < end; i++)
		if (inode_by_ino(pool->inodes, ino[i]) != node[i])
			return false;
	return true;
}

/* The most that one of them has changed the number of buckets by. */
static uint32_t step(uint32_t before)
{
	uint32_t now = pool->inodes->nr_buckets;

	return now > before ? now - before : before - now;
}

int main(void)
{
	const struct inode_table *t;
	uint32_t before, most = 0;
	bool found = true;
	struct statx stx;
	char name[32];
	char *dir;

	scratch_new();
	dir = scratch_dir("pool");
	pool_start(dir, 1ull << 30, true, NULL);
	t = pool->inodes;
	for (int i = 0; i < NR; i++) {
		before = t->nr_buckets;
		snprintf(name, sizeof(name), "d%d", i);
		node[i] = made_dir(INODE_ROOT, name);
		must(inode_stat(pool, node[i], &stx) == 0, "stat");
		ino[i] = stx.stx_ino;
		most = step(before) > most ? step(before) : most;
		if (i % 500 == 0)
			found &= all_found(0, i + 1);
	}
	ok(found && all_found(0, NR), "%d inodes are found", NR);
	ok(most == 1 && t->nr_buckets >= NR / 2,
	   "there are as many buckets, made one by one");
	for (int i = 0; i < NR; i++) {
		before = t->nr_buckets;
		snprintf(name, sizeof(name), "d%d", i);
		must(tree_rmdir(pool, &the_op, INODE_ROOT, name) == 0, "rmdir");
		inode_forget(pool, node[i], 1);
		most = step(before) > most ? step(before) : most;
		if (i % 500 == 0)
			found &= all_found(i + 1, NR) &&
				 !inode_by_ino(pool->inodes, ino[i]);
	}
	ok(found, "they are found until they go");
	ok(most <= 2 && t->nr_buckets == INODE_BUCKETS_MIN,
	   "and so do the buckets, two at a time");
	ok(pool_intact(), "pool_check()");
	pool_stop();
	free(dir);
	return done();
}
