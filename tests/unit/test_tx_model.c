/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions against a naive model: two senders (the box's owner, and one who
 * has a quota), a receiver, and a reader who has one transaction open.  Every
 * sequence of up to DEPTH of their operations is tried, then long random ones,
 * with a new worker in between now and then.  After each operation its answer,
 * all that clients can see, and every byte are compared.
 */
#include <stdint.h>

#include "tests/unit/pool_fixture.h"
#include "tests/unit/tx_model.h"

#define DEPTH 4
#define RANDOM 60000 /* operations */
#define PIECE 10 /* bytes of a header, less than it has */
#define POOL_SIZE (2 * UNITS * UNIT) /* users but the owner have half of it */

static struct box *box;
static uint32_t send_handle[SENDERS], recv_handle, read_handle;
static uint32_t read_slot;
static char *dir;
static char next_fill;
static uint64_t operations;

/* --- comparing --- */

static struct region *region;

static bool same_bytes(const struct mtx *t, const char *buf)
{
	for (int i = 0; i < t->size * UNIT; i++)
		if (buf[i] != t->fill[i / UNIT])
			return false;
	return true;
}

static void compare_shown(void)
{
	char buf[UNITS * UNIT];
	struct tx_info tx = { 0 };

	for (int i = 0; i < mbox.nr; i++) {
		struct mtx *t = &mbox.live[i];

		if (t->state == HELD)
			continue;
		must(tx_next(pool, box, tx.id, &tx) == 0, "one is gone");
		must(tx.id == t->id && tx.size == (uint64_t)t->size * UNIT &&
			     tx.uid == t->uid,
		     "another one");
		must(!t->size || tx.offset == (uint64_t)t->first * UNIT,
		     "elsewhere");
		must(tx.delivered == (t->state == DELIVERED), "delivered?");
		if (t->size)
			must(region_read(region, tx.offset, buf, tx.size) == 0,
			     "region_read");
		must(same_bytes(t, buf), "other bytes");
	}
	must(tx_next(pool, box, tx.id, &tx) == -ENOENT, "one too many");
}

static void compare_reader(void)
{
	char buf[UNITS * UNIT + 1];
	size_t len = sizeof(buf);
	struct mtx *t = model_find(mbox.reading);

	if (!mbox.reading)
		return;
	must(t, "the reader's");
	must(tx_read(pool, read_handle, 0, buf, &len) == 0, "tx_read");
	must(len == (size_t)t->size * UNIT && same_bytes(t, buf),
	     "the reader's bytes");
}

static void compare(void)
{
	uint32_t queued = 0, delivered = 0;
	struct box_stat st;
	int room = 0;

	for (int i = 0; i < mbox.nr; i++) {
		queued += mbox.live[i].state == QUEUED;
		delivered += mbox.live[i].state == DELIVERED;
		room += mbox.live[i].room;
	}
	for (int i = 0; i < SENDERS; i++)
		room += mbox.sender[i].tx.room;
	box_stat(pool, box, &st);
	must(st.queued == queued && st.delivered == delivered, "counts");
	must(st.ranges.reserved == (uint64_t)room * UNIT, "space: %d units",
	     room);
	must(st.pages.used == (room > 0), "pages");
	compare_shown();
	compare_reader();
	must(pool_intact(), "pool_check");
}

/* --- operations on both --- */

static bool do_open(int i, int arg)
{
	struct sender *s = &mbox.sender[i];

	if (s->open)
		return false;
	memset(s, 0, sizeof(*s));
	s->open = true;
	s->begun = 1;
	s->tx.uid = i;
	send_handle[i] = open_as(HANDLE_SEND, box, 0, i);
	return true;
}

static bool do_write(int i, int arg)
{
	int units = arg & 7, expect, err;
	bool commit = arg & 8;
	char fill = ++next_fill;

	if (!mbox.sender[i].open || mbox.nr > MOST - 4)
		return false;
	expect = model_write(&mbox.sender[i], units, fill, commit);
	err = write_fill(send_handle[i], fill, units * UNIT, commit);
	must(err == expect, "write: %d, not %d", err, expect);
	return true;
}

static bool do_commit(int i, int arg)
{
	int expect, err;

	if (!mbox.sender[i].open || mbox.nr > MOST - 4)
		return false;
	expect = model_commit(&mbox.sender[i]);
	err = tx_commit(pool, &the_op, send_handle[i]);
	must(err == expect, "commit: %d, not %d", err, expect);
	return true;
}

static bool do_close(int i, int killed)
{
	if (!mbox.sender[i].open || mbox.nr > MOST - 4)
		return false;
	if (killed) {
		tx_writer(pool, send_handle[i], 5);
		tx_writer_gone(pool, send_handle[i], 5, true);
		mbox.sender[i].killed = true;
	}
	model_close(&mbox.sender[i]);
	must(handle_close(pool, &the_op, send_handle[i]) == 0, "close");
	return true;
}

static bool do_receive(int whole, int arg)
{
	struct mtx *t = mbox.half ? model_find(mbox.half) : model_head();
	char line[TX_LINE], expect[40];
	uint64_t id = t ? t->id : 0;
	bool first = !mbox.half;
	size_t len = 0;
	int err;

	if (!mbox.receiver || (mbox.half && !whole))
		return false;
	err = tx_receive(pool, &the_op, recv_handle, line,
			 whole ? TX_LINE : PIECE, &len);
	must(err == (t ? 0 : -EAGAIN), "receive: %d", err);
	if (!t)
		return true;
	snprintf(expect, sizeof(expect), "{\"id\":%" PRIu64 ",", id);
	must(!first || !memcmp(line, expect,
			       strlen(expect) < len ? strlen(expect) : len),
	     "receive: another one");
	must(whole ? line[len - 1] == '\n' : len == PIECE, "a line");
	if (first)
		t->state = DELIVERED;
	mbox.half = whole ? 0 : id;
	model_unhold(id);
	return true;
}

