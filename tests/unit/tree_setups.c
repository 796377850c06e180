/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tree_setups.h. */
#include "tests/unit/tree_setups.h"

struct places at = { .top = INODE_ROOT };

void setup_dir(void)
{
	at.dir = made_dir(at.top, "dir");
}

/* Deep enough for paths that start at a directory's descriptor. */
static void go_deep(void)
{
	char name[INODE_NAME_MAX + 1];

	memset(name, 'd', INODE_NAME_MAX);
	name[INODE_NAME_MAX] = 0;
	at.top = INODE_ROOT;
	for (int i = 0; i < 17; i++)
		at.top = made_dir(at.top, name);
}

void setup_file(void)
{
	setup_dir();
	at.file = filled_file(at.top, "a", 1, 'a');
}

void setup_two(void)
{
	setup_file();
	at.other = filled_file(at.dir, "b", 2, 'b');
}

void setup_two_open(void)
{
	setup_two();
	must(tree_open(pool, &the_op, at.file, O_RDWR, &opened) == 0, "open");
	must(tree_open(pool, &the_op, at.other, O_RDWR, &opened) == 0, "open");
}

void setup_two_forgotten(void)
{
	setup_two();
	inode_forget(pool, at.file, 1);
	inode_forget(pool, at.other, 1);
}

void setup_two_volatile(void)
{
	setup_two();
	must(vfile_set_volatile(pool, &the_op, at.file, true, 0) == 0,
	     "volatile");
	must(vfile_set_volatile(pool, &the_op, at.other, true, 0) == 0,
	     "volatile");
}

void setup_linked(void)
{
	setup_two();
	must(tree_link(pool, &the_op, at.other, at.top, "c") == 0, "link");
}

void setup_linked_volatile(void)
{
	setup_linked();
	must(vfile_set_volatile(pool, &the_op, at.other, true, 0) == 0,
	     "volatile");
}

/* Of a purged file one name is left, and nobody refers to it. */
void setup_purged_linked(void)
{
	setup_linked_volatile();
	inode_forget(pool, at.other, 2);
	scan_pages("volatile-files", 1000);
}

/* And that in a directory. */
void setup_purged_in_dir(void)
{
	setup_two();
	must(tree_link(pool, &the_op, at.file, at.dir, "c") == 0, "link");
	must(tree_link(pool, &the_op, at.file, at.dir, "d") == 0, "link");
	must(tree_unlink(pool, &the_op, at.dir, "b") == 0, "unlink");
	inode_forget(pool, at.other, 1);
	must(vfile_set_volatile(pool, &the_op, at.file, true, 0) == 0,
	     "volatile");
	inode_forget(pool, at.file, 3);
	scan_pages("volatile-files", 1000);
	must(tree_lookup(pool, &the_op, at.top, "a", &at.file) == -ENOENT,
	     "look up");
}

void setup_dirs(void)
{
	setup_file();
	at.other = made_dir(at.top, "e");
	filled_file(at.dir, "in it", 1, 'i');
}

void setup_volatile_in_dir(void)
{
	setup_dir();
	at.other = made_dir(at.top, "e");
	at.file = filled_file(at.dir, "kept", 1, 'k');
	must(vfile_set_volatile(pool, &the_op, at.file, true, 0) == 0,
	     "volatile");
	at.file = filled_file(at.dir, "unknown", 1, 'u');
	must(vfile_set_volatile(pool, &the_op, at.file, true, 0) == 0,
	     "volatile");
	inode_forget(pool, at.file, 1);
}

void setup_volatile_dir(void)
{
	setup_dir();
	must(vfile_set_volatile(pool, &the_op, at.dir, true, 0) == 0,
	     "volatile");
}

void setup_nameless(void)
{
	setup_dir();
	must(create_as(&the_op, at.top, NULL, O_RDWR, 0640, &at.file) == 0,
	     "create");
	fill_pages(at.file, 0, 1, 'n');
}

void setup_orphan_with_name(void)
{
	setup_linked();
	must(tree_open(pool, &the_op, at.other, O_RDWR, &opened) == 0, "open");
	must(tree_unlink(pool, &the_op, at.dir, "b") == 0, "unlink");
}

void setup_xattr(void)
{
	setup_file();
	must(tree_setxattr(pool, &the_op, at.file, "user.x", "old", 3, 0) == 0,
	     "set");
}

void setup_open(void)
{
	setup_file();
	must(tree_open(pool, &the_op, at.file, O_RDWR, &opened) == 0, "open");
}

void setup_open_volatile(void)
{
	setup_file();
	must(vfile_set_volatile(pool, &the_op, at.file, true, 0) == 0,
	     "volatile");
	must(tree_open(pool, &the_op, at.file, O_RDWR, &opened) == 0, "open");
}

void setup_open_orphan(void)
{
	setup_open();
	must(tree_unlink(pool, &the_op, at.top, "a") == 0, "unlink");
	inode_forget(pool, at.file, 1);
}

void setup_long_names(void)
{
	setup_dir();
	at.file = filled_file(at.top, LONG_NAME, 1, 'l');
}

void setup_ranges(void)
{
	setup_dir();
	at.file = filled_file(at.top, "a", 12, 'r');
	must(vrange_unpin(pool, &the_op, at.file, 0, 2 * TREE_PAGE) == 0,
	     "unpin");
	must(vrange_unpin(pool, &the_op, at.file, 3 * TREE_PAGE,
			  6 * TREE_PAGE) == 0,
	     "unpin");
}

void setup_purged_ranges(void)
{
	setup_ranges();
	scan_pages("volatile-ranges", 1000);
}

/* Purges ranges until @pages are left that could be. */
void leave_pages(uint64_t pages)
{
	struct volatile_stat st;

	volatile_stat(pool, &st);
	if (st.range_pages > pages)
		scan_pages("volatile-ranges", st.range_pages - pages);
}

void setup_purged_front(void)
{
	setup_ranges();
	leave_pages(7);
}

void setup_volatile(void)
{
	setup_file();
	must(vfile_set_volatile(pool, &the_op, at.file, true, 0) == 0,
	     "volatile");
}

#define DEEP(setup)             \
	void setup##_deep(void) \
	{                       \
		go_deep();      \
		setup();        \
	}

DEEP(setup_dir)
DEEP(setup_two)
DEEP(setup_two_open)
DEEP(setup_dirs)
DEEP(setup_nameless)
DEEP(setup_volatile_in_dir)
