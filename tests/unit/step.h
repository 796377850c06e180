/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker that is killed leaves behind, after each of its instructions:
 * a child runs one operation on a store, a single step at a time, and whenever
 * the store has changed the parent is given it as it would be found then.
 *
 *	child	|...|...|...|...|...|...|...|...|...|	instructions
 *	store	 A   A   A   B   B   C   C   C   D
 *	see()	 A           B       C           D
 */
#ifndef POOLFS_STEP_H
#define POOLFS_STEP_H

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"

#define STEP_FILES 8
#define STEP_BYTES 4096 /* of each file: the tests use no more */

struct step_file {
	const char *name; /* it may come and go */
	bool bulk;
	int fd;
	off_t size;
	const char *now;
	char then[STEP_BYTES];
};

struct step_watch {
	const char *dir;
	struct step_file file[STEP_FILES];
};

struct step_result {
	uint64_t steps;
	uint32_t states; /* different ones, each shown to see() */
	bool refused; /* the machine does not let us trace */
	bool died; /* the child ended before the operation did */
};

/**
 * step_through - run @op in a child after @prepare, and show each state.
 * @prepare, @op: run in the child.
 * @see: run here, with the child stopped.
 */
struct step_result step_through(struct step_watch *w, void (*prepare)(void *),
				void (*op)(void *), void (*see)(void *),
				void *arg);

#endif
