/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moments in which freeing a shrinker can go wrong, one by one.  Some are a
 * few instructions long: this program stands between the registry and what it
 * calls there, and makes them as long as it needs.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "shrinker/rcu.h"
#include "tests/unit/tame_shrinker.h"

#define MOMENT_US 50000 /* in which whoever need not wait gets on */

static void moment(void)
{
	usleep(MOMENT_US);
}

/* --- what the registry calls ---------------------------------------------- */

/* Posted by whoever is about to wait for a condition, with the lock held. */
static sem_t waiting;

/* The deadline is a day away: what is missed now is missed for good. */
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	struct timespec at = deadline();

	sem_post(&waiting);
	moment();
	at.tv_sec += 86400;
	return pthread_cond_timedwait(cond, lock, &at);
}

/* What a thread does once, when it next leaves a read-side section. */
static _Thread_local void (*after_section)(void);

void urcu_bp_read_unlock(void)
{
	static void (*_Atomic unlock)(void);
	void (*then)(void) = after_section;

	if (!unlock)
		unlock = (void (*)(void))(
			uintptr_t)dlsym(RTLD_NEXT, "urcu_bp_read_unlock");
	unlock();
	after_section = NULL;
	if (then)
		then();
}

/* What is freed is not to be mistaken for what it was; sanitizers see to that
 * themselves. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
void free(void *mem)
{
	static void (*_Atomic give_back)(void *);

	if (!give_back)
		give_back = (void (*)(void *))(uintptr_t)dlsym(RTLD_NEXT,
							       "free");
	if (mem)
		memset(mem, 0xa5, malloc_usable_size(mem));
	give_back(mem);
}
#endif

/* --- a shrinker whose scan stays inside until it is let go ---------------- */

struct stuck {
	sem_t inside, let_go, freed;
	struct shrinker *shrinker;
	void (*at_the_end)(void); /* of the section that the walk goes on in */
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

	sem_post(&stuck->inside);
	must(arrives(&stuck->let_go), "never let go");
	after_section = stuck->at_the_end;
	return SHRINK_STOP;
}

static void stuck_init(struct stuck *stuck, const char *name)
{
	*stuck = (struct stuck){ .at_the_end = NULL };
	sem_init(&stuck->inside, 0, 0);
	sem_init(&stuck->let_go, 0, 0);
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
	sem_destroy(&stuck->freed);
}

static void *walk_once(void *arg)
{
	return (void *)(uintptr_t)shrink_slab(0, 0, &anything);
}

static void *free_it(void *arg)
{
	struct stuck *stuck = arg;

	must(shrinker_free(stuck->shrinker) == 0, "free");
	sem_post(&stuck->freed);
	return NULL;
}

/* --- the moments ---------------------------------------------------------- */

/* Found, and not pinned yet: only the section keeps it. */
static void test_grace_period(void)
{
	struct stuck stuck;
	pthread_t freer;
	bool early;

	stuck_init(&stuck, "seen");
	rcu_enter();
	freer = thread_start(free_it, &stuck);
	moment();
	early = sem_trywait(&stuck.freed) == 0;
	rcu_leave();
	ok(!early, "what a section may have found is not freed before its end");
	ok(arrives(&stuck.freed), "then it is");
	pthread_join(freer, NULL);
	stuck_release(&stuck);
}

/* The last pin is gone, and the freer has not slept yet. */
static void test_wake(void)
{
	pthread_t walker, freer;
	struct stuck stuck;
	bool freed;

	stuck_init(&stuck, "drained");
	walker = thread_start(walk_once, NULL);
	must(arrives(&stuck.inside), "inside");
	freer = thread_start(free_it, &stuck);
	must(arrives(&waiting), "the freer waits");
	sem_post(&stuck.let_go);
	freed = arrives(&stuck.freed);
	ok(freed, "who is about to sleep is woken, too");
	must(freed, "it would sleep for ever");
	pthread_join(walker, NULL);
	pthread_join(freer, NULL);
	stuck_release(&stuck);
}

/* Two are drained at once; the one that is let go, in either order, is freed. */
static void test_two_freers(void)
{
	for (int first = 0; first < 2; first++) {
		pthread_t walker[2], freer[2];
		struct stuck stuck[2];
		bool freed;

		for (int i = 0; i < 2; i++) {
			stuck_init(&stuck[i], i ? "one" : "two");
			/* It is the only one there: the other is leaving. */
			walker[i] = thread_start(walk_once, NULL);
			must(arrives(&stuck[i].inside), "inside");
			freer[i] = thread_start(free_it, &stuck[i]);
			must(arrives(&waiting), "the freer waits");
		}
		moment();
		moment();
		sem_post(&stuck[first].let_go);
		freed = arrives(&stuck[first].freed);
		ok(freed, "of two who wait the right one is woken: %d", first);
		must(freed, "the other would wait for ever");
		sem_post(&stuck[!first].let_go);
		must(arrives(&stuck[!first].freed), "the other");
		for (int i = 0; i < 2; i++) {
			pthread_join(walker[i], NULL);
			pthread_join(freer[i], NULL);
			stuck_release(&stuck[i]);
		}
		while (sem_trywait(&waiting) == 0)
			;
	}
}

static struct stuck leaving;

static void until_it_is_freed(void)
{
	must(arrives(&leaving.freed), "free");
}

/* A walk that has left a shrinker knows the next one already. */
static void test_way_on(void)
{
	struct tame tame = { .count = 50, .frees = 5 };
	pthread_t walker, freer;
	struct shrinker *next;
	void *freed;

	stuck_init(&leaving, "leaving");
	leaving.at_the_end = until_it_is_freed;
	next = registered(&tame, "next");
	walker = thread_start(walk_once, NULL);
	must(arrives(&leaving.inside), "inside");
	freer = thread_start(free_it, &leaving);
	must(arrives(&waiting), "the freer waits");
	sem_post(&leaving.let_go);
	pthread_join(walker, &freed);
	ok((uintptr_t)freed == 5,
	   "a walk goes on from what is freed behind it");
	pthread_join(freer, NULL);
	stuck_release(&leaving);
	shrinker_free(next);
}

int main(void)
{
	sem_init(&waiting, 0, 0);
	test_grace_period();
	test_wake();
	while (sem_trywait(&waiting) == 0)
		;
	test_two_freers();
	test_way_on();
	return done();
}
