/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many memory nodes there can be.
 *
 * Read once: the highest node that the kernel calls possible, so that a node
 * that comes online later is covered from the start.  A machine without this
 * file has one node.
 *
 * Locks: none; pthread_once() guards the reading.
 *
 * Reclaim walks nodes 0 up to this figure.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "shrinker/registry.h"

#define NODES_POSSIBLE "/sys/devices/system/node/possible"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int nr_nodes = 1;

/* A number without sign, capped below SHRINK_MAX_NODES; -EINVAL if none. */
static int parse_node(const char **list)
{
	const char *c = *list;
	int nid = 0;

	if (*c < '0' || *c > '9')
		return -EINVAL;
	for (; *c >= '0' && *c <= '9'; c++) {
		nid = nid * 10 + (*c - '0');
		if (nid >= SHRINK_MAX_NODES)
			nid = SHRINK_MAX_NODES - 1;
	}
	*list = c;
	return nid;
}

int node_list_count(const char *list)
{
	int highest = 0;

	for (;;) {
		int nid = parse_node(&list);

		if (nid >= 0 && *list == '-') {
			list++;
			nid = parse_node(&list);
		}
		if (nid < 0)
			return nid;
		if (nid > highest)
			highest = nid;
		if (*list != ',')
			break;
		list++;
	}
	if (*list == '\n')
		list++;
	return *list ? -EINVAL : highest + 1;
}

static void read_nr_nodes(void)
{
	FILE *file = fopen(NODES_POSSIBLE, "re");
	char line[256];
	int nr;

	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		nr = node_list_count(line);
		if (nr > 0)
			nr_nodes = nr;
	}
	fclose(file);
}

int shrinker_nr_nodes(void)
{
	pthread_once(&once, read_nr_nodes);
	return nr_nodes;
}
