/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees that the scenarios of tree_scenarios.c begin with. */
#ifndef POOLFS_TREE_SETUPS_H
#define POOLFS_TREE_SETUPS_H

#include "tests/unit/tree_fixture.h"

/* What a scenario works with; the same in every process. */
struct places {
	uint32_t top; /* the directory all is in */
	uint32_t dir, file, other; /* inodes */
};
extern struct places at;

#define LONG_NAME                                                          \
	"a name of more than one record, which is what takes the longest " \
	"to write down, and of more than two as well, so that it has to "  \
	"be read from three of them and none of these may be lost"

void setup_dir(void);
void setup_file(void);
void setup_two(void);
void setup_two_open(void);
void setup_two_forgotten(void);
void setup_two_volatile(void);
void setup_linked(void);
void setup_linked_volatile(void);
void setup_purged_linked(void);
void setup_purged_in_dir(void);
void setup_dirs(void);
void setup_volatile_in_dir(void);
void setup_volatile_dir(void);
void setup_nameless(void);
void setup_orphan_with_name(void);
void setup_xattr(void);
void setup_open(void);
void setup_open_volatile(void);
void setup_open_orphan(void);
void setup_long_names(void);
void setup_ranges(void);
void setup_purged_ranges(void);
void leave_pages(uint64_t pages);
void setup_purged_front(void);
void setup_volatile(void);

/* In a directory far down. */
void setup_dir_deep(void);
void setup_two_deep(void);
void setup_two_open_deep(void);
void setup_dirs_deep(void);
void setup_nameless_deep(void);
void setup_volatile_in_dir_deep(void);

#endif
