/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files of /proc and /sys, read whole. */
#ifndef POOLFS_SHRINKER_READFILE_H
#define POOLFS_SHRINKER_READFILE_H

#include <stddef.h>
#include <sys/types.h>

/**
 * readfile_fd - what is in @fd from its beginning, ended with NUL.
 * Return: bytes without the NUL; -EFBIG when it does not fit into @size - 1;
 * what read says.
 */
ssize_t readfile_fd(int fd, char *buf, size_t size);

/** readfile - the same by path; also what open says. */
ssize_t readfile(const char *path, char *buf, size_t size);

#endif
