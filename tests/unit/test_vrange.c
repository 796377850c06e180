/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volatile ranges: what is purged, in which order, how much of it, and what is
 * left.  They are compared with an array of pages over every placement of two
 * and three of them in a small file.
 */
#include <stdint.h>

#include "pool/volatile/volatile_priv.h"
#include "tests/unit/tree_fixture.h"

#define SIZE (1ull << 30)
#define MIB_2 (2u << 20)

static char *dir;

static void restart(bool fresh)
{
	pool_stop();
	pool_start(dir, SIZE, fresh, NULL);
}

/* --- the model --- */

#define MOST 5

/* A page's range, 0: it is pinned. */
static struct {
	int range[MOST];
	bool purged[64]; /* by range */
	bool zero[MOST];
	int next;
	uint64_t pages;
} m;

static uint32_t file;
static uint64_t cases;

static bool m_covered(int first, int end)
{
	for (int i = first; i < end; i++)
		if (!m.range[i] || m.range[i] != m.range[first])
			return false;
	return true;
}

static void m_unpin(int first, int end)
{
	int new, old;

	if (m_covered(first, end))
		return;
	new = ++m.next;
	m.purged[new] = false;
	for (int i = first; i < end; i++) {
		old = m.range[i];
		m.purged[new] |= old && m.purged[old];
		for (uint64_t p = 0; old && p < m.pages; p++)
			if (m.range[p] == old)
				m.range[p] = new;
		m.range[i] = new;
	}
}

static int m_pin(int first, int end)
{
	int was = 0;

	for (int i = first; i < end; i++)
		was |= m.range[i] && m.purged[m.range[i]];
	/* What goes on behind it is another range. */
	if (end < (int)m.pages && m.range[end] &&
	    m.range[end] == m.range[end - 1]) {
		int old = m.range[end], new = ++m.next;

		m.purged[new] = m.purged[old];
		for (int i = end; i < (int)m.pages && m.range[i] == old; i++)
			m.range[i] = new;
	}
	for (int i = first; i < end; i++)
		m.range[i] = 0;
	return was;
}

/* A range without memory is not on the LRU. */
static void m_purge(void)
{
	bool has[64] = { false };

	for (uint64_t i = 0; i < m.pages; i++)
		has[m.range[i]] |= m.range[i] && !m.purged[m.range[i]] &&
				   !m.zero[i];
	for (uint64_t i = 0; i < m.pages; i++) {
		m.zero[i] |= has[m.range[i]];
		m.purged[m.range[i]] |= has[m.range[i]];
	}
}

static void compare(void)
{
	uint64_t ranges = 0, pages = 0;
	struct volatile_stat st = volatile_now();

	for (uint64_t i = 0; i < m.pages; i++) {
		int r = m.range[i];

		/* Purged neighbours are one. */
		ranges += r && (i == 0 ||
				(m.range[i - 1] != r &&
				 !(m.purged[r] && m.purged[m.range[i - 1]])));
		pages += r && !m.purged[r] && !m.zero[i];
		must(vrange_state(pool, file, i * TREE_PAGE, TREE_PAGE) ==
			     (r ? 1 + m.purged[r] : 0),
		     "page %d", (int)i);
	}
	must(st.ranges == ranges, "%d ranges, not %d", (int)st.ranges,
	     (int)ranges);
	must(st.range_pages == pages, "%d pages, not %d", (int)st.range_pages,
	     (int)pages);
}

static void compare_content(void)
{
	for (uint64_t i = 0; i < m.pages; i++)
		must(page_byte(file, i) == (m.zero[i] ? 0 : 'x'), "page %d",
		     (int)i);
}

static void unpin(int first, int end)
{
	m_unpin(first, end);
	must(vrange_unpin(pool, &the_op, file, first * TREE_PAGE,
			  (end - first) * TREE_PAGE) == 0,
	     "unpin");
	compare();
}

