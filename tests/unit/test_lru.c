/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk of the extent LRU: each answer a callback can give, the order, the
 * nodes, the budget, and what others do to the list while the lock is let go.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "pool/region/region_priv.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmpfs.h"

#define PAGES 64
#define MOST 32

static uint32_t page_size;
static struct lru *lru;
static struct region *region;
static int nid;

/* What the callback was shown, and what it answers, in turn. */
static struct script {
	enum lru_status answer[MOST];
	uint32_t nr_answers;
	uint32_t first[MOST], nr[MOST], nr_seen;
	void (*meanwhile)(void);
} script;

static int nid_now(void)
{
	return nid;
}

static int new_file(void)
{
	int dir = tmpfs_new("never", NULL);
	int fd = dir < 0 ? memory_file() : tmpfs_file(dir);

	close(dir);
	return fd;
}

static void start(int nodes)
{
	lru = lru_new(nodes, UINT64_MAX);
	must(lru, "lru_new");
	lru_set_placement(lru, nid_now);
	region = region_new(lru, new_file(), (uint64_t)PAGES * page_size, NULL,
			    NULL);
	must(region, "region_new");
	nid = 0;
}

static void finish(void)
{
	region_free(region);
	lru_free(lru);
}

static bool intact(void)
{
	const char *broken = lru_check(lru);

	if (broken)
		printf("# %s\n", broken);
	return !broken;
}

/* Memory that becomes Available now. */
static void put(uint32_t first, uint32_t nr)
{
	uint32_t i;

	must(!region_use_range(region, first, nr, NULL), "use");
	for (i = first; i < first + nr; i++)
		must(!region_write(region, (uint64_t)i * page_size, "x", 1),
		     "write");
	must(!region_stop_using_range(region, first, nr), "stop");
}

/* As reclaim does it, with the node lock held or let go while punching. */
static void drop(struct lru_extent *e, bool keep_lock)
{
	pthread_mutex_t *lock = &lru->node[e->nid].lock;

	must(!pthread_mutex_trylock(&region->lock), "trylock");
	lru_isolate_locked(lru, e);
	if (!keep_lock)
		pthread_mutex_unlock(lock);
	must(!region_punch_locked(region, e->first, e->nr), "punch");
	region_forget_locked(region, e->first, e->first + e->nr);
	pthread_mutex_unlock(&region->lock);
	if (!keep_lock && script.meanwhile)
		script.meanwhile();
	if (!keep_lock)
		pthread_mutex_lock(lock);
}

static enum lru_status play(struct lru *walked, struct lru_extent *e, void *arg)
{
	uint32_t i = script.nr_seen++;
	enum lru_status answer = i < script.nr_answers ? script.answer[i]
						       : LRU_STOP;

	must(i < MOST && e->region == region && walked == lru, "callback");
	script.first[i] = e->first;
	script.nr[i] = e->nr;
	if (answer == LRU_REMOVED || answer == LRU_REMOVED_RETRY)
		drop(e, answer == LRU_REMOVED);
	if (answer == LRU_RETRY) {
		pthread_mutex_unlock(&lru->node[e->nid].lock);
		if (script.meanwhile)
			script.meanwhile();
		pthread_mutex_lock(&lru->node[e->nid].lock);
	}
	return answer;
}

/* Return: pages removed; "s" skip, "r" removed, "R" and lock let go, ... */
static uint64_t walk(const char *answers, uint64_t *budget)
{
	static const char letters[] = "rRosyx";
	uint64_t plenty = UINT64_MAX;

	script.nr_seen = 0;
	for (script.nr_answers = 0; *answers; answers++)
		script.answer[script.nr_answers++] =
			(enum lru_status)(strchr(letters, *answers) - letters);
	return lru_walk(lru, nid, play, NULL, budget ? budget : &plenty);
}

