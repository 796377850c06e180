/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pool_scenarios.h. */
#include "tests/unit/pool_scenarios.h"

#include "tests/unit/pool_fixture.h"

#define PAGE 4096

/* What a scenario works with; set by its setup, the same in every process. */
static struct {
	uint32_t handle, other;
	uint64_t box, id;
	uint32_t slot;
} at;

static struct box *the_box(void)
{
	return box_by_serial(pool, at.box);
}

static void setup_box(void)
{
	at.box = box_serial(box_make("box", 4 * PAGE));
}

static void oldest(void)
{
	struct tx_info tx;

	must(tx_next(pool, the_box(), 0, &tx) == 0, "tx_next");
	at.id = tx.id;
	at.slot = tx.slot;
}

/* --- boxes --- */

static void setup_nothing(void)
{
}

static int64_t op_create(void)
{
	struct box *box = NULL;
	int err;

	pool_config(pool)->box_size = 2 * PAGE;
	err = box_create(pool, as(3, 4, 0), "new", 01755, &box);
	must(err || box == box_by_name(pool, "new"), "which box?");
	return err;
}

static int64_t op_remove(void)
{
	return box_remove(pool, &the_op, "box");
}

static void setup_used_box(void)
{
	setup_box();
	send_fill(the_box(), 'x', 5000);
	oldest();
	must(tx_free(pool, &the_op, the_box(), at.id) == 0, "tx_free");
}

static void setup_open_box(void)
{
	setup_used_box();
	at.handle = open_kind(HANDLE_RECV, the_box());
	at.other = open_kind(HANDLE_SEND, the_box());
}

static int64_t op_enlarge(void)
{
	return box_resize(pool, &the_op, the_box(), 7 * PAGE - 5);
}

static int64_t op_shrink(void)
{
	return box_resize(pool, &the_op, the_box(), 1);
}

static int64_t op_attr(void)
{
	struct box_attr attr = { .mode = 0123, .uid = 5, .gid = 6 };

	return box_setattr(pool, &the_op, the_box(), BOX_SEND, &attr);
}

static void setup_removed_box(void)
{
	setup_open_box();
	must(handle_close(pool, &the_op, at.other) == 0, "handle_close");
	oldest();
	must(tx_free(pool, &the_op, the_box(), at.id) == 0, "tx_free");
	must(box_remove(pool, &the_op, "box") == 0, "box_remove");
}

static void setup_removed_sender(void)
{
	setup_open_box();
	must(handle_close(pool, &the_op, at.handle) == 0, "handle_close");
	must(box_remove(pool, &the_op, "box") == 0, "box_remove");
	at.handle = at.other;
}

/* --- open and close --- */

static int64_t op_open(enum handle_kind kind, uint32_t tx)
{
	uint32_t handle = 0;
	int err = handle_open(pool, as(1, 2, 3), kind, the_box(), tx, &handle);

	return err ? err : handle;
}

static int64_t op_open_send(void)
{
	return op_open(HANDLE_SEND, 0);
}

static int64_t op_open_recv(void)
{
	return op_open(HANDLE_RECV, 0);
}

static int64_t op_open_data(void)
{
	return op_open(HANDLE_DATA, 0);
}

static int64_t op_open_tx(void)
{
	return op_open(HANDLE_TX, at.slot);
}

static int64_t op_close(void)
{
	return handle_close(pool, &the_op, at.handle);
}

static void setup_sender(void)
{
	setup_box();
	at.handle = open_kind(HANDLE_SEND, the_box());
}

static void setup_written(void)
{
	setup_sender();
	must(write_fill(at.handle, 'a', 5000, false) == 0, "tx_write");
}

static void setup_killed(void)
{
	setup_written();
	tx_writer(pool, at.handle, 9);
	tx_writer_gone(pool, at.handle, 9, true);
}

static void setup_queued(void)
{
	setup_box();
	send_fill(the_box(), 'q', 3000);
	send_fill(the_box(), 'r', 300);
	oldest();
}

static void setup_receiver(void)
{
	setup_queued();
	at.handle = open_kind(HANDLE_RECV, the_box());
}

