/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pool of an ordinary user, whose worker cannot pass directories that are
 * closed to him: it lends them what they lack while an operation runs, and
 * gives it back, also when it is killed at any point in between.
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
	   "an operation that fails gives back what it has lent");
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

static struct kill_child child;

static bool start_child(void)
{
	memset(child.then, 0, sizeof(child.then));
	return kill_start(&child, dir, prepare, write_it);
}

static void next_worker(bool fresh)
{
	start(fresh);
	pool_stop();
}

/* Return: changes after @calls calls, -1: it makes fewer. */
static int count(unsigned int calls)
{
	int n;

	must(start_child(), "refused");
	n = kill_count(&child, calls);
	kill_end(&child);
	next_worker(true);
	must(store_as_prepared(), "after its end");
	return n;
}

static void test_killed(void)
{
	unsigned int calls = 0, points = 0, bad = 0;
	int left, next;

	if (!start_child()) {
		ok(true, "killed # SKIP this machine refuses ptrace");
		return;
	}
	kill_end(&child);
	next_worker(true);
	must(store_as_prepared(), "killed before");
	for (left = count(0); left >= 0; left = next, calls++) {
		next = count(calls + 1);
		for (int i = 0; i <= left - (next < 0 ? 0 : next); i++) {
			must(start_child(), "refused");
			kill_point(&child, calls, i);
			next_worker(points % 2);
			bad += !store_as_prepared();
			points++;
		}
	}
	ok(points > 10 && !bad,
	   "killed at %u points: the next worker gives back, %u times not",
	   points, bad);
}

int main(void)
{
	scratch_new();
	become_ordinary();
	dir = scratch_dir("pool");
	test_passed();
	test_killed();
	free(dir);
	return done();
}
