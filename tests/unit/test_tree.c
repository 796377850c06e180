/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain files: each operation, its errors, names and paths as long as they get,
 * symbolic links, files without a name, and what inodes cost.
 */
#include <linux/limits.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/unit/tree_fixture.h"

#define SIZE (1ull << 30)
#define MANY 100000
#define DEEP 40 /* directories with names of 200 bytes */

static char *dir;

static void restart(bool fresh)
{
	pool_stop();
	pool_start(dir, SIZE, fresh, NULL);
}

static struct statx stat_of(uint32_t node)
{
	struct statx stx = { 0 };

	must(inode_stat(pool, node, &stx) == 0, "stat");
	return stx;
}

static void clean(const char *what)
{
	tree_close_everything();
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
	ok(pool_intact() && nr_tree_nodes() == 1, "%s: nothing is left", what);
}

static void test_make(void)
{
	struct op other = { .uid = 12, .gid = 34, .umask = 027 };
	uint32_t d = made_dir(INODE_ROOT, "d"), n = 0, file, fifo, dev;
	char buf[8];

	must(tree_mknod(pool, &other, d, "f", S_IFREG | 0666, 0, &file) == 0,
	     "mknod");
	ok(stat_of(file).stx_mode == (S_IFREG | 0640) &&
		   stat_of(file).stx_uid == 12 && stat_of(file).stx_gid == 34,
	   "a file has its maker's owner, group and umask");
	must(tree_mknod(pool, &other, d, "p", S_IFIFO | 0600, 0, &fifo) == 0,
	     "mkfifo");
	must(tree_mknod(pool, &the_op, d, "dev", S_IFCHR | 0600, makedev(1, 3),
			&dev) == 0,
	     "mknod");
	ok(S_ISFIFO(stat_of(fifo).stx_mode) && S_ISCHR(stat_of(dev).stx_mode) &&
		   stat_of(dev).stx_rdev_major == 1 &&
		   stat_of(dev).stx_rdev_minor == 3,
	   "a pipe and a device");
	must(tree_symlink(pool, &other, d, "l", "to/here", &n) == 0, "symlink");
	ok(tree_readlink(pool, n, buf, sizeof(buf)) == 7 &&
		   !strcmp(buf, "to/here"),
	   "a symbolic link");
	ok(tree_mkdir(pool, &other, d, "f", 0755, &n) == -EEXIST &&
		   tree_mknod(pool, &other, d, "p", S_IFREG, 0, &n) ==
			   -EEXIST &&
		   tree_symlink(pool, &other, d, "l", "x", &n) == -EEXIST &&
		   create_as(&other, d, "f", O_RDWR | O_EXCL, 0600, &n) ==
			   -EEXIST &&
		   tree_link(pool, &the_op, file, d, "p") == -EEXIST,
	   "EEXIST");
	ok(tree_mkdir(pool, &other, file, "x", 0755, &n) == -ENOTDIR &&
		   tree_lookup(pool, &the_op, fifo, "x", &n) == -ENOTDIR &&
		   inode_opendir(pool, file) == -ENOTDIR &&
		   tree_rmdir(pool, &the_op, d, "f") == -ENOTDIR,
	   "ENOTDIR");
	ok(tree_mkdir(pool, &other, 4711, "x", 0755, &n) == -ESTALE &&
		   tree_lookup(pool, &the_op, 4711, "x", &n) == -ESTALE &&
		   tree_open(pool, &the_op, 4711, O_RDONLY, &opened) ==
			   -ESTALE &&
		   tree_close(pool, &the_op, 4711) == -ESTALE &&
		   inode_fd(pool, 4711, false) == -ESTALE &&
		   tree_unlink(pool, &the_op, 4711, "x") == -ESTALE &&
		   inode_opens(pool, 4711) == 0 && !inode_valid(pool, 0),
	   "ESTALE");
	ok(tree_lookup(pool, &the_op, d, "x", &n) == -ENOENT &&
		   tree_unlink(pool, &the_op, d, "x") == -ENOENT &&
		   tree_rmdir(pool, &the_op, d, "x") == -ENOENT &&
		   tree_rename(pool, &the_op, d, "x", d, "y", 0) == -ENOENT &&
		   tree_rename(pool, &the_op, d, "f", d, "y",
			       RENAME_EXCHANGE) == -ENOENT,
	   "ENOENT");
	ok(tree_unlink(pool, &the_op, INODE_ROOT, "d") == -EISDIR &&
		   tree_rmdir(pool, &the_op, INODE_ROOT, "d") == -ENOTEMPTY &&
		   tree_close(pool, &the_op, file) == -EBADF &&
		   tree_mknod(pool, &other, d, "x", S_IFDIR, 0, &n) == -EPERM,
	   "EISDIR, ENOTEMPTY, EBADF, EPERM");
	clean("made");
}

