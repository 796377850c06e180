/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directories that are always there: box/, .pool/ and .pool/shrinker/ with
 * a directory a shrinker.
 */
#include <errno.h>
#include <string.h>

#include "fs/ops/ops.h"

struct fixed_entry {
	const char *name;
	enum node_fixed fixed;
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
			*child = node_number(NODE_FIXED, e->fixed);
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
		    !dir_add(d, e->name, node_number(NODE_FIXED, e->fixed),
			     e->type, i + 1))
			return;
}

static int fixed_dir_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFDIR | 0755);
	return 0;
}

/* --- what the root has besides plain files --- */

int fixed_root_find(const char *name, uint64_t *child)
{
	return fixed_find(root_entries, name, child);
}

bool fixed_root_entry(unsigned int i, const char **name, uint64_t *node)
{
	if (i >= sizeof(root_entries) / sizeof(root_entries[0]) - 1)
		return false;
	*name = root_entries[i].name;
	*node = node_number(NODE_FIXED, root_entries[i].fixed);
	return true;
}

/* --- box/ --- */

/* As /tmp: everybody may make a box, only its owner may remove it. */
static int boxes_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFDIR | 01777);
	return 0;
}

static int boxes_lookup(struct call *c, const char *name, uint64_t *child)
{
	struct box *box = box_by_name(c->w->pool, name);

	if (!box)
		return strlen(name) > BOX_NAME_MAX ? -ENAMETOOLONG : -ENOENT;
	*child = node_of_box(box, BOX_DIR);
	return 0;
}

static void boxes_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	uint64_t serial = off - 2;
	struct box *box;

	while ((box = box_next(c->w->pool, serial))) {
		serial = box_serial(box);
		if (!dir_add(d, box_name(box), node_of_box(box, BOX_DIR),
			     S_IFDIR, serial + 2))
			return;
	}
}

static int boxes_mkdir(struct call *c, const char *name, mode_t mode,
		       uint64_t *child)
{
	struct box *box;
	int err = box_create(c->w->pool, name, mode & ~c->ctx->umask,
			     c->ctx->uid, c->ctx->gid, &box);

	if (!err)
		*child = node_of_box(box, BOX_DIR);
	return err;
}

static int boxes_rmdir(struct call *c, const char *name)
{
	return box_remove(c->w->pool, name);
}

const struct node_ops fixed_boxes_ops = {
	.getattr = boxes_getattr,
	.lookup = boxes_lookup,
	.readdir = boxes_readdir,
	.mkdir = boxes_mkdir,
	.rmdir = boxes_rmdir,
};

/* --- .pool/ --- */

static int control_lookup(struct call *c, const char *name, uint64_t *child)
{
	return fixed_find(control_entries, name, child);
}

static void control_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	fixed_list(control_entries, d, off);
}

const struct node_ops fixed_control_ops = {
	.getattr = fixed_dir_getattr,
	.lookup = control_lookup,
	.readdir = control_readdir,
};

/* --- .pool/shrinker/NAME-ID/ --- */

struct shrinker_search {
	struct dir_reply *d;
	const char *name;
	off_t off;
	uint64_t id;
};

static void shrinker_dir_name(const struct shrinker_info *info, char *buf,
			      size_t size)
{
	snprintf(buf, size, "%s-%u", info->name, info->id);
}

static int shrinker_match_name(const struct shrinker_info *info, void *arg)
{
	struct shrinker_search *s = arg;
	char name[96];

	shrinker_dir_name(info, name, sizeof(name));
	s->id = info->id;
	return !strcmp(name, s->name);
}

static int shrinker_match_id(const struct shrinker_info *info, void *arg)
{
	return info->id == ((struct shrinker_search *)arg)->id;
}

static int shrinkers_lookup(struct call *c, const char *name, uint64_t *child)
{
	struct shrinker_search s = { .name = name };

	if (!shrinker_for_each(shrinker_match_name, &s))
		return -ENOENT;
	*child = node_number(NODE_SHRINKER, s.id);
	return 0;
}

static int shrinker_list(const struct shrinker_info *info, void *arg)
{
	struct shrinker_search *s = arg;
	char name[96];

	if (info->id + 3ll <= s->off)
		return 0;
	shrinker_dir_name(info, name, sizeof(name));
	return !dir_add(s->d, name, node_number(NODE_SHRINKER, info->id),
			S_IFDIR, info->id + 3);
}

static void shrinkers_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	struct shrinker_search s = { .d = d, .off = off };

	shrinker_for_each(shrinker_list, &s);
}

const struct node_ops fixed_shrinkers_ops = {
	.getattr = fixed_dir_getattr,
	.lookup = shrinkers_lookup,
	.readdir = shrinkers_readdir,
};

static int shrinker_getattr(struct call *c, struct stat *st)
{
	struct shrinker_search s = { .id = c->index };

	if (!shrinker_for_each(shrinker_match_id, &s))
		return -ENOENT;
	return fixed_dir_getattr(c, st);
}

static int shrinker_lookup(struct call *c, const char *name, uint64_t *child)
{
	if (!strcmp(name, "count"))
		*child = node_number(NODE_SHRINKER_COUNT, c->index);
	else if (!strcmp(name, "scan"))
		*child = node_number(NODE_SHRINKER_SCAN, c->index);
	else
		return -ENOENT;
	return 0;
}

static void shrinker_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	if (off < 3 &&
	    !dir_add(d, "count", node_number(NODE_SHRINKER_COUNT, c->index),
		     S_IFREG, 3))
		return;
	if (off < 4)
		dir_add(d, "scan", node_number(NODE_SHRINKER_SCAN, c->index),
			S_IFREG, 4);
}

const struct node_ops shrinker_ops = {
	.getattr = shrinker_getattr,
	.lookup = shrinker_lookup,
	.readdir = shrinker_readdir,
};
