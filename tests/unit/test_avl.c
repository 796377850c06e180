/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AVL tree.  Small trees are enumerated completely: every order of
 * insertion and of removal, and every shape that the balance rule allows,
 * with every single insertion into and removal from it.
 */
#include <stdint.h>
#include <string.h>

#include "pool/lib/avl.h"
#include "tests/unit/tap.h"

#define MAX_PERMUTED 8
#define MAX_SHAPED 16
#define NR_RANDOM 4096
#define RANDOM_OPS 1000000

struct item {
	struct avl_node node;
	int key;
};

static unsigned long nr_compared;

static struct item *item_of(const struct avl_node *node)
{
	return avl_entry(node, struct item, node);
}

static int item_cmp(const struct avl_node *a, const struct avl_node *b)
{
	int x = item_of(a)->key, y = item_of(b)->key;

	nr_compared++;
	return (x > y) - (x < y);
}

static int key_cmp(const void *key, const struct avl_node *node)
{
	int x = *(const int *)key, y = item_of(node)->key;

	nr_compared++;
	return (x > y) - (x < y);
}

/* Equal to a whole block of ten keys. */
static int tens_cmp(const void *key, const struct avl_node *node)
{
	int x = *(const int *)key, y = item_of(node)->key / 10;

	return (x > y) - (x < y);
}

/* The height by looking, not by trusting the tilts; -1: out of balance. */
static int height(const struct avl_node *node)
{
	int left, right;

	if (!node)
		return 0;
	left = height(node->child[0]);
	right = height(node->child[1]);
	if (left < 0 || right < 0 || left - right > 1 || right - left > 1)
		return -1;
	return 1 + (left > right ? left : right);
}

/* @tree is sound and holds exactly the keys 2 * i whose @mask bit i is set. */
static void must_hold(const struct avl_tree *tree, uint64_t mask, int n)
{
	struct avl_node *node = avl_first(tree), *prev = NULL;
	int i;

	must(height(tree->root) >= 0, "balance, keys %#lx", (long)mask);
	must(avl_check(tree), "soundness, keys %#lx", (long)mask);
	for (i = 0; i < n; i++) {
		if (!(mask >> i & 1))
			continue;
		must(node && item_of(node)->key == 2 * i, "key %d", 2 * i);
		prev = node;
		node = avl_next(node);
	}
	must(!node, "more keys than %#lx", (long)mask);
	must(avl_last(tree) == prev, "last of %#lx", (long)mask);
}

/* The next permutation of @p in lexical order; false after the last. */
static bool permute(int *p, int n)
{
	int i = n - 1, j = n - 1, swap;

	while (i > 0 && p[i - 1] >= p[i])
		i--;
	if (i <= 0)
		return false;
	while (p[j] <= p[i - 1])
		j--;
	swap = p[i - 1];
	p[i - 1] = p[j];
	p[j] = swap;
	for (j = n - 1; i < j; i++, j--) {
		swap = p[i];
		p[i] = p[j];
		p[j] = swap;
	}
	return true;
}

static void first_order(int *p, int n)
{
	int i;

	for (i = 0; i < n; i++)
		p[i] = i;
}

static long insert_orders(int n)
{
	struct item items[MAX_PERMUTED];
	int order[MAX_PERMUTED];
	long cases = 0;
	int i;

	first_order(order, n);
	do {
		struct avl_tree tree = { .cmp = item_cmp };
		uint64_t mask = 0;

		/* A node needs no preparation. */
		memset(items, 0xa5, sizeof(items));
		for (i = 0; i < n; i++) {
			items[order[i]].key = 2 * order[i];
			must(!avl_insert(&tree, &items[order[i]].node),
			     "insert %d", order[i]);
			mask |= UINT64_C(1) << order[i];
			must_hold(&tree, mask, n);
		}
		cases++;
	} while (permute(order, n));
	return cases;
}

static long erase_orders(const struct avl_tree *from, struct item *items, int n)
{
	int order[MAX_PERMUTED];
	long cases = 0;
	int i;

	first_order(order, n);
	do {
		/* Pointers lead into @items, so it is put back each time. */
		struct item saved[MAX_PERMUTED];
		struct avl_tree tree = *from;
		uint64_t mask = (UINT64_C(1) << n) - 1;

		memcpy(saved, items, n * sizeof(*items));
		for (i = 0; i < n; i++) {
			avl_erase(&tree, &items[order[i]].node);
			mask &= ~(UINT64_C(1) << order[i]);
			must_hold(&tree, mask, n);
		}
		must(!tree.root, "empty at last");
		memcpy(items, saved, n * sizeof(*items));
		cases++;
	} while (permute(order, n));
	return cases;
}

