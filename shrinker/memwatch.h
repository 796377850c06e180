/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory is left to this process: what the machine has, or what the
 * limit of its cgroup leaves, whichever is less.
 */
#ifndef POOLFS_SHRINKER_MEMWATCH_H
#define POOLFS_SHRINKER_MEMWATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shrinker/cgroup.h"
#include "shrinker/meminfo.h"

struct memwatch {
	char *path; /* of meminfo */
	struct cgroup *cg; /* NULL when there is none */
	struct meminfo mem; /* as of the last look; all 0 before */
	bool limited; /* by the cgroup */
	int err; /* errno of the last look, or 0 */
};

/**
 * memwatch_init - nothing is read yet.
 * @meminfo_path: NULL for /proc/meminfo.
 * @cgroup_root: as in cgroup_new().
 * Return: 0, -ENOMEM.
 */
int memwatch_init(struct memwatch *w, const char *meminfo_path,
		  const char *cgroup_root);
void memwatch_release(struct memwatch *w); /* zeroed is fine */

/**
 * memwatch_look - read it all; on failure w->mem stays and w->err says why.
 * Without a readable meminfo the cgroup alone is enough, if it has a limit.
 */
void memwatch_look(struct memwatch *w);

#endif