/* Whether the extents shown began at these pages. */
static bool saw(const char *pages)
{
	uint32_t i = 0, page;
	char *end;

	for (; *pages; pages = end, i++) {
		page = strtoul(pages, &end, 10);
		if (i >= script.nr_seen || script.first[i] != page)
			return false;
	}
	return i == script.nr_seen;
}

static void test_order(void)
{
	start(1);
	put(30, 2);
	put(10, 3);
	put(20, 1);
	ok(walk("ssss", NULL) == 0 && saw("30 10 20"), "oldest first");
	put(13, 1);
	ok(walk("ssss", NULL) == 0 && saw("30 20 10") && script.nr[2] == 4,
	   "what has grown is young");
	must(!region_use_range(region, 11, 2, NULL), "use");
	put(40, 1);
	ok(walk("sssss", NULL) == 0 && saw("30 20 10 13 40"),
	   "what is left of an extent keeps its place");
	ok(intact(), "invariants");
	finish();
}

static void test_answers(void)
{
	start(1);
	put(10, 2);
	put(20, 2);
	put(30, 2);
	put(40, 2);
	ok(walk("sx", NULL) == 0 && saw("10 20"), "STOP ends the walk");
	ok(walk("osx", NULL) == 0 && saw("10 20 30") &&
		   walk("ssss", NULL) == 0 && saw("20 30 40 10") && intact(),
	   "ROTATE: to the young end");
	ok(walk("yysx", NULL) == 0 && saw("20 20 20 30"),
	   "RETRY: the head again");
	ok(walk("sysx", NULL) == 0 && saw("20 30 20 30"),
	   "RETRY: even when it was skipped");
	ok(walk("srsx", NULL) == 2 && saw("20 30 40 10") && intact() &&
		   region_page_state(region, 30) == PAGE_FREE,
	   "REMOVED: on with the next");
	put(30, 2);
	ok(walk("sRsx", NULL) == 2 && saw("20 40 10 30") && intact(),
	   "REMOVED_RETRY: the same, with the lock let go");
	ok(walk("rRr", NULL) == 6 && saw("20 10 30") && intact() &&
		   lru_count(lru, 0) == 0,
	   "all removed");
	ok(walk("s", NULL) == 0 && saw(""), "an empty list");
	finish();
}

static void test_budget(void)
{
	uint64_t budget = 5;

	start(1);
	put(10, 4);
	put(20, 4);
	put(30, 4);
	ok(walk("rs", &budget) == 4 && budget == 0 && saw("10 23") &&
		   script.nr[1] == 1,
	   "an extent is shown as far as the budget goes");
	budget = 3;
	ok(walk("r", &budget) == 3 && budget == 0 && intact() &&
		   region_page_state(region, 20) == PAGE_AVAILABLE &&
		   region_page_state(region, 21) == PAGE_FREE,
	   "and cut");
	ok(walk("ss", NULL) == 0 && saw("20 30"), "the rest keeps its place");
	budget = 0;
	ok(walk("r", &budget) == 0 && saw(""), "no budget, no callback");
	budget = 7;
	ok(walk("yyyyyyyy", &budget) == 0 && budget == 0 && script.nr_seen == 7,
	   "RETRY for ever ends with the budget");
	budget = 12;
	ok(walk("oooooooo", &budget) == 0 && budget == 7 && saw("20 30") &&
		   intact(),
	   "ROTATE for ever ends where it began");
	finish();
}

static void take_next(void)
{
	must(!region_use_range(region, 30, 1, NULL), "use");
}

static void take_rest(void)
{
	must(!region_use_range(region, 30, 4, NULL), "use");
	script.meanwhile = NULL;
	put(50, 1);
}

static void grow_next(void)
{
	script.meanwhile = NULL;
	put(34, 1);
}

