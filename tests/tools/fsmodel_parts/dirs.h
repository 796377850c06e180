/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: reading directories, at once and in pieces, and removing them whole.
 */
#ifndef POOLFS_FSMODEL_DIRS_H
#define POOLFS_FSMODEL_DIRS_H

#include "tests/tools/fsmodel_parts/compare.h"

#include <dirent.h>
#include <sys/syscall.h>

/* --- reading directories --- */

/* What getdents64() fills in; dirent.h has it under another name. */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

void compare_dir(struct node *dir);

bool op_readdir(void);

/* Opens a directory, or reads a bit more of one, until its end. */
bool op_stream(void);

/* --- whole directories --- */

void remove_all(struct node *dir);

bool op_remove_dir(void);

#endif
