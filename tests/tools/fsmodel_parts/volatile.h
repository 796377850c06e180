/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: volatile files and directories.  A file that is volatile may be gone,
 * with all its names and as a whole, whenever nobody has it open or mapped.  So
 * the model holds each open, lets go of one now and then for a moment, and sees
 * what has become of it.
 */
#ifndef POOLFS_FSMODEL_VOLATILE_H
#define POOLFS_FSMODEL_VOLATILE_H

#include "tests/tools/fsmodel_parts/unpin.h"

#include <sys/xattr.h>

#define SCAN "0 0 100000\n" /* for all there is */

void hold(struct node *n);

/* What is made in a volatile directory is volatile; a file is open already. */
void inherit_volatile(struct node *n, const struct node *dir);

bool op_volatile(void);

bool op_let_go(void);

#endif
