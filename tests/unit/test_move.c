/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions that move since another one is behind them: what others see
 * meanwhile, and every way in which it can end.  And quotas, which nobody who
 * waits or moves makes larger or smaller.
 */
#include "pool/core/user.h"
#include "tests/unit/pool_fixture.h"

#define MIB (1ull << 20)
#define SIZE (256 * MIB)
#define USER 1000

static const char *dir;
static int moves, no_memory;

static int on_moves(void *arg)
{
	if (no_memory)
		return -ENOMEM;
	moves++;
	return 0;
}

static const struct pool_ops ops = { .moves = on_moves };

static struct box *box;
static uint32_t large, behind;

static uint64_t reserved(void)
{
	struct box_stat st;

	box_stat(pool, box, &st);
	return st.ranges.reserved;
}

/* Of @uid, @mib of a transaction, and 8 bytes of another one behind it. */
static void start(uid_t uid, int mib)
{
	scratch_empty(dir);
	pool_start(dir, SIZE, true, &ops);
	moves = no_memory = 0;
	box = box_make("box", 64 * MIB);
	large = open_as(HANDLE_SEND, box, 0, uid);
	behind = open_kind(HANDLE_SEND, box);
	for (int i = 0; i < mib; i++)
		must(write_fill(large, 'a' + i, MIB, false) == 0, "tx_write");
	must(write_fill(behind, 'z', 8, false) == 0, "tx_write");
}

static void end(const char *what)
{
	ok(pool_intact(), "%s: all invariants hold", what);
	pool_close_all_handles();
	pool_drain();
	pool_stop();
}

/* Is the last transaction @mib of them, and @more bytes of @fill? */
static bool sent(int mib, char fill, size_t more)
{
	struct tx_info tx = { 0 };
	struct region *region;
	bool same = true;
	uint64_t id = 0;
	char *buf;

	while (!tx_next(pool, box, id, &tx))
		id = tx.id;
	if (tx.size != mib * MIB + more)
		return false;
	buf = malloc(tx.size);
	must(buf && box_region(pool, box, &region) == 0 &&
		     region_read(region, tx.offset, buf, tx.size) == 0,
	     "region_read");
	for (uint64_t i = 0; i < tx.size; i++)
		same &= buf[i] ==
			(i < mib * MIB ? (char)('a' + i / MIB) : fill);
	free(buf);
	return same;
}

static int steps(void)
{
	int n = 1;

	while (tx_moves_go_on(pool))
		n++;
	return n;
}

static void test_steps(void)
{
	uint32_t other;

	start(0, 8);
	ok(write_fill(large, 'x', 100, false) == -EINPROGRESS && moves == 1,
	   "a large one moves, and its write waits");
	ok(write_fill(large, 'x', 100, false) == -EINPROGRESS && moves == 1,
	   "as often as it is tried");
	ok(pool_intact(), "meanwhile all invariants hold");
	other = open_kind(HANDLE_SEND, box);
	ok(write_fill(other, 'o', 3 * MIB, false) == 0,
	   "another sender goes on");
	ok(steps() >= 7, "a MiB was copied at once, the others in steps");
	ok(write_fill(large, 'x', 100, false) == 0, "then it goes on");
	ok(reserved() == 16 * MIB + 200 + 8 + 3 * MIB,
	   "and has room to grow in one place");
	ok(write_fill(large, 'x', MIB, false) == 0 && moves == 1,
	   "where it grows without moving");
	ok(tx_commit(pool, &the_op, large) == 0 && sent(8, 'x', MIB + 100),
	   "every byte is there");
	end("a move");

	start(0, 1);
	ok(write_fill(large, 'x', 100, true) == 0 && !moves &&
		   sent(1, 'x', 100),
	   "a small one is copied at once");
	end("a small one");

	start(0, 8);
	no_memory = 1;
	ok(write_fill(large, 'x', 100, true) == 0 && sent(8, 'x', 100),
	   "so is a large one if nobody can do it in steps");
	end("nobody to copy");
}