/* Every change of what an inode has, on one of a symbolic link. */
static void change_all(uint32_t n)
{
	const struct timespec t = { .tv_sec = 12345 };
	const gid_t groups[] = { 4711 };
	struct tree_attr a = { .mode = 04711,
			       .uid = 1234,
			       .gid = 1234,
			       .size = 1,
			       .atime = t,
			       .mtime = t,
			       .groups = groups,
			       .nr_groups = 1 };

	for (a.set = TREE_SET_MODE; a.set <= TREE_KILL_SGID; a.set <<= 1)
		tree_setattr(pool, n, &a);
	tree_write(pool, n, "x", 1, 0);
	tree_fallocate(pool, n, 0, 0, 4096, &(struct tree_steps){ 0 });
	tree_setxattr(pool, &the_op, n, "user.x", "x", 1, 0);
	tree_setxattr(pool, &the_op, n, "trusted.x", "x", 1, 0);
	if (tree_open(pool, &the_op, n, O_RDWR | O_TRUNC, &opened) == 0)
		tree_close(pool, &the_op, n);
	vfile_set_volatile(pool, &the_op, n, true, 0);
	vrange_unpin(pool, &the_op, n, 0, 0);
}

/* Links to a file of somebody else, outside and inside of the pool. */
static void test_symlinks(void)
{
	const struct tree_attr mode = { .set = TREE_SET_MODE, .mode = 0600 };
	char outside[80], path[100];
	struct stat before, after;
	struct statx in, link;
	uint32_t n, f;
	int fd;

	snprintf(outside, sizeof(outside), "%s/outside", scratch);
	fd = open(outside, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	must(fd >= 0 && write(fd, "content", 7) == 7, "outside");
	must(fstat(fd, &before) == 0, "fstat");
	snprintf(path, sizeof(path), "%s", outside);
	f = filled_file(INODE_ROOT, "f", 1, 'f');
	in = stat_of(f);
	must(tree_symlink(pool, &the_op, INODE_ROOT, "out", path, &n) == 0,
	     "symlink");
	ok(tree_setattr(pool, n, &mode) == -EOPNOTSUPP,
	   "the mode of a symbolic link cannot be set");
	change_all(n);
	link = stat_of(n);
	ok(S_ISLNK(link.stx_mode) && link.stx_mtime.tv_sec == 12345 &&
		   (getuid() || link.stx_uid == 1234),
	   "its owner and times are its own");
	must(fstat(fd, &after) == 0, "fstat");
	ok(!memcmp(&before, &after, sizeof(before)) &&
		   fgetxattr(fd, "trusted.x", path, 1) < 0,
	   "and what it leads to outside is left alone");
	must(tree_symlink(pool, &the_op, INODE_ROOT, "in", "f", &n) == 0,
	     "symlink");
	change_all(n);
	link = stat_of(f);
	ok(!memcmp(&in, &link, sizeof(in)) && page_byte(f, 0) == 'f',
	   "inside, too");
	close(fd);
	clean("symbolic links");
}

static void test_rename(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), e = made_dir(INODE_ROOT, "e");
	uint32_t a = filled_file(d, "a", 1, 'a'),
		 b = filled_file(e, "b", 1, 'b');

	ok(tree_rename(pool, &the_op, d, "a", INODE_ROOT, "e", 0) == -EISDIR &&
		   tree_rename(pool, &the_op, INODE_ROOT, "d", e, "b", 0) ==
			   -ENOTDIR &&
		   tree_rename(pool, &the_op, INODE_ROOT, "d", INODE_ROOT, "e",
			       0) == -ENOTEMPTY &&
		   tree_rename(pool, &the_op, d, "a", e, "b",
			       RENAME_NOREPLACE) == -EEXIST,
	   "EISDIR, ENOTDIR, ENOTEMPTY, EEXIST");
	ok(pool_intact() && nlink_of(b) == 1, "which change nothing");
	ok(tree_rename(pool, &the_op, d, "a", e, "b", RENAME_EXCHANGE) == 0 &&
		   looked_up(d, "a") == b && looked_up(e, "b") == a,
	   "two files exchanged");
	must(tree_open(pool, &the_op, a, O_RDONLY, &opened) == 0, "open");
	ok(tree_rename(pool, &the_op, d, "a", e, "b", 0) == 0 &&
		   looked_up(e, "b") == b && nlink_of(a) == 0 &&
		   page_byte(a, 0) == 'a' && page_byte(b, 0) == 'b',
	   "who is renamed over is there while it is open");
	restart(false);
	ok(pool_intact() && page_byte(a, 0) == 'a', "to the next worker, too");
	ok(tree_rename(pool, &the_op, INODE_ROOT, "e", d, "sub", 0) == 0 &&
		   page_byte(b, 0) == 'b' && looked_up(d, "sub") == e,
	   "a directory moves with what is in it");
	ok(tree_rename(pool, &the_op, INODE_ROOT, "d", INODE_ROOT, "d", 0) ==
			   0 &&
		   looked_up(INODE_ROOT, "d") == d && pool_intact(),
	   "onto itself: nothing happens");
	clean("renamed");
}

