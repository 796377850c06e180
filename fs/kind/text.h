/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files whose text is made when they are opened. */
#ifndef POOLFS_FS_KIND_TEXT_H
#define POOLFS_FS_KIND_TEXT_H

#include "fs/request/call.h"

/**
 * render_text - of a file that text_ops or config_ops serve.
 * Return: from malloc(), or NULL and *@err.
 */
char *render_text(struct worker *w, uint64_t ino, uid_t uid, int *err);

/**
 * text_open_as - open a file that reads as @text, and reply.
 * @text: NULL: nothing to read.
 * @err: if not 0, the reply.
 */
void text_open_as(struct call *c, const char *text, int err,
		  struct fuse_file_info *fi);
void text_read(struct call *c, size_t size, off_t off,
	       struct fuse_file_info *fi);

/* setattr of a file that only writes change: a shell's > truncates it first. */
int text_setattr_writable(struct call *c, const struct stat *st, int to_set);

#endif
