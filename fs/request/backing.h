/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of the store that the kernel itself reads, writes and maps:
 * passthrough.
 */
#ifndef POOLFS_FS_REQUEST_BACKING_H
#define POOLFS_FS_REQUEST_BACKING_H

struct worker;

/**
 * backing_open - register @fd, an open file of the store.  @fd may be closed
 * afterwards.  Return: the backing id, above 0, or -errno.
 */
int backing_open(struct worker *w, int fd);

/** backing_close - of an id that no open file uses any more. */
void backing_close(struct worker *w, int id);

/**
 * backing_close_unrecorded - ids are given out in order: the one after the last
 * that was recorded is of a worker that was killed before it could record it.
 */
void backing_close_unrecorded(struct worker *w);

#endif
