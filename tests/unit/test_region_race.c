/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions under threads: users, reclaimers, and regions that come and go, all
 * on one LRU.  A user owns some page ranges (as transactions do): while it
 * holds one, the content must stay bit for bit; once given up, it must be what
 * it was or zeros.  Meant for ThreadSanitizer; SECONDS in the environment says
 * how long each part runs.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "pool/region/region.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmpfs.h"

#define USERS 3
#define RECLAIMERS 2
#define SLOT_PAGES 24 /* of one user; slots take turns in the file */
#define SLOTS 64
#define PAGES (SLOTS * SLOT_PAGES) /* three chunks of 4 KiB pages */

static uint32_t P;
static struct lru *lru;
static struct region *region;
static const char *huge = "never";
static atomic_bool stop;
static _Atomic uint64_t rounds, shrunk, purged, invalidated, released;
static _Atomic uint64_t trespasses;

static int new_file(void)
{
	int dir = tmpfs_new(huge, NULL);
	int fd = dir < 0 ? memory_file() : tmpfs_file(dir);

	close(dir);
	return fd;
}

static void fill(uint32_t *buf, uint32_t bytes, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < bytes / 4; i++)
		buf[i] = seed + i;
}

static void check(uint32_t first, uint32_t nr, uint32_t seed)
{
	static _Thread_local uint32_t buf[SLOT_PAGES * 16384];
	uint32_t i;

	must(!region_read(region, (uint64_t)first * P, buf, nr * P), "read");
	for (i = 0; i < nr * P / 4; i++)
		must(buf[i] == seed + i, "page %u, word %u: %x, not %x",
		     first + i * 4 / P, i, buf[i], seed + i);
}

/* After use_range again: each page is as it was, or zeros. */
static void check_kept(uint32_t first, uint32_t nr, uint32_t seed)
{
	static _Thread_local uint32_t buf[SLOT_PAGES * 16384];
	uint32_t page, i;

	must(!region_read(region, (uint64_t)first * P, buf, nr * P), "read");
	for (page = 0; page < nr; page++) {
		uint32_t start = page * P / 4;
		bool zeros = buf[start] != seed + start;

		purged += zeros;
		for (i = start; i < start + P / 4; i++)
			must(buf[i] == (zeros ? 0 : seed + i),
			     "page %u torn: %x", first + page, buf[i]);
	}
}

static void put(uint32_t first, uint32_t nr, uint32_t seed)
{
	static _Thread_local uint32_t buf[SLOT_PAGES * 16384];

	fill(buf, nr * P, seed);
	must(!region_write(region, (uint64_t)first * P, buf, nr * P), "write");
}

static void *user(void *arg)
{
	uint32_t me = (uintptr_t)arg, rnd = me + 1, seed = me << 28 | 1;

	while (!stop) {
		uint32_t slot = rand_r(&rnd) % (SLOTS / USERS) * USERS + me;
		uint32_t first = slot * SLOT_PAGES + rand_r(&rnd) % 8;
		uint32_t nr = 1 + rand_r(&rnd) % 16;

		seed += 0x10000;
		must(!region_use_range(region, first, nr, NULL), "use");
		put(first, nr, seed);
		check(first, nr, seed);
		if (rand_r(&rnd) % 8 == 0) {
			must(!region_stop_using_range(region, first, nr),
			     "stop");
			rounds++;
			continue;
		}
		if (rand_r(&rnd) % 4 == 0)
			region_set_cached(region, first, nr);
		must(!region_stop_using_range(region, first, nr), "stop");
		must(!region_use_range(region, first, nr, NULL), "use");
		check_kept(first, nr, seed);
		must(!region_stop_using_range(region, first, nr), "stop");
		region_test_clear_cached(region, first, nr);
		rounds++;
	}
	return NULL;
}

/*
 * Writes and reads what it does not use, as a client with a mapping may have it
 * done: such a page can go at any time, but never between look and copy, or it
 * would come back without being counted.
 */
static void *trespasser(void *arg)
{
	const uint32_t first = (SLOTS - 1) * SLOT_PAGES;
	uint32_t rnd = 5, seed = 0x50000001;

	while (!stop) {
		uint32_t nr = 1 + rand_r(&rnd) % SLOT_PAGES;

		must(!region_use_range(region, first, nr, NULL), "use");
		put(first, nr, seed);
		must(!region_stop_using_range(region, first, nr), "stop");
		for (int i = 0; i < 4; i++) {
			put(first, nr, seed);
			check_kept(first, nr, seed);
		}
		trespasses++;
	}
	return NULL;
}

