/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * .pool/shrinker/: one directory for each shrinker, with count and scan, as in
 * the kernel's debugfs.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/kind/text.h"
#include "fs/request/listing.h"
#include "shrinker/shrinker.h"

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

static int shrinker_add(const struct shrinker_info *info, void *arg)
{
	++*(nlink_t *)arg;
	return 0;
}

static int shrinkers_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFDIR | 0755);
	shrinker_for_each(shrinker_add, &st->st_nlink);
	return 0;
}

static int shrinkers_lookup(struct call *c, const char *name, uint64_t *child)
{
	struct shrinker_search s = { .name = name };

	if (!shrinker_for_each(shrinker_match_name, &s))
		return -ENOENT;
	*child = inode_number(INODE_SHRINKER, s.id);
	return 0;
}

static int shrinker_list(const struct shrinker_info *info, void *arg)
{
	struct shrinker_search *s = arg;
	char name[96];

	if (info->id + 3ll <= s->off)
		return 0;
	shrinker_dir_name(info, name, sizeof(name));
	return !dir_add_inode(s->d, name,
			      inode_number(INODE_SHRINKER, info->id), S_IFDIR,
			      info->id + 3);
}

static void shrinkers_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	struct shrinker_search s = { .d = d, .off = off };

	shrinker_for_each(shrinker_list, &s);
}

const struct inode_ops shrinkers_ops = {
	.getattr = shrinkers_getattr,
	.lookup = shrinkers_lookup,
	.readdir = shrinkers_readdir,
};

static int shrinker_getattr(struct call *c, struct stat *st)
{
	struct shrinker_search s = { .id = c->index };

	if (!shrinker_for_each(shrinker_match_id, &s))
		return -ENOENT;
	owner_stat(c, st, S_IFDIR | 0755);
	return 0;
}

static int shrinker_lookup(struct call *c, const char *name, uint64_t *child)
{
	if (!strcmp(name, "count"))
		*child = inode_number(INODE_SHRINKER_COUNT, c->index);
	else if (!strcmp(name, "scan"))
		*child = inode_number(INODE_SHRINKER_SCAN, c->index);
	else
		return -ENOENT;
	return 0;
}

static void shrinker_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	if (off < 3 &&
	    !dir_add_inode(d, "count",
			   inode_number(INODE_SHRINKER_COUNT, c->index),
			   S_IFREG, 3))
		return;
	if (off < 4)
		dir_add_inode(d, "scan",
			      inode_number(INODE_SHRINKER_SCAN, c->index),
			      S_IFREG, 4);
}

const struct inode_ops shrinker_ops = {
	.getattr = shrinker_getattr,
	.lookup = shrinker_lookup,
	.readdir = shrinker_readdir,
};

/* --- scan --- */

static int scan_getattr(struct call *c, struct stat *st)
{
	owner_stat(c, st, S_IFREG | 0200);
	return 0;
}

static void scan_open(struct call *c, struct fuse_file_info *fi)
{
	int err = (fi->flags & O_ACCMODE) == O_WRONLY ? 0 : -EACCES;

	text_open_as(c, NULL, err, fi);
}

/* Blanks, then a decimal number without sign. */
static int scan_number(const char **text, unsigned long max, unsigned long *out)
{
	unsigned long n;
	char *end;

	while (isspace((unsigned char)**text))
		++*text;
	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	errno = 0;
	n = strtoul(*text, &end, 10);
	if (errno || n > max || (*end && !isspace((unsigned char)*end)))
		return -EINVAL;
	*text = end;
	*out = n;
	return 0;
}

/* "GROUP NODE NR", as the kernel's debugfs takes it; there is one group, 0. */
static int scan_parse(const char *buf, size_t size, int *nid, unsigned long *nr)
{
	unsigned long group, node;
	char line[96];
	const char *text = line;

	if (size >= sizeof(line))
		return -EINVAL;
	memcpy(line, buf, size);
	line[size] = 0;
	if (scan_number(&text, 0, &group) ||
	    scan_number(&text, INT_MAX, &node) ||
	    scan_number(&text, ULONG_MAX, nr))
		return -EINVAL;
	while (isspace((unsigned char)*text))
		text++;
	*nid = node;
	/* Not before the end: a NUL may be among the bytes. */
	return text == line + size ? 0 : -EINVAL;
}

static void scan_write(struct call *c, const void *buf, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	unsigned long nr, freed;
	int nid;
	int err = scan_parse(buf, size, &nid, &nr);

	if (!err)
		err = shrinker_debug_scan(c->index, nid, nr, &freed);
	if (err)
		fuse_reply_err(c->req, -err);
	else
		/* After this write its caller finds zeros where ranges were
		 * purged. */
		notify_then_write(c->w, c->req, size);
}

const struct inode_ops scan_ops = {
	.getattr = scan_getattr,
	.setattr = text_setattr_writable,
	.open = scan_open,
	.write = scan_write,
};
