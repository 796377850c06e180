/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile files: what is purged, in which order, how much of it, and what is
 * left.  Ranges are in test_vrange.c.
 */
#include <stdint.h>

#include "pool/volatile/volatile_priv.h"
#include "tests/unit/tree_fixture.h"

#define SIZE (1ull << 30)

static char *dir;

static void restart(bool fresh)
{
	pool_stop();
	pool_start(dir, SIZE, fresh, NULL);
}

static uint32_t volatile_file(uint32_t parent, const char *name, uint64_t pages)
{
	uint32_t node = filled_file(parent, name, pages, *name);

	must(vfile_set_volatile(pool, &the_op, node, true, 0) == 0, "volatile");
	return node;
}

static void touch(uint32_t node)
{
	must(tree_open(pool, &the_op, node, O_RDONLY, &opened) == 0, "open");
	must(tree_close(pool, &the_op, node) == 0, "close");
}

static bool is_there(const char *name)
{
	return lookup_says(INODE_ROOT, name) == 0;
}

static bool purged_in_order(const char *names)
{
	for (; *names; names++) {
		char name[2] = { *names };

		if (!is_there(name) || scan_pages("volatile-files", 1) != 1 ||
		    is_there(name) || !pool_intact())
			return false;
	}
	return scan_pages("volatile-files", 100) == 0;
}

static void make_abcd(uint32_t node[4])
{
	static const char *const names[] = { "a", "b", "c", "d" };

	for (int i = 0; i < 4; i++)
		node[i] = volatile_file(INODE_ROOT, names[i], 1);
}

static void test_order(void)
{
	uint32_t node[4];

	make_abcd(node);
	ok(volatile_now().files == 4 && volatile_now().available == 4,
	   "four files of a page");
	ok(purged_in_order("abcd"), "the oldest goes first");
	make_abcd(node);
	touch(node[1]);
	touch(node[0]);
	ok(purged_in_order("cdba"), "who is opened and closed is young again");
	make_abcd(node);
	touch(node[2]);
	inode_forget(pool, node[0], 1);
	restart(false);
	ok(pool_intact() && volatile_now().available == 4, "a new worker");
	ok(purged_in_order("abdc"), "knows the order");
	make_abcd(node);
	restart(false);
	touch(node[0]);
	restart(false);
	ok(purged_in_order("bcda"), "and goes on with it");
	make_abcd(node);
	touch(node[3]);
	touch(node[0]);
	restart(true);
	ok(pool_intact() && purged_in_order("bcda"),
	   "so does a new mount, to which no node is known");
	ok(nr_tree_nodes() == 1 && volatile_now().files == 0,
	   "nothing is left");
}

static void test_in_use(void)
{
	uint32_t node = volatile_file(INODE_ROOT, "a", 3), n = 0;

	must(tree_open(pool, &the_op, node, O_RDONLY, &opened) == 0, "open");
	must(tree_open(pool, &the_op, node, O_RDONLY, &opened) == 0, "open");
	must(tree_close(pool, &the_op, node) == 1, "close");
	ok(volatile_now().available == 0 &&
		   scan_pages("volatile-files", 100) == 0 &&
		   page_byte(node, 2) == 'a',
	   "an open file stays");
	must(tree_close(pool, &the_op, node) == 0, "close");
	ok(volatile_now().available == 3, "its last close makes it Available");
	restart(false);
	ok(volatile_now().available == 3 && page_byte(node, 2) == 'a',
	   "to the next worker, too");
	ok(scan_pages("volatile-files", 1) == 3,
	   "it goes as a whole, whatever was asked for");
	ok(volatile_now().purged_files == 1 && volatile_now().purged_pages == 3,
	   "and is counted");
	ok(tree_lookup(pool, &the_op, INODE_ROOT, "a", &n) == -ENOENT && n == 0,
	   "its name is gone");
	ok(inode_valid(pool, node) &&
		   tree_open(pool, &the_op, node, O_RDONLY, &opened) < 0 &&
		   inode_opens(pool, node) == 0,
	   "its node is there, and cannot be opened");
	node = made_file(INODE_ROOT, "a");
	ok(!vfile_is_volatile(pool, node), "the next of that name is new");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "a") == 0, "unlink");
	inode_forget(pool, node, 1);
	for (uint32_t i = 2; i < DUMP_NODES; i++)
		inode_forget(pool, i, 1);
	ok(nr_tree_nodes() == 1, "nodes go when they are forgotten");
}

/* What an operation has a path or a number of must be there at its end. */
static void test_busy(void)
{
	uint32_t node = volatile_file(INODE_ROOT, "a", 1);

	{
		INODES_BUSY(pool);
		ok(scan_pages("volatile-files", 100) == 0 && is_there("a"),
		   "nothing is purged in the middle of an operation");
	}
	ok(scan_pages("volatile-files", 100) == 1 && !is_there("a"),
	   "but after it");
	inode_forget(pool, node, 1);
	ok(nr_tree_nodes() == 1, "nothing is left");
}

