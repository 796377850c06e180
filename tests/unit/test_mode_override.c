/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pool of an ordinary user, whose worker may not search all directories nor
 * open all files: it overrides their mode while an operation runs, and restores
 * it, also when it is killed at any point in between.
 */
#include <grp.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "tests/unit/kill.h"
#include "tests/unit/tree_fixture.h"

#define SIZE (64ull << 20)
#define NOBODY 65534
#define TOP STORE_FILES "/d"

static char *dir;
static uint32_t d, e, f;

static void become_ordinary(void)
{
	if (getuid())
		return;
	must(chown(scratch, NOBODY, NOBODY) == 0, "chown");
	must(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
		     setuid(NOBODY) == 0,
	     "an ordinary user");
	/* Or /proc/self would be root's. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void start(bool fresh)
{
	pool_start(dir, SIZE, fresh, NULL);
	as(getuid(), getgid(), 0);
}

static void set_mode(uint32_t node, mode_t mode)
{
	struct tree_attr a = { .set = TREE_SET_MODE, .mode = mode };

	must(tree_setattr(pool, node, &a) == 0, "chmod");
}

static int mode_of(uint32_t node)
{
	struct statx stx;
	int err = inode_stat(pool, node, &stx);

	return err ? err : stx.stx_mode & 07777;
}

/* d and e are closed, and f is open, but may be read only. */
static void prepare(void)
{
	start(true);
	d = made_dir(INODE_ROOT, "d");
	e = made_dir(d, "e");
	f = filled_file(e, "f", 1, 'f');
	must(tree_open(pool, &the_op, f, O_RDONLY, &opened) == 0, "open");
	inode_fd_close(pool, f);
	set_mode(f, 0400);
	set_mode(e, 0);
	set_mode(d, 0);
}

static bool as_prepared(void)
{
	return mode_of(d) == 0 && mode_of(e) == 0 && mode_of(f) == 0400;
}

/* The mode of what is in the store, which is open to its owner afterwards. */
static int found(int at, const char *path, mode_t then)
{
	struct stat st;

	if (fstatat(at, path, &st, 0) < 0)
		return -errno;
	fchmodat(at, path, then, 0);
	return st.st_mode & 07777;
}

/* Looks behind the pool's back, when it is not open, and empties the store. */
static bool store_as_prepared(void)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int is_d = found(at, TOP, 0700), is_e = found(at, TOP "/e", 0700),
	    is_f = found(at, TOP "/e/f", 0600);

	close(at);
	scratch_empty(dir);
	return is_d == 0 && is_e == 0 && is_f == 0400;
}

static void test_passed(void)
{
	uint32_t n = 0;
	int fd;

	prepare();
	ok(nlink_of(f) == 1, "a file behind closed directories is looked at");
	ok(as_prepared(), "and they are as closed as before");
	ok(page_byte(f, 0) == 'f' && as_prepared(), "it is read");
	fd = inode_fd(pool, f, true);
	ok(fd >= 0 && pwrite(fd, "x", 1, 0) == 1 && as_prepared(),
	   "written, though its mode forbids it: whoever has it open may");
	inode_fd_close(pool, f);
	set_mode(f, 0);
	ok(page_byte(f, 0) == 'x' && mode_of(f) == 0,
	   "and read, when its mode forbids all");
	set_mode(f, 0400);
	ok(tree_unlink(pool, &the_op, e, "g") == -ENOENT && as_prepared(),
	   "an operation that fails restores the modes");
	ok(tree_mkdir(pool, &the_op, e, "g", 0700, &n) < 0 ||
		   (tree_rmdir(pool, &the_op, e, "g") == 0 && as_prepared()),
	   "so does one that makes something");
	ok(pool_intact(), "pool_check");
	pool_stop();
	ok(store_as_prepared(), "nothing is left of it");
}

static void write_it(void)
{
	inode_fd(pool, f, true);
}

static bool write_is_undone(bool fresh)
{
	start(fresh);
	pool_stop();
	return store_as_prepared();
}

/* A file that its owner may not write, open for writing by whoever makes it. */

static void prepare_empty(void)
{
	start(true);
}

static int create_it(uint32_t *inode)
{
	struct op op = the_op;

	op.token = 77;
	return create_as(&op, INODE_ROOT, "n", O_RDWR | O_EXCL, 0444, inode);
}

static void create_once(void)
{
	uint32_t n;

	create_it(&n);
}

/* The request is sent to the next worker again, and to the same mount only. */
static bool create_is_completed(bool fresh)
{
	uint32_t n = 0;
	bool right;
	int fd;

	(void)fresh;
	start(false);
	right = create_it(&n) == 0 && mode_of(n) == 0444 &&
		inode_opens(pool, n) == 1;
	fd = right ? inode_fd(pool, n, true) : -1;
	right = fd >= 0 && pwrite(fd, "x", 1, 0) == 1 && mode_of(n) == 0444 &&
		pool_intact();
	pool_stop();
	scratch_empty(dir);
	return right;
}

static const struct scenario {
	void (*prepare)(void), (*op)(void);
	bool (*next_worker)(bool fresh); /* Return: it has found all in order */
} writing = { prepare, write_it, write_is_undone },
  creating = { prepare_empty, create_once, create_is_completed };

static struct kill_child child;

static bool start_child(const struct scenario *s)
{
	memset(child.then, 0, sizeof(child.then));
	return kill_start(&child, dir, s->prepare, s->op);
}

/* Return: changes after @calls calls, -1: it makes fewer. */
static int count(const struct scenario *s, unsigned int calls)
{
	int n;

	must(start_child(s), "refused");
	n = kill_count(&child, calls);
	kill_end(&child);
	must(s->next_worker(true), "after its end");
	return n;
}

static void test_killed(const struct scenario *s, const char *what)
{
	unsigned int calls = 0, points = 0, bad = 0;
	int left, next;

	if (!start_child(s)) {
		ok(true, "killed # SKIP this machine refuses ptrace");
		return;
	}
	kill_end(&child);
	must(s->next_worker(true), "killed before");
	for (left = count(s, 0); left >= 0; left = next, calls++) {
		next = count(s, calls + 1);
		for (int i = 0; i <= left - (next < 0 ? 0 : next); i++) {
			must(start_child(s), "refused");
			kill_point(&child, calls, i);
			bad += !s->next_worker(points % 2);
			points++;
		}
	}
	ok(points > 10 && !bad, "%s, at %u points, not %u times", what, points,
	   bad);
}

int main(void)
{
	scratch_new();
	become_ordinary();
	dir = scratch_dir("pool");
	test_passed();
	test_killed(&writing, "killed, the next worker restores the modes");
	test_killed(&creating, "killed, the next worker completes a creation");
	free(dir);
	return done();
}
