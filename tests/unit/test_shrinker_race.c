/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry with many threads: who waits for whom, and a race of everything
 * against everything.
 *
 * Nothing here sleeps for a time and hopes.  Where a thread must *not* be kept
 * waiting, the wait for it is bounded; where one must wait, it is seen to be
 * still waiting at a moment that the test itself decides.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#include "tests/unit/tame_shrinker.h"

/* --- who waits for whom --------------------------------------------------- */

/* Its first scan stays inside until it is let go. */
struct stuck {
	sem_t inside, let_go, walked, freed;
	struct shrinker *shrinker;
	atomic_int scans;
	atomic_bool ended;
};

static unsigned long stuck_count(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	return 1000;
}

static unsigned long stuck_scan(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	struct stuck *stuck = shrinker->private_data;

	if (atomic_fetch_add(&stuck->scans, 1) == 0) {
		sem_post(&stuck->inside);
		must(arrives(&stuck->let_go), "never let go");
		atomic_store(&stuck->ended, true);
	}
	return SHRINK_STOP;
}

static void stuck_init(struct stuck *stuck, const char *name)
{
	*stuck = (struct stuck){ .scans = 0 };
	sem_init(&stuck->inside, 0, 0);
	sem_init(&stuck->let_go, 0, 0);
	sem_init(&stuck->walked, 0, 0);
	sem_init(&stuck->freed, 0, 0);
	stuck->shrinker = shrinker_alloc(0, "%s", name);
	must(stuck->shrinker, "alloc");
	stuck->shrinker->count_objects = stuck_count;
	stuck->shrinker->scan_objects = stuck_scan;
	stuck->shrinker->private_data = stuck;
	must(shrinker_register(stuck->shrinker) == 0, "register");
}

static void stuck_release(struct stuck *stuck)
{
	sem_destroy(&stuck->inside);
	sem_destroy(&stuck->let_go);
	sem_destroy(&stuck->walked);
	sem_destroy(&stuck->freed);
}

static void *walk_once(void *arg)
{
	struct stuck *stuck = arg;

	shrink_slab(0, 0, &anything);
	sem_post(&stuck->walked);
	return NULL;
}

/* All that a stuck scan must not hold up; it posts a step at a time. */
struct bystander {
	sem_t stepped;
	struct tame tame;
};

static void *stand_by(void *arg)
{
	struct bystander *bystander = arg;
	struct shrinker *shrinker = registered(&bystander->tame, "bystander");

	sem_post(&bystander->stepped);
	must(is_listed("bystander") && is_listed("stuck"), "listing");
	sem_post(&bystander->stepped);
	must(shrink_slab(0, 0, &anything) == 5, "walk");
	sem_post(&bystander->stepped);
	must(shrinker_free(shrinker) == 0, "free");
	sem_post(&bystander->stepped);
	return NULL;
}

static void test_slow_scan_blocks_nobody(void)
{
	static const char *const steps[] = { "a registration", "a listing",
					     "another walk over both",
					     "the freeing of another" };
	struct bystander bystander = { .tame = { .count = 50, .frees = 5 } };
	pthread_t walker, other;
	struct stuck stuck;

	stuck_init(&stuck, "stuck");
	sem_init(&bystander.stepped, 0, 0);
	walker = thread_start(walk_once, &stuck);
	ok(arrives(&stuck.inside), "a walk is inside a scan and stays there");
	other = thread_start(stand_by, &bystander);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		ok(arrives(&bystander.stepped), "%s does not wait for it",
		   steps[i]);
	ok(!atomic_load(&stuck.ended) && sem_trywait(&stuck.walked) < 0,
	   "which has been inside all the time");
	ok(atomic_load(&stuck.scans) == 2,
	   "the other walk called the same shrinker");
	sem_post(&stuck.let_go);
	ok(arrives(&stuck.walked), "let go, it ends");
	pthread_join(walker, NULL);
	pthread_join(other, NULL);
	shrinker_free(stuck.shrinker);
	stuck_release(&stuck);
	sem_destroy(&bystander.stepped);
}

static void *free_it(void *arg)
{
	struct stuck *stuck = arg;
	bool ended;

	must(shrinker_free(stuck->shrinker) == 0, "free");
	ended = atomic_load(&stuck->ended);
	sem_post(&stuck->freed);
	return (void *)(uintptr_t)ended;
}

/* Yields until walks no longer see it: then its freer is in the wait. */
static bool leaves(const char *name)
{
	struct timespec end = deadline(), now;

	do {
		if (!is_listed(name))
			return true;
		sched_yield();
		clock_gettime(CLOCK_REALTIME, &now);
	} while (now.tv_sec < end.tv_sec);
	return false;
}