static void pin(int first, int end)
{
	int was = m_pin(first, end), r;

	r = vrange_pin(pool, &the_op, file, first * TREE_PAGE,
		       (end - first) * TREE_PAGE);
	must(r == was, "pin [%d,%d): %d, not %d", first, end, r, was);
	compare();
}

static void purge_ranges(void)
{
	m_purge();
	scan_pages("volatile-ranges", 1000);
	compare();
}

static void begin_case(void)
{
	if (m.next)
		pin(0, m.pages);
	for (uint64_t i = 0; i < m.pages; i++)
		if (m.zero[i])
			fill_pages(file, i, 1, 'x');
	memset(m.zero, 0, sizeof(m.zero));
	memset(m.range, 0, sizeof(m.range));
	m.next = 0;
}

static void end_case(void)
{
	if (++cases % 997 == 0) {
		must(pool_intact(), "pool_check");
		restart(false);
		must(pool_intact(), "pool_check");
		compare();
	}
	if (cases % 5 == 0)
		compare_content();
}

#define for_each_range(first, end)                         \
	for (int first = 0; first < (int)m.pages; first++) \
		for (int end = first + 1; end <= (int)m.pages; end++)

/* Two ranges, either of them purged or not, and any part pinned. */
static void two_ranges(int a, int b, int c, int d, int e, int f)
{
	for (int purges = 0; purges < 4; purges++) {
		begin_case();
		unpin(a, b);
		if (purges & 1)
			purge_ranges();
		unpin(c, d);
		if (purges & 2)
			purge_ranges();
		pin(e, f);
		end_case();
	}
}

static void three_ranges(int a, int b, int c, int d, int e, int f)
{
	for (int purges = 0; purges < 4; purges++) {
		begin_case();
		unpin(a, b);
		if (purges & 1)
			purge_ranges();
		unpin(c, d);
		if (purges & 2)
			purge_ranges();
		unpin(e, f);
		end_case();
	}
}

static void every_placement(void (*fn)(int, int, int, int, int, int),
			    uint64_t pages)
{
	m.pages = pages;
	m.next = 0;
	cases = 0;
	file = filled_file(INODE_ROOT, "ranges", pages, 'x');
	for_each_range(a, b) for_each_range(c, d) for_each_range(e, f)
		fn(a, b, c, d, e, f);
	begin_case();
	must(pool_intact() && volatile_now().ranges == 0, "the end");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "ranges") == 0, "unlink");
	inode_forget(pool, file, 9);
}

static void test_placements(void)
{
	every_placement(two_ranges, 5);
	ok(cases == 15 * 15 * 15 * 4,
	   "%" PRIu64 " placements of two ranges and a pin", cases);
	every_placement(three_ranges, 4);
	ok(cases == 10 * 10 * 10 * 4, "%" PRIu64 " placements of three ranges",
	   cases);
}

/* --- scenarios --- */

static void test_errors(void)
{
	uint32_t d = made_dir(INODE_ROOT, "d"), l;
	uint32_t f = filled_file(INODE_ROOT, "f", 2, 'f');
	struct tree_attr a = { .set = TREE_SET_SIZE, .size = TREE_PAGE + 1 };
	uint64_t p = TREE_PAGE;

	must(tree_setattr(pool, f, &a) == 0, "truncate");
	must(tree_symlink(pool, &the_op, d, "l", "to", &l) == 0, "ln");
	ok(vrange_unpin(pool, &the_op, d, 0, 0) == -ENOTTY &&
		   vrange_pin(pool, &the_op, l, 0, 0) == -ENOTTY &&
		   vrange_state(pool, 4711, 0, 0) == -ESTALE,
	   "regular files only");
	ok(vrange_unpin(pool, &the_op, f, 1, p) == -EINVAL &&
		   vrange_pin(pool, &the_op, f, 0, p - 1) == -EINVAL &&
		   vrange_state(pool, f, p / 2, p / 2) == -EINVAL,
	   "whole pages only");
	ok(vrange_unpin(pool, &the_op, f, -p, p) == -EINVAL &&
		   vrange_unpin(pool, &the_op, f, -p, 2 * p) == -EINVAL &&
		   vrange_unpin(pool, &the_op, f, p, -p) == -EINVAL &&
		   vrange_unpin(pool, &the_op, f, 3 * p, 0) == -EINVAL &&
		   vrange_unpin(pool, &the_op, f, 0, 3 * p) == -EINVAL,
	   "neither wrapped round nor past the end");
	ok(vrange_unpin(pool, &the_op, f, 0, 2 * p) == 0 &&
		   vrange_pin(pool, &the_op, f, 2 * p, 0) == 0 &&
		   vrange_state(pool, f, p, p) == 1,
	   "but the whole last page; nothing at the end is nothing");
	ok(vrange_pin(pool, &the_op, f, p, 0) == 0 &&
		   vrange_state(pool, f, p, 0) == 0 &&
		   vrange_state(pool, f, 0, 0) == 1,
	   "length 0 goes up to the end");
	ok(volatile_now().ranges == 1 && pool_intact(), "one range is left");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "f") == 0, "unlink");
	inode_forget(pool, f, 1);
	ok(volatile_now().ranges == 0, "it goes with its file");
	tree_remove_everything(INODE_ROOT);
	tree_forget_everything();
}

