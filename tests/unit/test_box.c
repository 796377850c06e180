/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boxes and open files through pool.h, one rule after another.  Transactions are
 * in test_tx.c.
 */
#include <stdint.h>

#include "tests/unit/box_fixture.h"

static void test_names(void)
{
	char longest[BOX_NAME_MAX + 2];
	struct box *box = NULL;

	box_begin(SIZE, NULL);
	memset(longest, 'n', sizeof(longest));
	longest[BOX_NAME_MAX + 1] = 0;
	ok(box_create(pool, as(0, 0, 0), longest, 0777, &box) == -ENAMETOOLONG,
	   "256 bytes are too long a name");
	longest[BOX_NAME_MAX] = 0;
	ok(box_create(pool, as(0, 0, 0), longest, 0777, NULL) == 0 &&
		   box_by_name(pool, longest),
	   "255 are not");
	ok(box_create(pool, as(0, 0, 0), "", 0777, &box) == -EINVAL &&
		   box_create(pool, as(0, 0, 0), ".", 0777, &box) == -EINVAL &&
		   box_create(pool, as(0, 0, 0), "..", 0777, &box) == -EINVAL &&
		   box_create(pool, as(0, 0, 0), "a/b", 0777, &box) == -EINVAL,
	   "nothing, dots and slashes are no names");
	ok(box_create(pool, as(0, 0, 0), "\xff\n \"", 0777, NULL) == 0,
	   "everything else is one");
	ok(box_create(pool, as(0, 0, 0), longest, 0777, &box) == -EEXIST &&
		   !box,
	   "a name is there once; what failed returned no box");
	ok(!box_by_name(pool, "other") && !box_by_serial(pool, 999) &&
		   box_remove(pool, &the_op, "other") == -ENOENT,
	   "what is not there is not found");
	box_end("names");
}

static void test_many(void)
{
	uint64_t serial = 0, before = 0;
	struct pool_stat st;
	struct box *box;
	char name[32];
	int n = 0;

	/* A pool of SIZE has no records for so many. */
	box_begin(4ull << 30, NULL);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "box-%d", i);
		must(box_create(pool, as(i, i, 0), name, 0700, NULL) == 0, "%s",
		     name);
	}
	for (box = box_next(pool, 0); box; box = box_next(pool, serial)) {
		serial = box_serial(box);
		must(serial > before, "serials rise");
		before = serial;
		n++;
	}
	ok(n == 10000, "10,000 boxes are listed, each once");
	box_reopened(1);
	pool_stat(pool, &st);
	ok(st.boxes.boxes == 10000 && box_by_name(pool, "box-9999"),
	   "and are there for the next worker");
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "box-%d", (i * 7919) % 10000);
		must(box_remove(pool, &the_op, name) == 0, "%s", name);
	}
	must(box_create(pool, as(1, 1, 0), "new", 0700, &box) == 0, "new");
	ok(box_serial(box) > serial, "a serial is never used again");
	box_end("many boxes");
}

static void test_attributes(void)
{
	struct box_attr attr, set = { .mode = 07654, .uid = 8, .gid = 9 };
	struct box *box;
	uint64_t serial;

	box_begin(SIZE, NULL);
	must(box_create(pool, as(11, 22, 0), "box", 01775, &box) == 0,
	     "box_create");
	serial = box_serial(box);
	box_getattr(box, BOX_DIR, &attr);
	ok(attr.mode == 01775 && attr.uid == 11 && attr.gid == 22,
	   "the box has mkdir's mode and its maker's ids");
	box_getattr(box, BOX_SEND, &attr);
	ok((attr.mode & ~0222) == 0 && attr.mode == (0775 & 0222),
	   "send has the w of it");
	box_getattr(box, BOX_RECV, &attr);
	ok(attr.mode == (0775 & 0444), "recv has the r of it");
	ok(box_setattr(pool, &the_op, box, BOX_SEND, &set) == 0,
	   "chmod and chown");
	box = box_reopened(serial);
	box_getattr(box, BOX_SEND, &attr);
	ok(attr.mode == 07654 && attr.uid == 8 && attr.gid == 9,
	   "hold for the next worker");
	box_getattr(box, BOX_RECV, &attr);
	ok(attr.uid == 11, "and for that node only");
	box_set_backing(box, 5);
	box = box_reopened(serial);
	ok(box_backing(box) == 5, "so does a backing id");
	box_remount();
	ok(box_backing(box_by_serial(pool, serial)) == 0,
	   "but not for the next mount");
	box_end("attributes");
}

