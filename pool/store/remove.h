/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing trees of any depth. */
#ifndef POOLFS_POOL_REMOVE_H
#define POOLFS_POOL_REMOVE_H

/**
 * remove_tree - remove @name in @dirfd, and all that is in it.  It takes three
 * descriptors and no memory, however deep the tree is.
 * Return: 0 or -errno.
 */
int remove_tree(int dirfd, const char *name);

/** remove_content - the same for all names in the directory @dirfd but @keep,
 * which may be NULL. */
int remove_content(int dirfd, const char *keep);

#endif
