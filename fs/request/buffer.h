/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOLFS_FS_REQUEST_BUFFER_H
#define POOLFS_FS_REQUEST_BUFFER_H

struct worker;

/**
 * buffer_alloc - REQUEST_BUFFER bytes, touched.  Lock 1 held, but for the first
 * one.  Return: NULL when there is no memory.
 */
void *buffer_alloc(struct worker *w);

/**
 * buffer_free - one of them is kept, with its pages, for buffer_alloc().  Lock 1.
 */
void buffer_free(struct worker *w, void *buffer);

#endif