static void test_order(void)
{
	uint64_t p = TREE_PAGE;
	uint32_t f = filled_file(INODE_ROOT, "f", 8, 'f');
	uint32_t g = filled_file(INODE_ROOT, "g", 8, 'g');

	must(vrange_unpin(pool, &the_op, f, 0, 2 * p) == 0, "unpin");
	must(vrange_unpin(pool, &the_op, g, 0, 3 * p) == 0, "unpin");
	must(vrange_unpin(pool, &the_op, f, 4 * p, 2 * p) == 0, "unpin");
	must(vrange_unpin(pool, &the_op, f, 0, p) == 0, "unpin, no news");
	restart(false);
	ok(scan_pages("volatile-ranges", 2) == 2 && page_byte(f, 0) == 0 &&
		   page_byte(f, 1) == 0 && page_byte(g, 0) == 'g',
	   "the oldest goes first, after a restart as well");
	ok(scan_pages("volatile-ranges", 3) == 3 && page_byte(g, 2) == 0 &&
		   page_byte(g, 3) == 'g' && page_byte(f, 4) == 'f',
	   "then the next");
	ok(volatile_now().ranges == 3 && volatile_now().range_pages == 2,
	   "what was purged is known, and not counted as pages");
	ok(vrange_pin(pool, &the_op, g, 3 * p, 0) == 0 &&
		   vrange_pin(pool, &the_op, g, 2 * p, p) == 1 &&
		   vrange_pin(pool, &the_op, g, 2 * p, p) == 0 &&
		   vrange_pin(pool, &the_op, g, 0, 0) == 1,
	   "it is told once for each page");
	inode_forget(pool, f, 1);
	inode_forget(pool, g, 1);
	restart(true);
	f = looked_up(INODE_ROOT, "f");
	ok(vrange_state(pool, f, 5 * p, p) == 1 &&
		   vrange_pin(pool, &the_op, f, p, 0) == 1,
	   "its ranges outlive the mount");

	/* The youngest gets the number that the first has left. */
	must(vrange_pin(pool, &the_op, f, 0, 0) >= 0, "pin");
	fill_pages(f, 0, 8, 'f');
	for (int i = 0; i < 6; i += 2)
		must(vrange_unpin(pool, &the_op, f, i * p, p) == 0, "unpin");
	must(vrange_pin(pool, &the_op, f, 0, p) == 0, "pin");
	must(vrange_unpin(pool, &the_op, f, 6 * p, p) == 0, "unpin");
	restart(false);
	ok(scan_pages("volatile-ranges", 2) == 2 && page_byte(f, 6) == 'f' &&
		   page_byte(f, 2) == 0 && page_byte(f, 4) == 0,
	   "the next worker goes by age, not by number");
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
}