/* What becomes of a move under way, and of the bytes that were written. */
static void test_ends(void)
{
	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	tx_moves_go_on(pool);
	tx_interrupted(pool, large);
	ok(reserved() == 8 * MIB + 8 && !tx_moves_go_on(pool),
	   "interrupted: it stays where it is");
	ok(tx_commit(pool, &the_op, large) == -EAGAIN && reserved() == 8,
	   "and is not whole");
	end("interrupted");

	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	ok(steps() >= 7, "all is copied");
	tx_interrupted(pool, large);
	ok(reserved() == 8 * MIB + 8 &&
		   write_fill(large, 'y', 9, false) == -EINPROGRESS &&
		   steps() >= 7 && write_fill(large, 'y', 9, true) == 0 &&
		   sent(8, 'y', 9),
	   "interrupted at the end: the next write begins anew");
	end("interrupted late");

	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	tx_moves_go_on(pool);
	ok(tx_commit(pool, &the_op, large) == 0 && sent(8, 0, 0) &&
		   reserved() == 8 * MIB + 8,
	   "fsync: what was written is queued, from where it was");
	ok(write_fill(large, 'x', 100, true) == 0 && sent(0, 'x', 100),
	   "and the write is the next one's");
	end("committed");

	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	tx_moves_go_on(pool);
	ok(handle_close(pool, &the_op, large) == 0 && sent(8, 0, 0) &&
		   reserved() == 8 * MIB + 8,
	   "close: the same");
	end("closed");

	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	tx_writer(pool, large, 99);
	tx_writer_gone(pool, large, 99, true);
	ok(handle_close(pool, &the_op, large) == 0 && reserved() == 8 &&
		   !tx_moves_go_on(pool),
	   "its writer is killed: nothing is left");
	end("killed");

	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	tx_moves_go_on(pool);
	pool_stop();
	pool_start(dir, SIZE, false, &ops);
	box = box_by_name(pool, "box");
	ok(pool_intact() && reserved() == 8 * MIB + 8 && !tx_moves_go_on(pool),
	   "the worker is killed: the next one knows of no move");
	ok(write_fill(large, 'x', 100, false) == -EINPROGRESS && steps() >= 7 &&
		   write_fill(large, 'x', 100, true) == 0 && sent(8, 'x', 100),
	   "and begins it anew");
	end("a new worker");

	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	must(write_fill(large, 'w', 9 * MIB, false) == -EINPROGRESS, "waits");
	ok(write_fill(large, 'v', 57 * MIB, false) == -EMSGSIZE &&
		   write_fill(large, 'x', 100, false) == -EMSGSIZE &&
		   !tx_moves_go_on(pool),
	   "another write of it fails: all is dropped");
	end("dropped");
}

/* Two writes of one file; the second needs more room than the move makes. */
static void test_two_writes(void)
{
	start(0, 8);
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	ok(write_fill(large, 'y', 9 * MIB, false) == -EINPROGRESS && moves == 1,
	   "a second write waits for the same move");
	steps();
	ok(write_fill(large, 'y', 9 * MIB, false) == -EINPROGRESS &&
		   !tx_moves_go_on(pool),
	   "for which it is too large: it lets the first one pass");
	ok(write_fill(large, 'x', 100, false) == 0 &&
		   write_fill(large, 'x', 9 * MIB, false) == 0,
	   "and then goes on where there is room");
	ok(tx_commit(pool, &the_op, large) == 0 && sent(8, 'x', 9 * MIB + 100),
	   "all bytes are there");
	end("two writes");
}

/* Others that wait are not told that it is for ever. */
static void test_no_deadlock(void)
{
	start(0, 8);
	tx_interrupted(pool, large); /* it has waited for space before */
	must(write_fill(large, 'x', 100, false) == -EINPROGRESS, "moves");
	ok(write_fill(behind, 'b', 50 * MIB, false) == -EAGAIN,
	   "who finds no room beside a move waits for it");
	end("no deadlock");
}

