/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: comparing what the file system says with the model.
 */
#ifndef POOLFS_FSMODEL_COMPARE_H
#define POOLFS_FSMODEL_COMPARE_H

#include "tests/tools/fsmodel_parts/model.h"

_Noreturn void differs(const struct node *n, size_t off, size_t len,
		       const unsigned char *has, const char *how);

void compare(struct node *n, size_t off, const void *has, size_t len,
	     const char *how);

/* The file system says that there is a hole: that reads as zeros. */
void compare_hole(struct node *n, size_t off, size_t end);

void compare_time(const char *what, struct timespec want, struct timespec has);

void compare_stat(struct node *n, const struct stat *st);

void compare_fstat(struct node *n, int fd);

#endif
