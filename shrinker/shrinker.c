/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry: which shrinkers exist, and how a walk gets from one to the next
 * without a lock.
 *
 * States of an entry:
 *
 *	  shrinker_alloc     shrinker_register
 *	(nothing) ---> made --------------> registered (refs: OPEN + pins)
 *	                |                     | shrinker_free takes OPEN away
 *	                |                     v
 *	                |                   leaving (refs: pins, none is added)
 *	                |                     | the last unpin
 *	                | shrinker_free       | unlinked, a grace period passes
 *	                v                     v
 *	             (nothing)             (nothing)
 *
 * An entry that is leaving stays in the list until it is unpinned for the last
 * time, because the walk that has it pinned goes on from it: unlinked earlier,
 * it could lead to a neighbour that has been freed since.  Later walks pass
 * over it; otherwise they could keep it from being freed.
 *
 *	walk                              shrinker_free(A)
 *	pins A, leaves RCU
 *	A's callbacks run                 A.refs OPEN + 1 -> 1, waits
 *	enters RCU, reads A.next
 *	A.refs 1 -> 0, wakes it           unlinks A, waits for a grace period
 *	goes on from A.next
 *	leaves RCU                        frees A
 *
 * Locks: registry.lock is a leaf (4 in pool/locks.h).  It is never held while a
 * callback runs or a grace period is waited for, so it may be taken inside a
 * read-side section.
 *
 * Reclaim is what walks this list, at any time and in any number of threads.
 */
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "shrinker/rcu.h"
#include "shrinker/registry.h"

/* Part of refs while the entry may be pinned; above any number of pins. */
#define OPEN (LONG_MAX / 2 + 1)

static struct {
	pthread_mutex_t lock;
	/*
	 * signalled when an entry that is leaving is unpinned for the last time
	 */
	pthread_cond_t drained;
	/* lock; of tsearch(3), every entry by its address */
	void *tree;
	/* written under lock, read under RCU */
	_Atomic(struct shrinker_entry *) head;
	/* lock; where the next entry will be linked */
	_Atomic(struct shrinker_entry *) *tail;
	/* lock */
	unsigned int next_id;
} registry = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.drained = PTHREAD_COND_INITIALIZER,
	.tail = &registry.head,
};

#ifdef RCU_UNDER_TSAN
char rcu_tsan_grace_period;
#endif

static int compare_addresses(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;

	return (x > y) - (x < y);
}

/* The pointer may be anything: it is compared, never followed. */
static bool is_ours_locked(const struct shrinker *shrinker)
{
	return tfind(shrinker, &registry.tree, compare_addresses) != NULL;
}

static bool is_complete(const struct shrinker *shrinker)
{
	return shrinker->count_objects && shrinker->scan_objects &&
	       shrinker->private_data && shrinker->batch >= 0 &&
	       shrinker->seeks >= 0;
}

static void link_locked(struct shrinker_entry *entry)
{
	entry->registered = true;
	entry->link = registry.tail;
	atomic_store_explicit(&entry->refs, OPEN, memory_order_relaxed);
	atomic_store_explicit(&entry->next, NULL, memory_order_relaxed);
	/* Publishes all of the above. */
	atomic_store_explicit(entry->link, entry, memory_order_release);
	registry.tail = &entry->next;
}

/* Its own next stays, for a walk that goes on from it. */
static void unlink_locked(struct shrinker_entry *entry)
{
	struct shrinker_entry *next =
		atomic_load_explicit(&entry->next, memory_order_relaxed);

	atomic_store_explicit(entry->link, next, memory_order_release);
	if (next)
		next->link = entry->link;
	else
		registry.tail = entry->link;
}

static bool pin(struct shrinker_entry *entry)
{
	long refs = atomic_load_explicit(&entry->refs, memory_order_relaxed);

	while (refs & OPEN) {
		if (atomic_compare_exchange_weak(&entry->refs, &refs, refs + 1))
			return true;
	}
	return false;
}

/*
 * The caller is inside a read-side section: once the count is 0, that alone
 * keeps the entry from being freed.
 */
static void unpin_rcu(struct shrinker_entry *entry)
{
	if (atomic_fetch_sub(&entry->refs, 1) > 1)
		return;
	/*
	 * Under the lock: the waiter must not miss it between test and sleep.
	 */
	pthread_mutex_lock(&registry.lock);
	pthread_cond_broadcast(&registry.drained);
	pthread_mutex_unlock(&registry.lock);
}

