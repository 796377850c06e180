/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: the operations on modes, times and extended attributes.
 */
#ifndef POOLFS_FSMODEL_ATTRS_H
#define POOLFS_FSMODEL_ATTRS_H

#include "tests/tools/fsmodel_parts/names.h"

#include <sys/xattr.h>

bool op_chmod(void);

bool op_fchmod(void);

bool op_utimens(void);

extern bool no_xattrs;

bool op_setxattr(void);

void compare_xattr(const struct node *n, int fd, int i);

bool op_getxattr(void);

bool op_removexattr(void);

bool op_listxattr(void);

#endif
