/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions through pool.h, one rule after another.  What combinations of them
 * do is in test_tx_model.c.
 */
#include <stdint.h>

#include "tests/unit/box_fixture.h"

/* --- sending --- */

static void test_sizes(void)
{
	struct box *box;
	struct tx_info tx = { 0 };
	uint32_t h;

	box_begin(SIZE, NULL);
	box = box_make("box", 4 * PAGE);
	h = open_kind(HANDLE_SEND, box);
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	ok(tx_next(pool, box, 0, &tx) == 0 && tx.size == 0,
	   "open and close send 0 bytes");
	must(tx_free(pool, &the_op, box, tx.id) == 0, "tx_free");
	h = open_kind(HANDLE_SEND, box);
	ok(write_fill(h, 'a', 4 * PAGE + 1, false) == -EMSGSIZE,
	   "more than the region: EMSGSIZE");
	ok(write_fill(h, 'b', 4 * PAGE, false) == 0, "just as much: sent");
	ok(write_fill(h, 'c', 1, false) == -EMSGSIZE, "one byte more: not");
	ok(write_fill(h, 'c', 1, false) == -EMSGSIZE,
	   "nor what comes after it");
	ok(tx_commit(pool, &the_op, h) == -EMSGSIZE &&
		   tx_commit(pool, &the_op, h) == 0,
	   "fsync says so, once");
	ok(tx_next(pool, box, 0, &tx) == -ENOENT,
	   "and nothing is delivered in part");
	ok(write_fill(h, 'd', 3, false) == 0 &&
		   tx_commit(pool, &the_op, h) == 0 &&
		   tx_next(pool, box, 0, &tx) == 0 && tx.size == 3,
	   "then the file begins anew");
	ok(write_fill(h, 'e', 4 * PAGE + 1, true) == -EMSGSIZE,
	   "a synchronous write is told at once");
	ok(handle_close(pool, &the_op, h) == 0 &&
		   tx_next(pool, box, tx.id, &tx) == -ENOENT,
	   "and leaves nothing for close to send");
	box_end("sizes");
}

static void test_full(void)
{
	struct tx_info tx = { 0 };
	struct box *box;
	uint32_t a, b;

	box_begin(SIZE, NULL);
	box = box_make("box", 4 * PAGE);
	a = open_kind(HANDLE_SEND, box);
	b = open_kind(HANDLE_SEND, box);
	send_fill(box, 'x', 3 * PAGE);
	ok(write_fill(a, 'a', 2 * PAGE, false) == -EAGAIN, "full: EAGAIN");
	must(tx_next(pool, box, 0, &tx) == 0, "tx_next");
	heard.space = 0;
	must(tx_free(pool, &the_op, box, tx.id) == 0, "tx_free");
	ok(heard.space > 0, "space is told of");
	ok(write_fill(a, 'a', 2 * PAGE, false) == 0, "and then it fits");
	must(write_fill(b, 'b', 2 * PAGE, false) == 0, "tx_write");
	ok(write_fill(a, 'a', PAGE, false) == -EAGAIN,
	   "two that are half written: the first waits");
	ok(write_fill(b, 'b', PAGE, false) == -EDEADLK,
	   "the second would wait for it for ever: EDEADLK");
	ok(write_fill(a, 'a', PAGE, false) == 0, "so the first can go on");
	ok(tx_commit(pool, &the_op, b) == -EDEADLK,
	   "fsync tells the second again");
	ok(handle_close(pool, &the_op, a) == 0 &&
		   tx_next(pool, box, tx.id, &tx) == 0 && tx.size == 3 * PAGE,
	   "and the first is whole");
	ok(write_fill(b, 'b', 8, false) == 0, "tx_write");
	ok(write_fill(b, 'b', 2 * PAGE, false) == -EAGAIN, "full again");
	ok(tx_commit(pool, &the_op, b) == -EAGAIN,
	   "fsync does not queue the part that was written");
	ok(handle_close(pool, &the_op, b) == 0 &&
		   tx_next(pool, box, tx.id, &tx) == -ENOENT,
	   "nor does close");
	box_end("a full box");
}