/* Who unpins, and who splits a range by a pin, is charged. */
static void test_users(void)
{
	uint64_t p = TREE_PAGE, n, share;
	uint32_t f = filled_file(INODE_ROOT, "f", 4, 'f');
	struct tree_attr a = { .set = TREE_SET_SIZE };
	int err = 0;

	/* Less than one file may have. */
	user_set_max(pool, USER_RANGES, VRANGES_OF_FILE);
	share = user_share(pool, USER_RANGES);
	a.size = (2 * share + 8) * p;
	must(tree_setattr(pool, f, &a) == 0, "truncate");
	for (n = 0; !err; n++)
		err = vrange_unpin(pool, as(7, 7, 0), f, 2 * n * p, p);
	ok(err == -EDQUOT && n - 1 == share &&
		   user_held(pool, 7, USER_RANGES) == share,
	   "a user has ranges up to the share");
	ok(vrange_unpin(pool, as(8, 8, 0), f, (2 * share + 1) * p, 3 * p) ==
			   0 &&
		   user_held(pool, 8, USER_RANGES) == 1,
	   "others have theirs");
	ok(vrange_pin(pool, as(7, 7, 0), f, (2 * share + 2) * p, p) ==
			   -EDQUOT &&
		   vrange_state(pool, f, (2 * share + 2) * p, p) == 1,
	   "a pin that would make two of one takes another record");
	ok(vrange_pin(pool, as(8, 8, 0), f, (2 * share + 2) * p, p) == 0 &&
		   user_held(pool, 8, USER_RANGES) == 2,
	   "and charges who pins");
	restart(false);
	ok(user_held(pool, 7, USER_RANGES) == share &&
		   user_held(pool, 8, USER_RANGES) == 2 && pool_intact(),
	   "the next worker counts the same");
	ok(vrange_pin(pool, as(7, 7, 0), f, 0, p) == 0 &&
		   user_held(pool, 7, USER_RANGES) == share - 1,
	   "a pin of a whole range needs none, and gives one back");
	ok(vrange_unpin(pool, as(9, 9, 0), f, 0, 0) == 0 &&
		   user_held(pool, 7, USER_RANGES) == 0 &&
		   user_held(pool, 8, USER_RANGES) == 0 &&
		   user_held(pool, 9, USER_RANGES) == 1,
	   "ranges that are joined are one, of who joined them");
	ok(scan_pages("volatile-ranges", 2) == 2 &&
		   user_held(pool, 9, USER_RANGES) == 2 && pool_intact(),
	   "what a purge cuts off is of the same user");
	must(tree_unlink(pool, as(0, 0, 0), INODE_ROOT, "f") == 0, "unlink");
	inode_forget(pool, f, 1);
	ok(user_held(pool, 9, USER_RANGES) == 0 && pool_intact(),
	   "they go with the file");
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
}

