/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache of descriptors, compared with a model: which are open, which would
 * be closed next, and that none is closed while it is in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pool/lib/fd_cache.h"
#include "tests/unit/tap.h"

#define OWNERS 12
#define MAX 4

static struct fd_cache cache;
static int kept[OWNERS]; /* the owners' ints */

static int open_one(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	must(fd > 0, "/dev/null");
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* As an owner does. */
static int use(int i)
{
	int fd = fd_cache_use(&cache, &kept[i]);

	return fd ? fd : fd_cache_add(&cache, &kept[i], open_one());
}

static int nr_kept(void)
{
	int nr = 0;

	for (int i = 0; i < OWNERS; i++)
		nr += kept[i] != 0;
	return nr;
}

static void drop_all(void)
{
	for (int i = 0; i < OWNERS; i++)
		fd_cache_drop(&cache, &kept[i]);
}

static void test_order(void)
{
	for (int i = 0; i < MAX; i++)
		fd_cache_done(&cache, use(i));
	ok(nr_kept() == MAX && cache.nr == MAX, "as many as it may are kept");
	fd_cache_done(&cache, use(0));
	fd_cache_done(&cache, use(MAX));
	ok(kept[0] && !kept[1] && kept[MAX] && nr_kept() == MAX,
	   "the one that was used longest ago is closed for one more");
	drop_all();
	ok(!cache.nr && !cache.oldest && !cache.youngest, "all are dropped");
}

static void test_in_use(void)
{
	int fd[OWNERS];
	bool open = true;

	for (int i = 0; i < OWNERS; i++)
		fd[i] = use(i);
	for (int i = 0; i < OWNERS; i++)
		open = open && is_open(fd[i]) && kept[i] == fd[i];
	ok(open, "none is closed while it is in use");
	must(use(0) == fd[0], "used twice");
	fd_cache_done(&cache, fd[0]);
	ok(is_open(fd[0]), "nor while one of two uses goes on");
	for (int i = 0; i < OWNERS; i++)
		fd_cache_done(&cache, fd[i]);
	ok(nr_kept() == MAX, "but after that");
	fd[0] = use(OWNERS - 1);
	fd_cache_drop(&cache, &kept[OWNERS - 1]);
	ok(!kept[OWNERS - 1] && is_open(fd[0]), "dropped while in use: open");
	fd_cache_done(&cache, fd[0]);
	ok(!is_open(fd[0]), "and closed when the use ends");
	drop_all();
}

static void test_added_twice(void)
{
	int mine = fd_cache_add(&cache, &kept[0], open_one());
	int other = open_one();

	ok(fd_cache_add(&cache, &kept[0], other) == mine && !is_open(other),
	   "of two that are added at a time the second one is closed");
	fd_cache_done(&cache, mine);
	ok(kept[0] == mine && is_open(mine), "and the first one stays");
	fd_cache_done(&cache, mine);
	drop_all();
}

/* Random steps, each with one of the owners. */
static void test_model(void)
{
	unsigned int seed = 1;
	int order[OWNERS], nr = 0; /* the model: oldest first */
	bool same = true;

	for (int n = 0; n < 20000 && same; n++) {
		int i = rand_r(&seed) % OWNERS, at = 0;

		while (at < nr && order[at] != i)
			at++;
		if (at < nr)
			memmove(&order[at], &order[at + 1],
				(--nr - at) * sizeof(*order));
		if (rand_r(&seed) % 3) {
			fd_cache_done(&cache, use(i));
			order[nr++] = i;
			if (nr > MAX)
				memmove(order, order + 1,
					--nr * sizeof(*order));
		} else {
			fd_cache_drop(&cache, &kept[i]);
		}
		same = nr_kept() == nr && (int)cache.nr == nr;
		for (int k = 0; k < nr; k++)
			same = same && is_open(kept[order[k]]);
	}
	ok(same, "20,000 steps: what is kept is what the model has");
	drop_all();
}

/* --- several threads --- */

static void *racer(void *arg)
{
	unsigned int seed = (unsigned long)arg;
	unsigned long closed = 0;

	for (int n = 0; n < 50000; n++) {
		int fd = use(rand_r(&seed) % OWNERS);

		closed += !is_open(fd);
		fd_cache_done(&cache, fd);
		if (!(rand_r(&seed) % 8))
			fd_cache_drop(&cache, &kept[rand_r(&seed) % OWNERS]);
	}
	return (void *)closed;
}

static void test_race(void)
{
	pthread_t thread[3];
	unsigned long closed = 0;
	void *out;

	for (unsigned long i = 0; i < 3; i++)
		must(!pthread_create(&thread[i], NULL, racer, (void *)(i + 1)),
		     "pthread_create");
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], &out);
		closed += (unsigned long)out;
	}
	ok(!closed, "three threads: none finds its descriptor closed");
	drop_all();
	ok(!cache.nr && !cache.oldest, "and all are dropped");
}

static void test_limit(void)
{
	struct rlimit was, rl;

	getrlimit(RLIMIT_NOFILE, &was);
	rl = was;
	rl.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &rl);
	ok(fd_cache_max() == 192, "of 256 descriptors 64 are for all else");
	rl.rlim_cur = 1024;
	setrlimit(RLIMIT_NOFILE, &rl);
	ok(fd_cache_max() == 896, "of 1,024 an eighth");
	rl.rlim_cur = 40;
	setrlimit(RLIMIT_NOFILE, &rl);
	ok(fd_cache_max() == 16, "of 40 some are kept all the same");
	setrlimit(RLIMIT_NOFILE, &was);
}

int main(void)
{
	int before = open_one(), after;

	close(before);
	fd_cache_init(&cache, MAX);
	test_order();
	test_in_use();
	test_added_twice();
	test_model();
	test_race();
	fd_cache_release(&cache);
	test_limit();
	after = open_one();
	ok(after == before, "no descriptor is left");
	close(after);
	return done();
}
