/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listings of directories: a reply is filled until it is full.  Each entry has
 * an offset that READDIR goes on at; kinds number theirs from 2 on, behind "."
 * and "..".
 */
#ifndef POOLFS_FS_REQUEST_LISTING_H
#define POOLFS_FS_REQUEST_LISTING_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pool;

struct dir_reply {
	fuse_req_t req;
	struct pool *pool;
	char *buf;
	size_t size, used; /* bytes */
	bool plus; /* with attributes: READDIRPLUS */
	bool changing; /* set by the kind: the kernel must not keep it */
};

/**
 * dir_add - one entry.
 * @ino: as stat() shows it; 0: the kernel must look it up.
 * @type: S_IF*.
 * @next: the offset that goes on behind it.
 *
 * Return: false: it does not fit, and was not added.
 */
bool dir_add(struct dir_reply *d, const char *name, uint64_t ino, mode_t type,
	     off_t next);

/** dir_add_inode - as dir_add(), for @ino as in inode.h, not a plain file. */
bool dir_add_inode(struct dir_reply *d, const char *name, uint64_t ino,
		   mode_t type, off_t next);

/**
 * dir_add_dots - "." and "..", offsets 1 and 2, if @off is before them.
 * @parent: as stat shows it.
 */
bool dir_add_dots(struct dir_reply *d, uint64_t self, uint64_t parent,
		  off_t off);

/** dir_add_plus - as dir_add(), with what a look-up replies; that counts as one
 * look-up. */
bool dir_add_plus(struct dir_reply *d, const char *name,
		  const struct fuse_entry_param *e, off_t next);

#endif
