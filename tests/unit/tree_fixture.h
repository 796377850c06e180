/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Short names for what the tests of plain files do all the time, and what can
 * be seen of a tree as text.  Over pool_fixture.h: the pool's lock is held.
 */
#ifndef POOLFS_TREE_FIXTURE_H
#define POOLFS_TREE_FIXTURE_H

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "pool/tree/tree.h"
#include "shrinker/shrinker.h"
#include "tests/unit/pool_fixture.h"

#define TREE_PAGE ((uint64_t)sysconf(_SC_PAGESIZE))
#define DUMP_NODES 512 /* the tests that dump have fewer */

extern struct tree_opened opened;
extern struct statx created; /* the attributes that create_as() was told */

/* tree_create(), of which most tests want to know the inode only. */
int create_as(const struct op *op, uint32_t parent, const char *name, int flags,
	      mode_t mode, uint32_t *node);

uint32_t made_dir(uint32_t parent, const char *name);

/* A regular file that is closed, and referred to once. */
uint32_t made_file(uint32_t parent, const char *name);

void fill_pages(uint32_t node, uint64_t first, uint64_t nr, char fill);

/* A file of @pages pages full of @fill that has been opened and closed. */
uint32_t filled_file(uint32_t parent, const char *name, uint64_t pages,
		     char fill);

/* The first byte of a page, or -errno. */
int page_byte(uint32_t node, uint64_t page);

uint32_t looked_up(uint32_t parent, const char *name);

int lookup_says(uint32_t parent, const char *name);

int nlink_of(uint32_t node);

uint64_t nr_tree_nodes(void);

struct volatile_stat volatile_now(void);

/* --- reclaim --- */

/* Has @name, "volatile-files" or "volatile-ranges", look at @pages pages. */
unsigned long scan_pages(const char *name, unsigned long pages);

/* --- what can be seen --- */

/** tree_dump - names, attributes, nodes and the LRU's length; to be freed. */
char *tree_dump(void);

/* --- the end --- */

void tree_close_everything(void);

/** tree_forget_everything - Return: references there were, at most 8 a node. */
unsigned int tree_forget_everything(void);

/* Removes what is in directory @node; every name must go at once. */
void tree_remove_everything(uint32_t node);

#endif