static void test_links(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), a = filled_file(d, "a", 1, 'a');
	uint32_t n = 0;

	ok(tree_link(pool, &the_op, a, INODE_ROOT, "b") == 0 &&
		   nlink_of(a) == 2 && looked_up(INODE_ROOT, "b") == a,
	   "two names, one node");
	ok(tree_link(pool, &the_op, d, INODE_ROOT, "c") == -EPERM,
	   "none of a directory");
	ok(tree_unlink(pool, &the_op, d, "a") == 0 && nlink_of(a) == 1 &&
		   page_byte(a, 0) == 'a' && pool_intact(),
	   "an orphan when the name it is known by goes");
	ok(looked_up(INODE_ROOT, "b") == a && nlink_of(a) == 1 && pool_intact(),
	   "known by the other name when somebody looks");
	ok(tree_unlink(pool, &the_op, INODE_ROOT, "b") == 0 &&
		   nlink_of(a) == 0 && inode_valid(pool, a),
	   "no name: still there for who refers to it");
	inode_forget(pool, a, 3);
	ok(inode_valid(pool, a), "three references of four are not all");
	inode_forget(pool, a, 1);
	ok(!inode_valid(pool, a), "the last one");
	a = filled_file(INODE_ROOT, "x", 1, 'x');
	must(tree_link(pool, &the_op, a, d, "y") == 0, "link");
	inode_forget(pool, a, 9);
	ok(inode_valid(pool, a) && inode_lookups(pool, a) == 0 &&
		   tree_lookup(pool, &the_op, d, "y", &n) == 0 && n == a &&
		   tree_unlink(pool, &the_op, INODE_ROOT, "x") == 0 &&
		   nlink_of(n) == 1 && page_byte(n, 0) == 'x',
	   "forgotten, and found by another name");
	clean("linked");
}

static int linkat_errno; /* what it fails with, 0: it does not */
static int nr_bad_closes;

