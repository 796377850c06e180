/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balanced tree behind every index of the pool.
 *
 * What it is for: finding things in order, at a known worst cost, with nodes
 * that cost no allocation, since they are members of what is being indexed.
 *
 * States and legal moves: a node is in one tree or in none.  Within a tree its
 * tilt, the height of its right side less that of its left, is -1, 0 or 1.
 * A change makes at most one side of one node two too high at a time; a
 * rotation there mends it:
 *
 *	      p              c            single: c leans the same way, or
 *	     / \            / \           not at all
 *	    .   c    -->   p   .
 *	       / \        / \
 *	      t   .      .   t
 *
 *	      p              p               g       double: c leans the
 *	     / \            / \            /   \     other way, so its inner
 *	    .   c    -->   .   g    -->   p     c    child g is lifted twice
 *	       / \            / \        / \   / \
 *	      g   .          .   c      .   . .   .
 *
 * Locks, in order: none; the owner of the tree serialises all changes.
 *
 * What reclaim may do to it meanwhile: nothing.  Reclaim reaches a tree only
 * through its owner, under the owner's lock.
 */
#include "pool/lib/avl.h"

#define TILT_MASK ((uintptr_t)3)

static struct avl_node *parent_of(const struct avl_node *node)
{
	return (struct avl_node *)(node->up & ~TILT_MASK);
}

static void set_parent(struct avl_node *node, struct avl_node *parent)
{
	if (node)
		node->up = (uintptr_t)parent | (node->up & TILT_MASK);
}

static int tilt_of(const struct avl_node *node)
{
	return (int)(node->up & TILT_MASK) - 1;
}

static void set_tilt(struct avl_node *node, int tilt)
{
	node->up = (node->up & ~TILT_MASK) | (uintptr_t)(tilt + 1);
}

/* The way a node leans when its child on @side is the higher one. */
static int lean(int side)
{
	return side ? 1 : -1;
}

static int side_of(const struct avl_node *parent, const struct avl_node *node)
{
	return parent && parent->child[1] == node;
}

/* Makes @node the child of @parent on @side, or the root if @parent is NULL. */
static void hang(struct avl_tree *tree, struct avl_node *parent, int side,
		 struct avl_node *node)
{
	if (parent)
		parent->child[side] = node;
	else
		tree->root = node;
	set_parent(node, parent);
}

/* Lifts the child of @p on @side above @p; the caller sets the tilts. */
static void rotate(struct avl_tree *tree, struct avl_node *p, int side)
{
	struct avl_node *c = p->child[side];
	struct avl_node *above = parent_of(p);

	hang(tree, above, side_of(above, p), c);
	hang(tree, p, side, c->child[!side]);
	hang(tree, c, !side, p);
}

/*
 * Rebalances @p, whose child on @side is two higher than the other one.
 * Return: the root of the subtree now.  It is tilted only if the height of the
 * subtree has not changed.
 */
static struct avl_node *mend(struct avl_tree *tree, struct avl_node *p,
			     int side)
{
	struct avl_node *c = p->child[side];
	struct avl_node *g = c->child[!side];
	int way = lean(side);

	if (tilt_of(c) == -way) {
		int tilt = tilt_of(g);

		rotate(tree, c, !side);
		rotate(tree, p, side);
		set_tilt(p, tilt == way ? -way : 0);
		set_tilt(c, tilt == -way ? way : 0);
		set_tilt(g, 0);
		return g;
	}
	rotate(tree, p, side);
	if (tilt_of(c) == way) {
		set_tilt(p, 0);
		set_tilt(c, 0);
	} else {
		set_tilt(p, way);
		set_tilt(c, -way);
	}
	return c;
}

/* The subtree @node is one higher: adjusts the tilts above it. */
static void has_grown(struct avl_tree *tree, struct avl_node *node)
{
	struct avl_node *parent;

	for (; (parent = parent_of(node)); node = parent) {
		int side = side_of(parent, node);

		if (tilt_of(parent) == lean(side)) {
			mend(tree, parent, side);
			return;
		}
		set_tilt(parent, tilt_of(parent) + lean(side));
		if (!tilt_of(parent))
			return;
	}
}

