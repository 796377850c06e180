/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holes in plain files that clients may be writing to.
 *
 * A client's write through passthrough has the lock of the store's file from
 * its beginning to its end, also while it waits for the memory that it writes
 * from: for as long as it likes, if that is mapped from a file system that does
 * not answer.  A hole takes the same lock.  So a thread makes the hole if the
 * file is open, and is waited for only while it does something:
 *
 *	lock 1 held                     thread
 *	hands the hole over ----------> makes it, or waits for the file's lock
 *	waits until it is made,
 *	  or the thread sleeps:
 *	  then the hole is late         ...
 *	reclaim leaves the file alone   makes it: takes 1, vrange_made_late()
 *	vrange_pin() of it: -EINPROGRESS
 *
 * A pin must wait, for what is written after it must not fall into the hole.
 *
 * Locks: pool->lock (1) held by all callers; 4 between them and the thread.
 */
#ifndef POOLFS_POOL_VOLATILE_HOLE_H
#define POOLFS_POOL_VOLATILE_HOLE_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

/** holes_open - Return: 0 or -ENOMEM.  holes_close - NULL in the pool is fine. */
int holes_open(struct pool *pool);
void holes_close(struct pool *pool);

/**
 * hole_punch - pages [@first, @end) of @inode, whose store's file is @fd.
 * Return: pages freed; -EINPROGRESS: late; or -errno.
 */
int64_t hole_punch(struct pool *pool, uint32_t inode, int fd, uint64_t first,
		   uint64_t end);

/** hole_must_wait - another hole in @inode would be late. */
bool hole_must_wait(struct pool *pool, uint32_t inode);

/** hole_is_late - is a page of [@first, @end) in a hole that is late? */
bool hole_is_late(struct pool *pool, uint32_t inode, uint64_t first,
		  uint64_t end);

#endif
