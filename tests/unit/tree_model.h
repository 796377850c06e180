/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A naive model of plain files, for test_tree_model.c. */
#ifndef POOLFS_TREE_MODEL_H
#define POOLFS_TREE_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAMES 6
#define INODES 64
#define PAGES 3
#define TEN "0123456789"
#define LONG_80 TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG_250 LONG_80 LONG_80 LONG_80 TEN

extern const char *const names[NAMES];

enum type {
	NOTHING, /* a free entry */
	DIRECTORY,
	REGULAR,
	LINK,
	PIPE
};

/* A file, as its users see it. */
struct inode {
	enum type type;
	uint32_t node; /* 0: it has none */
	uint64_t lookups;
	int nlink;
	int opens;
	int pages;
	bool is_volatile;
	/* The place its node is known by; dir 0: none. */
	int dir, name;
	/* Of a directory. */
	int entry[NAMES]; /* inode, 0: none */
	bool unpinned[PAGES];
};

/* Inode 1 is the root; a directory is never moved into another. */
extern struct inode mtree[INODES];

/* --- the model --- */

int m_new(enum type type, int d, int name);

bool m_empty(int d);

/* What nothing keeps goes, and so may what it was in. */
void m_put(int i);

void m_put_all(void);

/* The name is no more. */
void m_drop(int d, int name);

bool m_is_within(int d, int top);

#endif