static void test_quota(void)
{
	struct box *box;
	uint32_t a, b;

	box_begin(SIZE, NULL);
	box = box_make("box", 64 * PAGE);
	a = open_as(HANDLE_SEND, box, 0, 1000);
	ok(write_fill(a, 'a', 32 * PAGE, true) == 0,
	   "a foreign sender may hold half of the region");
	ok(write_fill(a, 'a', 1, true) == -EDQUOT, "and not a byte more");
	ok(heard.suspects == 1 && heard.suspect == 1000,
	   "who fills the box is named, once");
	b = open_as(HANDLE_SEND, box, 0, 0);
	ok(write_fill(b, 'b', 32 * PAGE, true) == 0, "the owner may");
	ok(write_fill(b, 'b', 1, true) == -EAGAIN, "until it is full");
	ok(write_fill(a, 'a', 1, true) == -EDQUOT,
	   "over the quota comes before full");
	box_end("quota");

	box_begin(SIZE, NULL);
	box = box_make("box", 64 * PAGE);
	a = open_as(HANDLE_SEND, box, 0, 1000);
	b = open_as(HANDLE_SEND, box, 0, 0);
	must(write_fill(a, 'a', 20 * PAGE, false) == 0, "tx_write");
	must(write_fill(b, 'b', 8, false) == 0, "tx_write");
	ok(write_fill(a, 'a', 4 * PAGE, false) == 0,
	   "one that moves holds its quota once, not twice");
	pool_config(pool)->sender_quota = 10;
	ok(write_fill(a, 'a', 1, false) == -EDQUOT, "a lower quota holds");
	box_end("a changed quota");

	box_begin(SIZE, NULL);
	box = box_make("box", 64 * PAGE);
	a = open_as(HANDLE_SEND, box, 0, 1000);
	b = open_as(HANDLE_SEND, box, 0, 0);
	must(write_fill(b, 'b', 30 * PAGE, true) == 0, "tx_write");
	for (int i = 0; i < 51; i++)
		must(write_fill(a, 'a', 8, true) == 0, "tx_write");
	ok(heard.suspects == 0, "what the owner holds makes nobody a suspect");
	box_end("the owner's part");
}

/* Whoever is told may look at what the operation has left. */
static void test_space_is_told_last(void)
{
	struct box *box;
	uint32_t a, b;

	box_begin(SIZE, NULL);
	box = box_make("box", 64 * PAGE);
	a = open_kind(HANDLE_SEND, box);
	b = open_kind(HANDLE_SEND, box);
	must(write_fill(a, 'a', PAGE, false) == 0, "tx_write");
	must(write_fill(b, 'b', PAGE, false) == 0, "tx_write");
	the_op.token = 1;
	ok(write_fill(a, 'a', PAGE, false) == 0 && heard.space == 1 &&
		   !heard.early,
	   "one that moves gives its old place back at the end");
	the_op.token = 2;
	ok(write_fill(a, 'a', 64 * PAGE, false) == -EMSGSIZE &&
		   heard.space == 2 && !heard.early,
	   "so does one that fails");
	the_op.token = 0;
	box_end("space");
}

