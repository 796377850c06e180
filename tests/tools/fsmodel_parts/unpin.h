/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: volatile ranges.  The pages of one may turn to zeros at any time
 * until they are pinned again, each as a whole; compare() takes note when one
 * has.  What would be left of a page that is purged after a part of it was
 * written is not worth modelling: before a file changes, all of it is pinned.
 */
#ifndef POOLFS_FSMODEL_UNPIN_H
#define POOLFS_FSMODEL_UNPIN_H

#include "tests/tools/fsmodel_parts/compare.h"
#include "fs/poolfs.h"

#include <sys/ioctl.h>

/* Any name of it; false if it has none. */
bool name_of(const struct node *n, struct node **dir, int *idx);

/*
 * A new descriptor, O_RDONLY or O_RDWR, by any name or open file it has.
 * Return: it, or -1 if it is only mapped.
 */
int open_node(const struct node *n, int access);

void compare_all(struct node *n, int fd);

/*
 * Pins all of @n, which is about to change.
 * Return: false if it must not, having nothing that it could be pinned by.
 */
bool settle(struct node *n);

bool op_unpin(void);

bool op_pin(void);

#endif
