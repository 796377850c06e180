/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every operation on plain files, killed at every point.  The next worker is
 * asked the same again: it must answer what would have been answered, and have
 * done it once; killed before it could say so and asked once more, the same.
 * Where the request never comes again, because the pool is mounted anew, the
 * tree must be whole and everything in it must be possible to remove.
 */
#include <ftw.h>
#include <sched.h>
#include <stdint.h>

#include "pool/inode/inode_priv.h"
#include "tests/unit/kill.h"
#include "tests/unit/tree_scenarios.h"

#define TOKEN 4711
#define SIZE (64ull << 20)

/*
 * Sanitizers make many instructions of one: some scenarios, and some points of
 * the others, are left out there.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EVERY 5
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EVERY 5
#endif
#ifndef EVERY
#define EVERY 1
#endif
#define EVERY_SCENARIO (EVERY > 1 ? 4 : 1)

/* --- the walk through one scenario --- */

static const struct scenario *now;
static char *dir, *after, *at_end;
static unsigned int references;
static unsigned int calls;
static int changes;

static void prepare(void)
{
	pool_start(dir, SIZE, true, NULL);
	now->setup();
	the_op.token = TOKEN;
}

static void run_op(void)
{
	now->op();
}

/* A scenario goes on after a failure, of which the first is shown. */
static unsigned int failures;

static bool expect(bool good, const char *what)
{
	if (!good && !failures++)
		printf("# killed after %u calls and %d changes: %s\n", calls,
		       changes, what);
	return good;
}

static void must_be(const char *what, const char *text)
{
	char *is = tree_dump();
	bool shown = failures;

	if (!expect(!strcmp(is, text), what) && !shown)
		printf("# is:\n%s# should be:\n%s", is, text);
	free(is);
}

/* A record that is free is so once. */
static bool records_are_counted(void)
{
	const struct table *t = &pool->inodes->table;
	uint32_t all = 0;

	for (uint32_t b = 0; b < t->nr / t->per_block; b++) {
		const struct table_block *block = &t->blocks[b];
		uint32_t nr = 0;

		for (uint32_t i = 0; i < TABLE_BLOCK_MAX / 64; i++)
			nr += __builtin_popcountll(block->free[i]);
		if (nr != block->nr_free)
			return false;
		all += block->present ? nr : 0;
	}
	return all == t->nr_free;
}

static uint64_t nr_names;
static bool lost; /* the request does not come again */

static int add_name(const char *path, const struct stat *st, int type,
		    struct FTW *level)
{
	nr_names += st->st_uid == the_user;
	return 0;
}

/*
 * As many as the user has in the store.  Where names are counted, the store ends
 * with the mount, so requests do come again.
 */
static bool names_are_counted(void)
{
	char files[PATH_MAX], orphans[PATH_MAX];

	if (!the_user || lost)
		return true;
	snprintf(files, sizeof(files), "%s/" STORE_FILES, dir);
	snprintf(orphans, sizeof(orphans), "%s/orphan", dir);
	nr_names = 0;
	must(!nftw(files, add_name, 16, FTW_PHYS) &&
		     !nftw(orphans, add_name, 16, FTW_PHYS),
	     "nftw");
	if (nr_names == user_held(pool, the_user, USER_INODES))
		return true;
	printf("# %" PRIu64 " names, %" PRIu64 " are counted\n", nr_names,
	       user_held(pool, the_user, USER_INODES));
	return false;
}

/* Return: the answer.  Any node may be given to what is made. */
static int64_t ask_again(int64_t before)
{
	int64_t r;

	the_op.token = TOKEN;
	r = now->op();
	if (!expect(before == ANY ? r > 0 : r == before, "another answer"))
		printf("# %" PRId64 ", not %" PRId64 "\n", r, before);
	expect(pool_intact(), "pool_check");
	expect(records_are_counted(), "free records are miscounted");
	expect(names_are_counted(), "names are miscounted");
	if (now->how != SPARE)
		must_be("carried out once", after);
	return r;
}

