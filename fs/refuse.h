/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is answered when there is no worker, and none will come. */
#ifndef POOLFS_FS_REFUSE_H
#define POOLFS_FS_REFUSE_H

/**
 * refuse_requests - answer all requests with ENOTCONN, also those that a worker
 * has read before it died (Linux 6.9).  Does not wait for more.
 * @fd: of /dev/fuse.
 */
void refuse_requests(int fd);

/**
 * refuse_in_background - in a process of its own go on with that until nobody
 * uses the file system any more.  It is for a mount that has been removed.
 */
void refuse_in_background(int fd);

#endif