/* Room that a transaction has been given and does not need. */
static void test_trimmed(void)
{
	struct box_stat st;
	struct box *box;
	uint32_t a, b;
	int space;

	box_begin(SIZE, NULL);
	box = box_make("box", 64 * PAGE);
	a = open_kind(HANDLE_SEND, box);
	b = open_kind(HANDLE_SEND, box);
	must(write_fill(a, 'a', 2 * PAGE, false) == 0, "tx_write");
	must(write_fill(b, 'b', 8, false) == 0, "tx_write");
	must(write_fill(a, 'a', PAGE, false) == 0, "tx_write");
	box_stat(pool, box, &st);
	ok(st.ranges.reserved == 6 * PAGE + 8 && st.pages.used == 7,
	   "one that moves has room to grow");
	space = heard.space;
	ok(tx_commit(pool, &the_op, a) == 0, "and is sent without growing");
	box_stat(pool, box, &st);
	ok(st.ranges.reserved == 3 * PAGE + 8,
	   "the rest of the room is given back: %d bytes are reserved",
	   (int)st.ranges.reserved);
	ok(st.pages.used == 4, "and its pages: %d are Used",
	   (int)st.pages.used);
	ok(heard.space > space, "who waits for room is told");
	box_end("room that was not needed");
}

static void test_pool_limit(void)
{
	struct region *region;
	int fd;
	struct box *box;
	uint32_t h;

	box_begin(SIZE, NULL);
	box = box_make("box", 4 * SIZE);
	h = open_kind(HANDLE_SEND, box);
	ok(write_fill(h, 'a', SIZE, false) == 0, "as much as the pool has");
	ok(write_fill(h, 'a', PAGE, false) == -ENOSPC,
	   "no memory in the pool: ENOSPC");
	ok(heard.reclaim == 0, "nothing could be had by reclaim: not asked");
	ok(tx_commit(pool, &the_op, h) == -ENOSPC,
	   "it is not delivered in part");
	ok(write_fill(h, 'b', SIZE / 2, true) == 0, "less fits");
	ok(write_fill(h, 'b', SIZE, true) == -ENOSPC,
	   "a first write without memory");
	box_end("a full pool");

	box_begin(SIZE, NULL);
	box = box_make("box", 2 * SIZE);
	h = open_kind(HANDLE_SEND, box);
	must(write_fill(h, 'a', SIZE, false) == 0, "tx_write");
	ok(write_fill(h, 'a', PAGE, false) == -ENOSPC,
	   "also when no other place in the box is large enough");
	box_end("a pool as full as its box");

	/* Whoever reads a hole through a mapping makes memory of it. */
	box_begin(SIZE, NULL);
	box = box_make("box", 2 * SIZE);
	must(box_region(pool, box, &region) == 0, "box_region");
	fd = region_fd(region);
	for (uint64_t at = SIZE / 2; at < SIZE / 2 + SIZE + 40 * PAGE;
	     at += PAGE)
		must(pwrite(fd, "x", 1, at) == 1, "pwrite");
	region_fd_done(region, fd);
	box_rescan(box);
	h = open_kind(HANDLE_SEND, box);
	ok(write_fill(h, 'a', PAGE, false) == -ENOSPC && heard.reclaim >= 41 &&
		   heard.reclaim <= 43,
	   "what is too much is asked for, too: %d pages", (int)heard.reclaim);
	box_end("a pool that is too full");
}

