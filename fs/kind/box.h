/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations that the inodes of a box share. */
#ifndef POOLFS_FS_KIND_BOX_H
#define POOLFS_FS_KIND_BOX_H

#include "fs/request/call.h"

/* Of any inode of a box, from the box's record. */
int box_inode_getattr(struct call *c, struct stat *st);
int box_inode_setattr(struct call *c, const struct stat *st, int to_set);

/**
 * box_tx_changed - a transaction was queued in @box: the kernel's listing of
 * tx/ is old.
 */
void box_tx_changed(struct worker *w, struct box *box);

/**
 * box_followers - inodes whose attributes are those of inode @ino of a box, and
 * which the kernel may have from before: the files of tx/.
 * @next: 0 at first; where to go on.
 * @out, @max: at most so many.
 *
 * Return: how many; fewer than @max: these were the last.
 */
size_t box_followers(struct worker *w, uint64_t ino, uint64_t *next,
		     uint64_t *out, size_t max);

/**
 * send_write_fast - handle a WRITE to send without libfuse, if that takes
 * neither waiting nor an error.
 * @buf, @len: the whole request.
 *
 * Return: true: answered; false: nothing has changed.
 */
bool send_write_fast(struct worker *w, const void *buf, size_t len);

#endif
