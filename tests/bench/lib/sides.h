/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bench_files and bench_meta share: the same operations in several
 * directories, each in another file system, taking turns.
 *
 *	round 0:  write pool, write shm, ...; read pool, read shm, ...
 *	round 1:  write shm, ..., write pool; read shm, ..., read pool
 *
 * so that a disturbance hits all sides, and none has always the same neighbour.
 * The best figure of the rounds counts.
 */
#ifndef POOLFS_BENCH_SIDES_H
#define POOLFS_BENCH_SIDES_H

#include "tests/bench/lib/bench.h"

#include <fcntl.h>
#include <stdbool.h>

#define SIDES_MAX 8

struct side {
	const char *name;
	const char *path;
	int dir;
};

struct side_op {
	const char *name;
	const char *unit;
	bool rate; /* more is better */
	double (*run)(struct side *side);
};

struct sides {
	struct side side[SIDES_MAX];
	int nr;
};

/* From the arguments NAME DIR [NAME DIR]... */
void sides_open(struct sides *s, char **argv, int argc);

void sides_run(struct sides *s, const struct side_op *ops, int nr_ops,
	       int rounds);

#endif