int linkat(int from_dir, const char *from, int to_dir, const char *to,
	   int flags)
{
	if (linkat_errno) {
		errno = linkat_errno;
		return -1;
	}
	return syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int close(int fd)
{
	int err = syscall(SYS_close, fd);

	nr_bad_closes += err < 0 && errno == EBADF;
	return err;
}

/* The store refuses the name by which a new worker would find the file. */
static void test_nameless_refused(void)
{
	uint32_t n = 0;

	linkat_errno = EIO;
	ok(create_as(&the_op, INODE_ROOT, NULL, O_RDWR, 0600, &n) == -EIO &&
		   pool_intact(),
	   "O_TMPFILE in a store that fails");
	linkat_errno = 0;
	ok(nr_bad_closes == 0, "nothing is closed twice");
	clean("refused");
}

static void test_nameless(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), n = 0;

	must(create_as(&the_op, d, NULL, O_RDWR, 0600, &n) == 0, "O_TMPFILE");
	fill_pages(n, 0, 1, 't');
	ok(nlink_of(n) == 0 && created.stx_nlink == 0 &&
		   inode_opens(pool, n) == 1,
	   "O_TMPFILE: no name");
	restart(false);
	ok(page_byte(n, 0) == 't', "its content is there for the next worker");
	ok(tree_link(pool, &the_op, n, d, "named") == 0 && nlink_of(n) == 1 &&
		   looked_up(d, "named") == n && page_byte(n, 0) == 't' &&
		   pool_intact(),
	   "linked: it has one");
	must(create_as(&the_op, d, NULL, O_RDWR, 0600, &n) == 0, "O_TMPFILE");
	inode_forget(pool, n, 1);
	ok(inode_valid(pool, n) && tree_close(pool, &the_op, n) == 0 &&
		   !inode_valid(pool, n),
	   "not linked: gone with its last close");
	must(create_as(&the_op, d, NULL, O_RDWR, 0600, &n) == 0, "O_TMPFILE");
	restart(true);
	ok(!inode_valid(pool, n) && pool_intact(), "or with the mount");
	clean("nameless");
}

static void test_orphans(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), a = filled_file(d, "a", 1, 'a');
	uint32_t b = made_file(INODE_ROOT, "b"), n;
	struct inode_usage u;

	must(tree_open(pool, &the_op, a, O_RDWR, &opened) == 0, "open");
	must(tree_open(pool, &the_op, a, O_RDWR, &opened) == 0, "open");
	must(tree_unlink(pool, &the_op, d, "a") == 0, "unlink");
	must(tree_rmdir(pool, &the_op, INODE_ROOT, "d") == 0, "rmdir");
	inode_forget(pool, a, 1);
	inode_usage(pool, &u);
	ok(u.open == 1 && nlink_of(a) == 0 && page_byte(a, 0) == 'a' &&
		   nlink_of(d) == 0 && pool_intact(),
	   "removed while they are open or referred to");
	ok(tree_mkdir(pool, &the_op, d, "x", 0755, &n) == -ENOENT &&
		   create_as(&the_op, d, "x", O_RDWR, 0600, &n) == -ENOENT &&
		   tree_link(pool, &the_op, b, d, "x") == -ENOENT &&
		   tree_rename(pool, &the_op, INODE_ROOT, "b", d, "x", 0) ==
			   -ENOENT,
	   "nothing is made in a directory that was removed");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "b") == 0, "unlink");
	inode_forget(pool, b, 1);
	restart(false);
	ok(inode_opens(pool, a) == 2 && page_byte(a, 0) == 'a' && pool_intact(),
	   "the next worker finds them");
	ok(tree_close(pool, &the_op, a) == 1 &&
		   tree_close(pool, &the_op, a) == 0 && !inode_valid(pool, a),
	   "gone with the last close");
	inode_forget(pool, d, 1);
	ok(!inode_valid(pool, d), "or reference");
	clean("orphans");
}