static void test_free_waits(void)
{
	struct tame tame = { .count = 50, .frees = 5 };
	struct shrinker *next;
	pthread_t walker, freer;
	struct stuck stuck;
	void *ended;

	stuck_init(&stuck, "leaving");
	next = registered(&tame, "next");
	walker = thread_start(walk_once, &stuck);
	must(arrives(&stuck.inside), "inside");
	freer = thread_start(free_it, &stuck);
	ok(leaves("leaving"), "once it is being freed, listings pass over it");
	ok(shrinker_register(stuck.shrinker) == -EINVAL &&
		   shrinker_free(stuck.shrinker) == -EINVAL,
	   "it is nobody else's to register or free");
	ok(shrink_slab(0, 0, &anything) == 5 && atomic_load(&stuck.scans) == 1,
	   "so do walks, and go on to the next");
	ok(sem_trywait(&stuck.freed) < 0, "free waits for the callback");
	/* The walk stands on it: its way on leads to what is freed first. */
	ok(shrinker_free(next) == 0, "its neighbour can be freed meanwhile");
	sem_post(&stuck.let_go);
	ok(arrives(&stuck.freed), "free returns");
	pthread_join(freer, &ended);
	ok(ended != NULL, "and only after the callback had ended");
	ok(arrives(&stuck.walked), "the walk goes on to its end");
	pthread_join(walker, NULL);
	stuck_release(&stuck);
}

/* Callbacks may use the registry themselves. */

static unsigned long nested_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	struct tame *tame = shrinker->private_data;
	struct shrinker *other;

	if (++tame->scans > 1)
		return SHRINK_STOP;
	other = registered(tame, "inner");
	must(shrink_slab(0, 0, &anything) == 1, "inner walk");
	must(shrinker_free(other) == 0, "inner free");
	return 1000;
}

static int note_id(const struct shrinker_info *info, void *arg)
{
	unsigned int *id = arg;

	*id = info->id;
	return 0;
}

static void test_nested(void)
{
	struct tame tame = { .count = 1000, .frees = 1 };
	struct shrinker *shrinker = made(&tame, "outer");
	unsigned int id = 0;

	shrinker->batch = 2000;
	shrinker->scan_objects = nested_scan;
	must(shrinker_register(shrinker) == 0, "register");
	ok(shrink_slab(0, 0, &anything) == 1000 && tame.scans == 3,
	   "a scan may register, walk, and free another");
	tame = (struct tame){ .count = 0 };
	must(shrinker_for_each(note_id, &id) == 0, "ids");
	shrinker_free(shrinker);
	ok(shrinker_debug_scan(id, 0, 1, &(unsigned long){ 0 }) == -ENOENT,
	   "an id is not used again");
}

static struct shrinker *late;

static int register_late(const struct shrinker_info *info, void *arg)
{
	struct tame *tame = arg;

	if (!late) {
		late = registered(tame, "late");
		must(shrink_slab(0, 0, &anything) == 0, "walk");
	}
	tame->scans++;
	return 0;
}

static void test_listing_may_register(void)
{
	struct tame tame = { .count = 0 };
	struct shrinker *shrinker = registered(&tame, "early");

	ok(shrinker_for_each(register_late, &tame) == 0 && tame.scans == 2 &&
		   is_listed("late"),
	   "a listing may register and walk, and comes to the new one");
	shrinker_free(late);
	shrinker_free(shrinker);
}

/* --- races ---------------------------------------------------------------- */

#define PAIRS 300

struct pair {
	pthread_barrier_t barrier;
	struct shrinker *shrinker;
	int registers[2], frees[2];
};

static void pair_run(struct pair *pair, int me)
{
	for (int i = 0; i < PAIRS; i++) {
		int err;

		pthread_barrier_wait(&pair->barrier);
		err = shrinker_register(pair->shrinker);
		must(err == 0 || err == -EEXIST, "register %d", err);
		pair->registers[me] += !err;
		pthread_barrier_wait(&pair->barrier);
		err = shrinker_free(pair->shrinker);
		must(err == 0 || err == -EINVAL, "free %d", err);
		pair->frees[me] += !err;
		pthread_barrier_wait(&pair->barrier);
	}
}

static void *pair_second(void *arg)
{
	pair_run(arg, 1);
	return NULL;
}

static void *pair_first(void *arg)
{
	pair_run(arg, 0);
	return NULL;
}