static void test_writers(void)
{
	struct tx_info tx = { 0 };
	struct box *box;
	uint32_t h;

	box_begin(SIZE, NULL);
	box = box_make("box", PAGE);
	h = open_kind(HANDLE_SEND, box);
	for (pid_t pid = 1; pid <= 3; pid++)
		tx_writer(pool, h, pid);
	must(write_fill(h, 'w', 9, false) == 0, "tx_write");
	tx_writer_gone(pool, h, 99, true);
	tx_writer_gone(pool, h, 2, false);
	tx_writer_gone(pool, h, 2, true);
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	ok(tx_next(pool, box, 0, &tx) == 0,
	   "killed without having written, or after closing: delivered");
	h = open_kind(HANDLE_SEND, box);
	for (pid_t pid = 1; pid <= 4; pid++)
		tx_writer(pool, h, pid);
	must(write_fill(h, 'w', 9, false) == 0, "tx_write");
	tx_writer_gone(pool, h, 99, true);
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	ok(tx_next(pool, box, tx.id, &tx) == 0,
	   "as many as are told apart, and another is killed: delivered");
	h = open_kind(HANDLE_SEND, box);
	for (pid_t pid = 1; pid <= 9; pid++)
		tx_writer(pool, h, pid);
	must(write_fill(h, 'w', 9, false) == 0, "tx_write");
	tx_writer_gone(pool, h, 8, true);
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	ok(tx_next(pool, box, tx.id, &tx) == -ENOENT,
	   "one of many writers was killed: dropped");
	h = open_kind(HANDLE_SEND, box);
	tx_writer(pool, h, 1);
	must(write_fill(h, 'w', 9, false) == 0, "tx_write");
	tx_writer_gone(pool, h, 1, true);
	ok(write_fill(h, 'w', 9, false) == -ECANCELED &&
		   write_fill(h, 'w', 9, true) == -ECANCELED &&
		   tx_commit(pool, &the_op, h) == -ECANCELED,
	   "the others who write to it are told");
	ok(write_fill(h, 'n', 9, false) == 0 &&
		   tx_commit(pool, &the_op, h) == 0 &&
		   tx_next(pool, box, tx.id, &tx) == 0 && tx.size == 9,
	   "and the next one is whole");
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	box_end("writers");
}

/* --- receiving --- */

static void test_order(void)
{
	uint32_t a, b;
	char piece[4], line[TX_LINE];
	struct box_stat st;
	struct box *box;
	size_t len, size;

	box_begin(SIZE, NULL);
	box = box_make("box", PAGE);
	a = open_kind(HANDLE_RECV, box);
	b = open_kind(HANDLE_RECV, box);
	ok(receive_id(a) == 0, "nothing is queued: EAGAIN");
	for (int i = 0; i < 3; i++)
		send_fill(box, 'o', 8);
	ok(heard.queued == 3, "each one queued is told of");
	must(tx_receive(pool, &the_op, a, piece, sizeof(piece), &len) == 0,
	     "receive");
	ok(receive_id(b) == 2, "one that is half received is nobody else's");
	must(handle_close(pool, &the_op, a) == 0, "handle_close");
	ok(receive_id(b) == 1, "until its receiver closes: then it is next");
	ok(receive_id(b) == 3 && receive_id(b) == 0, "each is received once");
	send_fill(box, 'o', 8);
	send_fill(box, 'o', 8);
	must(tx_receive(pool, &the_op, b, line, sizeof(line), &size) == 0,
	     "receive");
	must(tx_receive(pool, &the_op, b, line, size, &len) == 0 && len == size,
	     "receive");
	for (uint64_t id = 1; id <= 5; id++)
		must(tx_free(pool, &the_op, box, id) == 0, "tx_free");
	box_stat(pool, box, &st);
	ok(st.ranges.reserved == 0,
	   "a buffer as long as the header is the end of it");
	box_end("order");
}

