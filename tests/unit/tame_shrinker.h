/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the test programs of the registry share: a bounded wait, a shrinker that
 * does as it is told, and a listing of all that are registered.
 */
#ifndef POOLFS_TAME_SHRINKER_H
#define POOLFS_TAME_SHRINKER_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "shrinker/shrinker.h"
#include "tests/unit/tap.h"

extern const struct shrink_scope anything;

struct timespec deadline(void);

bool arrives(sem_t *sem);

pthread_t thread_start(void *(*fn)(void *), void *arg);

/* --- a shrinker that does as it is told ----------------------------------- */

struct tame {
	unsigned long count;
	unsigned long frees;
	struct shrink_control counted, scanned; /* as last seen */
	int counts, scans;
};

unsigned long tame_count(struct shrinker *shrinker, struct shrink_control *sc);

/* Looks at everything at once, so that a pass is one call. */
unsigned long tame_scan(struct shrinker *shrinker, struct shrink_control *sc);

struct shrinker *made(struct tame *tame, const char *name);

struct shrinker *registered(struct tame *tame, const char *name);

struct listing {
	int nr;
	int stop_after;
	struct shrinker_info info[16];
};

int list_one(const struct shrinker_info *info, void *arg);

struct listing list_all(void);

bool is_listed(const char *name);

#endif
