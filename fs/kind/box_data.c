/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data: the region of a box.  In passthrough mode readers map the store's own
 * pages; in cached mode they read the kernel's copies.
 *
 * The owner may open it for writing, to resize it, but every write is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/kind/box.h"
#include "fs/kind/kind.h"
#include "fs/request/backing.h"

/* The id under which the kernel knows the region's file. */
static int data_backing(struct worker *w, struct box *box, int32_t *id)
{
	struct region *region;
	int fd, err;

	*id = box_backing(box);
	if (*id > 0)
		return 0;
	err = box_region(w->pool, box, &region);
	if (err)
		return err;
	fd = region_fd(region);
	if (fd < 0)
		return fd;
	*id = backing_open(w, fd);
	region_fd_done(region, fd);
	if (*id < 0)
		return *id;
	box_set_backing(box, *id);
	return 0;
}

static void data_open(struct call *c, struct fuse_file_info *fi)
{
	struct worker *w = c->w;
	struct box *box = box_by_serial(w->pool, c->index);
	uint32_t handle, flags = 0;
	int32_t backing = 0;
	int err;

	if (!box) {
		fuse_reply_err(c->req, ENOENT);
		return;
	}
	/* A mapping of an O_RDWR file could be written to. */
	if ((fi->flags & O_ACCMODE) == O_RDWR || (fi->flags & O_TRUNC)) {
		fuse_reply_err(c->req, EPERM);
		return;
	}
	err = w->mode == MODE_PASSTHROUGH ? data_backing(w, box, &backing) : 0;
	if (!err)
		err = open_handle(c, HANDLE_DATA, box, 0, &handle);
	if (err) {
		fuse_reply_err(c->req, -err);
		return;
	}
	if (w->mode == MODE_PASSTHROUGH)
		flags = WIRE_PASSTHROUGH;
	else
		flags = WIRE_KEEP_CACHE;
	/* So that writes are sent to the worker, and refused. */
	if ((fi->flags & O_ACCMODE) == O_WRONLY)
		flags |= WIRE_DIRECT_IO;
	reply_open(c, handle, flags | WIRE_NOFLUSH, backing);
}

/* Cached mode only: the kernel may keep a copy of all that it reads. */
static void data_read(struct call *c, size_t size, off_t off,
		      struct fuse_file_info *fi)
{
	struct box *box = box_by_serial(c->w->pool, c->index);
	uint64_t page = sysconf(_SC_PAGESIZE), total;
	struct region *region;
	void *buf;
	int err;

	if (!box) {
		fuse_reply_err(c->req, ENOENT);
		return;
	}
	total = box_size(box);
	if ((uint64_t)off >= total) {
		fuse_reply_buf(c->req, NULL, 0);
		return;
	}
	if (size > total - off)
		size = total - off;
	err = box_region(c->w->pool, box, &region);
	buf = err ? NULL : malloc(size);
	if (buf) {
		region_set_cached(region, off / page,
				  (off + size - 1) / page - off / page + 1);
		err = region_read(region, off, buf, size);
	} else if (!err) {
		err = -ENOMEM;
	}
	if (err)
		fuse_reply_err(c->req, -err);
	else
		fuse_reply_buf(c->req, buf, size);
	free(buf);
}

static void data_release(struct call *c, struct fuse_file_info *fi)
{
	struct box *box;

	/* A RELEASE that was carried out before and comes again: the open files
	 * that are left are others. */
	if (handle_lookup(c->w->pool, fi->fh, &box) != HANDLE_DATA)
		return;
	/* The last one.  Its mappings, if any, keep the file themselves. */
	if (box_backing(box) > 0 && box_inode_opens(box, BOX_DATA) == 1) {
		backing_close(c->w, box_backing(box));
		box_set_backing(box, 0);
	}
}

const struct inode_ops box_data_ops = {
	.getattr = box_inode_getattr,
	.setattr = box_inode_setattr,
	.open = data_open,
	.read = data_read,
	.release = data_release,
};