static void test_meanwhile(void)
{
	start(1);
	put(10, 4);
	put(20, 4);
	put(30, 4);
	put(40, 4);
	script.meanwhile = take_next;
	ok(walk("sRsx", NULL) == 4 && saw("10 20 31 40") && intact(),
	   "the next extent loses its head meanwhile");
	must(!region_stop_using_range(region, 30, 1), "stop");
	put(20, 4);
	script.meanwhile = take_rest;
	ok(walk("sRss", NULL) == 4 && saw("10 40 20 50") && intact(),
	   "the next extent is taken as a whole meanwhile");
	script.meanwhile = grow_next;
	must(!region_stop_using_range(region, 30, 4), "stop");
	ok(walk("sRssss", NULL) == 4 && saw("10 20 50 30") && intact() &&
		   script.nr[3] == 5,
	   "an extent grows meanwhile");
	finish();
}

static void test_nodes(void)
{
	start(3);
	put(10, 4);
	nid = 2;
	put(14, 4);
	put(20, 1);
	ok(lru_count(lru, 0) == 4 && lru_count(lru, 1) == 0 &&
		   lru_count(lru, 2) == 5 && lru_count(lru, 3) == 0 &&
		   lru_count(lru, -1) == 0,
	   "counted by node");
	ok(intact(), "neighbours on two nodes are two extents");
	ok(walk("ss", NULL) == 0 && saw("14 20"), "walked by node");
	must(!region_use_range(region, 12, 4, NULL), "use");
	ok(lru_count(lru, 0) == 2 && lru_count(lru, 2) == 3 && intact(),
	   "pages of two nodes used at once");
	must(!region_stop_using_range(region, 12, 4), "stop");
	ok(lru_count(lru, 0) == 4 && lru_count(lru, 2) == 5 && intact(),
	   "each goes back to its own");
	ok(lru_shrink(lru, 2, 100, true, NULL) == 5 && lru_count(lru, 0) == 4 &&
		   lru_shrink(lru, 1, 100, true, NULL) == 0 &&
		   lru_shrink(lru, 7, 100, true, NULL) == 0 && intact(),
	   "shrunk by node");
	finish();
}

static void test_busy(void)
{
	uint64_t scanned = 0;

	start(1);
	put(10, 4);
	put(20, 4);
	pthread_mutex_lock(&region->lock);
	ok(lru_shrink(lru, 0, 100, true, &scanned) == 0 && scanned == 8,
	   "a region whose lock is taken is skipped, once");
	pthread_mutex_unlock(&region->lock);
	ok(lru_shrink(lru, 0, 6, true, &scanned) == 6 && scanned == 6 &&
		   region_page_state(region, 21) == PAGE_AVAILABLE &&
		   region_page_state(region, 22) == PAGE_FREE && intact(),
	   "exactly what was asked for");
	finish();
}

/*
 *	file	page 10  11  12  13  14  15  16  17
 *	ours	     Available-----  Used
 *	other			     Available-----
 *
 * On the list they follow each other, and so do the numbers of the pages.
 */
static void test_two_regions(void)
{
	struct region *ours, *other;
	char c = 0;

	start(1);
	put(10, 4);
	must(!region_use_range(region, 14, 4, NULL), "use");
	for (uint32_t i = 14; i < 18; i++)
		must(!region_write(region, (uint64_t)i * page_size, "u", 1),
		     "write");
	ours = region;
	other = region_new(lru, new_file(), (uint64_t)PAGES * page_size, NULL,
			   NULL);
	must(other, "region_new");
	region = other;
	put(14, 4);
	region = ours;
	ok(lru_shrink(lru, 0, 100, true, NULL) == 8 && lru_count(lru, 0) == 0,
	   "the extents of two regions are dropped");
	for (uint32_t i = 14; i < 18; i++)
		must(!region_read(ours, (uint64_t)i * page_size, &c, 1) &&
			     c == 'u' &&
			     region_page_state(ours, i) == PAGE_USED &&
			     region_page_state(other, i) == PAGE_FREE,
		     "page %u", i);
	ok(intact(), "each in its own file: what is Used beside it stays");
	region_free(other);
	finish();
}

