/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of pool/tree/ share. */
#ifndef POOLFS_POOL_TREE_PRIV_H
#define POOLFS_POOL_TREE_PRIV_H

#include "pool/tree/tree.h"
#include "pool/volatile/volatile_priv.h"

/* tree_name.c */
/*
 * pool_make_room() for a name, to be called at the end of an operation that
 * will be tried again as a whole: volatile files may be purged.
 */
bool tree_make_room(struct pool *pool);
/*
 * Moves the file at @p, of inode @victim, to orphan/; a directory that is deep
 * is removed.  Return: 0 or -errno; -EINPROGRESS as tree_dir_is_empty().
 */
int tree_to_orphan(struct pool *pool, const struct inode_path *p,
		   uint32_t victim);
/*
 * The directory at @p, of inode @victim, is about to be in no place at all: makes
 * the file in orphan/ that stands for it.  Return: 0 or -errno.
 */
int tree_make_stand_in(struct pool *pool, const struct inode_path *p,
		       uint32_t victim);
/* What its record's flags become: it was moved to orphan/, or such a file is
 * there. */
uint32_t tree_flags_removed(struct pool *pool, uint32_t victim);
/*
 * Is the directory @dir, at @p, empty?  Removes names of purged files, which do
 * not count.  Return: 0; -ENOTEMPTY; -EINPROGRESS: some are removed, and there
 * are more.
 */
int tree_dir_is_empty(struct pool *pool, const struct inode_path *p,
		      uint32_t dir);
/* The inode's file has lost a name, and not the one in its record. */
void tree_lost_a_name(struct pool *pool, uint32_t inode);

/* tree_flags.c */
/*
 * As may_open() of the kernel: nobody may write an immutable file, or an
 * append-only one but at its end.  @flags: of open(2).  Return: 0 or -errno;
 * -EPERM.
 */
int guard_may_open(struct pool *pool, uint32_t inode, int flags);
/* May it be appended to, and not else be written? */
bool guard_appends(struct pool *pool, uint32_t inode);

/* tree_open.c */
/* Is the content of open files the kernel's business (passthrough mode)? */
bool tree_has_passthrough(const struct pool *pool);
/* pool_ops.backing_open(), in passthrough mode.  Return: the id, or -errno. */
int tree_register(struct pool *pool, int fd);
/* See tree_opened.setid. */
bool open_is_setid(int32_t backing, int flags, mode_t mode);

#endif
