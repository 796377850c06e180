/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names that are always there: what the root has besides plain files, and
 * .pool/.
 */
#include "fs/kind/fixed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/kind/kind.h"
#include "fs/request/listing.h"

struct fixed_entry {
	const char *name;
	enum inode_fixed fixed;
	mode_t type;
};

static const struct fixed_entry root_entries[] = {
	{ "box", FIXED_BOXES, S_IFDIR },
	{ ".pool", FIXED_CONTROL, S_IFDIR },
	{ 0 },
};

static const struct fixed_entry control_entries[] = {
	{ "stats", FIXED_STATS, S_IFREG },
	{ "metrics", FIXED_METRICS, S_IFREG },
	{ "pressure", FIXED_PRESSURE, S_IFREG },
	{ "config", FIXED_CONFIG, S_IFREG },
	{ "events", FIXED_EVENTS, S_IFREG },
	{ "shrinker", FIXED_SHRINKERS, S_IFDIR },
	{ 0 },
};

static int fixed_find(const struct fixed_entry *e, const char *name,
		      uint64_t *child)
{
	for (; e->name; e++) {
		if (!strcmp(e->name, name)) {
			*child = inode_number(INODE_FIXED, e->fixed);
			return 0;
		}
	}
	return -ENOENT;
}

static void fixed_list(const struct fixed_entry *e, struct dir_reply *d,
		       off_t off)
{
	for (off_t i = 2; e->name; e++, i++)
		if (i >= off &&
		    !dir_add_inode(d, e->name,
				   inode_number(INODE_FIXED, e->fixed), e->type,
				   i + 1))
			return;
}

void owner_stat(struct call *c, struct stat *st, mode_t mode)
{
	st->st_mode = mode;
	st->st_nlink = S_ISDIR(mode) ? 2 : 1;
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_mtim = st->st_ctim = st->st_atim = c->w->started;
}

/* --- what the root has besides plain files --- */

int fixed_root_find(const char *name, uint64_t *child)
{
	return fixed_find(root_entries, name, child);
}

bool fixed_root_entry(unsigned int i, const char **name, uint64_t *ino)
{
	if (i >= sizeof(root_entries) / sizeof(root_entries[0]) - 1)
		return false;
	*name = root_entries[i].name;
	*ino = inode_number(INODE_FIXED, root_entries[i].fixed);
	return true;
}

/* --- .pool/ --- */

static int control_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFDIR | 0755);
	st->st_nlink++; /* shrinker/ */
	return 0;
}

static int control_lookup(struct call *c, const char *name, uint64_t *child)
{
	return fixed_find(control_entries, name, child);
}

static void control_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	fixed_list(control_entries, d, off);
}

const struct inode_ops control_ops = {
	.getattr = control_getattr,
	.lookup = control_lookup,
	.readdir = control_readdir,
};
