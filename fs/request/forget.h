/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FORGET and BATCH_FORGET: the kernel drops references to inodes.  Nobody waits
 * for an answer, so the kernel does not send them again when a worker is killed.
 * What one has read and not carried out, the next finds in the buffer.
 */
#ifndef POOLFS_FS_REQUEST_FORGET_H
#define POOLFS_FS_REQUEST_FORGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

/** forget_handle - carry out the request in @buf, of @len bytes.  Lock 1 held. */
void forget_handle(struct worker *w, const void *buf, size_t len);

/**
 * forget_resume - carry out the rest of what an earlier worker has begun; before
 * any other request.  Lock 1 held.
 */
void forget_resume(struct worker *w);

/*
 * A READDIRPLUS takes a reference to each file that it shows.  They are noted,
 * because a worker may be killed before it has answered.
 */
/** listed_begin - a listing begins, for the request in hand. */
void listed_begin(struct worker *w);
/** listed_add - it has looked @ino up.  Return: false: it must end before. */
bool listed_add(struct worker *w, uint32_t ino);
/** listed_remove - it does not show the last one, which is forgotten. */
void listed_remove(struct worker *w);
/** listed_resent - request @unique comes again: forgets all that it had noted. */
void listed_resent(struct worker *w, uint64_t unique);

#endif