static int64_t op_open_text(void)
{
	static char text[1300]; /* three records */
	uint32_t handle = 0;
	int err;

	memset(text, 't', sizeof(text));
	err = handle_open_text(pool, as(1, 2, 3), text, sizeof(text), &handle);
	return err ? err : handle;
}

static void setup_text(void)
{
	at.handle = op_open_text();
}

static void setup_cursor(void)
{
	at.handle = open_kind(HANDLE_CONTROL, NULL);
	handle_set_cursor(pool, &the_op, at.handle, 7);
}

static int64_t op_move_cursor(void)
{
	uint64_t from = handle_cursor_start(pool, &the_op, at.handle);

	handle_set_cursor(pool, &the_op, at.handle, from + 3);
	return from;
}

/* By a worker that could not answer any more. */
static void setup_cursor_moved(void)
{
	setup_cursor();
	the_op.token = SCENARIO_TOKEN;
	op_move_cursor();
}

static void setup_half_read(void)
{
	char piece[10];
	size_t len;

	setup_receiver();
	must(tx_receive(pool, &the_op, at.handle, piece, sizeof(piece), &len) ==
			     0 &&
		     len == sizeof(piece),
	     "tx_receive");
}

static void setup_half_read_freed(void)
{
	setup_half_read();
	must(tx_free(pool, &the_op, the_box(), at.id) == 0, "tx_free");
}

static void setup_opened(void)
{
	setup_queued();
	at.handle = open_as(HANDLE_TX, the_box(), at.slot, 0);
}

static void setup_held(void)
{
	setup_opened();
	must(tx_free(pool, &the_op, the_box(), at.id) == 0, "tx_free");
}

static void setup_held_removed(void)
{
	struct tx_info tx = { 0 };

	setup_held();
	while (tx_next(pool, the_box(), tx.id, &tx) == 0)
		must(tx_free(pool, &the_op, the_box(), tx.id) == 0, "tx_free");
	must(box_remove(pool, &the_op, "box") == 0, "box_remove");
}

/* --- writing --- */

static int64_t op_write(void)
{
	return write_fill(at.handle, 'b', 2500, false);
}

static int64_t op_write_commit(void)
{
	return write_fill(at.handle, 'c', 2500, true);
}

static int64_t op_write_too_much(void)
{
	return write_fill(at.handle, 'd', 5 * PAGE, false);
}

static void setup_fenced(void)
{
	setup_written();
	at.other = open_kind(HANDLE_SEND, the_box());
	must(write_fill(at.other, 'f', 8, false) == 0, "tx_write");
}

static void setup_committed(void)
{
	setup_written();
	must(tx_commit(pool, &the_op, at.handle) == 0, "tx_commit");
}

static void setup_failed(void)
{
	setup_written();
	must(op_write_too_much() == -EMSGSIZE, "tx_write");
}

/* Queued behind what was written: there is no room beside it. */
static void setup_stalled(void)
{
	setup_written();
	send_fill(the_box(), 'g', 2 * PAGE);
	must(op_write() == -EAGAIN, "tx_write");
}

static int64_t op_commit(void)
{
	return tx_commit(pool, &the_op, at.handle);
}

/* --- receiving and freeing --- */

static int64_t op_receive_some(size_t size)
{
	char line[TX_LINE];
	uint32_t sum = 0;
	size_t len = 0;
	int err = tx_receive(pool, &the_op, at.handle, line, size, &len);

	if (err)
		return err;
	/* What was read is part of the answer. */
	for (size_t i = 0; i < len; i++)
		sum = sum * 31 + line[i];
	return (int64_t)sum << 16 | len;
}

static int64_t op_receive(void)
{
	return op_receive_some(TX_LINE);
}

static int64_t op_receive_piece(void)
{
	return op_receive_some(7);
}

static int64_t op_free(void)
{
	return tx_free(pool, &the_op, the_box(), at.id);
}

static void setup_delivered(void)
{
	setup_receiver();
	must(receive_id(at.handle) == (int64_t)at.id, "receive");
}