/*
 * Shapes.  All trees of @n nodes and height @h are: a root, a left tree of
 * every size and a right tree of what remains, whose heights fit.  A shape is
 * chosen by number; count_shapes() says how many there are.
 */
static long shape_counts[MAX_SHAPED + 1][8];

static long count_shapes(int n, int h)
{
	return n < 0 || h < 0 ? 0 : shape_counts[n][h];
}

static void fill_shape_counts(void)
{
	int n, h, l;

	shape_counts[0][0] = 1;
	for (h = 1; h < 8; h++)
		for (n = 1; n <= MAX_SHAPED; n++)
			for (l = 0; l < n; l++)
				shape_counts[n][h] +=
					count_shapes(l, h - 1) *
						count_shapes(n - 1 - l, h - 1) +
					count_shapes(l, h - 1) *
						count_shapes(n - 1 - l, h - 2) +
					count_shapes(l, h - 2) *
						count_shapes(n - 1 - l, h - 1);
}

static struct avl_node *build(struct item *items, struct avl_node *parent,
			      int low, int n, int h, long nr)
{
	static const int less[3][2] = { { 1, 1 }, { 1, 2 }, { 2, 1 } };
	struct avl_node *node;
	long ways, right;
	int l, k;

	if (!n)
		return NULL;
	for (l = 0; l < n; l++) {
		for (k = 0; k < 3; k++) {
			right = count_shapes(n - 1 - l, h - less[k][1]);
			ways = count_shapes(l, h - less[k][0]) * right;
			if (nr < ways)
				goto found;
			nr -= ways;
		}
	}
	must(false, "no such shape");
found:
	node = &items[low + l].node;
	items[low + l].key = 2 * (low + l);
	node->up = (uintptr_t)parent | (less[k][0] - less[k][1] + 1);
	node->child[0] = build(items, node, low, l, h - less[k][0], nr / right);
	node->child[1] = build(items, node, low + l + 1, n - 1 - l,
			       h - less[k][1], nr % right);
	return node;
}

/* Every single removal from, and insertion into, one shape. */
static long single_steps(int n, int h, long nr)
{
	struct item items[MAX_SHAPED], extra;
	struct avl_tree tree = { .cmp = item_cmp };
	uint64_t all = (UINT64_C(1) << n) - 1;
	long cases = 0;
	int i;

	for (i = 0; i < n; i++) {
		tree.root = build(items, NULL, 0, n, h, nr);
		must_hold(&tree, all, n);
		must(avl_insert(&tree, &(struct item){ .key = 2 * i }.node) ==
			     &items[i].node,
		     "equal to %d", 2 * i);
		must_hold(&tree, all, n);
		avl_erase(&tree, &items[i].node);
		must_hold(&tree, all & ~(UINT64_C(1) << i), n);
		cases++;
	}
	for (i = -1; i < 2 * n; i += 2) {
		struct avl_node *at;

		tree.root = build(items, NULL, 0, n, h, nr);
		at = avl_lower_bound(&tree, &i, key_cmp);
		must(at == (i < 2 * n - 1 ? &items[(i + 1) / 2].node : NULL),
		     "lower bound of %d", i);
		must(!avl_find(&tree, &i, key_cmp), "no %d yet", i);
		extra.key = i;
		must(!avl_insert(&tree, &extra.node), "insert %d", i);
		must(height(tree.root) >= 0 && avl_check(&tree), "with %d", i);
		must(avl_next(&extra.node) == at, "after %d", i);
		must(avl_find(&tree, &i, key_cmp) == &extra.node, "find %d", i);
		avl_erase(&tree, &extra.node);
		must_hold(&tree, all, n);
		cases++;
	}
	return cases;
}

static void test_orders(void)
{
	static const long factorial[] = {
		1, 1, 2, 6, 24, 120, 720, 5040, 40320
	};
	struct item items[MAX_PERMUTED];
	long inserted = 0, erased = 0, want_inserted = 0, want_erased = 0, nr;
	int n, h;

	for (n = 1; n <= MAX_PERMUTED; n++) {
		inserted += insert_orders(n);
		want_inserted += factorial[n];
		for (h = 1; h < 8; h++) {
			want_erased += count_shapes(n, h) * factorial[n];
			for (nr = 0; nr < count_shapes(n, h); nr++) {
				struct avl_tree tree = { .cmp = item_cmp };

				tree.root = build(items, NULL, 0, n, h, nr);
				erased += erase_orders(&tree, items, n);
			}
		}
	}
	ok(inserted == want_inserted && inserted == 46233,
	   "all %ld orders of insertion up to %d nodes", inserted,
	   MAX_PERMUTED);
	ok(erased == want_erased && erased == 1379627,
	   "all %ld orders of removal from all shapes up to %d nodes", erased,
	   MAX_PERMUTED);
}

