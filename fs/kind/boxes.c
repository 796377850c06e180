/* SPDX-License-Identifier: GPL-2.0-or-later */
/* box/: one directory for each box, which mkdir makes and rmdir removes. */
#include <errno.h>
#include <string.h>

#include "fs/kind/fixed.h"
#include "fs/kind/kind.h"
#include "fs/request/listing.h"
#include "fs/request/offset.h"

/* As /tmp: any user may make a box, only its owner may remove it. */
static int boxes_getattr(struct call *c, struct stat *st)
{
	struct boxes_stat bs;

	owner_stat(c, st, S_IFDIR | 01777);
	boxes_stat(c->w->pool, &bs);
	st->st_nlink += bs.boxes;
	return 0;
}

static int boxes_lookup(struct call *c, const char *name, uint64_t *child)
{
	struct box *box = box_by_name(c->w->pool, name);

	if (!box)
		return strlen(name) > BOX_NAME_MAX ? -ENAMETOOLONG : -ENOENT;
	*child = inode_of_box(box, BOX_DIR);
	return 0;
}

static void boxes_readdir(struct call *c, struct dir_reply *d, off_t off)
{
	struct box *box = box_next(c->w->pool, 0);
	uint64_t oldest = box ? box_serial(box) : 1;
	uint64_t serial = offset_id(off, oldest);

	while ((box = box_next(c->w->pool, serial))) {
		serial = box_serial(box);
		if (!dir_add_inode(d, box_name(box), inode_of_box(box, BOX_DIR),
				   S_IFDIR, offset_of_id(serial, oldest)))
			return;
	}
}

static int boxes_mkdir(struct call *c, const char *name, mode_t mode,
		       uint64_t *child)
{
	struct box *box;
	int err = box_create(c->w->pool, &c->op, name, mode & ~c->op.umask,
			     &box);

	if (!err)
		*child = inode_of_box(box, BOX_DIR);
	return err;
}

static int boxes_rmdir(struct call *c, const char *name)
{
	return box_remove(c->w->pool, &c->op, name);
}

const struct inode_ops boxes_ops = {
	.getattr = boxes_getattr,
	.lookup = boxes_lookup,
	.readdir = boxes_readdir,
	.mkdir = boxes_mkdir,
	.rmdir = boxes_rmdir,
};