/* What is lost of a range that was unpinned is said to be. */
static bool losses_are_known(void)
{
	bool known = true;

	for (uint64_t p = 0; p < 12; p++) {
		uint64_t off = p * TREE_PAGE;

		if (vrange_state(pool, at.file, off, TREE_PAGE) &&
		    page_byte(at.file, p) == 0)
			known &= vrange_pin(pool, &the_op, at.file, off,
					    TREE_PAGE) == 1;
	}
	return known;
}

/* Return: the references there were. */
static unsigned int take_apart(void)
{
	unsigned int n;

	tree_close_everything();
	n = tree_forget_everything();
	expect(pool_intact(), "pool_check");
	expect(names_are_counted(), "names are miscounted");
	tree_remove_everything(INODE_ROOT);
	expect(pool_intact(), "pool_check");
	expect(names_are_counted(), "names are miscounted");
	return n;
}

static void learn(void)
{
	int64_t result;

	scratch_empty(dir);
	prepare();
	result = now->op();
	must(now->result == ANY ? result > 0 : result == now->result,
	     "%s: %" PRId64, now->name, result);
	expect(pool_intact(), "pool_check");
	expect(names_are_counted(), "names are miscounted");
	after = tree_dump();
	references = take_apart();
	at_end = tree_dump();
	pool_stop();
}

static struct kill_child child;

static bool start_child(void)
{
	scratch_empty(dir);
	memset(child.then, 0, sizeof(child.then));
	return kill_start(&child, dir, prepare, run_op);
}

static void same_again(void)
{
	int64_t result;
	unsigned int n;

	pool_start(dir, SIZE, false, NULL);
	result = ask_again(now->result);
	pool_stop();
	/* This worker was killed before it could answer, too. */
	pool_start(dir, SIZE, false, NULL);
	ask_again(result);
	n = take_apart();
	expect(n == references || (now->how == SPARE && n == references + 1),
	       "references");
	must_be("at the end", at_end);
	pool_stop();
}

/* As after a power cut, with a store of the user's own. */
static void another_mount(void)
{
	lost = true;
	pool_start(dir, SIZE, true, NULL);
	expect(pool_intact(), "pool_check");
	if (now->op == op_purge_ranges || now->op == op_purge_front ||
	    now->op == op_purge_rest || now->op == op_purge_both)
		expect(losses_are_known(), "purged, and said to be whole");
	take_apart();
	must_be("at the end", at_end);
	pool_stop();
	lost = false;
}

static void kill_here(void (*then)(void))
{
	must(start_child(), "refused");
	kill_point(&child, calls, changes);
	then();
}

/* Return: changes after @n calls, -1: there are fewer calls. */
static int count(unsigned int n)
{
	int c;

	must(start_child(), "refused");
	c = kill_count(&child, n);
	kill_end(&child);
	return c;
}

static void walk(void)
{
	static unsigned int seen;
	unsigned int points = 0;
	int left, next;

	failures = 0;
	learn();
	calls = changes = 0;
	for (left = count(0); left >= 0; left = next, calls++) {
		next = count(calls + 1);
		for (changes = 0; changes <= left - (next < 0 ? 0 : next);
		     changes++) {
			if (seen++ % EVERY)
				continue;
			kill_here(same_again);
			points++;
		}
		changes = 0;
		kill_here(another_mount);
		points++;
	}
	ok(points > 1 && !failures, "%s: %u points, %u calls", now->name,
	   points, calls);
	free(after);
	free(at_end);
}

/* A step is two wake-ups, which cost most when they go to another core. */
static void stay_on_one_core(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool can_trace(void)
{
	bool can = start_child();

	if (can)
		kill_end(&child);
	return can;
}

int main(int argc, char **argv)
{
	scratch_new();
	/* Root can make files of others. */
	the_user = geteuid() ? 0 : 12345;
	dir = scratch_dir("pool");
	stay_on_one_core();
	for (size_t i = 0; i < nr_scenarios; i += EVERY_SCENARIO) {
		now = &scenarios[i];
		if (argc > 1 && strcmp(argv[1], now->name))
			continue;
		if (!can_trace()) {
			ok(true, "# SKIP this machine refuses ptrace");
			break;
		}
		walk();
	}
	free(dir);
	return done();
}