/* How long one request takes must not depend on how many somebody has made. */
static void test_limit(void)
{
	uint64_t p = TREE_PAGE, n, nr = VRANGES_OF_FILE;
	uint32_t f = filled_file(INODE_ROOT, "f", 4, 'f');
	struct tree_attr a = { .set = TREE_SET_SIZE, .size = 4 * nr * p };
	int err = 0;

	must(tree_setattr(pool, f, &a) == 0, "truncate");
	for (n = 0; !err; n++)
		err = vrange_unpin(pool, as(7, 7, 0), f, 2 * n * p, p);
	ok(err == -EDQUOT && n - 1 == nr, "a file has so many ranges of users");
	restart(false);
	ok(vrange_unpin(pool, as(7, 7, 0), f, 2 * nr * p, p) == -EDQUOT,
	   "and no more for the next worker");
	ok(vrange_unpin(pool, as(7, 7, 0), f, 2 * p, p) == 0,
	   "one that is there already is no new one");
	for (err = 0; !err && n < nr + 10; n++)
		err = vrange_unpin(pool, as(0, 0, 0), f, 2 * n * p, p);
	ok(!err, "the owner of the pool may have more");
	ok(vrange_pin(pool, as(7, 7, 0), f, 0, 0) == 0 && pool_intact() &&
		   vrange_unpin(pool, as(7, 7, 0), f, 0, p) == 0,
	   "a pin of all of them makes room");

	must(vrange_unpin(pool, as(7, 7, 0), f, 0, 0) == 0, "unpin");
	for (err = 0, n = 0; !err; n++)
		err = vrange_pin(pool, as(7, 7, 0), f, (2 * n + 1) * p, p);
	ok(err == -EDQUOT && n == nr && pool_intact(),
	   "pins that split one make no more than so many");
	restart(false);
	ok(vrange_pin(pool, as(7, 7, 0), f, (2 * n + 1) * p, p) == -EDQUOT &&
		   vrange_state(pool, f, (2 * n + 1) * p, p) ==
			   VRANGE_STATE_UNPINNED,
	   "nor for the next worker, and nothing is pinned");
	ok(vrange_pin(pool, as(7, 7, 0), f, 0, p) == 0 &&
		   vrange_pin(pool, as(7, 7, 0), f, (2 * n + 1) * p, p) == 0,
	   "another pin works, and makes room for one");
	ok(vrange_pin(pool, as(0, 0, 0), f, (2 * n + 3) * p, p) == 0 &&
		   pool_intact(),
	   "the owner of the pool may split it further");
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
}

/* What was written since the unpin is measured in steps. */
static void test_measure(void)
{
	uint64_t p = TREE_PAGE;
	uint32_t f = made_file(INODE_ROOT, "f");
	struct tree_attr a = { .set = TREE_SET_SIZE, .size = 1000 * p };
	bool less = false;

	must(tree_setattr(pool, f, &a) == 0, "truncate");
	for (int i = 0; i < 400; i++)
		must(vrange_unpin(pool, &the_op, f, 2 * i * p, p) == 0,
		     "unpin");
	must(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0, "open");
	fill_pages(f, 0, 1000, 'f');
	must(pool->unpinned_pages == 0, "measured before it is closed");
	must(tree_close(pool, &the_op, f) == 0, "close");
	less = pool->unpinned_pages && pool->unpinned_pages < 400;
	for (int i = 0; i < 400; i++)
		vfile_recheck(pool);
	ok(less && pool->unpinned_pages == 400 && pool_intact(),
	   "ranges of a file that was closed are measured bit by bit");
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
}

/* A scan takes what it wants off the front, at 2 MiB if it can. */
static void test_cut(void)
{
	uint64_t cut = MIB_2 / TREE_PAGE, end = 2 * cut + 176;
	uint32_t f = filled_file(INODE_ROOT, "f", end, 'f');
	struct tree_attr a = { .set = TREE_SET_SIZE,
			       .size = (2 * cut + 50) * TREE_PAGE };

	must(vrange_unpin(pool, &the_op, f, 100 * TREE_PAGE, 0) == 0, "unpin");
	ok(scan_pages("volatile-ranges", 50) == 50 && page_byte(f, 99) &&
		   !page_byte(f, 149) && page_byte(f, 150),
	   "50 pages off the front");
	ok(scan_pages("volatile-ranges", cut) == cut &&
		   !page_byte(f, 149 + cut) && page_byte(f, 150 + cut),
	   "as many as one hole can be, to the next boundary and on");
	ok(volatile_now().range_pages == end - 150 - cut && pool_intact(),
	   "the rest is counted");
	must(tree_setattr(pool, f, &a) == 0, "truncate");
	ok(volatile_now().range_pages == cut - 100 && pool_intact(),
	   "cut off with the end of the file");
	a.size -= 10;
	must(tree_setattr(pool, f, &a) == 0, "truncate");
	ok(vrange_state(pool, f, (2 * cut + 49) * TREE_PAGE, TREE_PAGE) == 1,
	   "a page of which something is left stays");
	a.size = 0;
	must(tree_setattr(pool, f, &a) == 0, "truncate");
	ok(volatile_now().ranges == 0, "and gone with all of it");
	must(tree_unlink(pool, &the_op, INODE_ROOT, "f") == 0, "unlink");
	inode_forget(pool, f, 1);
	ok(nr_tree_nodes() == 1, "nothing is left");
}

