/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What test_pool_steps.c walks through: operations on boxes and transactions,
 * each with the pool that it is done to.
 */
#ifndef POOLFS_POOL_SCENARIOS_H
#define POOLFS_POOL_SCENARIOS_H

#include <stddef.h>
#include <stdint.h>

/* Of the request that is walked through. */
#define SCENARIO_TOKEN 4711

#define ANY INT64_MAX /* positive, and different for each setup */

struct pool_scenario {
	const char *name;
	void (*setup)(void);
	int64_t (*op)(void);
	int64_t result;
};

extern const struct pool_scenario pool_scenarios[];
extern const size_t nr_pool_scenarios;

#endif
