/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What test_tree_crash.c kills: operations on plain files, each with the tree
 * that it is done to.
 */
#ifndef POOLFS_TREE_SCENARIOS_H
#define POOLFS_TREE_SCENARIOS_H

#include "tests/unit/tree_fixture.h"

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

/* What a scenario works with; the same in every process. */
struct places {
	uint32_t top; /* the directory all is in */
	uint32_t dir, file, other; /* inodes */
};
extern struct places at;

int64_t op_purge_ranges(void);

#define ANY INT64_MAX /* above 0 */

extern const struct scenario scenarios[];
extern const size_t nr_scenarios;

#endif
