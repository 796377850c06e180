/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files in memory for the programs that test regions: an anonymous one
 * anywhere, or, for root, one in a detached tmpfs that nobody else can see and
 * that goes away with its descriptors.
 */
#ifndef POOLFS_TMPFS_H
#define POOLFS_TMPFS_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

/* Return: the root of a new tmpfs, or -1.  @size as in "size=", or NULL. */
int tmpfs_new(const char *huge, const char *size);

/* Return: an unnamed file in it, or -1. */
int tmpfs_file(int dir);

int memory_file(void);

#endif
