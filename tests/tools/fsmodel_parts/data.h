/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel: the operations on what is in files.  Each returns false if there was
 * nothing that it could have been done to, and does not count then.
 */
#ifndef POOLFS_FSMODEL_DATA_H
#define POOLFS_FSMODEL_DATA_H

#include "tests/tools/fsmodel_parts/unpin.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

extern int pipe_fds[2];

/* As much of @len as there is in the file at @off. */
size_t rest(const struct node *n, size_t off, size_t len);

bool op_pwrite(void);

/* write() and read() where the last one ended */
bool op_write(void);

bool op_read(void);

bool op_pread(void);

bool op_ftruncate(void);

bool op_truncate(void);

bool op_fallocate(void);

bool op_seek(void);

bool op_copy_range(void);

bool op_sendfile(void);

bool op_splice_read(void);

bool op_splice_write(void);

bool op_fsync(void);

/* --- mappings --- */

bool op_map(void);

void compare_map(const struct map *m, size_t off, size_t len);

bool op_map_read(void);

bool op_map_write(void);

bool op_msync(void);

bool op_munmap(void);

/* --- whole files --- */

/* Return: false if it is only mapped. */
bool compare_whole(struct node *n);

bool op_whole(void);

#endif
