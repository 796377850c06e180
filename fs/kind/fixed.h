/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories that are always there, and names in the root that are not plain.
 */
#ifndef POOLFS_FS_KIND_FIXED_H
#define POOLFS_FS_KIND_FIXED_H

#include "fs/request/call.h"

/** fixed_root_find - the inode of @name.  Return: 0 or -ENOENT. */
int fixed_root_find(const char *name, uint64_t *child);

/**
 * fixed_root_entry - the @i-th of them, from 0.  Return: false: there is none.
 */
bool fixed_root_entry(unsigned int i, const char **name, uint64_t *ino);

/** owner_stat - of an inode that belongs to the mount's owner. */
void owner_stat(struct call *c, struct stat *st, mode_t mode);

#endif
