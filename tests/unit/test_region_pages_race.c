/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads on the same pages of one region.  The states, the list and the memory
 * of the file must agree when all have ended, and there is one mapping of the
 * file.  test_region_race.c has pages that belong to somebody, and their content.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/region_fixture.h"

#define PAGES 16
#define THREADS 4
#define ROUNDS 100
#define ROUND_US 20000
#define REGIONS 1000 /* each is mapped for the first time once */

static atomic_bool stop;
static uint64_t done_by[THREADS + 1];
static pthread_barrier_t barrier;

static void pick(uint32_t *seed, uint32_t *first, uint32_t *nr)
{
	*first = rand_r(seed) % PAGES;
	*nr = 1 + rand_r(seed) % (PAGES - *first);
}

/*
 * What others ask for, too.  Nobody writes: who writes keeps the pages Used, and
 * here nobody can.
 */
static void *use_and_stop(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	uint32_t seed = me + 1, first, nr;

	while (!stop) {
		pick(&seed, &first, &nr);
		must(!region_use_range(region, first, nr, NULL), "use");
		pick(&seed, &first, &nr);
		must(!region_stop_using_range(region, first, nr), "stop");
		done_by[me]++;
	}
	return NULL;
}

/* Writes that give memory to pages that nobody uses. */
static void *write_unused(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	uint32_t seed = me + 1, first, nr;
	char *data = pattern(PAGES * P, seed);

	while (!stop) {
		pick(&seed, &first, &nr);
		must(!region_write(region, first * P, data, nr * P), "write");
		done_by[me]++;
	}
	free(data);
	return NULL;
}

/* A page now and then, so that there is memory until the round ends. */
static void *shrink(void *arg)
{
	while (!stop) {
		done_by[THREADS] += lru_shrink(lru, 0, 1, true, NULL);
		usleep(ROUND_US / PAGES);
	}
	return NULL;
}

static uint64_t in_state(enum page_state state)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < PAGES; i++)
		n += region_page_state(region, i) == state;
	return n;
}

/* A few thousand calls of each; damage may heal when it goes on for longer. */
static void round_of(void *(*fn)(void *))
{
	pthread_t thread[THREADS + 1];

	stop = false;
	for (uintptr_t i = 0; i <= THREADS; i++)
		must(!pthread_create(&thread[i], NULL,
				     i < THREADS ? fn : shrink, (void *)i),
		     "thread");
	usleep(ROUND_US);
	stop = true;
	for (int i = 0; i <= THREADS; i++)
		pthread_join(thread[i], NULL);
}

static bool all_have_worked(void)
{
	for (int i = 0; i <= THREADS; i++)
		if (!done_by[i])
			return false;
	return true;
}

/* With @fn in all threads, and reclaim beside them. */
static void race(const char *name, void *(*fn)(void *))
{
	int counted = 0, held = 0, dropped = 0, n;
	char *data = pattern(PAGES * P, 3);

	memset(done_by, 0, sizeof(done_by));
	region_start(PAGES, UINT64_MAX);
	/* longer on a machine with other work */
	for (n = 0; n < ROUNDS || (n < 50 * ROUNDS && !all_have_worked());
	     n++) {
		must(!region_use_range(region, 0, PAGES, NULL), "use");
		must(!region_write(region, 0, data, PAGES * P), "write");
		must(!region_stop_using_range(region, 0, PAGES), "stop");
		round_of(fn);
		counted += counts(in_state(PAGE_USED),
				  in_state(PAGE_AVAILABLE)) &&
			   intact();
		must(!region_stop_using_range(region, 0, PAGES), "stop");
		held += memory() == in_state(PAGE_AVAILABLE);
		lru_shrink(lru, 0, PAGES, true, NULL);
		dropped += memory() == 0 && counts(0, 0) && intact();
	}
	ok(all_have_worked(), "%s: everybody has worked", name);
	ok(counted == n, "%s: each page is counted once: %d of %d times", name,
	   counted, n);
	ok(held == n, "%s: what has memory is Available: %d of %d times", name,
	   held, n);
	ok(dropped == n, "%s: and can be dropped: %d of %d times", name,
	   dropped, n);
	free(data);
	region_finish();
}

/* --- the mapping --- */

static void *read_first(void *arg)
{
	char c;

	pthread_barrier_wait(&barrier);
	must(!region_read(region, 0, &c, 1) && c == 'x', "read");
	return NULL;
}

/* How often this process has the region's file mapped. */
static int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long inode;
	struct stat st;
	char line[512];
	int n = 0;

	must(maps && !fstat(region_fd(region), &st), "maps");
	while (fgets(line, sizeof(line), maps))
		n += sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 &&
		     inode == st.st_ino;
	fclose(maps);
	return n;
}

static void test_one_mapping(void)
{
	pthread_t thread[THREADS];
	int most = 0;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < REGIONS; i++) {
		region_start(PAGES, UINT64_MAX);
		must(!region_use_range(region, 0, 1, NULL), "use");
		must(!region_write(region, 0, "x", 1), "write");
		for (int t = 0; t < THREADS; t++)
			must(!pthread_create(&thread[t], NULL, read_first,
					     NULL),
			     "thread");
		for (int t = 0; t < THREADS; t++)
			pthread_join(thread[t], NULL);
		if (mappings() > most)
			most = mappings();
		region_finish();
	}
	pthread_barrier_destroy(&barrier);
	ok(most == 1, "four readers of a new region map it once, not %d times",
	   most);
}

int main(void)
{
	P = sysconf(_SC_PAGESIZE);
	race("use and stop", use_and_stop);
	race("written and not used", write_unused);
	test_one_mapping();
	return done();
}
