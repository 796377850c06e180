/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that requests are read into.  It is shared with the keeper, and so
 * outlives a worker: the next one finds there the last request that was read.
 */
#ifndef POOLFS_FS_REQUEST_BUFFER_H
#define POOLFS_FS_REQUEST_BUFFER_H

#include <stddef.h>

struct worker;

/** buffer_alloc - other memory of as many bytes; for free(). */
void *buffer_alloc(void);

/** buffer_new - REQUEST_BUFFER bytes, zeros, touched.  Return: NULL: no memory. */
void *buffer_new(void);

/** buffer_touch - make this process have all pages, with what is in them. */
void buffer_touch(void *buffer);

/**
 * buffer_done - the request of @len bytes was handled: nobody shall find it.
 * What comes after it, and is not copied whole, can be told from its rest.
 */
void buffer_done(void *buffer, size_t len);

#endif
