/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the keeper does while the mount lives: it keeps one worker running, and
 * replaces one that has died, was stopped, or hangs.
 */
#ifndef POOLFS_FS_SUPERVISE_H
#define POOLFS_FS_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fuse_session;
struct mount_shared;
struct options;
struct store;

struct supervisor {
	/* Set by the keeper. */
	const struct options *options;
	struct mount_shared *shared;
	struct store *store;
	struct fuse_session *mount;
	void (*ready)(void *arg); /* called when the mount answers */
	void (*forked)(void *arg); /* called first in each worker */
	void *arg;

	sigset_t signals; /* all that are waited for; blocked */
	sigset_t end; /* those that ask to end */
	pid_t worker; /* 0: there is none */
	bool is_ready; /* the worker */
	bool ever_ready; /* one of them */
	bool hung; /* the worker was killed since it did not answer */
	bool held_up; /* so were all of its threads, at the last look */
	bool left; /* a worker was given up, now or earlier: it may be there */
	uint32_t failures; /* workers in a row that did not get to serve */
	uint32_t turns; /* mount_shared.turns at the last look */
	uint32_t looks; /* at which it did not answer, in a row */
	uint64_t oom_kills; /* of the machine, when the worker started */
	/* When to do what, CLOCK_MONOTONIC; 0: not at all. */
	int64_t start_ns; /* start a worker */
	int64_t give_up_ns; /* the worker: it has died, but is not reaped */
	int64_t threads_ns; /* look at its threads then */
	int64_t look_ns; /* look whether it answers */
};

/** supervise_init - blocks the signals.  Before other processes are made. */
void supervise_init(struct supervisor *s);

/**
 * supervise - starts a worker, and goes on until the mount has ended, or is to
 * end.
 *
 * Return: the exit status: 0, or 1 after a message.
 */
int supervise(struct supervisor *s);

/**
 * supervise_stop - ends the worker, if there is one.  Sets @left after a message
 * if it cannot be reaped.
 */
void supervise_stop(struct supervisor *s);

#endif