/* The subtree on @side of @node is one lower: adjusts the tilts upwards. */
static void has_shrunk(struct avl_tree *tree, struct avl_node *node, int side)
{
	while (node) {
		struct avl_node *parent = parent_of(node);
		int parent_side = side_of(parent, node);

		if (tilt_of(node) == -lean(side))
			node = mend(tree, node, !side);
		else
			set_tilt(node, tilt_of(node) - lean(side));
		if (tilt_of(node))
			return;
		node = parent;
		side = parent_side;
	}
}

struct avl_node *avl_insert(struct avl_tree *tree, struct avl_node *node)
{
	struct avl_node *parent = NULL, *at = tree->root;
	int side = 0;

	while (at) {
		int order = tree->cmp(node, at);

		if (!order)
			return at;
		parent = at;
		side = order > 0;
		at = at->child[side];
	}
	node->child[0] = NULL;
	node->child[1] = NULL;
	node->up = 0;
	set_tilt(node, 0);
	hang(tree, parent, side, node);
	has_grown(tree, node);
	return NULL;
}

/* Replaces @node by its successor, the lowest node of its right side. */
static void erase_inner(struct avl_tree *tree, struct avl_node *node)
{
	struct avl_node *heir = node->child[1], *above = parent_of(node);
	struct avl_node *shrunk;

	while (heir->child[0])
		heir = heir->child[0];
	shrunk = parent_of(heir);
	if (shrunk == node) {
		shrunk = heir;
	} else {
		hang(tree, shrunk, 0, heir->child[1]);
		hang(tree, heir, 1, node->child[1]);
	}
	hang(tree, heir, 0, node->child[0]);
	hang(tree, above, side_of(above, node), heir);
	set_tilt(heir, tilt_of(node));
	has_shrunk(tree, shrunk, shrunk == heir);
}

void avl_erase(struct avl_tree *tree, struct avl_node *node)
{
	struct avl_node *above = parent_of(node);
	int side = side_of(above, node);

	if (node->child[0] && node->child[1]) {
		erase_inner(tree, node);
		return;
	}
	hang(tree, above, side, node->child[node->child[1] != NULL]);
	has_shrunk(tree, above, side);
}

static struct avl_node *outermost(struct avl_node *node, int side)
{
	while (node && node->child[side])
		node = node->child[side];
	return node;
}

struct avl_node *avl_first(const struct avl_tree *tree)
{
	return outermost(tree->root, 0);
}

struct avl_node *avl_last(const struct avl_tree *tree)
{
	return outermost(tree->root, 1);
}

struct avl_node *avl_next(const struct avl_node *node)
{
	const struct avl_node *below;

	if (node->child[1])
		return outermost(node->child[1], 0);
	do {
		below = node;
		node = parent_of(below);
	} while (node && node->child[1] == below);
	return (struct avl_node *)node;
}

struct avl_node *avl_lower_bound(const struct avl_tree *tree, const void *key,
				 avl_key_cmp key_cmp)
{
	struct avl_node *at = tree->root, *found = NULL;

	while (at) {
		int before = key_cmp(key, at) <= 0;

		if (before)
			found = at;
		at = at->child[!before];
	}
	return found;
}

struct avl_node *avl_find(const struct avl_tree *tree, const void *key,
			  avl_key_cmp key_cmp)
{
	struct avl_node *found = avl_lower_bound(tree, key, key_cmp);

	return found && !key_cmp(key, found) ? found : NULL;
}

/* The height of the subtree @node, or -1 if an invariant is broken in it. */
static int checked_height(const struct avl_node *node,
			  const struct avl_node *parent)
{
	int left, right;

	if (!node)
		return 0;
	if (parent_of(node) != parent)
		return -1;
	left = checked_height(node->child[0], node);
	right = checked_height(node->child[1], node);
	if (left < 0 || right < 0)
		return -1;
	if (right - left != tilt_of(node) || right - left > 1)
		return -1;
	return 1 + (left > right ? left : right);
}

bool avl_check(const struct avl_tree *tree)
{
	const struct avl_node *node, *next;

	if (checked_height(tree->root, NULL) < 0)
		return false;
	for (node = avl_first(tree); node; node = next) {
		next = avl_next(node);
		if (next && tree->cmp(node, next) >= 0)
			return false;
	}
	return true;
}