static uint32_t state_of_record(uint32_t f, uint64_t page)
{
	struct volatiles *t = pool->volatiles;

	return vrange_rec(t, vrange_find(t, f, page, page + 1))->state;
}

/* A hole that was late and could not be made. */
static void test_not_made(void)
{
	uint64_t p = TREE_PAGE;
	uint32_t f = filled_file(INODE_ROOT, "f", 8, 'f');

	must(vrange_unpin(pool, &the_op, f, 0, 0) == 0, "unpin");
	vrange_set_purged(pool, vrange_find(pool->volatiles, f, 0, 1));
	vrange_made_late(pool, f, 0, 8, -EIO);
	must(vrange_pin(pool, &the_op, f, 2 * p, p) == 1, "pin");
	vrange_made_late(pool, f, 3, 6, 0);
	ok(state_of_record(f, 0) == VRANGE_PURGING &&
		   state_of_record(f, 3) == VRANGE_PURGING && pool_intact(),
	   "a hole that was not made is not taken for one");
	vrange_made_late(pool, f, 3, 8, 0);
	ok(state_of_record(f, 3) == VRANGE_PURGED,
	   "it is made when all of the range is");
	must(vrange_unpin(pool, &the_op, f, 2 * p, p) == 0, "unpin");
	must(vrange_unpin(pool, &the_op, f, 0, 0) == 0, "unpin");
	ok(state_of_record(f, 7) == VRANGE_PURGING,
	   "nor if it is a part of one that was");
	restart(false);
	ok(page_byte(f, 0) == 0 && state_of_record(f, 0) == VRANGE_PURGED &&
		   vrange_pin(pool, &the_op, f, 0, 0) == 1 && pool_intact(),
	   "the next worker makes it");
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
}

/* So much can be purged as has memory, and what is purged is one range. */
static void test_holes(void)
{
	uint64_t p = TREE_PAGE, tib = 1ull << 40;
	uint32_t f = made_file(INODE_ROOT, "f");
	struct tree_attr a = { .set = TREE_SET_SIZE, .size = 4 * tib };

	must(tree_setattr(pool, f, &a) == 0, "truncate");
	must(vrange_unpin(pool, &the_op, f, 0, 0) == 0, "unpin");
	ok(volatile_now().range_pages == 0 && pool->unpinned_pages == 0 &&
		   volatile_now().ranges == 1,
	   "4 TiB of hole are no pages");
	ok(scan_pages("volatile-ranges", 1) == 0 &&
		   vrange_state(pool, f, 0, 0) == 1 && pool_intact(),
	   "a scan finds nothing, and purges nothing");
	must(tree_open(pool, &the_op, f, O_RDWR, &opened) == 0, "open");
	for (int i = 0; i < 40; i++)
		fill_pages(f, (i % 4) * (tib / p) + 1000 * i + 7, 1, 'f');
	must(tree_close(pool, &the_op, f) == 0, "close");
	ok(volatile_now().range_pages == 40 && pool->unpinned_pages == 40 &&
		   pool_intact(),
	   "what was written to it since counts when it is measured");
	for (int i = 39; i >= 30; i--)
		must(scan_pages("volatile-ranges", 1) == 1 &&
			     volatile_now().range_pages == (uint64_t)i &&
			     volatile_now().ranges == 2 && pool_intact(),
		     "one page, %d are left", i);
	ok(page_byte(f, 7) == 0 && page_byte(f, 35 * 1000 + 7 + 3 * tib / p),
	   "a page each time, wherever it is, and two ranges");
	ok(scan_pages("volatile-ranges", 25) == 25 &&
		   volatile_now().range_pages == 5 &&
		   volatile_now().ranges == 2 && pool_intact(),
	   "or 25 of them");
	restart(false);
	ok(volatile_now().range_pages == 5 && volatile_now().ranges == 2 &&
		   pool_intact(),
	   "the next worker counts the same");
	ok(scan_pages("volatile-ranges", 1000) == 5 &&
		   volatile_now().range_pages == 0 &&
		   vrange_pin(pool, &the_op, f, 0, 0) == 1 &&
		   volatile_now().ranges == 0 && pool_intact(),
	   "and the rest");
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
}

