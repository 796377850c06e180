/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much a pool holds.  In a store of its own the limit of the content's file
 * system is the size, and on top of it what nobody needs; in a directory plain
 * files and boxes are added up.
 */
#include <sys/statvfs.h>

#include "pool/store/table.h"
#include "tests/unit/tree_fixture.h"

#define MIB (1ull << 20)
#define SIZE (64 * MIB)
#define STEP (SIZE / 256) /* the limit is not raised for less */

/* --- a store of its own --- */

static uint64_t limit_now(void)
{
	struct statvfs st;

	must(store_space(&store, &st) == 0, "store_space");
	return (uint64_t)st.f_blocks * st.f_frsize;
}

/* What is on top of the size, in pages. */
static int64_t on_top(void)
{
	return (int64_t)(limit_now() - SIZE) / (int64_t)TREE_PAGE;
}

/* An operation after which the limit follows what has changed. */
static void fit(uint32_t file)
{
	must(tree_open(pool, &the_op, file, O_RDWR, &opened) == 0, "open");
	must(tree_close(pool, &the_op, file) == 0, "close");
}

static bool start_detached(void)
{
	pool_start(NULL, SIZE, true, NULL);
	if (store.detached)
		return true;
	pool_stop();
	return false;
}

static void test_on_top(void)
{
	uint64_t n = MIB / TREE_PAGE;
	struct box *box = box_make("box", 4 * MIB);
	uint32_t recv = open_kind(HANDLE_RECV, box);
	uint32_t plain, file, ranges;
	int64_t id;

	ok(on_top() == 0, "an empty pool: the size");
	plain = filled_file(INODE_ROOT, "plain", n, 'p');
	file = filled_file(INODE_ROOT, "file", n, 'f');
	must(vfile_set_volatile(pool, &the_op, file, true, 0) == 0, "volatile");
	fit(file);
	ok(on_top() == (int64_t)n && pool_used(pool) == n,
	   "a volatile file that nobody has open is on top of it");
	must(tree_open(pool, &the_op, file, O_RDWR, &opened) == 0, "open");
	ok(on_top() == 0 && pool_used(pool) == 2 * n,
	   "one that is open is not");
	must(tree_close(pool, &the_op, file) == 0, "close");
	ok(on_top() == (int64_t)n, "closed, it is again");

	ranges = filled_file(INODE_ROOT, "ranges", 2 * n, 'r');
	must(vrange_unpin(pool, &the_op, ranges, 0, MIB) == 0, "unpin");
	ok(on_top() == 2 * (int64_t)n, "so is a range that is unpinned");
	must(vrange_pin(pool, &the_op, ranges, 0, MIB) == 0, "pin");
	ok(on_top() == (int64_t)n, "one that is pinned is not");

	send_fill(box, 'b', 2 * MIB); /* whole folios */
	id = receive_id(recv);
	fit(plain);
	ok(id > 0 && on_top() == (int64_t)n && pool_used(pool) == 5 * n,
	   "pages of a box that are Used are part of the size");
	must(tx_free(pool, &the_op, box, id) == 0, "tx_free");
	fit(plain);
	ok(on_top() == 3 * (int64_t)n && pool_used(pool) == 3 * n,
	   "those that are Available are on top of it");
	ok(pool_excess(pool) == 0 && pool_intact(), "nothing is too much");
}

/* Many small steps up are made in a few large ones, each step down at once. */
static void test_steps(void)
{
	int64_t part = STEP / TREE_PAGE * 5 / 8;
	uint32_t file[2];

	for (int i = 0; i < 2; i++) {
		file[i] = filled_file(INODE_ROOT, i ? "b" : "a", part, 's');
		must(vfile_set_volatile(pool, &the_op, file[i], true, 0) == 0,
		     "volatile");
	}
	fit(file[0]);
	ok(on_top() == 2 * part, "two steps up that are large together");
	must(tree_open(pool, &the_op, file[0], O_RDWR, &opened) == 0, "open");
	ok(on_top() == part, "a small step down is made at once");
	must(tree_close(pool, &the_op, file[0]) == 0, "close");
	ok(on_top() == part, "a small step up is not");
}

