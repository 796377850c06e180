/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory is left to this process.
 *
 * What it is for: to tell how close the process is to the end of its memory.
 *
 * States: what the last look found.
 *
 * Locks: none; each memwatch belongs to one thread.
 *
 * Reclaim meanwhile: nothing here is shared with it.
 */
#include "shrinker/memwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int memwatch_init(struct memwatch *w, const char *meminfo_path,
		  const char *cgroup_root)
{
	memset(w, 0, sizeof(*w));
	w->path = strdup(meminfo_path ? meminfo_path : "/proc/meminfo");
	if (!w->path)
		return -ENOMEM;
	w->cg = cgroup_new(cgroup_root);
	return 0;
}

void memwatch_release(struct memwatch *w)
{
	free(w->path);
	cgroup_free(w->cg);
	memset(w, 0, sizeof(*w));
}

void memwatch_look(struct memwatch *w)
{
	struct cgroup_memory group;
	struct meminfo mem;
	int err = meminfo_read(w->path, &mem);
	bool limited = w->cg && !cgroup_memory(w->cg, &group);

	w->err = limited ? 0 : -err;
	if (err && !limited)
		return;
	if (err)
		mem = (struct meminfo){ group.limit, group.available };
	w->limited = limited && group.limit < mem.total;
	if (w->limited)
		mem.total = group.limit;
	if (limited && group.available < mem.available)
		mem.available = group.available;
	if (mem.available > mem.total)
		mem.available = mem.total;
	w->mem = mem;
}