static void test_open(void)
{
	struct tree_attr a = { .set = TREE_SET_MODE | TREE_SET_UID |
				      TREE_SET_MTIME,
			       .mode = 04751,
			       .uid = 7,
			       .mtime = { 123, 456 } };
	uint32_t n = 0, f = filled_file(INODE_ROOT, "f", 2, 'f');
	char list[32], value[8];

	ok(create_as(&the_op, INODE_ROOT, "f", O_RDWR, 0, &n) == 0 && n == f &&
		   inode_opens(pool, f) == 1 && page_byte(f, 1) == 'f',
	   "create opens what exists");
	ok(tree_open(pool, &the_op, f, O_TRUNC, &opened) == 0 &&
		   stat_of(f).stx_size == 0,
	   "O_TRUNC");
	ok(tree_setattr(pool, f, &a) == 0 &&
		   stat_of(f).stx_mode == (S_IFREG | 04751) &&
		   stat_of(f).stx_uid == 7 &&
		   stat_of(f).stx_mtime.tv_nsec == 456,
	   "attributes");
	a.set = TREE_KILL_SUIDGID;
	ok(tree_setattr(pool, f, &a) == 0 &&
		   stat_of(f).stx_mode == (S_IFREG | 0751),
	   "a write takes set-user-ID away");
	restart(false);
	ok(inode_opens(pool, f) == 2, "opens outlive the worker");
	ok(tree_setxattr(pool, &the_op, f, "user.x", "yz", 2, XATTR_REPLACE) ==
			   -ENODATA &&
		   tree_setxattr(pool, &the_op, f, "user.x", "yz", 2,
				 XATTR_CREATE) == 0 &&
		   tree_setxattr(pool, &the_op, f, "user.x", "yz", 2,
				 XATTR_CREATE) == -EEXIST &&
		   tree_getxattr(pool, f, "user.x", value, 8) == 2 &&
		   tree_getxattr(pool, f, "user.x", value, 1) == -ERANGE &&
		   tree_listxattr(pool, f, list, sizeof(list)) == 7 &&
		   tree_removexattr(pool, &the_op, f, "user.x") == 0 &&
		   tree_removexattr(pool, &the_op, f, "user.x") == -ENODATA,
	   "extended attributes");
	clean("open");
}

/* --- registered for passthrough --- */

static struct {
	int opened, closed; /* how often */
	int next; /* id or error of the next one */
	int last_closed;
} kernel;

static int on_backing_open(void *arg, int fd)
{
	must(fcntl(fd, F_GETFD) >= 0, "a descriptor");
	kernel.opened++;
	return kernel.next;
}

static void on_backing_close(void *arg, int id)
{
	kernel.closed++;
	kernel.last_closed = id;
}

static void test_registered(void)
{
	static const struct pool_ops ops = {
		.backing_open = on_backing_open,
		.backing_close = on_backing_close,
	};
	uint32_t f, n = 0;

	pool_stop();
	pool_start(dir, SIZE, false, &ops);
	f = made_file(INODE_ROOT, "f");
	kernel.next = -ENFILE;
	ok(tree_open(pool, &the_op, f, O_RDWR, &opened) == -ENFILE &&
		   inode_opens(pool, f) == 0 && kernel.closed == 0,
	   "what cannot be registered is not open");
	fill_pages(f, 0, 1, 'f');
	ok(tree_open(pool, &the_op, f, O_RDWR | O_TRUNC, &opened) == -ENFILE &&
		   page_byte(f, 0) == 'f',
	   "and not truncated");
	ok(create_as(&the_op, INODE_ROOT, "new", O_RDWR, 0600, &n) == -ENFILE &&
		   lookup_says(INODE_ROOT, "new") == -ENOENT,
	   "nor made");
	ok(create_as(&the_op, INODE_ROOT, NULL, O_RDWR, 0600, &n) == -ENFILE &&
		   pool_intact(),
	   "nor without a name");
	kernel.next = 5;
	kernel.opened = 0;
	ok(tree_open(pool, &the_op, f, O_RDONLY, &opened) == 0 &&
		   opened.backing == 5 && !opened.setid,
	   "an id");
	kernel.next = 6;
	ok(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0 &&
		   opened.backing == 5 && kernel.opened == 1,
	   "one for all that have it open");
	pool_stop();
	pool_start(dir, SIZE, false, &ops);
	ok(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0 &&
		   opened.backing == 5 && inode_opens(pool, f) == 3,
	   "id and opens outlive the worker");
	the_op.token = 99;
	must(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0, "open");
	the_op.token = 100;
	must(tree_close(pool, &the_op, f) == 3, "close");
	pool_stop();
	pool_start(dir, SIZE, false, &ops);
	the_op.token = 100;
	ok(tree_close(pool, &the_op, f) == 3 && kernel.closed == 0 &&
		   inode_opens(pool, f) == 3,
	   "a close that comes again closes once");
	the_op.token = 0;
	ok(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0 &&
		   opened.backing == 5 && tree_close(pool, &the_op, f) == 3,
	   "and it can still be opened");
	ok(tree_close(pool, &the_op, f) == 2 &&
		   tree_close(pool, &the_op, f) == 1 && kernel.closed == 0 &&
		   tree_close(pool, &the_op, f) == 0 && kernel.closed == 1 &&
		   kernel.last_closed == 5,
	   "closed with the last of them");
	ok(create_as(&the_op, INODE_ROOT, "s", O_WRONLY, 04755, &n) == 0 &&
		   opened.backing == 6 && opened.setid,
	   "set-ID bits of a file that is open for writing");
	ok(tree_open(pool, &the_op, n, O_RDONLY, &opened) == 0 && !opened.setid,
	   "not for reading");
	restart(false);
	clean("registered");
}