const struct pool_scenario pool_scenarios[] = {
	{ "make a box", setup_nothing, op_create, 0 },
	{ "make a second box", setup_queued, op_create, 0 },
	{ "remove a new box", setup_box, op_remove, 0 },
	{ "remove a used box", setup_used_box, op_remove, 0 },
	{ "remove a box that is open", setup_open_box, op_remove, 0 },
	{ "remove a box that is not empty", setup_queued, op_remove,
	  -ENOTEMPTY },
	{ "remove a box being written to", setup_written, op_remove, -EBUSY },
	{ "enlarge a new box", setup_box, op_enlarge, 0 },
	{ "enlarge a used box", setup_used_box, op_enlarge, 0 },
	{ "shrink a used box", setup_used_box, op_shrink, 0 },
	{ "resize a box that is not empty", setup_queued, op_shrink, -EBUSY },
	{ "chmod and chown", setup_box, op_attr, 0 },
	{ "open send", setup_box, op_open_send, ANY },
	{ "open recv", setup_box, op_open_recv, ANY },
	{ "open data", setup_box, op_open_data, ANY },
	{ "open a transaction", setup_queued, op_open_tx, ANY },
	{ "open a text", setup_nothing, op_open_text, ANY },
	{ "close a text", setup_text, op_close, 0 },
	{ "move a cursor", setup_cursor, op_move_cursor, 7 },
	{ "move a cursor, asked again", setup_cursor_moved, op_move_cursor, 7 },
	{ "close send, nothing written", setup_sender, op_close, 0 },
	{ "close send, written", setup_written, op_close, 0 },
	{ "close send, killed", setup_killed, op_close, 0 },
	{ "close send, after fsync", setup_committed, op_close, 0 },
	{ "close send, after an error", setup_failed, op_close, 0 },
	{ "close send, box removed", setup_removed_sender, op_close, 0 },
	{ "close recv", setup_receiver, op_close, 0 },
	{ "close recv, header half read", setup_half_read, op_close, 0 },
	{ "close recv, half read and freed", setup_half_read_freed, op_close,
	  0 },
	{ "close recv, box removed", setup_removed_box, op_close, 0 },
	{ "close a transaction", setup_opened, op_close, 0 },
	{ "close a freed transaction", setup_held, op_close, 0 },
	{ "close a freed one, box removed", setup_held_removed, op_close, 0 },
	{ "the first write", setup_sender, op_write, 0 },
	{ "the second write", setup_written, op_write, 0 },
	{ "a write that has to move", setup_fenced, op_write, 0 },
	{ "a write after fsync", setup_committed, op_write, 0 },
	{ "a write and commit", setup_written, op_write_commit, 0 },
	{ "a write and commit after fsync", setup_committed, op_write_commit,
	  0 },
	{ "a first write too large", setup_sender, op_write_too_much,
	  -EMSGSIZE },
	{ "a second write too large", setup_written, op_write_too_much,
	  -EMSGSIZE },
	{ "a write after an error", setup_failed, op_write, -EMSGSIZE },
	{ "a write into a full box", setup_stalled, op_write, -EAGAIN },
	{ "close send, stalled", setup_stalled, op_close, 0 },
	{ "fsync, stalled", setup_stalled, op_commit, -EAGAIN },
	{ "fsync, nothing written", setup_sender, op_commit, 0 },
	{ "fsync", setup_written, op_commit, 0 },
	{ "fsync after fsync", setup_committed, op_commit, 0 },
	{ "fsync after an error", setup_failed, op_commit, -EMSGSIZE },
	{ "receive", setup_receiver, op_receive, ANY },
	{ "receive a piece", setup_receiver, op_receive_piece, ANY },
	{ "receive another piece", setup_half_read, op_receive_piece, ANY },
	{ "receive the rest", setup_half_read, op_receive, ANY },
	{ "receive a piece, freed", setup_half_read_freed, op_receive_piece,
	  ANY },
	{ "receive the rest, freed", setup_half_read_freed, op_receive, ANY },
	{ "free a queued one", setup_queued, op_free, 0 },
	{ "free a delivered one", setup_delivered, op_free, 0 },
	{ "free one that is open", setup_opened, op_free, 0 },
	{ "free one half read", setup_half_read, op_free, 0 },
	{ "free one that is gone", setup_held, op_free, -ENOENT },
};

const size_t nr_pool_scenarios = sizeof(pool_scenarios) /
				 sizeof(*pool_scenarios);