/* The pages that best fit takes first are dropped last. */
static void test_end_first(void)
{
	uint32_t half = (2u << 20) / page_size, missing;
	struct lru_stat st;

	start(1);
	region_free(region);
	region = region_new(lru, new_file(), 2ul * half * page_size, NULL,
			    NULL);
	must(region, "region_new");
	put(0, 2 * half);
	ok(lru_shrink(lru, 0, half, true, NULL) == half &&
		   region_page_state(region, half - 1) == PAGE_AVAILABLE &&
		   region_page_state(region, half) == PAGE_FREE && intact(),
	   "of pages freed together the low half stays");
	must(!region_use_range(region, 0, half, &missing), "use");
	lru_stat(lru, &st);
	ok(missing == 0 && st.reused == half, "and is used again as it is");
	must(!region_stop_using_range(region, 0, half), "stop");
	ok(lru_shrink(lru, 0, 3, true, NULL) == 3 &&
		   region_page_state(region, half - 4) == PAGE_AVAILABLE &&
		   region_page_state(region, half - 3) == PAGE_FREE && intact(),
	   "of one extent the end goes first");
	finish();
}

/* --- where memory is that somebody else has made --- */

static uint32_t asked;

/* Each page says it. */
static void by_content(const char *mem, uint32_t nr, size_t page, int *node)
{
	asked++;
	for (uint32_t i = 0; i < nr; i++)
		node[i] = mem[i * page] - '0';
}

/* @nodes: a character a page; '-': it has no memory. */
static void adopt(const char *nodes,
		  void (*locate)(const char *mem, uint32_t nr, size_t page,
				 int *node))
{
	int fd = new_file();

	must(!ftruncate(fd, (off_t)PAGES * page_size), "ftruncate");
	for (int i = 0; nodes[i]; i++)
		if (nodes[i] != '-')
			must(pwrite(fd, &nodes[i], 1, (off_t)i * page_size) ==
				     1,
			     "pwrite");
	lru = lru_new(2, UINT64_MAX);
	must(lru, "lru_new");
	lru_set_placement(lru, nid_now);
	lru_set_locate(lru, locate);
	nid = 1;
	region = region_new(lru, fd, (uint64_t)PAGES * page_size, NULL, NULL);
	must(region, "region_new");
}

static void test_adopted_nodes(void)
{
	int fd;

	asked = 0;
	adopt("0011-0110-1", by_content);
	ok(lru_count(lru, 0) == 4 && lru_count(lru, 1) == 5 && intact(),
	   "pages of an adopted file are on their own nodes");
	ok(asked == 3, "one question a piece: %u", asked);
	ok(lru_shrink(lru, 1, 100, true, NULL) == 5 &&
		   region_page_state(region, 1) == PAGE_AVAILABLE &&
		   region_page_state(region, 2) == PAGE_FREE &&
		   region_page_state(region, 10) == PAGE_FREE &&
		   lru_count(lru, 0) == 4 && intact(),
	   "a scan of one takes those of that");
	put(20, 4);
	ok(lru_count(lru, 1) == 4 && asked == 3 && intact(),
	   "what is written is where it is written, and nobody is asked");
	fd = region_fd(region);
	must(pwrite(fd, "0", 1, 30l * page_size) == 1, "pwrite");
	region_fd_done(region, fd);
	must(!region_rescan(region), "rescan");
	ok(lru_count(lru, 0) == 5 && lru_count(lru, 1) == 4 && intact(),
	   "what others have written is looked for");
	finish();
	/* All memory of a machine with one node is on that. */
	adopt("xxx-xx", NULL);
	ok(lru_count(lru, 0) + lru_count(lru, 1) == 5 && intact(),
	   "the kernel is asked");
	ok(lru_count(lru, 0) == 5 ||
		   !access("/sys/devices/system/node/node1", F_OK),
	   "and knows");
	finish();
}

int main(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	test_order();
	test_answers();
	test_budget();
	test_meanwhile();
	test_nodes();
	test_busy();
	test_two_regions();
	test_end_first();
	test_adopted_nodes();
	return done();
}
