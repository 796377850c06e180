/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory in /dev/shm for a test program, gone when it exits. */
#ifndef POOLFS_SCRATCH_H
#define POOLFS_SCRATCH_H

#include <dirent.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TX_LINE 256 /* more than a header has */

extern char scratch[64];

void scratch_empty(const char *dir);

const char *scratch_new(void);

void scratch_copy(const char *from, const char *to);

/* A directory of this name in the scratch directory; the caller frees it. */
char *scratch_dir(const char *name);

#endif
