/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Just enough TAP for the unit programs: ok() for one named check, done() at
 * the end of main().  A check inside a loop uses must(), which prints nothing
 * while it holds and ends the program when it does not.
 */
#ifndef POOLFS_TAP_H
#define POOLFS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

extern int tap_nr, tap_failed;

#define ok(cond, ...)                                                       \
	do {                                                                \
		int tap_good = !!(cond);                                    \
		printf("%sok %d - ", tap_good ? "" : "not ", ++tap_nr);     \
		printf(__VA_ARGS__);                                        \
		printf("\n");                                               \
		if (!tap_good) {                                            \
			tap_failed++;                                       \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
		}                                                           \
		fflush(stdout);                                             \
	} while (0)

#define must(cond, ...)                                                       \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("not ok %d - %s:%d: %s: ", ++tap_nr, __FILE__, \
			       __LINE__, #cond);                              \
			printf(__VA_ARGS__);                                  \
			printf("\nBail out!\n");                              \
			exit(1);                                              \
		}                                                             \
	} while (0)

/* Prints the plan.  Return: what main() ends with. */
int done(void);

#endif