static void *reclaimer(void *arg)
{
	uint32_t rnd = 77 + (uintptr_t)arg;

	while (!stop) {
		shrunk += lru_shrink(lru, 0, 1 + rand_r(&rnd) % 700,
				     rand_r(&rnd) % 2, NULL);
		if (rand_r(&rnd) % 4 == 0)
			sched_yield();
	}
	return NULL;
}

struct owner {
	uint32_t magic;
};

static void owner_invalidate(void *arg, uint64_t off, uint64_t len)
{
	struct owner *owner = arg;

	must(!owner || owner->magic == 0x600d600d, "an owner that is gone");
	invalidated++;
}

static void owner_release(void *arg)
{
	struct owner *owner = arg;

	if (owner) {
		owner->magic = 0;
		free(owner);
	}
	released++;
}

static const struct region_ops ops = {
	.invalidate = owner_invalidate,
	.release = owner_release,
};

/* Regions that are freed while reclaim works on them. */
static void *come_and_go(void *arg)
{
	_Atomic uint32_t *made = arg;
	uint32_t nr = 600;
	char *data = calloc(nr, P);

	must(data, "calloc");
	while (!stop) {
		struct owner *owner = malloc(sizeof(*owner));
		struct region *r;

		must(owner, "malloc");
		owner->magic = 0x600d600d;
		r = region_new(lru, new_file(), (uint64_t)nr * P, &ops, owner);
		must(r, "region_new");
		must(!region_use_range(r, 0, nr, NULL), "use");
		must(!region_write(r, 0, data, (size_t)nr * P), "write");
		region_set_cached(r, 0, nr);
		must(!region_stop_using_range(r, 0, nr), "stop");
		if (++*made % 3 == 0)
			sched_yield();
		if (*made % 5 == 0)
			region_resize(r, (uint64_t)(*made % 7 + 1) * 100 * P);
		region_free(r);
	}
	free(data);
	return NULL;
}

static void run(const char *name, int seconds)
{
	pthread_t users[USERS], reclaimers[RECLAIMERS], comer, other;
	struct lru_stat st;
	_Atomic uint32_t made = 0;
	const char *broken;
	uintptr_t i;

	trespasses = 0;
	rounds = shrunk = purged = invalidated = released = 0;
	stop = false;
	lru = lru_new(1, UINT64_MAX);
	must(lru, "lru_new");
	region = region_new(lru, new_file(), (uint64_t)PAGES * P, &ops, NULL);
	must(region, "region_new");
	for (i = 0; i < USERS; i++)
		must(!pthread_create(&users[i], NULL, user, (void *)i), "user");
	for (i = 0; i < RECLAIMERS; i++)
		must(!pthread_create(&reclaimers[i], NULL, reclaimer,
				     (void *)i),
		     "reclaimer");
	must(!pthread_create(&comer, NULL, come_and_go, &made), "comer");
	must(!pthread_create(&other, NULL, trespasser, NULL), "trespasser");
	/* until each has had its turn, on a machine with other work */
	for (i = 0; i < seconds ||
		    (i < 60 && !(rounds && shrunk && made && trespasses));
	     i++)
		sleep(1);
	stop = true;
	for (i = 0; i < USERS; i++)
		pthread_join(users[i], NULL);
	for (i = 0; i < RECLAIMERS; i++)
		pthread_join(reclaimers[i], NULL);
	pthread_join(comer, NULL);
	pthread_join(other, NULL);
	broken = lru_check(lru);
	ok(!broken, "%s: invariants: %s", name, broken ? broken : "all hold");
	printf("# %lu rounds, %lu pages dropped, %lu found purged, "
	       "%lu invalidations, %u regions\n",
	       (unsigned long)rounds, (unsigned long)shrunk,
	       (unsigned long)purged, (unsigned long)invalidated, made);
	ok(rounds && shrunk && made && trespasses, "%s: everybody has worked",
	   name);
	region_free(region);
	ok(released == made + 1, "%s: every owner was released", name);
	lru_stat(lru, &st);
	ok(!st.available && !st.used && !st.metadata, "%s: nothing is left",
	   name);
	lru_free(lru);
}

int main(void)
{
	int seconds = getenv("SECONDS") ? atoi(getenv("SECONDS")) : 2;
	int dir = tmpfs_new("within_size", NULL);

	P = sysconf(_SC_PAGESIZE);
	run("small folios", seconds);
	if (dir < 0) {
		ok(1, "huge folios # SKIP cannot mount huge=within_size");
		return done();
	}
	close(dir);
	huge = "within_size";
	run("huge folios", seconds);
	return done();
}
