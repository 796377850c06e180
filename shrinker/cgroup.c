/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory cgroup this process is in.
 *
 * What it is for: in a container the limit of the cgroup is reached long
 * before the machine runs out, and MemAvailable does not know of it.
 *
 * States: where cgroups are mounted is found once; which group we are in and
 * its figures are read anew at each call, since both can change.
 *
 * Locks: none; after cgroup_new() nothing is written.
 *
 *	/proc/self/mountinfo     ... BASE MOUNT ... - cgroup2 ...
 *	/proc/self/cgroup        0::PATH
 *
 *	MOUNT + (PATH without BASE)          our group
 *	 ...   one name less each            those above: their limits bind too
 *	MOUNT                                as far as we can see
 */
#include "shrinker/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "shrinker/readfile.h"

/* What version 1 prints for "no limit" is just under 2^63. */
#define NO_LIMIT (UINT64_C(1) << 62)

/* One version's hierarchy with the memory controller. */
struct hierarchy {
	char *mount; /* where, or NULL */
	char *base; /* which group is mounted there */
};

/* The files of one version. */
struct file_names {
	const char *limit[2]; /* the second may be NULL */
	const char *usage;
	const char *inactive; /* key in memory.stat, with the blank behind */
};

static const struct file_names v1_names = {
	.limit = { "memory.limit_in_bytes", NULL },
	.usage = "memory.usage_in_bytes",
	.inactive = "total_inactive_file ",
};

static const struct file_names v2_names = {
	.limit = { "memory.max", "memory.high" },
	.usage = "memory.current",
	.inactive = "inactive_file ",
};

struct cgroup {
	char *root; /* put before every path; "" for the real tree */
	struct hierarchy v1;
	struct hierarchy v2;
};

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	while (list) {
		if (!strncmp(list, name, len) &&
		    (list[len] == ',' || list[len] == '\0'))
			return true;
		list = strchr(list, ',');
		if (list)
			list++;
	}
	return false;
}

/* mountinfo writes blanks and backslashes of a path as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		unsigned int c;

		if (sscanf(text, "\\%3o", &c) == 1 && strlen(text) >= 4) {
			*to++ = c;
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

static int hierarchy_set(struct hierarchy *h, char *base, char *mount)
{
	if (h->mount)
		return 0;
	unescape(base);
	unescape(mount);
	h->base = strdup(strcmp(base, "/") ? base : "");
	h->mount = strdup(mount);
	return h->base && h->mount ? 0 : -ENOMEM;
}

static int parse_mount(struct cgroup *cg, char *line)
{
	char base[PATH_MAX], mount[PATH_MAX], type[32], options[256];
	char *tail = strstr(line, " - ");

	if (!tail ||
	    sscanf(line, "%*s %*s %*s %4095s %4095s", base, mount) != 2 ||
	    sscanf(tail, " - %31s %*s %255s", type, options) != 2)
		return 0;
	if (!strcmp(type, "cgroup2"))
		return hierarchy_set(&cg->v2, base, mount);
	if (!strcmp(type, "cgroup") && list_has(options, "memory"))
		return hierarchy_set(&cg->v1, base, mount);
	return 0;
}

static int find_mounts(struct cgroup *cg)
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", cg->root);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && getline(&line, &size, f) > 0)
		err = parse_mount(cg, line);
	free(line);
	fclose(f);
	if (!err && !cg->v1.mount && !cg->v2.mount)
		err = -ENOENT;
	return err;
}

/* The line of proc/self/cgroup that is about @v2 or about memory. */
static int find_group(const struct cgroup *cg, bool v2, char *buf, size_t size)
{
	char path[PATH_MAX], text[8192];
	char *line, *save = NULL;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", cg->root);
	len = readfile(path, text, sizeof(text));
	if (len < 0)
		return len;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':');
		char *group = names ? strchr(names + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		if (v2 ? names[1] != '\0' : !list_has(names + 1, "memory"))
			continue;
		if (strlen(group) >= size)
			return -ENAMETOOLONG;
		strcpy(buf, group);
		return 0;
	}
	return -ENOENT;
}

/*
 * The directory of our group, and where in it the mount point ends: groups
 * above that are out of sight.
 */
static int group_dir(const struct cgroup *cg, bool v2, char *dir, size_t size,
		     size_t *mount_len)
{
	const struct hierarchy *h = v2 ? &cg->v2 : &cg->v1;
	char group[PATH_MAX];
	const char *below = group;
	size_t base_len;
	int len, err;

	if (!h->mount)
		return -ENOENT;
	err = find_group(cg, v2, group, sizeof(group));
	if (err)
		return err;
	base_len = strlen(h->base);
	if (!strncmp(group, h->base, base_len) &&
	    (group[base_len] == '/' || group[base_len] == '\0'))
		below += base_len;
	else
		below = "";
	/* Outside of our cgroup namespace: "/../x". */
	if (!strcmp(below, "/") || !strncmp(below, "/..", 3))
		below = "";
	len = snprintf(dir, size, "%s%s%s", cg->root, h->mount, below);
	if (len < 0 || (size_t)len >= size)
		return -ENAMETOOLONG;
	*mount_len = strlen(cg->root) + strlen(h->mount);
	return 0;
}

/* A file that holds one number, or "max". */
static int read_number(const char *dir, const char *name, uint64_t *out)
{
	char path[PATH_MAX + 64], text[64];
	char *end;
	uint64_t value;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	len = readfile(path, text, sizeof(text));
	if (len < 0)
		return len;
	if (!strncmp(text, "max", 3)) {
		*out = NO_LIMIT;
		return 0;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || text[0] == '-')
		return -EINVAL;
	*out = value;
	return 0;
}