/* Both register one shrinker, then both free it. */
static void test_pairs(void)
{
	struct tame tame = { .count = 0 };
	struct pair pair = { .registers = { 0 } };
	pthread_t threads[2];

	pthread_barrier_init(&pair.barrier, NULL, 3);
	threads[0] = thread_start(pair_first, &pair);
	threads[1] = thread_start(pair_second, &pair);
	for (int i = 0; i < PAIRS; i++) {
		pair.shrinker = made(&tame, "pair");
		for (int wait = 0; wait < 3; wait++)
			pthread_barrier_wait(&pair.barrier);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ok(pair.registers[0] + pair.registers[1] == PAIRS &&
		   pair.frees[0] + pair.frees[1] == PAIRS,
	   "of two at once, one registers and one frees, %d times", PAIRS);
	pthread_barrier_destroy(&pair.barrier);
}

#define CHURNERS 2
#define WALKERS 2
#define KEPT 6
#define ROUNDS 1000
#define CALLS 20000
#define ALIVE 0x600dcafe

/* What callbacks use; freed as soon as the shrinker is. */
struct life {
	unsigned int state;
	struct shrinker *shrinker;
	atomic_ulong calls;
};

static atomic_bool race_over;
static atomic_ulong race_calls, race_lives;

static unsigned long life_count(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	struct life *life = shrinker->private_data;

	must(life->state == ALIVE, "called after its end");
	/* Relaxed: counting must not order what the race is to find. */
	atomic_fetch_add_explicit(&life->calls, 1, memory_order_relaxed);
	return 300;
}

static unsigned long life_scan(struct shrinker *shrinker,
			       struct shrink_control *sc)
{
	struct life *life = shrinker->private_data;

	must(life->state == ALIVE, "called after its end");
	atomic_fetch_add_explicit(&life->calls, 1, memory_order_relaxed);
	if (sc->nr_to_scan % 3 == 0)
		sched_yield();
	return sc->nr_to_scan;
}

static struct life *life_new(int nr)
{
	struct life *life = calloc(1, sizeof(*life));
	struct shrinker *shrinker;

	shrinker = shrinker_alloc(nr % 2 ? SHRINKER_NUMA_AWARE : 0, "life-%d",
				  nr);
	must(life && shrinker, "memory");
	life->state = ALIVE;
	life->shrinker = shrinker;
	shrinker->count_objects = life_count;
	shrinker->scan_objects = life_scan;
	shrinker->private_data = life;
	if (nr % 5)
		must(shrinker_register(shrinker) == 0, "%d", nr);
	return life;
}

static void life_free(struct life *life)
{
	if (!life)
		return;
	must(shrinker_free(life->shrinker) == 0, "free");
	life->state = 0;
	atomic_fetch_add(&race_calls, atomic_load(&life->calls));
	free(life);
}

static void *churn(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	struct life *kept[KEPT] = { NULL };

	/* For as long as it takes the walks to meet them often enough. */
	for (int i = 0; i < ROUNDS || atomic_load(&race_calls) < CALLS; i++) {
		int slot = rand_r(&seed) % KEPT;

		life_free(kept[slot]);
		kept[slot] = life_new(rand_r(&seed) % 1000);
		atomic_fetch_add(&race_lives, 1);
		sched_yield();
	}
	for (int slot = 0; slot < KEPT; slot++)
		life_free(kept[slot]);
	return NULL;
}

static void *walk_on(void *arg)
{
	struct shrink_scope scope = { .may_block = true };

	for (int i = 0; !atomic_load(&race_over); i++) {
		shrink_slab(i % 3, i % 4, &scope);
		sched_yield();
	}
	return NULL;
}

static int poke(const struct shrinker_info *info, void *arg)
{
	unsigned long nr;
	int err;

	must(!strncmp(info->name, "life-", 5), "%s", info->name);
	/* It is pinned, but may have begun to leave. */
	err = shrinker_debug_count(info->id, 0, &nr);
	must(err == 0 || err == -ENOENT, "%d", err);
	err = shrinker_debug_scan(info->id, 0, 10, &nr);
	must(err == 0 || err == -ENOENT, "%d", err);
	return 0;
}

static void *poke_on(void *arg)
{
	while (!atomic_load(&race_over)) {
		shrinker_for_each(poke, NULL);
		sched_yield();
	}
	return NULL;
}

static void test_race(void)
{
	pthread_t churners[CHURNERS], walkers[WALKERS], poker;

	for (int i = 0; i < WALKERS; i++)
		walkers[i] = thread_start(walk_on, NULL);
	poker = thread_start(poke_on, NULL);
	for (int i = 0; i < CHURNERS; i++)
		churners[i] = thread_start(churn, (void *)(uintptr_t)(i + 1));
	for (int i = 0; i < CHURNERS; i++)
		pthread_join(churners[i], NULL);
	atomic_store(&race_over, true);
	for (int i = 0; i < WALKERS; i++)
		pthread_join(walkers[i], NULL);
	pthread_join(poker, NULL);
	ok(list_all().nr == 0 && atomic_load(&race_lives) >= CHURNERS * ROUNDS,
	   "%lu shrinkers came and went under walks", atomic_load(&race_lives));
	ok(atomic_load(&race_calls) >= CALLS, "which called them %lu times",
	   atomic_load(&race_calls));
}

int main(void)
{
	test_slow_scan_blocks_nobody();
	test_free_waits();
	test_nested();
	test_listing_may_register();
	test_pairs();
	test_race();
	return done();
}
