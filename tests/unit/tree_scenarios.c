/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tree_scenarios.h"

static int64_t node_or(int err, uint32_t node)
{
	return err ? err : (int64_t)node;
}

static int64_t op_mkdir(void)
{
	uint32_t n = 0;
	int err = tree_mkdir(pool, &the_op, at.dir, "new", 02750, &n);

	return node_or(err, n);
}

static int64_t op_mkdir_dir(void)
{
	uint32_t n = 0;
	int err = tree_mkdir(pool, &the_op, at.top, "dir", 0750, &n);

	return node_or(err, n);
}

static int64_t op_mkdir_long(void)
{
	uint32_t n = 0;
	int err = tree_mkdir(pool, &the_op, at.dir, LONG_NAME, 0750, &n);

	return node_or(err, n);
}

static int64_t op_mkfifo(void)
{
	uint32_t n = 0;
	int err = tree_mknod(pool, &the_op, at.dir, "new", S_IFIFO | 0640, 0,
			     &n);

	return node_or(err, n);
}

static int64_t op_mknod(void)
{
	uint32_t n = 0;
	int err = tree_mknod(pool, &the_op, at.dir, "new", S_IFREG | 0640, 0,
			     &n);

	return node_or(err, n);
}

static int64_t op_mknod_a(void)
{
	uint32_t n = 0;
	int err = tree_mknod(pool, &the_op, at.top, "a", S_IFREG | 0640, 0, &n);

	return node_or(err, n);
}

static int64_t op_symlink(void)
{
	uint32_t n = 0;
	int err = tree_symlink(pool, &the_op, at.dir, "new", "../to", &n);

	return node_or(err, n);
}

static int64_t op_symlink_a(void)
{
	uint32_t n = 0;
	int err = tree_symlink(pool, &the_op, at.top, "a", "../to", &n);

	return node_or(err, n);
}

static int64_t create(uint32_t dir, const char *name, int flags)
{
	uint32_t n = 0;
	int err = create_as(&the_op, dir, name, flags, 0640, &n);

	return node_or(err, n);
}

static int64_t op_create(void)
{
	return create(at.dir, "new", O_RDWR);
}

static int64_t op_create_excl(void)
{
	return create(at.dir, "new", O_RDWR | O_EXCL);
}

static int64_t op_create_a(void)
{
	return create(at.top, "a", O_RDWR);
}

static int64_t op_create_a_trunc(void)
{
	return create(at.top, "a", O_RDWR | O_TRUNC);
}

static int64_t op_create_a_excl(void)
{
	return create(at.top, "a", O_RDWR | O_EXCL);
}

static int64_t op_tmpfile(void)
{
	return create(at.dir, NULL, O_RDWR);
}

static int64_t op_link(void)
{
	return tree_link(pool, &the_op, at.file, at.dir, "new");
}

static int64_t op_link_over(void)
{
	return tree_link(pool, &the_op, at.file, at.dir, "b");
}

static int64_t op_lookup_c(void)
{
	uint32_t n = 0;
	int err = tree_lookup(pool, &the_op, at.top, "c", &n);

	return node_or(err, n);
}

static int64_t op_lookup_purged(void)
{
	uint32_t n;

	tree_lookup(pool, &the_op, at.dir, "b", &n);
	return tree_lookup(pool, &the_op, at.top, "c", &n);
}

static int64_t op_lookup_a(void)
{
	uint32_t n = 0;
	int err = tree_lookup(pool, &the_op, at.top, "a", &n);

	return node_or(err, n);
}

static int64_t op_unlink_a(void)
{
	return tree_unlink(pool, &the_op, at.top, "a");
}

static int64_t op_unlink_b(void)
{
	return tree_unlink(pool, &the_op, at.dir, "b");
}

static int64_t op_unlink_c(void)
{
	return tree_unlink(pool, &the_op, at.top, "c");
}

static int64_t op_unlink_long(void)
{
	return tree_unlink(pool, &the_op, at.top, LONG_NAME);
}

static int64_t op_unlink_nothing(void)
{
	return tree_unlink(pool, &the_op, at.top, "nothing");
}

static int64_t op_rmdir(void)
{
	return tree_rmdir(pool, &the_op, at.top, "dir");
}

