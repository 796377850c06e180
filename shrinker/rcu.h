/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three calls of liburcu that the registry needs, in its "bulletproof"
 * flavour: a thread is registered by its first read-side section and forgotten
 * when it ends, so callers need not know that RCU is used at all.
 *
 * ThreadSanitizer sees neither the assembly nor the shared object in which
 * liburcu synchronises.  Under it, and only then, the one promise of RCU is
 * spelled out: what a reader did before it left its section happened before
 * the return of a synchronize that waited for it.  Pointers are published with
 * C11 atomics, which it understands by itself.
 */
#ifndef POOLFS_SHRINKER_RCU_H
#define POOLFS_SHRINKER_RCU_H

#include <urcu/urcu-bp.h>

#if defined(__SANITIZE_THREAD__)
#define RCU_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_UNDER_TSAN 1
#endif
#endif

#ifdef RCU_UNDER_TSAN
#include <sanitizer/tsan_interface.h>
extern char rcu_tsan_grace_period; /* its address stands for all of them */
#define rcu_tsan_reader_leaves() __tsan_release(&rcu_tsan_grace_period)
#define rcu_tsan_readers_left() __tsan_acquire(&rcu_tsan_grace_period)
#else
#define rcu_tsan_reader_leaves() ((void)0)
#define rcu_tsan_readers_left() ((void)0)
#endif

/* Sections nest; nothing in them may wait for a grace period. */
static inline void rcu_enter(void)
{
	urcu_bp_read_lock();
}

static inline void rcu_leave(void)
{
	rcu_tsan_reader_leaves();
	urcu_bp_read_unlock();
}

/* Wait until every section that has begun by now has ended. */
static inline void rcu_wait(void)
{
	urcu_bp_synchronize_rcu();
	rcu_tsan_readers_left();
}

#endif
