/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tame_shrinker.h"

#define LIMIT_S 60 /* no thread that need not wait takes as long */

const struct shrink_scope anything = { true, true, true };

struct timespec deadline(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += LIMIT_S;
	return at;
}

bool arrives(sem_t *sem)
{
	struct timespec at = deadline();

	while (sem_timedwait(sem, &at) < 0) {
		if (errno != EINTR)
			return false;
	}
	return true;
}

pthread_t thread_start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, fn, arg) == 0, "thread");
	return thread;
}

/* --- a shrinker that does as it is told ----------------------------------- */

unsigned long tame_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct tame *tame = shrinker->private_data;

	tame->counts++;
	tame->counted = *sc;
	return tame->count;
}

unsigned long tame_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct tame *tame = shrinker->private_data;

	tame->scans++;
	tame->scanned = *sc;
	sc->nr_scanned = 2 * tame->count;
	return tame->frees;
}

struct shrinker *made(struct tame *tame, const char *name)
{
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	must(shrinker, "errno %d", errno);
	shrinker->count_objects = tame_count;
	shrinker->scan_objects = tame_scan;
	shrinker->private_data = tame;
	return shrinker;
}

struct shrinker *registered(struct tame *tame, const char *name)
{
	struct shrinker *shrinker = made(tame, name);

	must(shrinker_register(shrinker) == 0, "%s", name);
	return shrinker;
}

int list_one(const struct shrinker_info *info, void *arg)
{
	struct listing *listing = arg;

	must(listing->nr < 16, "too many");
	listing->info[listing->nr++] = *info;
	return listing->nr == listing->stop_after ? 42 : 0;
}

struct listing list_all(void)
{
	struct listing listing = { .nr = 0 };

	must(shrinker_for_each(list_one, &listing) == 0, "ended early");
	return listing;
}

bool is_listed(const char *name)
{
	struct listing listing = list_all();

	for (int i = 0; i < listing.nr; i++) {
		if (!strcmp(listing.info[i].name, name))
			return true;
	}
	return false;
}
