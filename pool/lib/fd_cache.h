/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of files that can be opened again: a cache with a bound, so that
 * no number of files in use takes all descriptors of the process.
 *
 *	owner                    slot[fd]
 *	  int fd = 7  <--- at --- 7      in use: on no list
 *	  int fd = 9  <--- at --- 9 <--> 12 <--> ...   not in use: oldest first
 *	  int fd = 0              the owner opens its file at the next use
 *
 * An owner has no more than an int, 0 while no descriptor is kept for it.  It
 * stays where it is from fd_cache_add() to fd_cache_drop().
 *
 * Locks: its own (4 in locks.h), not held while a file is opened or closed.
 */
#ifndef POOLFS_POOL_LIB_FD_CACHE_H
#define POOLFS_POOL_LIB_FD_CACHE_H

#include <pthread.h>
#include <stdint.h>

struct fd_slot {
	int *at; /* its owner's; NULL: not kept, or dropped while in use */
	int older, younger; /* 0: none */
	uint32_t users; /* 0: on the list */
};

struct fd_cache {
	pthread_mutex_t lock; /* guards all below, and the owners' ints */
	struct fd_slot *slot; /* by descriptor */
	int nr_slots;
	int oldest, youngest; /* 0: none */
	uint32_t nr, max; /* kept */
	uint64_t evicted; /* closed because there were more than max */
};

/**
 * fd_cache_max - what a cache of the process may keep: RLIMIT_NOFILE, less an
 * eighth or 64 for all else.
 */
uint32_t fd_cache_max(void);

void fd_cache_init(struct fd_cache *c, uint32_t max);
/** fd_cache_release - all must have been dropped. */
void fd_cache_release(struct fd_cache *c);

/**
 * fd_cache_use - the descriptor that is kept at @at, in use until
 * fd_cache_done().  Return: it, or 0: open the file, then fd_cache_add().
 */
int fd_cache_use(struct fd_cache *c, int *at);

/**
 * fd_cache_add - keep @fd at @at, in use until fd_cache_done().  Closes the
 * oldest that are not in use if there are more than max.  If another thread has
 * added one meanwhile, closes @fd.
 * Return: the descriptor to use; or -ENOMEM, and @fd is closed.
 */
int fd_cache_add(struct fd_cache *c, int *at, int fd);

/** fd_cache_done - the use of @fd has ended. */
void fd_cache_done(struct fd_cache *c, int fd);

/** fd_cache_drop - close what is kept at @at, at the end of its use. */
void fd_cache_drop(struct fd_cache *c, int *at);

#endif