static int64_t rename_a(const char *to, unsigned int flags)
{
	return tree_rename(pool, &the_op, at.top, "a", at.dir, to, flags);
}

static int64_t op_rename(void)
{
	return rename_a("new", 0);
}

static int64_t op_rename_over(void)
{
	return rename_a("b", 0);
}

static int64_t op_exchange(void)
{
	return rename_a("b", RENAME_EXCHANGE);
}

static int64_t op_noreplace(void)
{
	return rename_a("new", RENAME_NOREPLACE);
}

static int64_t op_noreplace_over(void)
{
	return rename_a("b", RENAME_NOREPLACE);
}

static int64_t op_rename_long(void)
{
	return tree_rename(pool, &the_op, at.top, LONG_NAME, at.dir,
			   "another " LONG_NAME, 0);
}

static int64_t op_rename_dir(void)
{
	return tree_rename(pool, &the_op, at.top, "dir", at.top, "e", 0);
}

static int64_t op_rename_dir_full(void)
{
	return tree_rename(pool, &the_op, at.top, "e", at.top, "dir", 0);
}

static int64_t op_exchange_dirs(void)
{
	return tree_rename(pool, &the_op, at.top, "dir", at.top, "e",
			   RENAME_EXCHANGE);
}

static int64_t op_xattr_create(void)
{
	return tree_setxattr(pool, &the_op, at.file, "user.x", "new", 3,
			     XATTR_CREATE);
}

static int64_t op_xattr_replace(void)
{
	return tree_setxattr(pool, &the_op, at.file, "user.x", "new", 3,
			     XATTR_REPLACE);
}

static int64_t op_removexattr(void)
{
	return tree_removexattr(pool, &the_op, at.file, "user.x");
}

static int64_t op_open(void)
{
	return tree_open(pool, &the_op, at.file, O_RDWR, &opened);
}

static int64_t op_open_trunc(void)
{
	return tree_open(pool, &the_op, at.file, O_RDWR | O_TRUNC, &opened);
}

static int64_t op_close(void)
{
	return tree_close(pool, &the_op, at.file);
}

static int64_t op_pin_within(void)
{
	return vrange_pin(pool, &the_op, at.file, 5 * TREE_PAGE, 2 * TREE_PAGE);
}

static int64_t op_pin_across(void)
{
	return vrange_pin(pool, &the_op, at.file, TREE_PAGE, 4 * TREE_PAGE);
}

static int64_t op_pin_all(void)
{
	return vrange_pin(pool, &the_op, at.file, 0, 0);
}

static int64_t op_unpin_new(void)
{
	return vrange_unpin(pool, &the_op, at.file, 10 * TREE_PAGE, TREE_PAGE);
}

static int64_t op_unpin_joining(void)
{
	return vrange_unpin(pool, &the_op, at.file, TREE_PAGE, 5 * TREE_PAGE);
}

static int64_t op_purge_files(void)
{
	scan_pages("volatile-files", 1000);
	return 0;
}

/* No request: the kernel says it once, and asks for no answer. */
static int64_t op_forget(void)
{
	inode_forget(pool, at.file, 1);
	return 0;
}

int64_t op_purge_ranges(void)
{
	scan_pages("volatile-ranges", 1000);
	return 0;
}

/* The front of the first range, or the rest of it, or a part of both. */
int64_t op_purge_front(void)
{
	leave_pages(7);
	return 0;
}

int64_t op_purge_rest(void)
{
	leave_pages(6);
	return 0;
}

int64_t op_purge_both(void)
{
	leave_pages(4);
	return 0;
}

