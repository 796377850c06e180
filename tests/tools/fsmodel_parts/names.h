/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: the operations on names.  As those in fsmodel_data.h, they return
 * false if there was nothing to do.
 */
#ifndef POOLFS_FSMODEL_NAMES_H
#define POOLFS_FSMODEL_NAMES_H

#include "tests/tools/fsmodel_parts/volatile.h"

#include <stdio.h>

mode_t rnd_mode(mode_t least);

bool op_open(void);

/* By its descriptor: that works without a name, too. */
bool op_reopen(void);

bool op_close(void);

bool op_tmpfile(void);

/* Of an open file, which may have no name. */
bool op_linkat(void);

bool op_link(void);

bool op_unlink(void);

bool op_symlink(void);

bool op_mkdir(void);

bool op_rmdir(void);

bool op_rename(void);

bool op_stat(void);

/* Names that no directory has, or that none may have. */
bool op_bad_name(void);

#endif