/* No user's record is needed to purge, and one is missing at worst. */
static void test_full(void)
{
	struct table *t = &pool->volatiles->ranges;
	uint64_t p = TREE_PAGE, n = 0;
	uint32_t f = filled_file(INODE_ROOT, "f", 80, 'f'), max = t->max;
	uint32_t g = filled_file(INODE_ROOT, "g", 64, 'g');
	struct tree_attr a = { .set = TREE_SET_SIZE, .size = 1ull << 30 };

	for (int i = 0; i < 4; i++)
		must(vrange_unpin(pool, as(7, 7, 0), f, 20 * i * p, 10 * p) ==
			     0,
		     "unpin");
	user_set_max(pool, USER_RANGES, 16);
	ok(user_may_charge(pool, 7, USER_RANGES, 1) == -EDQUOT &&
		   scan_pages("volatile-ranges", 3) == 3 &&
		   page_byte(f, 2) == 0 && page_byte(f, 3) == 'f' &&
		   user_held(pool, 7, USER_RANGES) == 5 && pool_intact(),
	   "whose share is used up loses no more for it");
	user_set_max(pool, USER_RANGES, VRANGE_MAX);

	must(tree_setattr(pool, g, &a) == 0, "truncate");
	t->max = t->nr;
	while (!vrange_unpin(pool, as(0, 0, 0), g, (2 * n + 100) * p, p))
		n++;
	must(n && !t->nr_free, "the table is full");
	ok(scan_pages("volatile-ranges", 3) == 3 && page_byte(f, 5) == 0 &&
		   page_byte(f, 6) == 'f' && pool_intact(),
	   "without a record: what is next to a purged range joins it");
	ok(scan_pages("volatile-ranges", 4) == 4 && page_byte(f, 9) == 0 &&
		   page_byte(f, 20) == 'f' && pool_intact(),
	   "up to its end");
	must(!vrange_unpin(pool, as(0, 0, 0), g, 0, p) && !t->nr_free,
	     "the record of what was joined");
	ok(scan_pages("volatile-ranges", 1) == 10 && page_byte(f, 20) == 0 &&
		   page_byte(f, 29) == 0 && page_byte(f, 40) == 'f' &&
		   pool_intact(),
	   "else a range goes as a whole, and no other one");
	ok(vrange_unpin(pool, as(7, 7, 0), f, 45 * p, 7 * p) == 0 &&
		   vrange_state(pool, f, 51 * p, p) == 1 &&
		   vrange_unpin(pool, as(7, 7, 0), f, 55 * p, p) == -ENOSPC,
	   "an unpin that joins one needs no record");
	ok(vrange_pin(pool, as(7, 7, 0), f, 40 * p, p) == 0 &&
		   vrange_pin(pool, as(7, 7, 0), f, 50 * p, 2 * p) == 0 &&
		   vrange_pin(pool, as(7, 7, 0), f, 45 * p, p) == -ENOSPC &&
		   vrange_pin(pool, as(7, 7, 0), f, 41 * p, 9 * p) == 0 &&
		   pool_intact(),
	   "nor a pin that splits nothing");
	t->max = max;
	tree_forget_everything();
	tree_remove_everything(INODE_ROOT);
	ok(volatile_now().ranges == 0 && pool_intact(), "nothing is left");
}

int main(void)
{
	scratch_new();
	dir = scratch_dir("pool");
	pool_start(dir, SIZE, true, NULL);
	test_placements();
	test_errors();
	test_order();
	test_users();
	test_limit();
	test_measure();
	test_cut();
	test_holes();
	test_full();
	test_not_made();
	pool_stop();
	free(dir);
	return done();
}