/* Bytes of zeros until the store is full; the file stays open. */
static uint64_t fill_up(uint32_t file)
{
	static char zeros[1 << 16];
	uint64_t len = 0;
	ssize_t n;

	must(tree_open(pool, &the_op, file, O_RDWR, &opened) == 0, "open");
	do {
		n = tree_write(pool, file, zeros, sizeof(zeros), len);
		len += n > 0 ? n : 0;
	} while (n == sizeof(zeros));
	must(n > 0 || n == -ENOSPC, "write: %zd", n);
	return len;
}

/* By eight blocks of the handles'.  Return: how many handles that takes. */
static int grow_tables(struct box *box)
{
	uint64_t enough = store_tables_bytes(&store) + 8 * TABLE_BLOCK;
	int nr = 0;

	while (store_tables_bytes(&store) < enough) {
		uint32_t handle;
		int err = handle_open(pool, &the_op, HANDLE_DATA, box, 0,
				      &handle);

		must(!err && nr < 100000, "handle %d: %s", nr, strerror(-err));
		nr++;
	}
	return nr;
}

/* More records than there is room for in the blocks that the tables have. */
static void test_tables(void)
{
	struct box *box = box_make("box", MIB);
	uint32_t file = made_file(INODE_ROOT, "all");
	uint64_t len;
	int nr = grow_tables(box);

	ok(on_top() == 0, "what a table takes is not taken from users");
	len = fill_up(file);
	ok(len == SIZE, "users get all of the size: %ju", (uintmax_t)len);
	nr = grow_tables(box);
	ok(true, "%d handles in a store that is full", nr);
	ok(pool_used(pool) >= len / TREE_PAGE &&
		   pool_used(pool) < (len + MIB) / TREE_PAGE,
	   "tables are not what users have used");
	ok(pool_excess(pool) == 0, "nor too much");
	must(tree_close(pool, &the_op, file) == 0, "close");
	fit(file);
	ok(on_top() == 0, "nor is the limit raised for them");
}

static void test_detached(void)
{
	static void (*const tests[])(void) = { test_on_top, test_steps,
					       test_tables };

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!start_detached()) {
			ok(true, "limits # SKIP cannot mount a store");
			return;
		}
		tests[i]();
		pool_stop();
	}
}

/* --- a directory --- */

static void test_directory(void)
{
	uint32_t file, page = TREE_PAGE, recv;
	char *mem = calloc(1, MIB), *dir = scratch_dir("limit");
	struct box *box;

	must(mem, "calloc");
	pool_start(dir, MIB, true, NULL);
	file = made_file(INODE_ROOT, "file");
	must(tree_open(pool, &the_op, file, O_RDWR, &opened) == 0, "open");
	ok(tree_write(pool, file, mem, MIB, 0) == (ssize_t)MIB,
	   "a file of just the pool's size");
	ok(tree_write(pool, file, mem, 1, MIB) == -ENOSPC, "not a byte more");
	ok(tree_write(pool, file, mem, page, MIB - page) == (ssize_t)page,
	   "its last page can be written again");
	ok(tree_fallocate(pool, file,
			  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			  4 * page, NULL) == 0 &&
		   tree_write(pool, file, mem, page, MIB) == (ssize_t)page &&
		   pool_used(pool) == MIB / page - 3,
	   "what is punched can be had again");
	box = box_make("box", MIB);
	recv = open_kind(HANDLE_RECV, box);
	send_fill(box, 'b', 2 * page);
	ok(pool_used(pool) == MIB / page - 1, "a box takes its part");
	must(tx_free(pool, &the_op, box, receive_id(recv)) == 0, "tx_free");
	ok(pool_used(pool) == MIB / page - 3 &&
		   tree_write(pool, file, mem, page, MIB + page) ==
			   (ssize_t)page &&
		   tree_write(pool, file, mem, page, MIB + 2 * page) == -ENOSPC,
	   "also while its pages are Available");
	pool_stop();
	free(dir);
	free(mem);
}

int main(void)
{
	scratch_new();
	test_detached();
	test_directory();
	return done();
}
