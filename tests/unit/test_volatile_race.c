/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile files under threads: one works on the tree with the pool's lock
 * held, as the worker does, another reclaims with no lock, a third reads the
 * counters.  What is open keeps its content to the last byte; what was closed
 * is whole or gone.  Meant for ThreadSanitizer; SECONDS in the environment says
 * how long it runs.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "tests/unit/tree_fixture.h"

#define SIZE (1ull << 30)
#define FILES 40
#define PAGES 4

static atomic_bool stop;
static _Atomic uint64_t freed, counted;
static uint64_t found, missed, rounds, lost_ranges, kept_ranges;
static const struct shrink_scope anything = { true, true, true };

static void *reclaimer(void *arg)
{
	while (!stop) {
		freed += shrink_slab(0, (uintptr_t)arg, &anything);
		sched_yield();
	}
	return NULL;
}

static void *reader(void *arg)
{
	while (!stop) {
		struct volatile_stat st;

		pool_lock(pool);
		volatile_stat(pool, &st);
		pool_unlock(pool);
		counted += st.available < FILES * PAGES * 2;
		usleep(500);
	}
	return NULL;
}

static void must_be_full(uint32_t node, char fill)
{
	for (uint64_t p = 0; p < PAGES; p++)
		must(page_byte(node, p) == fill, "page %d", (int)p);
}

/* Pages that were unpinned for a moment: all there, or told that they are not. */
static void unpin_and_pin(uint32_t node, char fill)
{
	must(vrange_unpin(pool, &the_op, node, 0, 0) == 0, "unpin");
	pool_unlock(pool);
	sched_yield();
	pool_lock(pool);
	if (vrange_pin(pool, &the_op, node, 0, 0)) {
		lost_ranges++;
		fill_pages(node, 0, PAGES, fill);
	} else {
		kept_ranges++;
		must_be_full(node, fill);
	}
}

static void use(uint32_t node, char fill, unsigned int *seed)
{
	must(tree_open(pool, &the_op, node, O_RDWR, &opened) == 0, "open");
	must_be_full(node, fill);
	if (rand_r(seed) % 4 == 0)
		unpin_and_pin(node, fill);
	/* Reclaim may come in between: what is open must not go. */
	pool_unlock(pool);
	sched_yield();
	pool_lock(pool);
	must_be_full(node, fill);
	must(tree_close(pool, &the_op, node) == 0, "close");
}

static void again(uint32_t d, const char *name, char fill)
{
	uint32_t node = 0;

	must(create_as(&the_op, d, name, O_RDWR | O_EXCL, 0600, &node) == 0,
	     "create");
	must(vfile_is_volatile(pool, node), "volatile");
	fill_pages(node, 0, PAGES, fill);
	must(tree_close(pool, &the_op, node) == 0, "close");
	inode_forget(pool, node, 1);
}

static void one_round(uint32_t d, unsigned int *seed)
{
	int i = rand_r(seed) % FILES;
	char name[16], other[16], fill = 'A' + i;
	uint32_t node = 0;

	snprintf(name, sizeof(name), "file%d", i);
	snprintf(other, sizeof(other), "other%d", i);
	if (tree_lookup(pool, &the_op, d, name, &node)) {
		missed++;
		again(d, name, fill);
		return;
	}
	found++;
	if (rand_r(seed) % 8 == 0 &&
	    !tree_link(pool, &the_op, node, d, other)) {
		use(node, fill, seed);
		must(tree_unlink(pool, &the_op, d, name) == 0, "unlink");
		must(tree_rename(pool, &the_op, d, other, d, name, 0) == 0,
		     "rename");
		must(tree_open(pool, &the_op, node, O_RDONLY, &opened) == 0,
		     "open");
		must(tree_close(pool, &the_op, node) == 0, "close");
		inode_forget(pool, node, 1);
	} else {
		use(node, fill, seed);
	}
	inode_forget(pool, node, 1);
}

static bool all_have_worked(void)
{
	return found && missed > FILES && freed && counted &&
	       kept_ranges + lost_ranges;
}

int main(void)
{
	int seconds = getenv("SECONDS") ? atoi(getenv("SECONDS")) : 3;
	pthread_t thread[3];
	unsigned int seed = 1;
	uint32_t d;
	char *dir;
	time_t end = time(NULL) + seconds;

	scratch_new();
	dir = scratch_dir("pool");
	pool_start(dir, SIZE, true, NULL);
	d = made_dir(INODE_ROOT, "d");
	must(vfile_set_volatile(pool, &the_op, d, true, 0) == 0, "volatile");
	must(!pthread_create(&thread[0], NULL, reclaimer, (void *)0), "thread");
	must(!pthread_create(&thread[1], NULL, reclaimer, (void *)6), "thread");
	must(!pthread_create(&thread[2], NULL, reader, NULL), "thread");
	/* until each has had its turn, on a machine with other work */
	while (time(NULL) < end ||
	       (!all_have_worked() && time(NULL) < end + 60)) {
		one_round(d, &seed);
		if (++rounds % 500 == 0)
			must(pool_intact(), "pool_check");
		pool_unlock(pool);
		if (rounds % 64 == 0)
			usleep(100);
		pool_lock(pool);
	}
	stop = true;
	pool_unlock(pool);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	pool_lock(pool);
	printf("# %d rounds, %d files found, %d purged, %d pages freed, %d "
	       "ranges kept, %d lost\n",
	       (int)rounds, (int)found, (int)missed, (int)freed,
	       (int)kept_ranges, (int)lost_ranges);
	ok(pool_intact(), "all invariants hold");
	ok(all_have_worked(), "everybody has worked");
	scan_pages("volatile-files", 100000);
	must(vfile_set_volatile(pool, &the_op, d, false, 0) == 0,
	     "not volatile");
	tree_remove_everything(INODE_ROOT);
	inode_forget(pool, d, 1);
	ok(nr_tree_nodes() == 1 && !volatile_now().available && pool_intact(),
	   "nothing is left");
	pool_stop();
	free(dir);
	return done();
}