static void test_pages(void)
{
	uint32_t node = volatile_file(INODE_ROOT, "a", 10);
	struct tree_attr a = { .set = TREE_SET_SIZE, .size = 3 * TREE_PAGE };

	ok(volatile_now().available == 10, "pages are charged");
	must(tree_setattr(pool, node, &a) == 0, "truncate");
	ok(volatile_now().available == 3, "truncated: fewer");
	a.size = 1000 * TREE_PAGE;
	must(tree_setattr(pool, node, &a) == 0, "truncate");
	ok(volatile_now().available == 3, "enlarged: no more");
	must(tree_open(pool, &the_op, node, O_RDWR, &opened) == 0, "open");
	ok(volatile_now().available == 0, "open: none");
	fill_pages(node, 900, 2, 'x');
	must(tree_close(pool, &the_op, node) == 0, "close");
	ok(volatile_now().available == 5, "a sparse file: what it has");
	must(vfile_set_volatile(pool, &the_op, node, false, 0) == 0,
	     "not volatile");
	ok(volatile_now().available == 0 && volatile_now().files == 0 &&
		   scan_pages("volatile-files", 100) == 0 && is_there("a"),
	   "not volatile any more: it stays");
	must(vfile_set_volatile(pool, &the_op, node, true, 0) == 0, "volatile");
	must(tree_rename(pool, &the_op, INODE_ROOT, "a", INODE_ROOT, "b", 0) ==
		     0,
	     "mv");
	ok(volatile_now().available == 5 && vfile_is_volatile(pool, node),
	   "a rename changes nothing of it");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "b") == 0, "unlink");
	ok(volatile_now().available == 0 && pool_intact(),
	   "what is removed is not on the LRU");
	a.size = 0;
	inode_forget(pool, node, 1);
	node = volatile_file(INODE_ROOT, "empty", 1);
	must(tree_setattr(pool, node, &a) == 0, "truncate");
	ok(scan_pages("volatile-files", 100) == 0 && is_there("empty"),
	   "nothing can be had of an empty file: it stays");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "empty") == 0, "unlink");
	inode_forget(pool, node, 1);
	ok(nr_tree_nodes() == 1, "nothing is left");
}

static void test_links(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), n = 0;
	uint32_t node = volatile_file(d, "a", 2);
	struct statx stx;

	must(inode_stat(pool, node, &stx) == 0, "stat");
	must(tree_link(pool, &the_op, node, INODE_ROOT, "b") == 0, "link");
	must(tree_link(pool, &the_op, node, INODE_ROOT, "c") == 0, "link");
	ok(volatile_now().available == 2, "three names, one file");
	ok(scan_pages("volatile-files", 1) == 2, "it is purged");
	ok(pool_intact(), "pool_check() with a purged file");
	ok(vfile_is_purged(pool, stx.stx_ino) && !vfile_is_purged(pool, 1),
	   "a listing leaves it out");
	ok(tree_open(pool, &the_op, node, O_RDONLY, &opened) < 0 &&
		   nlink_of(node) < 0,
	   "nobody can open or stat it");
	restart(false);
	ok(pool_intact() && vfile_is_purged(pool, stx.stx_ino),
	   "the next worker knows");
	ok(tree_lookup(pool, &the_op, INODE_ROOT, "b", &n) == -ENOENT &&
		   tree_lookup(pool, &the_op, INODE_ROOT, "b", &n) == -ENOENT,
	   "it is not found by one of its names");
	ok(tree_rmdir(pool, &the_op, INODE_ROOT, "d") == 0,
	   "a directory with nothing but a purged name is empty");
	ok(tree_lookup(pool, &the_op, INODE_ROOT, "c", &n) == -ENOENT,
	   "nor by the last of them");
	inode_forget(pool, node, 3);
	ok(!vfile_is_purged(pool, stx.stx_ino), "with that it is forgotten");
	inode_forget(pool, d, 1);
	ok(pool_intact() && nr_tree_nodes() == 1, "nothing is left");
}

/* Names of a purged file go with their directory, and nobody looks them up. */
static void test_links_in_dir(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d");
	uint32_t node = volatile_file(d, "a", 2);

	must(tree_link(pool, &the_op, node, d, "b") == 0, "link");
	must(tree_link(pool, &the_op, node, d, "c") == 0, "link");
	inode_forget(pool, node, 3);
	ok(scan_pages("volatile-files", 1) == 2 && nr_tree_nodes() == 3,
	   "a file with three names in one directory is purged");
	ok(tree_rmdir(pool, &the_op, INODE_ROOT, "d") == 0 && pool_intact(),
	   "which is empty then");
	inode_forget(pool, d, 1);
	ok(nr_tree_nodes() == 1, "and nothing is left");
}