static uint64_t read_stat(const char *dir, const char *key)
{
	char path[PATH_MAX + 64], text[16384];
	const char *at;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	if (readfile(path, text, sizeof(text)) < 0)
		return 0;
	for (at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, strlen(key)))
			return strtoull(at + strlen(key), NULL, 10);
	}
	return 0;
}

static uint64_t read_limit(const char *dir, const struct file_names *names)
{
	uint64_t limit = NO_LIMIT, value;

	for (int i = 0; i < 2; i++)
		if (names->limit[i] &&
		    !read_number(dir, names->limit[i], &value) && value < limit)
			limit = value;
	return limit;
}

/* Lower @mem by what one group leaves. */
static void apply_group(const char *dir, const struct file_names *names,
			struct cgroup_memory *mem)
{
	uint64_t limit = read_limit(dir, names);
	uint64_t usage, left;

	if (limit >= NO_LIMIT || read_number(dir, names->usage, &usage))
		return;
	left = usage < limit ? limit - usage : 0;
	left += read_stat(dir, names->inactive);
	if (left > limit)
		left = limit;
	if (limit < mem->limit)
		mem->limit = limit;
	if (left < mem->available)
		mem->available = left;
}

static int apply_hierarchy(const struct cgroup *cg, bool v2,
			   struct cgroup_memory *mem)
{
	char dir[PATH_MAX];
	size_t mount_len;
	int err = group_dir(cg, v2, dir, sizeof(dir), &mount_len);

	if (err)
		return err;
	for (;;) {
		apply_group(dir, v2 ? &v2_names : &v1_names, mem);
		if (strlen(dir) <= mount_len)
			return 0;
		*strrchr(dir, '/') = '\0';
	}
}

static void each_limit(const struct cgroup *cg, bool v2,
		       void (*fn)(void *arg, const struct cgroup_limit *limit),
		       void *arg)
{
	const struct file_names *names = v2 ? &v2_names : &v1_names;
	char dir[PATH_MAX], usage[PATH_MAX + 64];
	struct cgroup_limit found = { .dir = dir,
				      .usage = usage,
				      .version = v2 ? 2 : 1 };
	size_t mount_len;

	if (group_dir(cg, v2, dir, sizeof(dir), &mount_len))
		return;
	for (;;) {
		found.limit = read_limit(dir, names);
		snprintf(usage, sizeof(usage), "%s/%s", dir, names->usage);
		if (found.limit < NO_LIMIT)
			fn(arg, &found);
		if (strlen(dir) <= mount_len)
			return;
		*strrchr(dir, '/') = '\0';
	}
}

void cgroup_each_limit(const struct cgroup *cg,
		       void (*fn)(void *arg, const struct cgroup_limit *limit),
		       void *arg)
{
	each_limit(cg, false, fn, arg);
	each_limit(cg, true, fn, arg);
}

/* Memory of this size can be swapped out by the machine. */
static uint64_t swap_free(void)
{
	struct sysinfo si;

	return sysinfo(&si) < 0 ? 0 : (uint64_t)si.freeswap * si.mem_unit;
}

/* What the group may still have in swap. */
static uint64_t swap_left(const char *dir, int version, uint64_t left)
{
	const char *limit_name = version == 2 ? "memory.swap.max"
					      : "memory.memsw.limit_in_bytes";
	const char *usage_name = version == 2 ? "memory.swap.current"
					      : "memory.memsw.usage_in_bytes";
	uint64_t limit, usage, most = swap_free();

	if (!most || read_number(dir, limit_name, &limit) ||
	    read_number(dir, usage_name, &usage))
		return most;
	usage = usage < limit ? limit - usage : 0;
	/* That of version 1 is of memory and swap together. */
	if (version == 1)
		usage -= left < usage ? left : usage;
	return usage < most ? usage : most;
}

uint64_t cgroup_spare(const char *dir, int version, uint64_t left)
{
	const struct file_names *names = version == 2 ? &v2_names : &v1_names;

	return read_stat(dir, names->inactive) + swap_left(dir, version, left);
}

struct cgroup *cgroup_new(const char *root)
{
	struct cgroup *cg = calloc(1, sizeof(*cg));
	int err;

	if (!cg)
		return NULL;
	cg->root = strdup(root ? root : "");
	err = cg->root ? find_mounts(cg) : -ENOMEM;
	if (err) {
		cgroup_free(cg);
		errno = -err;
		return NULL;
	}
	return cg;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	free(cg->v1.mount);
	free(cg->v1.base);
	free(cg->v2.mount);
	free(cg->v2.base);
	free(cg->root);
	free(cg);
}

int cgroup_memory(const struct cgroup *cg, struct cgroup_memory *out)
{
	struct cgroup_memory mem = { NO_LIMIT, NO_LIMIT };
	int err1 = apply_hierarchy(cg, false, &mem);
	int err2 = apply_hierarchy(cg, true, &mem);

	if (err1 && err2)
		return err2;
	if (mem.limit == NO_LIMIT)
		return -ENODATA;
	*out = mem;
	return 0;
}

int cgroup_pressure_path(const struct cgroup *cg, char *buf, size_t size)
{
	char dir[PATH_MAX], type[PATH_MAX + 64];
	size_t mount_len;
	int err = group_dir(cg, true, dir, sizeof(dir), &mount_len);

	if (err)
		return err;
	/*
	 * Only the real root group lacks this file; a container's "/" has it.
	 */
	snprintf(type, sizeof(type), "%s/cgroup.type", dir);
	if (access(type, F_OK))
		return -ENOENT;
	if (strlen(dir) + sizeof("/memory.pressure") > size)
		return -ENAMETOOLONG;
	sprintf(buf, "%s/memory.pressure", dir);
	return 0;
}