static void test_reading(void)
{
	struct tx_info tx, same;
	struct box *box, *of;
	char buf[100];
	size_t len;
	uint32_t h;

	box_begin(SIZE, NULL);
	box = box_make("box", PAGE);
	send_fill(box, 'x', 20);
	must(tx_next(pool, box, 0, &tx) == 0, "tx_next");
	ok(tx_by_id(pool, box, tx.id, &same) == 0 && same.slot == tx.slot &&
		   tx_by_slot(pool, tx.slot, tx.id, &of, &same) == 0 &&
		   of == box && same.size == 20,
	   "found by its id and by its slot");
	ok(tx_by_id(pool, box, 77, &same) == -ENOENT &&
		   tx_by_slot(pool, tx.slot, 77, &of, &same) == -ENOENT &&
		   tx_by_slot(pool, 0, 0, &of, &same) == -ENOENT &&
		   tx_by_slot(pool, 1, 0, &of, &same) == -ENOENT &&
		   tx_by_slot(pool, UINT32_MAX, 0, &of, &same) == -ENOENT &&
		   tx_free(pool, &the_op, box, 77) == -ENOENT,
	   "others are not");
	must(tx_free(pool, &the_op, box, tx.id) == 0, "tx_free");
	send_fill(box, 'x', 20);
	must(tx_by_id(pool, box, tx.id + 1, &same) == 0, "tx_by_id");
	ok(same.slot == tx.slot &&
		   tx_by_slot(pool, tx.slot, tx.id, &of, &same) == -ENOENT,
	   "nor one that has left its slot to another");
	must(tx_next(pool, box, 0, &tx) == 0, "tx_next");
	h = open_as(HANDLE_TX, box, tx.slot, 0);
	len = sizeof(buf);
	ok(tx_read(pool, h, 0, buf, &len) == 0 && len == 20, "read");
	len = 7;
	ok(tx_read(pool, h, 15, buf, &len) == 0 && len == 5, "to its end");
	len = 7;
	ok(tx_read(pool, h, 20, buf, &len) == 0 && len == 0, "at its end");
	len = 7;
	ok(tx_read(pool, h, UINT64_MAX, buf, &len) == 0 && len == 0,
	   "and far behind it");
	must(tx_free(pool, &the_op, box, tx.id) == 0, "tx_free");
	send_fill(box, 'y', PAGE - 24);
	len = sizeof(buf);
	ok(tx_read(pool, h, 0, buf, &len) == 0 && len == 20 && buf[0] == 'x' &&
		   buf[19] == 'x',
	   "one that was freed stays whole for its readers");
	len = 0;
	ok(handle_open(pool, as(0, 0, 0), HANDLE_TX, box, 0, &h) == -ENOENT &&
		   handle_open(pool, as(0, 0, 0), HANDLE_TX, box, 1, &h) ==
			   -ENOENT &&
		   handle_open(pool, as(0, 0, 0), HANDLE_TX, box, 4000000,
			       &h) == -ENOENT,
	   "what is no transaction cannot be opened");
	box_end("reading");
}

/* --- old copies that must go first --- */

static void on_settle(void *arg, struct box *box, uint32_t slot, uint64_t off,
		      uint64_t len)
{
	heard.settles++;
	heard.settle_slot = slot;
}

static void test_settle(void)
{
	static const struct pool_ops with_settle = { .copies_stale =
							     on_settle };
	struct region *region;
	struct box_stat st;
	struct box *box;
	uint32_t recv;

	box_begin(SIZE, &with_settle);
	box = box_make("box", 4 * PAGE);
	recv = open_kind(HANDLE_RECV, box);
	send_fill(box, 's', 10);
	ok(heard.settles == 0 && receive_id(recv) == 1,
	   "without copies in front nothing waits");
	must(box_region(pool, box, &region) == 0, "box_region");
	region_set_cached(region, 0, 4);
	send_fill(box, 's', 10);
	ok(heard.settles == 1 && receive_id(recv) == 0,
	   "copies go before anybody is told");
	box_stat(pool, box, &st);
	ok(st.queued == 1 && box_remove(pool, &the_op, "box") == -ENOTEMPTY &&
		   box_resize(pool, &the_op, box, PAGE) == -EBUSY,
	   "though it is there");
	box_again();
	box = box_by_name(pool, "box");
	ok(receive_id(recv) == 0, "a new worker does not show it either");
	tx_invalidate_again(pool);
	ok(heard.settles == 2, "but asks again");
	tx_invalidated(pool, heard.settle_slot);
	ok(receive_id(recv) == 2, "and then it is received");
	box_end("invalidating");
}

int main(void)
{
	box_fixture();
	test_sizes();
	test_full();
	test_quota();
	test_trimmed();
	test_space_is_told_last();
	test_pool_limit();
	test_writers();
	test_order();
	test_reading();
	test_settle();
	return done();
}
