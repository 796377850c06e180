/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies to READDIR: see listing.h. */
#include "fs/request/listing.h"

#include "fs/request/inode.h"

bool dir_add(struct dir_reply *d, const char *name, uint64_t ino, mode_t type,
	     off_t next)
{
	struct fuse_entry_param e = { .attr = { .st_ino = ino,
						.st_mode = type } };
	size_t need;

	/* Without an inode number, the kernel takes the name alone. */
	if (d->plus)
		return dir_add_plus(d, name, &e, next);
	need = fuse_add_direntry(d->req, d->buf + d->used, d->size - d->used,
				 name, &e.attr, next);
	if (need > d->size - d->used)
		return false;
	d->used += need;
	return true;
}

bool dir_add_plus(struct dir_reply *d, const char *name,
		  const struct fuse_entry_param *e, off_t next)
{
	size_t need = fuse_add_direntry_plus(d->req, d->buf + d->used,
					     d->size - d->used, name, e, next);

	if (need > d->size - d->used)
		return false;
	d->used += need;
	return true;
}

bool dir_add_inode(struct dir_reply *d, const char *name, uint64_t ino,
		   mode_t type, off_t next)
{
	return dir_add(d, name, inode_shown(d->pool, ino), type, next);
}

bool dir_add_dots(struct dir_reply *d, uint64_t self, uint64_t parent,
		  off_t off)
{
	if (off < 1 && !dir_add_inode(d, ".", self, S_IFDIR, 1))
		return false;
	return off >= 2 || dir_add(d, "..", parent, S_IFDIR, 2);
}