/* --- long names and paths --- */

static void test_names(void)
{
	static const int lengths[] = { 1, 78, 79, 80, 199, 200, 254, 255 };
	uint32_t node[8], n = 0;
	char name[8][300];
	bool good = true;

	for (int i = 0; i < 8; i++) {
		memset(name[i], 'a' + i, sizeof(name[i]));
		name[i][lengths[i]] = 0;
		node[i] = filled_file(INODE_ROOT, name[i], 1, 'a' + i);
	}
	restart(false);
	for (int i = 0; i < 8; i++)
		good &= looked_up(INODE_ROOT, name[i]) == node[i] &&
			page_byte(node[i], 0) == 'a' + i;
	ok(good && pool_intact(), "names of 1 to 255 bytes");
	for (int i = 0; i < 8; i++)
		good &= tree_rename(pool, &the_op, INODE_ROOT, name[i],
				    INODE_ROOT, name[(i + 3) % 8],
				    RENAME_EXCHANGE) == 0;
	ok(good && pool_intact(), "each exchanged with another");
	name[7][255] = 'x';
	name[7][256] = 0;
	ok(tree_lookup(pool, &the_op, INODE_ROOT, name[7], &n) ==
			   -ENAMETOOLONG &&
		   tree_mkdir(pool, &the_op, INODE_ROOT, name[7], 0, &n) ==
			   -ENAMETOOLONG &&
		   tree_rename(pool, &the_op, INODE_ROOT, name[0], INODE_ROOT,
			       name[7], 0) == -ENAMETOOLONG,
	   "256 are too many");
	clean("names");
}

static void test_deep(void)
{
	uint32_t node[DEEP + 1] = { INODE_ROOT }, f, g;
	char name[201];

	memset(name, 'd', 200);
	name[200] = 0;
	for (int i = 0; i < DEEP; i++)
		node[i + 1] = made_dir(node[i], name);
	f = filled_file(node[DEEP], name, 1, 'f');
	ok(DEEP * 201 > PATH_MAX && page_byte(f, 0) == 'f' && pool_intact(),
	   "a path of %d bytes", DEEP * 201);
	restart(false);
	ok(looked_up(node[DEEP], name) == f && page_byte(f, 0) == 'f',
	   "found by the next worker");
	must(tree_link(pool, &the_op, f, node[DEEP - 1], "short") == 0, "link");
	must(vfile_set_volatile(pool, &the_op, f, true, 0) == 0, "volatile");
	ok(scan_pages("volatile-files", 1) == 1 &&
		   lookup_says(node[DEEP - 1], "short") == -ENOENT &&
		   lookup_says(node[DEEP], name) == -ENOENT && pool_intact(),
	   "purged there, under two names");
	g = filled_file(node[DEEP], "g", 1, 'g');
	ok(tree_rename(pool, &the_op, node[DEEP], "g", INODE_ROOT, "g", 0) ==
			   0 &&
		   page_byte(g, 0) == 'g' &&
		   tree_rename(pool, &the_op, INODE_ROOT, "g", node[DEEP], "g",
			       0) == 0 &&
		   page_byte(g, 0) == 'g' && pool_intact(),
	   "moved out and in again");
	ok(tree_unlink(pool, &the_op, node[DEEP], "g") == 0 && nlink_of(g) == 0,
	   "removed");
	clean("deep");
}

