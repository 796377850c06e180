/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tree_model.h"

#define DIRS 5

const char *const names[NAMES] = { "a", "b", "c", "d", LONG_80, LONG_250 };
struct inode mtree[INODES];

/* --- the model --- */

int m_new(enum type type, int d, int name)
{
	for (int i = 2; i < INODES; i++)
		if (!mtree[i].type) {
			mtree[i] = (struct inode){
				.type = type, .nlink = 1, .dir = d, .name = name
			};
			mtree[d].entry[name] = i;
			return i;
		}
	return 0;
}

bool m_empty(int d)
{
	for (int n = 0; n < NAMES; n++)
		if (mtree[d].entry[n])
			return false;
	return true;
}

/* Has the node anything that keeps it? */
static bool m_node_stays(int i)
{
	if (i == 1 || mtree[i].lookups || mtree[i].opens)
		return true;
	/* It is known as long as it has any name. */
	if (mtree[i].dir || (mtree[i].nlink && mtree[i].type != DIRECTORY))
		return true;
	for (int c = 2; c < INODES; c++)
		if (mtree[c].node && mtree[c].dir == i)
			return true;
	return false;
}

void m_put(int i)
{
	while (i > 1 && mtree[i].node && !m_node_stays(i)) {
		int up = mtree[i].dir;

		mtree[i].node = 0;
		mtree[i].dir = 0;
		mtree[i].is_volatile = false;
		memset(mtree[i].unpinned, 0, sizeof(mtree[i].unpinned));
		if (!mtree[i].nlink)
			mtree[i].type = NOTHING;
		i = up;
	}
	if (i > 1 && !mtree[i].node && !mtree[i].nlink)
		mtree[i].type = NOTHING;
}

void m_put_all(void)
{
	bool again = true;

	while (again) {
		again = false;
		for (int i = 2; i < INODES; i++)
			if (mtree[i].node && !m_node_stays(i)) {
				m_put(i);
				again = true;
			}
	}
}

void m_drop(int d, int name)
{
	int i = mtree[d].entry[name], up = d;

	mtree[d].entry[name] = 0;
	mtree[i].nlink--;
	if (mtree[i].node && mtree[i].dir == d && mtree[i].name == name)
		mtree[i].dir = 0;
	m_put(i);
	m_put(up);
}

bool m_is_within(int d, int top)
{
	for (; d; d = mtree[d].dir)
		if (d == top)
			return true;
	return false;
}