const struct scenario scenarios[] = {
	{ "mkdir", setup_dir, op_mkdir, ANY, ONCE },
	{ "mkdir of what exists", setup_dir, op_mkdir_dir, -EEXIST, ONCE },
	{ "mkdir with a long name", setup_dir, op_mkdir_long, ANY, ONCE },
	{ "mkdir in a volatile directory", setup_volatile_dir, op_mkdir, ANY,
	  ONCE },
	{ "mkfifo", setup_dir, op_mkfifo, ANY, ONCE },
	{ "mknod", setup_dir, op_mknod, ANY, ONCE },
	{ "mknod of what exists", setup_file, op_mknod_a, -EEXIST, ONCE },
	{ "mknod in a volatile directory", setup_volatile_dir, op_mknod, ANY,
	  ONCE },
	{ "symlink", setup_dir, op_symlink, ANY, ONCE },
	{ "symlink to what exists", setup_file, op_symlink_a, -EEXIST, ONCE },
	{ "create", setup_dir, op_create, ANY, ONCE },
	{ "create what exists", setup_file, op_create_a, ANY, SPARE },
	{ "create and truncate what exists", setup_file, op_create_a_trunc, ANY,
	  SPARE },
	{ "create with O_EXCL", setup_dir, op_create_excl, ANY, ONCE },
	{ "create with O_EXCL what exists", setup_file, op_create_a_excl,
	  -EEXIST, ONCE },
	{ "create in a volatile directory", setup_volatile_dir, op_create, ANY,
	  ONCE },
	{ "O_TMPFILE", setup_dir, op_tmpfile, ANY, ONCE },
	{ "link what O_TMPFILE made", setup_nameless, op_link, 0, ONCE },
	{ "link", setup_file, op_link, 0, ONCE },
	{ "link to a name that exists", setup_two, op_link_over, -EEXIST,
	  ONCE },
	{ "look up", setup_two_forgotten, op_lookup_a, ANY, ONCE },
	{ "look up an orphan's other name", setup_orphan_with_name, op_lookup_c,
	  ANY, ONCE },
	{ "look up the names of a purged file", setup_purged_linked,
	  op_lookup_purged, -ENOENT, ONCE },
	{ "rmdir with names of a purged file", setup_purged_in_dir, op_rmdir, 0,
	  ONCE },
	{ "unlink, one name", setup_two, op_unlink_a, 0, ONCE },
	{ "unlink, open", setup_two_open, op_unlink_a, 0, ONCE },
	{ "unlink, forgotten", setup_two_forgotten, op_unlink_a, 0, ONCE },
	{ "unlink, volatile", setup_two_volatile, op_unlink_a, 0, ONCE },
	{ "unlink, long name", setup_long_names, op_unlink_long, 0, ONCE },
	{ "unlink, two names, the known one", setup_linked, op_unlink_b, 0,
	  ONCE },
	{ "unlink, two names, the other one", setup_linked, op_unlink_c, 0,
	  ONCE },
	{ "unlink, two names, volatile", setup_linked_volatile, op_unlink_b, 0,
	  ONCE },
	{ "unlink of nothing", setup_dir, op_unlink_nothing, -ENOENT, ONCE },
	{ "rmdir", setup_dir, op_rmdir, 0, ONCE },
	{ "rmdir of one that is not empty", setup_two, op_rmdir, -ENOTEMPTY,
	  ONCE },
	{ "rename", setup_two, op_rename, 0, ONCE },
	{ "rename, volatile", setup_two_volatile, op_rename, 0, ONCE },
	{ "rename, long names", setup_long_names, op_rename_long, 0, ONCE },
	{ "rename over a file", setup_two, op_rename_over, 0, ONCE },
	{ "rename over an open file", setup_two_open, op_rename_over, 0, ONCE },
	{ "rename over a forgotten file", setup_two_forgotten, op_rename_over,
	  0, ONCE },
	{ "rename over a volatile file", setup_two_volatile, op_rename_over, 0,
	  ONCE },
	{ "rename over a hard-linked file", setup_linked, op_rename_over, 0,
	  ONCE },
	{ "rename over a hard-linked volatile file", setup_linked_volatile,
	  op_rename_over, 0, ONCE },
	{ "rename over a directory", setup_dirs, op_rename_dir, 0, ONCE },
	{ "rename over one that is not empty", setup_dirs, op_rename_dir_full,
	  -ENOTEMPTY, ONCE },
	{ "rename of a directory of volatile files", setup_volatile_in_dir,
	  op_rename_dir, 0, ONCE },
	{ "rename with RENAME_EXCHANGE", setup_two, op_exchange, 0, ONCE },
	{ "RENAME_EXCHANGE, volatile", setup_two_volatile, op_exchange, 0,
	  ONCE },
	{ "RENAME_EXCHANGE of directories", setup_volatile_in_dir,
	  op_exchange_dirs, 0, ONCE },
	{ "rename with RENAME_NOREPLACE", setup_two, op_noreplace, 0, ONCE },
	{ "RENAME_NOREPLACE onto a file", setup_two, op_noreplace_over, -EEXIST,
	  ONCE },
	{ "setxattr, XATTR_CREATE", setup_file, op_xattr_create, 0, ONCE },
	{ "setxattr, XATTR_CREATE, there is one", setup_xattr, op_xattr_create,
	  -EEXIST, ONCE },
	{ "setxattr, XATTR_REPLACE", setup_xattr, op_xattr_replace, 0, ONCE },
	{ "setxattr, XATTR_REPLACE, there is none", setup_file,
	  op_xattr_replace, -ENODATA, ONCE },
	{ "removexattr", setup_xattr, op_removexattr, 0, ONCE },
	{ "removexattr, there is none", setup_file, op_removexattr, -ENODATA,
	  ONCE },
	{ "open", setup_file, op_open, 0, ONCE },
	{ "open a volatile file", setup_volatile, op_open, 0, ONCE },
	{ "open with O_TRUNC", setup_file, op_open_trunc, 0, ONCE },
	{ "close", setup_open, op_close, 0, ONCE },
	{ "close a volatile file", setup_open_volatile, op_close, 0, ONCE },
	{ "close an orphan that is forgotten", setup_open_orphan, op_close, 0,
	  ONCE },
	{ "pin within a range", setup_ranges, op_pin_within, 0, ONCE },
	{ "pin across ranges", setup_ranges, op_pin_across, 0, ONCE },
	{ "pin within a purged range", setup_purged_ranges, op_pin_within, 1,
	  ONCE },
	{ "pin across purged ranges", setup_purged_ranges, op_pin_across, 1,
	  ONCE },
	{ "pin all of a purged file", setup_purged_ranges, op_pin_all, 1,
	  ONCE },
	{ "unpin", setup_ranges, op_unpin_new, 0, ONCE },
	{ "unpin what joins ranges", setup_ranges, op_unpin_joining, 0, ONCE },
	{ "unpin what joins purged ranges", setup_purged_ranges,
	  op_unpin_joining, 0, ONCE },
	{ "forget, long name", setup_long_names, op_forget, 0, RECLAIM },
	{ "purge of a file", setup_volatile, op_purge_files, 0, RECLAIM },
	{ "purge of files with one and two names", setup_linked_volatile,
	  op_purge_files, 0, RECLAIM },
	{ "purge of files in directories", setup_volatile_in_dir,
	  op_purge_files, 0, RECLAIM },
	{ "purge of ranges", setup_ranges, op_purge_ranges, 0, RECLAIM },
	{ "purge of the front of a range", setup_ranges, op_purge_front, 0,
	  RECLAIM },
	{ "purge of the rest of a range", setup_purged_front, op_purge_rest, 0,
	  RECLAIM },
	{ "purge of parts of ranges", setup_purged_front, op_purge_both, 0,
	  RECLAIM },
	{ "deep: mkdir", setup_dir_deep, op_mkdir, ANY, ONCE },
	{ "deep: create", setup_dir_deep, op_create, ANY, ONCE },
	{ "deep: O_TMPFILE", setup_dir_deep, op_tmpfile, ANY, ONCE },
	{ "deep: link of what has no name", setup_nameless_deep, op_link, 0,
	  ONCE },
	{ "deep: link", setup_two_deep, op_link, 0, ONCE },
	{ "deep: unlink", setup_two_deep, op_unlink_b, 0, ONCE },
	{ "deep: unlink of an open file", setup_two_open_deep, op_unlink_b, 0,
	  ONCE },
	{ "deep: rmdir", setup_dir_deep, op_rmdir, 0, ONCE },
	{ "deep: rename", setup_two_deep, op_rename, 0, ONCE },
	{ "deep: rename over an open file", setup_two_open_deep, op_rename_over,
	  0, ONCE },
	{ "deep: rename over a directory", setup_dirs_deep, op_rename_dir, 0,
	  ONCE },
	{ "deep: rename over one that is not empty", setup_dirs_deep,
	  op_rename_dir_full, -ENOTEMPTY, ONCE },
	{ "deep: purge of files", setup_volatile_in_dir_deep, op_purge_files, 0,
	  RECLAIM },
};

const size_t nr_scenarios = sizeof(scenarios) / sizeof(*scenarios);
