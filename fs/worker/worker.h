/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker: the process that serves the mount.  It may be killed at any
 * instruction; the keeper starts another, which goes on.
 *
 * Threads, and the locks they take (numbers of pool/locks.h):
 *
 *	loop		reads a request with none; handles and answers it with 1
 *	reclaimer	3, then tries 2; the shrinkers of volatile files and
 *			ranges only try 1, and stop when it is taken
 *	notifier	two queues, with threads that can be given up: they call
 *			into the kernel with none, then take 1
 *	signals		waits for SIGTERM, then takes 1 and answers all waiters
 */
#ifndef POOLFS_FS_WORKER_H
#define POOLFS_FS_WORKER_H

struct fuse_session;
struct mount_shared;
struct options;
struct store;

/* Statuses that a worker ends with. */
enum worker_status {
	WORKER_UNMOUNTED = 0,
	WORKER_FAILED = 3, /* could not start; mount_shared.why says why */
	WORKER_STOPPED = 4, /* by SIGTERM */
};

/**
 * worker_run - in the child.
 * @mount: the keeper's session, for the watcher to unmount with.
 *
 * Return: enum worker_status, to exit with.
 */
int worker_run(const struct options *options, struct mount_shared *shared,
	       struct store *store, struct fuse_session *mount);

#endif
