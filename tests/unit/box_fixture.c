/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See box_fixture.h. */
#include "tests/unit/box_fixture.h"

struct heard heard;

static const char *dir;
static uint64_t pool_size;
static const struct pool_ops *pool_ops;

static void on_space(void *arg, struct box *box)
{
	heard.space++;
	heard.early += the_op.token && !pool_replays(pool, the_op.token);
}

static void on_queued(void *arg, struct box *box)
{
	heard.queued++;
}

static void on_suspect(void *arg, struct box *box, uid_t uid, uint64_t bytes,
		       uint32_t transactions)
{
	heard.suspects++;
	heard.suspect = uid;
}

static uint64_t on_reclaim(void *arg, uint64_t pages)
{
	heard.reclaim += pages;
	return 0;
}

const struct pool_ops box_ops = {
	.space = on_space,
	.queued = on_queued,
	.suspect = on_suspect,
	.reclaim = on_reclaim,
};

void box_fixture(void)
{
	scratch_new();
	dir = scratch_dir("pool");
}

void box_begin(uint64_t size, const struct pool_ops *ops)
{
	pool_size = size;
	pool_ops = ops ? ops : &box_ops;
	memset(&heard, 0, sizeof(heard));
	scratch_empty(dir);
	pool_start(dir, pool_size, true, pool_ops);
}

static void open_again(bool fresh)
{
	pool_stop();
	pool_start(dir, pool_size, fresh, pool_ops);
}

void box_again(void)
{
	open_again(false);
}

void box_remount(void)
{
	open_again(true);
}

struct box *box_reopened(uint64_t serial)
{
	box_again();
	return box_by_serial(pool, serial);
}

void box_end(const char *what)
{
	ok(pool_intact(), "%s: all invariants hold", what);
	pool_drain();
	pool_stop();
}