/* --- many nodes --- */

static void test_many(void)
{
	uint32_t d = made_dir(INODE_ROOT, "many"), *node;
	struct inode_usage u;
	char name[32];

	node = calloc(MANY, sizeof(*node));
	must(node, "calloc");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		node[i] = made_file(d, name);
	}
	inode_usage(pool, &u);
	ok(u.inodes == MANY + 2 && u.bytes <= 200 * u.inodes && u.open == 0,
	   "%d nodes of %d bytes, no descriptor", MANY,
	   (int)(u.bytes / u.inodes));
	for (int i = 0; i < MANY; i += 2)
		inode_forget(pool, node[i], 1);
	inode_usage(pool, &u);
	ok(u.inodes == MANY / 2 + 2, "every other one forgotten");
	for (int i = 0; i < MANY; i += 2) {
		snprintf(name, sizeof(name), "%d", i);
		node[i] = looked_up(d, name);
		must(node[i] < MANY + 1024, "a record beyond those that are "
					    "free");
	}
	ok(true, "their records are used again");
	restart(false);
	inode_usage(pool, &u);
	ok(u.inodes == MANY + 2 && u.bytes <= 200 * u.inodes,
	   "as many for the next worker");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		must(tree_unlink(pool, &the_op, d, name) == 0, "unlink");
		inode_forget(pool, node[i], 1);
	}
	inode_usage(pool, &u);
	ok(u.inodes == 2, "removed and forgotten: none is left");
	free(node);
	clean("many");
}

#define NR_AT_ONCE 300

static uint32_t still_there(const uint32_t *ino)
{
	uint32_t n = 0;

	for (int i = 0; i < NR_AT_ONCE; i++)
		n += inode_valid(pool, ino[i]);
	return n;
}

/* As a BATCH_FORGET does. */
static void test_forget_many(void)
{
	uint32_t ino[NR_AT_ONCE], left;
	char name[16];

	for (int i = 0; i < NR_AT_ONCE; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ino[i] = made_file(INODE_ROOT, name);
		must(tree_unlink(pool, &the_op, INODE_ROOT, name) == 0,
		     "unlink");
	}
	for (int i = 0; i < NR_AT_ONCE; i++)
		inode_set_lookups(pool, ino[i], 0);
	ok(still_there(ino) == NR_AT_ONCE && pool_intact(),
	   "files that are forgotten at once do not go at once");
	ok(inodes_end_some(pool, 64) && (left = still_there(ino)) > 0 &&
		   left < NR_AT_ONCE && pool_intact(),
	   "but some at a time");
	restart(false);
	ok(!still_there(ino) && pool_intact(), "or with the worker");
	ino[0] = made_file(INODE_ROOT, "f");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "f") == 0, "unlink");
	inode_set_lookups(pool, ino[0], 0);
	inode_set_lookups(pool, ino[0], 1);
	ok(!inodes_end_some(pool, 64) && inode_valid(pool, ino[0]),
	   "not who has a reference again");
	inode_forget(pool, ino[0], 1);
}

int main(void)
{
	scratch_new();
	dir = scratch_dir("pool");
	pool_start(dir, SIZE, true, NULL);
	ok(inode_valid(pool, INODE_ROOT) && nr_tree_nodes() == 1,
	   "a new pool has a root");
	inode_forget(pool, INODE_ROOT, 1000);
	ok(inode_valid(pool, INODE_ROOT), "which is never forgotten");
	test_make();
	test_symlinks();
	test_rename();
	test_links();
	test_nameless();
	test_nameless_refused();
	test_orphans();
	test_forget_many();
	test_open();
	test_registered();
	test_names();
	test_deep();
	test_many();
	pool_stop();
	free(dir);
	return done();
}
