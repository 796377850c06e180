/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A naive model of plain files, for test_tree_model.c. */
#ifndef POOLFS_TREE_MODEL_H
#define POOLFS_TREE_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAMES 6
#define DIRS 5
#define INODES 64
#define PAGES 3

#define TEN "0123456789"
#define LONG_80 TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG_250 LONG_80 LONG_80 LONG_80 TEN

static const char *const names[NAMES] = {
	"a", "b", "c", "d", LONG_80, LONG_250
};

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
static struct inode m[INODES];

/* --- the model --- */

static inline int m_new(enum type type, int d, int name)
{
	for (int i = 2; i < INODES; i++)
		if (!m[i].type) {
			m[i] = (struct inode){
				.type = type, .nlink = 1, .dir = d, .name = name
			};
			m[d].entry[name] = i;
			return i;
		}
	return 0;
}

static inline bool m_empty(int d)
{
	for (int n = 0; n < NAMES; n++)
		if (m[d].entry[n])
			return false;
	return true;
}

static inline bool m_unpinned(const struct inode *i)
{
	for (int p = 0; p < PAGES; p++)
		if (i->unpinned[p])
			return true;
	return false;
}

/* Has the node anything that keeps it? */
static inline bool m_node_stays(int i)
{
	if (i == 1 || m[i].lookups || m[i].opens)
		return true;
	/* What of it is volatile is known as long as it has any name. */
	if ((m[i].dir || (m[i].nlink && m[i].type != DIRECTORY)) &&
	    (m[i].is_volatile || m_unpinned(&m[i])))
		return true;
	for (int c = 2; c < INODES; c++)
		if (m[c].node && m[c].dir == i)
			return true;
	return false;
}

/* What nothing keeps goes, and so may what it was in. */
static inline void m_put(int i)
{
	while (i > 1 && m[i].node && !m_node_stays(i)) {
		int up = m[i].dir;

		m[i].node = 0;
		m[i].dir = 0;
		m[i].is_volatile = false;
		memset(m[i].unpinned, 0, sizeof(m[i].unpinned));
		if (!m[i].nlink)
			m[i].type = NOTHING;
		i = up;
	}
	if (i > 1 && !m[i].node && !m[i].nlink)
		m[i].type = NOTHING;
}

static inline void m_put_all(void)
{
	bool again = true;

	while (again) {
		again = false;
		for (int i = 2; i < INODES; i++)
			if (m[i].node && !m_node_stays(i)) {
				m_put(i);
				again = true;
			}
	}
}

/* The name is no more. */
static inline void m_drop(int d, int name)
{
	int i = m[d].entry[name], up = d;

	m[d].entry[name] = 0;
	m[i].nlink--;
	if (m[i].node && m[i].dir == d && m[i].name == name)
		m[i].dir = 0;
	m_put(i);
	m_put(up);
}

static inline bool m_is_within(int d, int top)
{
	for (; d; d = m[d].dir)
		if (d == top)
			return true;
	return false;
}

#endif
