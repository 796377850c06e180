/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An intrusive AVL tree (Adelson-Velsky and Landis, 1962): its nodes live
 * inside the objects it orders.  It allocates nothing and cannot fail.  A tree
 * of n nodes is never higher than 1.45 log2 n, so every call below but
 * avl_check() is O(log n) in the worst case.
 *
 *	struct avl_tree                 struct thing
 *	+------+-----+                  +---------------+
 *	| root | cmp |                  | ...           |
 *	+--|---+-----+         up, tilt | struct avl_node ----> child[1]: after
 *	   +--------------------------> |               | --+
 *	                                | ...           |   +-> child[0]: before
 *	                                +---------------+
 *
 * No locks inside: the owner of a tree serialises the calls that change it
 * against all others.
 */
#ifndef POOLFS_POOL_LIB_AVL_H
#define POOLFS_POOL_LIB_AVL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The links of a node; private to avl.c. */
struct avl_node {
	uintptr_t up; /* the parent's address, and in its two low bits the tilt:
		       * the right height less the left one, plus 1 */
	struct avl_node *child[2];
};

/* Negative, 0, positive: @a goes before, is the same as, goes after @b. */
typedef int (*avl_cmp)(const struct avl_node *a, const struct avl_node *b);

/* The same for a @key that is not a node. */
typedef int (*avl_key_cmp)(const void *key, const struct avl_node *node);

/* An empty tree is { .root = NULL, .cmp = ... }. */
struct avl_tree {
	struct avl_node *root;
	avl_cmp cmp;
};

/* The object of type @type whose member @member is at @ptr (not NULL). */
#define avl_entry(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

/**
 * avl_insert - add @node, whose links need not be initialised.
 * Return: NULL, or a node of the tree that compares equal to @node.  Then the
 * tree is unchanged.
 */
struct avl_node *avl_insert(struct avl_tree *tree, struct avl_node *node);

/** avl_erase - remove @node, which is in @tree.  cmp is not called. */
void avl_erase(struct avl_tree *tree, struct avl_node *node);

/** avl_first, avl_last - the ends; NULL when the tree is empty. */
struct avl_node *avl_first(const struct avl_tree *tree);
struct avl_node *avl_last(const struct avl_tree *tree);

/** avl_next - the successor in order; NULL for the last node. */
struct avl_node *avl_next(const struct avl_node *node);

/**
 * avl_lower_bound - the first node that does not go before @key.
 * @key_cmp: may compare fewer fields than cmp.  Of several nodes that are equal
 *	to @key then, the first is returned.
 * Return: the node, or NULL when all nodes go before @key.
 */
struct avl_node *avl_lower_bound(const struct avl_tree *tree, const void *key,
				 avl_key_cmp key_cmp);

/** avl_find - the first node equal to @key, or NULL. */
struct avl_node *avl_find(const struct avl_tree *tree, const void *key,
			  avl_key_cmp key_cmp);

/** avl_check - whether links, tilts and order are valid (tests); O(n). */
bool avl_check(const struct avl_tree *tree);

#endif
