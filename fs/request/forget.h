/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FORGET and BATCH_FORGET: the kernel drops references to inodes.  Nobody waits
 * for an answer, so the kernel does not send them again when a worker is killed.
 * What one has read and not carried out, the next finds in the buffer.
 */
#ifndef POOLFS_FS_REQUEST_FORGET_H
#define POOLFS_FS_REQUEST_FORGET_H

#include <stddef.h>

struct worker;

/** forget_handle - carry out the request in @buf, of @len bytes.  Lock 1 held. */
void forget_handle(struct worker *w, const void *buf, size_t len);

/**
 * forget_resume - carry out the rest of what an earlier worker has begun; before
 * any other request.  Lock 1 held.
 */
void forget_resume(struct worker *w);

#endif
