/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmark programs share.  Each of them prints one line for a
 * figure, "name value unit", and nothing else on its standard output, so that
 * tests/bench/run needs no parser.
 */
#ifndef POOLFS_BENCH_H
#define POOLFS_BENCH_H

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double bench_now(void);

/* A size as people write it: 128, 4K, 1M, 2G. */
size_t bench_size(const char *text);

/* Stay on one core; the figures of a wandering process mean little. */
void bench_pin(int cpu);

double bench_median(double *values, int n);

/*
 * One word out of each cache line: all of the memory crosses the bus, and the
 * adding costs nothing beside it.
 */
uint64_t bench_sum(const void *data, size_t size);

#endif
