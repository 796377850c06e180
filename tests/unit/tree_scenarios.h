/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What test_tree_crash.c kills: operations on plain files, each with the tree
 * that it is done to.
 */
#ifndef POOLFS_TREE_SCENARIOS_H
#define POOLFS_TREE_SCENARIOS_H

#include "tests/unit/tree_setups.h"

enum how {
	ONCE,
	/* A kill may leave one reference too many: tree_create_existing(). */
	SPARE,
	/* Nobody asks for it, so it may be half done before it is again. */
	RECLAIM
};

struct scenario {
	const char *name;
	void (*setup)(void);
	int64_t (*op)(void);
	int64_t result;
	enum how how;
};

int64_t op_purge_ranges(void);
int64_t op_purge_front(void);
int64_t op_purge_rest(void);
int64_t op_purge_both(void);

#define ANY INT64_MAX /* above 0 */

extern const struct scenario scenarios[];
extern const size_t nr_scenarios;

#endif
