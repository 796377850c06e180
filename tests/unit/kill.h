/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kills a child at every point of an operation: after each of its system calls
 * and, between two of them, after each change of what it has mapped from the
 * store.  Unlike step.h, which shows the parent a store that goes on changing,
 * this really kills: what is found has the inode numbers it was made with.
 *
 *	system calls	--1-------2-----------3---
 *	stores		----x--x-----x--x--x------
 *	killed at	  ^ ^  ^  ^  ^  ^  ^  ^	(calls, changes since)
 */
#ifndef POOLFS_KILL_H
#define POOLFS_KILL_H

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define KILL_BYTES 4096 /* of each file: the tests use no more */
#define KILL_FILES 3

struct kill_child {
	pid_t pid;
	int fd[KILL_FILES];
	char then[KILL_FILES][KILL_BYTES];
};

/* Return: false: the machine does not let us trace. */
bool kill_start(struct kill_child *c, const char *dir, void (*prepare)(void),
		void (*op)(void));

void kill_end(struct kill_child *c);

/**
 * kill_count - how often the store changes after @calls system calls, until
 * the operation ends; -1: it makes fewer calls.
 */
int kill_count(struct kill_child *c, unsigned int calls);

/**
 * kill_point - after @calls calls and then @changes changes: killed there.  A
 * sanitizer's allocator makes calls of its own now and then: an operation that
 * makes fewer this time is killed at its end.
 */
void kill_point(struct kill_child *c, unsigned int calls, int changes);

#endif
