/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that call into the kernel's cache of our own mount.  A client can hold
 * the kernel's locks there for as long as it likes: it lists a directory into
 * memory that is mapped from a file system of its own, which does not answer.  So
 * a thread whose call takes too long is given up, and another takes its place:
 *
 *	the thread whose turn it is     its successor
 *	---------------------------     -------------
 *	takes a job                     sleeps
 *	begins a call                   wakes up when patience is over:
 *	waits in the kernel               its turn; it finishes the job for
 *	...                               those who wait for it, starts a
 *	                                  successor, and does the next jobs
 *	returns: drops what was           leaves the inode alone on which
 *	  left alone meanwhile, ends        the other waits
 *
 * So one inode holds up one thread.  Nothing else in the program may make these
 * calls (tests/layers looks for that), and they are made with no lock held:
 * drop_pages() aborts otherwise.
 *
 * Locks: 4, of the queue; none while the kernel is called.
 */
#ifndef POOLFS_FS_WORKER_DROPPER_H
#define POOLFS_FS_WORKER_DROPPER_H

#include "fs/request/notify.h"

/**
 * dropper_start - the threads of queue @q, which give its jobs to notifier_do().
 * Return: 0 or -errno.
 */
int dropper_start(struct notify_queue *q);

/** dropper_queue - whose jobs @d does. */
struct notify_queue *dropper_queue(const struct dropper *d);

/**
 * drop_pages - what the kernel has of bytes [@off, @off + @len) of inode @ino,
 * 0, 0: of all.  In a directory these are its listing.
 */
void drop_pages(struct dropper *d, uint64_t ino, uint64_t off, uint64_t len);

/**
 * drop_name - @name in @parent is gone, and so is @ino, which it led to.  Who
 * watches that inode with inotify hears of it.
 */
void drop_name(struct dropper *d, uint64_t parent, uint64_t ino,
	       const char *name);

#endif