static void test_shapes(void)
{
	long shapes = 0, steps = 0, want = 0, nr;
	int n, h;

	for (n = 1; n <= MAX_SHAPED; n++)
		for (h = 1; h < 8; h++)
			for (nr = 0; nr < count_shapes(n, h); nr++) {
				shapes++;
				want += 2 * n + 1;
				steps += single_steps(n, h, nr);
			}
	/* How many AVL trees of 1, 2, ... 16 nodes there are is known. */
	ok(shapes == 1 + 2 + 1 + 4 + 6 + 4 + 17 + 32 + 44 + 60 + 70 + 184 +
			     476 + 872 + 1553 + 2720,
	   "%ld shapes up to %d nodes", shapes, MAX_SHAPED);
	ok(steps == want, "all %ld single steps from them", steps);
}

static void test_empty(void)
{
	struct avl_tree tree = { .cmp = item_cmp };
	struct item one = { .key = 1 };
	int key = 1;

	ok(!avl_first(&tree) && !avl_last(&tree) &&
		   !avl_lower_bound(&tree, &key, key_cmp) && avl_check(&tree),
	   "an empty tree");
	avl_insert(&tree, &one.node);
	ok(avl_first(&tree) == &one.node && avl_last(&tree) == &one.node &&
		   !avl_next(&one.node),
	   "a tree of one");
	avl_erase(&tree, &one.node);
	ok(!tree.root, "empty again");
}

static void test_check(void)
{
	struct avl_tree tree = { .cmp = item_cmp };
	struct item items[7];
	uintptr_t up;
	int i;

	for (i = 0; i < 7; i++) {
		items[i].key = i;
		avl_insert(&tree, &items[i].node);
	}
	items[2].key = 9;
	ok(!avl_check(&tree), "avl_check sees a wrong order");
	items[2].key = 2;
	up = items[5].node.up;
	items[5].node.up ^= 1;
	ok(!avl_check(&tree), "avl_check sees a wrong tilt");
	items[5].node.up = (uintptr_t)&items[0].node | 1;
	ok(!avl_check(&tree), "avl_check sees a wrong parent");
	items[5].node.up = up;
	items[5].node.child[0] = NULL;
	items[5].node.child[1] = NULL;
	ok(!avl_check(&tree), "avl_check sees lost nodes");
}

static void test_many(void)
{
	static struct item items[NR_RANDOM];
	struct avl_tree tree = { .cmp = item_cmp };
	unsigned long most = 0;
	int i, tens;

	for (i = 0; i < NR_RANDOM; i++) {
		items[i].key = i;
		nr_compared = 0;
		avl_insert(&tree, &items[i].node);
		if (nr_compared > most)
			most = nr_compared;
	}
	/* 1.45 log2 4096 is 17.4. */
	ok(most <= 17 && height(tree.root) <= 17,
	   "%d ascending keys: height %d, at most %lu comparisons an insert",
	   NR_RANDOM, height(tree.root), most);
	for (tens = 0; tens <= NR_RANDOM / 10; tens++)
		must(avl_lower_bound(&tree, &tens, tens_cmp) ==
			     &items[tens * 10].node,
		     "block %d", tens);
	ok(!avl_lower_bound(&tree, &tens, tens_cmp),
	   "the first of equals is found, in %d blocks", tens);
}

static void test_random(void)
{
	static struct item items[NR_RANDOM];
	static bool in[NR_RANDOM];
	struct avl_tree tree = { .cmp = item_cmp };
	struct avl_node *node;
	uint64_t x = 88172645463325252;
	int i, k, n = 0, count = 0;

	for (i = 0; i < NR_RANDOM; i++)
		items[i].key = i;
	for (i = 0; i < RANDOM_OPS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		k = x % NR_RANDOM;
		if (in[k])
			avl_erase(&tree, &items[k].node);
		else
			must(!avl_insert(&tree, &items[k].node), "%d", k);
		in[k] = !in[k];
		n += in[k] ? 1 : -1;
		if (i % 10000)
			continue;
		must(height(tree.root) >= 0 && avl_check(&tree), "step %d", i);
	}
	for (k = 0; k < NR_RANDOM; k++)
		must(avl_find(&tree, &k, key_cmp) ==
			     (in[k] ? &items[k].node : NULL),
		     "find %d", k);
	for (node = avl_first(&tree); node; node = avl_next(node))
		count++;
	ok(count == n, "%d random insertions and removals, %d left", RANDOM_OPS,
	   n);
}

int main(void)
{
	fill_shape_counts();
	test_empty();
	test_check();
	test_orders();
	test_shapes();
	test_many();
	test_random();
	return done();
}