static void test_directories(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), sub, file, link, fifo;

	must(vfile_set_volatile(pool, &the_op, d, true, 0) == 0, "volatile");
	sub = made_dir(d, "sub");
	file = filled_file(sub, "f", 1, 'f');
	ok(vfile_is_volatile(pool, sub) && vfile_is_volatile(pool, file),
	   "what is made in a volatile directory is volatile, all the way");
	must(tree_symlink(pool, &the_op, d, "l", "to", &link) == 0, "symlink");
	must(tree_mknod(pool, &the_op, d, "p", S_IFIFO | 0600, 0, &fifo) == 0,
	     "mkfifo");
	ok(!vfile_is_volatile(pool, link) && !vfile_is_volatile(pool, fifo) &&
		   vfile_set_volatile(pool, &the_op, link, true, 0) ==
			   -EOPNOTSUPP &&
		   vfile_set_volatile(pool, &the_op, fifo, true, 0) ==
			   -EOPNOTSUPP,
	   "but neither symbolic links nor pipes");
	ok(vfile_set_volatile(pool, &the_op, 999999, true, 0) == -ESTALE &&
		   !vfile_is_volatile(pool, 999999),
	   "nor what there is not");
	ok(volatile_now().files == 3 &&
		   scan_pages("volatile-files", 100) == 1 &&
		   inode_valid(pool, sub) && pool_intact(),
	   "of all that, the file is purged");
	/* A request that comes again. */
	for (int on = 1; on >= 0; on--) {
		int flag = on ? XATTR_CREATE : XATTR_REPLACE;
		int other = on ? -EEXIST : -ENODATA;
		uint32_t e = on ? made_dir(INODE_ROOT, "e")
				: looked_up(INODE_ROOT, "e");

		the_op.token = 100 + on;
		must(vfile_set_volatile(pool, &the_op, e, on, flag) == 0,
		     "set %d", on);
		restart(false);
		the_op.token = 100 + on;
		ok(vfile_set_volatile(pool, &the_op, e, on, flag) == 0 &&
			   volatile_now().files == 2u + on,
		   "%s once more, for the same request", on ? "on" : "off");
		the_op.token = 200 + on;
		ok(vfile_set_volatile(pool, &the_op, e, on, flag) == other,
		   "but not for another one");
		the_op.token = 0;
	}
	restart(true);
	d = looked_up(INODE_ROOT, "d");
	file = made_file(d, "g");
	ok(vfile_is_volatile(pool, d) && vfile_is_volatile(pool, file),
	   "a directory stays volatile over mounts");
	inode_forget(pool, file, 1);
	inode_forget(pool, d, 1);
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
	ok(pool_intact() && nr_tree_nodes() == 1, "nothing is left");
}

/* With passthrough a mapping is seen only by the lease that it forbids. */
static void test_leases(void)
{
	struct pool_options opts = {
		.store = &store, .size = SIZE, .nr_nodes = 1, .leases = true
	};
	int fd;

	volatile_file(INODE_ROOT, "a", 1);
	volatile_file(INODE_ROOT, "b", 1);
	pool_unlock(pool);
	pool_close(pool);
	must(pool_open(&opts, &pool) == 0, "pool_open");
	pool_lock(pool);
	fd = openat(store.contentfd, STORE_FILES "/a", O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open");
	ok(scan_pages("volatile-files", 100) == 1 && is_there("a") &&
		   !is_there("b") && volatile_now().available == 1,
	   "somebody else has it open: the next one goes");
	close(fd);
	ok(scan_pages("volatile-files", 100) == 1 && !is_there("a"),
	   "not any more");

	volatile_file(INODE_ROOT, "c", 2);
	fd = openat(store.contentfd, STORE_FILES "/c", O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open");
	touch(looked_up(INODE_ROOT, "c"));
	volatile_file(INODE_ROOT, "d", 1);
	ok(volatile_now().available == 3 && volatile_now().idle == 1,
	   "what somebody else has open is not idle");
	vfile_recheck(pool);
	ok(volatile_now().idle == 1 && pool_intact(), "as long as he has");
	close(fd);
	vfile_recheck(pool);
	ok(volatile_now().idle == 3 && pool_intact(), "it is looked at again");

	fd = openat(store.contentfd, STORE_FILES "/c", O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open");
	pool_unlock(pool);
	pool_close(pool);
	must(pool_open(&opts, &pool) == 0, "pool_open");
	pool_lock(pool);
	ok(volatile_now().idle == 3, "a new worker takes all for idle");
	vfile_recheck(pool);
	ok(volatile_now().idle == 1 && pool_intact(),
	   "until it has looked at them");
	close(fd);
	vfile_recheck(pool);
	ok(volatile_now().idle == 3 && pool_intact(), "and once more");
	scan_pages("volatile-files", 100);
	restart(true);
	ok(pool_intact() && nr_tree_nodes() == 1, "nothing is left");
}

int main(void)
{
	scratch_new();
	dir = scratch_dir("pool");
	pool_start(dir, SIZE, true, NULL);
	test_order();
	test_in_use();
	test_busy();
	test_pages();
	test_links();
	test_links_in_dir();
	test_directories();
	test_leases();
	pool_stop();
	free(dir);
	return done();
}
