/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug view of the registry: list the shrinkers, count and scan one by
 * hand, as in the kernel's debugfs.
 *
 * No state of its own.  A shrinker is named by its id.  Ids are never used
 * again, so the id of a shrinker that was freed is -ENOENT, not another
 * shrinker.
 *
 * Locks: none.  The shrinker looked at is pinned, as in any walk.
 *
 * A scan by hand is reclaim like any other and may run beside it; it neither
 * uses nor changes what passes have deferred.
 */
#include <errno.h>
#include <string.h>

#include "shrinker/registry.h"

/* The caller is the mount's own loop: see shrinker.h. */
static const struct shrink_scope debug_scope = {
	.may_block = true,
	.fs_allowed = false,
	.io_allowed = true,
};

static unsigned long deferred_of(struct shrinker_entry *entry)
{
	unsigned long sum = 0;

	for (int nid = 0; nid < shrinker_entry_nodes(entry); nid++)
		sum = shrinker_add(sum, atomic_load(&entry->deferred[nid]));
	return sum;
}

static void info_of(struct shrinker_entry *entry, struct shrinker_info *info)
{
	*info = (struct shrinker_info){
		.id = entry->id,
		.seeks = entry->shrinker.seeks,
		.batch = entry->shrinker.batch,
		.flags = entry->flags,
		.freed = atomic_load(&entry->freed),
		.scanned = atomic_load(&entry->scanned),
		.deferred = deferred_of(entry),
	};
	memcpy(info->name, entry->name, sizeof(info->name));
}

int shrinker_for_each(int (*fn)(const struct shrinker_info *info, void *arg),
		      void *arg)
{
	struct shrinker_entry *entry;
	struct shrinker_info info;
	int ret;

	for (entry = shrinker_pin_next(NULL); entry;
	     entry = shrinker_pin_next(entry)) {
		info_of(entry, &info);
		ret = fn(&info, arg);
		if (ret) {
			shrinker_unpin(entry);
			return ret;
		}
	}
	return 0;
}

static struct shrinker_entry *pin_by_id(unsigned int id)
{
	struct shrinker_entry *entry = shrinker_pin_next(NULL);

	while (entry && entry->id != id)
		entry = shrinker_pin_next(entry);
	return entry;
}

static bool node_exists(int nid)
{
	return nid >= 0 && nid < shrinker_nr_nodes();
}

int shrinker_debug_count(unsigned int id, int nid, unsigned long *count)
{
	struct shrinker_entry *entry;
	unsigned long nr = 0;

	if (!node_exists(nid))
		return -EINVAL;
	entry = pin_by_id(id);
	if (!entry)
		return -ENOENT;
	if (nid < shrinker_entry_nodes(entry))
		nr = slab_count(entry, nid, &debug_scope);
	shrinker_unpin(entry);
	*count = nr == SHRINK_EMPTY ? 0 : nr;
	return 0;
}

int shrinker_debug_scan(unsigned int id, int nid, unsigned long nr,
			unsigned long *freed)
{
	struct shrinker_entry *entry;
	unsigned long ret, scanned;
	int err = 0;

	if (!node_exists(nid))
		return -EINVAL;
	entry = pin_by_id(id);
	if (!entry)
		return -ENOENT;
	if (nid < shrinker_entry_nodes(entry)) {
		ret = slab_scan(entry, nid, nr, &debug_scope, &scanned);
		*freed = ret == SHRINK_STOP ? 0 : ret;
	} else {
		err = -EINVAL;
	}
	shrinker_unpin(entry);
	return err;
}
