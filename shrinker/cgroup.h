/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory cgroup this process is in, version 1 or 2: its limit, what is
 * left of it, and its pressure file.
 */
#ifndef POOLFS_SHRINKER_CGROUP_H
#define POOLFS_SHRINKER_CGROUP_H

#include <stddef.h>
#include <stdint.h>

struct cgroup;

/* Bytes. */
struct cgroup_memory {
	uint64_t limit; /* the tightest, of this group and those above */
	uint64_t available; /* of it: limit - usage + inactive file cache */
};

/**
 * cgroup_new - find where cgroups are mounted.
 * @root: directory to take for "/", NULL for the real one (tests give one).
 * Return: it, or NULL with errno ENOENT (no cgroup is mounted) or ENOMEM or
 * what reading proc/self/mountinfo says.
 */
struct cgroup *cgroup_new(const char *root);
void cgroup_free(struct cgroup *cg); /* NULL is fine */

/**
 * cgroup_memory - what the limits leave; the process may have been moved or
 * the limits changed since the last call.
 * Return: 0; -ENODATA when no limit is set; what reading says.
 */
int cgroup_memory(const struct cgroup *cg, struct cgroup_memory *out);

/* A group that has a limit: ours, or one above it. */
struct cgroup_limit {
	uint64_t limit; /* bytes */
	const char *dir;
	const char *usage; /* the path of the file that has it */
	int version; /* 1 or 2 */
};

/**
 * cgroup_each_limit - call @fn for each of them.  The strings are gone after
 * the call.
 */
void cgroup_each_limit(const struct cgroup *cg,
		       void (*fn)(void *arg, const struct cgroup_limit *limit),
		       void *arg);

/**
 * cgroup_spare - bytes that the kernel could make room for in a group: by
 * dropping file cache, and by swapping.
 * @left: what the limit leaves.
 */
uint64_t cgroup_spare(const char *dir, int version, uint64_t left);

/**
 * cgroup_pressure_path - memory.pressure of the version 2 group we are in.
 * Return: 0; -ENOENT when there is none or it is the root group, whose
 * pressure is the machine's; -ENAMETOOLONG.
 */
int cgroup_pressure_path(const struct cgroup *cg, char *buf, size_t size);

#endif