/* Opens the receiver, or closes it, giving back what is half received. */
static bool do_receiver(int i, int arg)
{
	uint64_t id = mbox.half;
	struct mtx *t;

	if (!mbox.receiver) {
		recv_handle = open_kind(HANDLE_RECV, box);
		mbox.receiver = true;
		return true;
	}
	must(handle_close(pool, &the_op, recv_handle) == 0, "close");
	mbox.receiver = false;
	mbox.half = 0;
	t = model_find(id);
	if (t && t->state == DELIVERED)
		t->state = QUEUED;
	model_unhold(id);
	return true;
}

static bool do_free(int last, int arg)
{
	struct mtx *t = model_shown(last);

	if (!t || (last && t == model_shown(false)))
		return false;
	must(tx_free(pool, &the_op, box, t->id) == 0, "free");
	must(tx_free(pool, &the_op, box, t->id) == -ENOENT, "free again");
	model_free(t);
	return true;
}

/* Opens the oldest for reading, or closes what is open. */
static bool do_reader(int i, int arg)
{
	struct mtx *t = model_shown(false);
	uint64_t id = mbox.reading;
	struct tx_info tx;

	if (id) {
		must(handle_close(pool, &the_op, read_handle) == 0, "close");
		mbox.reading = 0;
		model_unhold(id);
		return true;
	}
	if (!t)
		return false;
	must(tx_by_id(pool, box, t->id, &tx) == 0, "tx_by_id");
	read_slot = tx.slot;
	read_handle = open_as(HANDLE_TX, box, read_slot, 0);
	mbox.reading = t->id;
	return true;
}

static void find_box(void)
{
	box = box_by_name(pool, "box");
	must(box && box_region(pool, box, &region) == 0, "box_region");
}

static bool do_restart(int i, int arg)
{
	pool_stop();
	pool_start(dir, POOL_SIZE, false, NULL);
	find_box();
	return true;
}

static const struct action {
	bool (*fn)(int who, int arg);
	int who, arg;
} ops[] = {
	{ do_open, 0, 0 },	  { do_open, 1, 0 },
	{ do_write, 0, 1 },	  { do_write, 0, 3 },
	{ do_write, 0, 2 + 8 },	  { do_write, 1, 1 },
	{ do_write, 1, 2 },	  { do_write, 1, 1 + 8 },
	{ do_commit, 0, 0 },	  { do_commit, 1, 0 },
	{ do_close, 0, false },	  { do_close, 1, false },
	{ do_close, 0, true },	  { do_receive, true, 0 },
	{ do_receive, false, 0 }, { do_receiver, 0, 0 },
	{ do_free, false, 0 },	  { do_free, true, 0 },
	{ do_reader, 0, 0 },
};
#define NR_OPS (sizeof(ops) / sizeof(*ops))

static bool do_op(const struct action *op)
{
	if (!op->fn(op->who, op->arg))
		return false;
	operations++;
	return true;
}

/* --- every sequence --- */

/* Back to an empty box with both senders and the receiver open. */
static void reset(void)
{
	struct mtx *t;

	if (mbox.reading)
		do_reader(0, 0);
	for (int i = 0; i < SENDERS; i++)
		do_close(i, true);
	if (mbox.receiver)
		do_receiver(0, 0);
	while ((t = model_shown(false)))
		do_free(false, 0);
	compare();
	must(mbox.nr == 0, "not empty");
	do_open(0, 0);
	do_open(1, 0);
	do_receiver(0, 0);
}

/* Return: whether all operations of the sequence could be done. */
static bool run(const uint8_t *seq, int depth)
{
	reset();
	for (int i = 0; i < depth; i++)
		if (!do_op(&ops[seq[i]]))
			return false;
	compare();
	return true;
}

static uint64_t every_sequence(uint8_t *seq, int depth)
{
	uint64_t n = 0;

	for (size_t i = 0; i < NR_OPS; i++) {
		seq[depth] = i;
		if (!run(seq, depth + 1))
			continue;
		n++;
		if (depth + 1 < DEPTH)
			n += every_sequence(seq, depth + 1);
	}
	return n;
}

static void random_ones(unsigned int seed)
{
	static const struct action restart = { do_restart, 0, 0 };

	reset();
	for (int i = 0; i < RANDOM; i++) {
		do_op(rand_r(&seed) % 200 ? &ops[rand_r(&seed) % NR_OPS]
					  : &restart);
		compare();
	}
}

int main(void)
{
	uint8_t seq[DEPTH];
	uint64_t n;

	scratch_new();
	dir = scratch_dir("pool");
	mbox.next_id = 1;
	pool_start(dir, POOL_SIZE, true, NULL);
	box_make("box", UNITS * UNIT);
	find_box();
	n = every_sequence(seq, 0);
	ok(n > 20000, "all %" PRIu64 " sequences of up to %d operations", n,
	   DEPTH);
	for (unsigned int seed = 1; seed <= 4; seed++)
		random_ones(seed);
	ok(true, "%d random operations, with restarts", 4 * RANDOM);
	printf("# %" PRIu64 " operations in all\n", operations);
	reset();
	pool_drain();
	ok(true, "in the end everything is given back");
	pool_stop();
	free(dir);
	return done();
}