struct shrinker_entry *shrinker_pin_next(struct shrinker_entry *prev)
{
	struct shrinker_entry *entry;

	rcu_enter();
	entry = atomic_load_explicit(prev ? &prev->next : &registry.head,
				     memory_order_acquire);
	while (entry && !pin(entry))
		entry = atomic_load_explicit(&entry->next,
					     memory_order_acquire);
	if (prev)
		unpin_rcu(prev);
	rcu_leave();
	return entry;
}

void shrinker_unpin(struct shrinker_entry *entry)
{
	rcu_enter();
	unpin_rcu(entry);
	rcu_leave();
}

/* Return: 0; -EINVAL: the name is empty. */
__attribute__((format(printf, 2, 0))) static int
set_name(struct shrinker_entry *entry, const char *fmt, va_list ap)
{
	if (vsnprintf(entry->name, sizeof(entry->name), fmt, ap) <= 0)
		return -EINVAL;
	for (char *c = entry->name; *c; c++) {
		if (*c == '/')
			*c = '_';
	}
	return 0;
}

/* Gives the entry an id and a place in the tree.  Return: 0 or -ENOMEM. */
static int enrol(struct shrinker_entry *entry)
{
	void *node;

	pthread_mutex_lock(&registry.lock);
	node = tsearch(entry, &registry.tree, compare_addresses);
	if (node)
		entry->id = registry.next_id++;
	pthread_mutex_unlock(&registry.lock);
	return node ? 0 : -ENOMEM;
}

struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	size_t nodes = flags & SHRINKER_NUMA_AWARE ? SHRINK_MAX_NODES : 1;
	struct shrinker_entry *entry;
	va_list ap;
	int err;

	if (!fmt || (flags & ~SHRINKER_NUMA_AWARE)) {
		errno = EINVAL;
		return NULL;
	}
	entry = calloc(1, sizeof(*entry) + nodes * sizeof(entry->deferred[0]));
	if (!entry)
		return NULL;
	entry->flags = entry->shrinker.flags = flags;
	entry->shrinker.seeks = DEFAULT_SEEKS;

	va_start(ap, fmt);
	err = set_name(entry, fmt, ap);
	va_end(ap);
	if (!err)
		err = enrol(entry);
	if (err) {
		free(entry);
		errno = -err;
		return NULL;
	}
	return &entry->shrinker;
}

static void tell_not_ours(const char *function, const struct shrinker *shrinker)
{
	fprintf(stderr, "poolfs: %s: %p did not come from shrinker_alloc()\n",
		function, (const void *)shrinker);
}

int shrinker_register(struct shrinker *shrinker)
{
	bool ours;
	int err = 0;

	pthread_mutex_lock(&registry.lock);
	ours = is_ours_locked(shrinker);
	if (!ours || !is_complete(shrinker))
		err = -EINVAL;
	else if (shrinker_entry(shrinker)->registered)
		err = -EEXIST;
	else
		link_locked(shrinker_entry(shrinker));
	pthread_mutex_unlock(&registry.lock);
	if (!ours)
		tell_not_ours(__func__, shrinker);
	return err;
}

/* Waits until there is no pin; the lock is released meanwhile. */
static void drain_locked(struct shrinker_entry *entry)
{
	atomic_fetch_sub(&entry->refs, OPEN);
	while (atomic_load(&entry->refs) > 0)
		pthread_cond_wait(&registry.drained, &registry.lock);
}

int shrinker_free(struct shrinker *shrinker)
{
	struct shrinker_entry *entry = shrinker_entry(shrinker);
	bool registered;

	if (!shrinker)
		return 0;
	pthread_mutex_lock(&registry.lock);
	/* Out of the tree first: from here on it cannot be registered. */
	if (!tdelete(shrinker, &registry.tree, compare_addresses)) {
		pthread_mutex_unlock(&registry.lock);
		tell_not_ours(__func__, shrinker);
		return -EINVAL;
	}
	registered = entry->registered;
	if (registered) {
		drain_locked(entry);
		unlink_locked(entry);
	}
	pthread_mutex_unlock(&registry.lock);
	if (registered)
		rcu_wait();
	free(entry);
	return 0;
}