/* Its sender holds what it will hold, not both places. */
static void test_quota(void)
{
	uint32_t second;

	start(USER, 15);
	second = open_as(HANDLE_SEND, box, 0, USER);
	must(write_fill(large, 'x', MIB, false) == -EINPROGRESS, "moves");
	/* half of 64 MiB; twice 16 MiB were reserved, or just these */
	ok(user_held(pool, USER, USER_BOX_BYTES) <= 32 * MIB,
	   "a move counts once");
	must(steps() >= 14, "steps");
	must(write_fill(large, 'x', MIB, true) == 0, "tx_write");
	ok(user_held(pool, USER, USER_BOX_BYTES) == 16 * MIB && pool_intact(),
	   "as does what has moved");
	ok(write_fill(second, 's', 16 * MIB, false) == 0 &&
		   write_fill(second, 's', 8, false) == -EDQUOT,
	   "the rest of the quota is left, and no more");
	end("quota");

	start(USER, 20);
	must(write_fill(large, 'x', MIB, false) == -EINPROGRESS, "moves");
	second = open_as(HANDLE_SEND, box, 0, USER);
	ok(write_fill(second, 's', 11 * MIB, false) == 0,
	   "while it moves, the rest of the quota is there, too");
	ok(write_fill(second, 's', 8, false) == -EDQUOT, "and no more");
	end("quota while it moves");
}

/* Users together leave the owner an eighth, also while theirs move. */
static void test_reserve(void)
{
	const uint64_t most = SIZE - SIZE / 8;
	struct box *others;
	uint32_t h;

	start(USER, 20);
	pool_config(pool)->sender_quota = 100;
	others = box_make("others", 128 * MIB);
	for (int i = 1; i <= 3; i++) {
		h = open_as(HANDLE_SEND, others, 0, USER + i);
		must(write_fill(h, 'o', 32 * MIB, true) == 0, "tx_write");
	}
	must(write_fill(large, 'x', 21 * MIB, false) == -EINPROGRESS, "moves");
	ok(user_total(pool, USER_BOX_BYTES) == (20 + 41 + 96) * MIB + 8,
	   "both places count for the reserve");
	ok(pool_intact(), "and all invariants hold");
	tx_interrupted(pool, large);
	h = open_as(HANDLE_SEND, others, 0, USER + 4);
	must(write_fill(h, 'o', 32 * MIB, true) == 0, "tx_write");
	others = box_make("more", 128 * MIB);
	h = open_as(HANDLE_SEND, others, 0, USER + 5);
	must(write_fill(h, 'o', 56 * MIB, true) == 0, "tx_write");
	must(user_total(pool, USER_BOX_BYTES) < most, "room");
	ok(write_fill(large, 'x', MIB, false) == -ENOSPC,
	   "so none moves that would need the reserve");
	end("the owner's reserve");
}

/* The answer does not depend on who waits, or on how full the box is. */
static void test_over_quota(void)
{
	uint32_t other, sender, waits;

	start(USER, 20);
	other = open_kind(HANDLE_SEND, box);
	must(write_fill(other, 'o', 44 * MIB - 8, true) == 0, "tx_write");
	sender = open_as(HANDLE_SEND, box, 0, USER);
	ok(tx_write_later(pool, &the_op, sender, 12 * MIB) == -EAGAIN,
	   "within its quota a sender waits behind others");
	ok(tx_write_later(pool, &the_op, sender, 12 * MIB + 1) == -EDQUOT,
	   "above it it does not");
	ok(write_fill(sender, 's', 12 * MIB, false) == -EAGAIN,
	   "the same in a full box, within the quota");
	ok(write_fill(sender, 's', 12 * MIB + 1, false) == -EDQUOT,
	   "and above it");
	ok(tx_write_later(pool, &the_op, sender, 65 * MIB) == -EMSGSIZE,
	   "nor does one that is larger than the box");
	/* a share of the pool: 25 percent of 256 MiB, all in other boxes */
	box = box_make("other", 80 * MIB);
	pool_config(pool)->sender_quota = 100;
	waits = open_as(HANDLE_SEND, box, 0, USER);
	must(write_fill(waits, 'w', 44 * MIB, true) == 0, "tx_write");
	box = box_by_name(pool, "box");
	ok(write_fill(sender, 's', 8, false) == -EDQUOT &&
		   tx_write_later(pool, &the_op, sender, 8) == -EDQUOT,
	   "a share of the pool that is used up is heard of in a full box, too");
	end("over the quota");
}

int main(void)
{
	scratch_new();
	dir = scratch_dir("pool");
	test_steps();
	test_ends();
	test_two_writes();
	test_no_deadlock();
	test_quota();
	test_reserve();
	test_over_quota();
	free((void *)dir);
	return done();
}