static void test_resize(void)
{
	struct box *box;
	uint32_t h;

	box_begin(SIZE, NULL);
	box = box_make("box", 4 * PAGE);
	ok(box_resize(pool, &the_op, box, 0) == -EINVAL &&
		   box_resize(pool, &the_op, box, BOX_SIZE_MAX + 1) == -EFBIG &&
		   box_resize(pool, &the_op, box, UINT64_MAX) == -EFBIG &&
		   box_size(box) == 4 * PAGE,
	   "sizes that cannot be are refused");
	ok(box_resize(pool, &the_op, box, PAGE + 1) == 0 &&
		   box_size(box) == 2 * PAGE,
	   "others are rounded up to pages");
	send_fill(box, 's', 2 * PAGE);
	ok(box_resize(pool, &the_op, box, PAGE) == -EBUSY,
	   "not while one is queued");
	h = open_kind(HANDLE_RECV, box);
	must(receive_id(h) == 1, "receive");
	ok(box_resize(pool, &the_op, box, PAGE) == -EBUSY, "or delivered");
	must(tx_free(pool, &the_op, box, 1) == 0, "tx_free");
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	h = open_kind(HANDLE_SEND, box);
	ok(box_resize(pool, &the_op, box, 8 * PAGE) == 0,
	   "an open sender that has written nothing is no obstacle");
	must(write_fill(h, 'w', 7 * PAGE, false) == 0, "tx_write");
	ok(box_resize(pool, &the_op, box, PAGE) == -EBUSY, "one that has is");
	must(handle_close(pool, &the_op, h) == 0, "handle_close");
	box = box_reopened(box_serial(box));
	ok(box_size(box) == 8 * PAGE, "the size holds for the next worker");
	box_end("resize");
}

static void test_remove(void)
{
	uint32_t recv, send, tx;
	struct tx_info info;
	char buf[8];
	struct box *box;
	uint64_t serial;
	size_t len = 9;

	box_begin(SIZE, NULL);
	box = box_make("box", 2 * PAGE);
	serial = box_serial(box);
	send_fill(box, 'r', 5);
	ok(box_remove(pool, &the_op, "box") == -ENOTEMPTY,
	   "a live transaction: ENOTEMPTY");
	must(tx_next(pool, box, 0, &info) == 0, "tx_next");
	tx = open_as(HANDLE_TX, box, info.slot, 0);
	must(tx_free(pool, &the_op, box, info.id) == 0, "tx_free");
	send = open_kind(HANDLE_SEND, box);
	must(write_fill(send, 'w', 5, false) == 0, "tx_write");
	ok(box_remove(pool, &the_op, "box") == -EBUSY,
	   "a half written one: EBUSY");
	tx_writer(pool, send, 3);
	tx_writer_gone(pool, send, 3, true);
	must(handle_close(pool, &the_op, send) == 0, "handle_close");
	send = open_kind(HANDLE_SEND, box);
	recv = open_kind(HANDLE_RECV, box);
	heard.space = heard.queued = 0;
	ok(box_remove(pool, &the_op, "box") == 0 && box_removed(box),
	   "files that are open on it are no obstacle");
	ok(heard.space && heard.queued, "who waits is told to look again");
	ok(tx_receive(pool, &the_op, recv, buf, sizeof(buf), &len) == 0 &&
		   len == 0,
	   "receivers read end of file");
	ok(write_fill(send, 'w', 1, false) == -EPIPE, "senders get EPIPE");
	ok(tx_commit(pool, &the_op, send) == -EPIPE, "at fsync, too");
	ok(!box_by_name(pool, "box") && !box_next(pool, 0),
	   "and its name is free");
	box_make("box", PAGE);
	box = box_reopened(serial);
	ok(box && box_removed(box) &&
		   tx_receive(pool, &the_op, recv, buf, sizeof(buf), &len) ==
			   0 &&
		   !len,
	   "all of it holds for the next worker");
	len = sizeof(buf);
	ok(tx_read(pool, tx, 0, buf, &len) == 0 && len == 5 &&
		   !memcmp(buf, "rrrrr", 5),
	   "who reads a transaction reads on");
	must(handle_close(pool, &the_op, recv) == 0 &&
		     handle_close(pool, &the_op, send) == 0 &&
		     handle_close(pool, &the_op, tx) == 0,
	     "handle_close");
	ok(!box_by_serial(pool, serial), "the last close ends it");
	box_end("remove");
}

#define FILES 3000 /* several blocks of the handles' table */

/*
 * The last file of a block is closed, the block goes, the worker dies, and the
 * close comes again.
 */
static void test_closed_again(void)
{
	uint32_t handle[FILES];
	struct box *none;

	box_begin(SIZE, NULL);
	for (int i = 0; i < FILES; i++)
		handle[i] = open_kind(HANDLE_CONTROL, NULL);
	/* With so many free records no empty block is kept. */
	for (int i = 1; i < 400; i++)
		must(handle_close(pool, &the_op, handle[i]) == 0, "close");
	for (int i = FILES - 1; i >= 400; i--) {
		the_op.token = 1000 + i;
		must(handle_close(pool, &the_op, handle[i]) == 0, "close");
		if (i % 100 == 1) {
			box_again();
			the_op.token = 1000 + i;
		}
		must(handle_close(pool, &the_op, handle[i]) == 0,
		     "close %d again", i);
		the_op.token = 0;
		must(handle_close(pool, &the_op, handle[i]) == -EBADF &&
			     handle_lookup(pool, handle[i], &none) ==
				     HANDLE_NONE &&
			     handle_poll_key(pool, handle[i]) == 0,
		     "and is closed");
	}
	ok(handle_next_polling(pool, NULL) == 0,
	   "%d files closed, each asked for again", FILES);
	must(handle_close(pool, &the_op, handle[0]) == 0, "close");
	pool_stop();
}

int main(void)
{
	box_fixture();
	test_names();
	test_many();
	test_attributes();
	test_resize();
	test_remove();
	test_closed_again();
	return done();
}
