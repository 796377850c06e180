/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See hole.h.
 *
 * States of a hole: handed over -> made -> gone; or handed over -> late -> made
 * by a thread that ends with it.
 * Locks: as in hole.h.
 * Reclaim: has holes made.
 */
#include "pool/volatile/hole.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pool/volatile/volatile_priv.h"

/*
 * How long until the thread is looked at: first so long, then twice that, and so
 * on.  It must be asleep twice in a row: a file that somebody writes to holds up
 * all others for no longer.
 */
#define LOOK_NS 100000
#define LOOK_MOST_NS 3200000
#define LOOKS_MOST 300
/* Holes that may be late, each with a thread that waits for it. */
#define LATE_MAX 64

struct hole {
	TAILQ_ENTRY(hole) link; /* 1: of holes.late */
	struct pool *pool;
	uint32_t inode;
	uint64_t ino; /* of the store's file */
	uint64_t first, end; /* pages */
	int fd;
	int64_t blocks; /* before */
	int64_t result; /* 4 */
	bool made, late; /* 4 */
};

struct holes {
	pthread_mutex_t lock; /* 4: of all but @late */
	pthread_cond_t handed, made;
	pthread_t thread;
	pid_t tid; /* 0: it has not begun */
	bool has_thread; /* that is not late */
	bool closing;
	struct hole *next; /* for the thread */
	TAILQ_HEAD(, hole) late; /* 1 */
	uint32_t nr_late; /* 1 */
};

static int64_t blocks_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : st.st_blocks;
}

static int64_t hole_make(const struct hole *h)
{
	uint64_t page = h->pool->page_size;
	int64_t after;

	if (fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      h->first * page, (h->end - h->first) * page) < 0)
		return -errno;
	after = blocks_of(h->fd);
	if (after < 0)
		return after;
	return h->blocks > after ? (h->blocks - after) * 512 / (int64_t)page
				 : 0;
}

/* --- the thread --- */

/* If the worker is killed meanwhile, the next one finds VRANGE_PURGING. */
static int64_t hole_make_shared(const struct hole *h)
{
	const struct pool *pool = h->pool;
	int64_t result;

	if (pool->ops && pool->ops->call_begins)
		pool->ops->call_begins(pool->arg);
	result = hole_make(h);
	if (pool->ops && pool->ops->call_ends)
		pool->ops->call_ends(pool->arg);
	return result;
}

static void hole_free(struct hole *h)
{
	close(h->fd);
	free(h);
}

/* Its file may be gone, and its inode may be another's. */
static void hole_made_late(struct hole *h)
{
	struct pool *pool = h->pool;

	pool_lock(pool);
	TAILQ_REMOVE(&pool->volatiles->holes->late, h, link);
	pool->volatiles->holes->nr_late--;
	if (inode_by_ino(pool->inodes, h->ino) == h->inode)
		vrange_made_late(pool, h->inode, h->first, h->end, h->result);
	pool_unlock(pool);
	hole_free(h);
}

/* Return: the next hole, or NULL at the end. */
static struct hole *thread_next(struct holes *holes)
{
	struct hole *h;

	pthread_mutex_lock(&holes->lock);
	holes->tid = gettid();
	while (!holes->next && !holes->closing)
		pthread_cond_wait(&holes->handed, &holes->lock);
	h = holes->next;
	holes->next = NULL;
	pthread_mutex_unlock(&holes->lock);
	return h;
}

static void *hole_thread(void *arg)
{
	struct holes *holes = arg;
	struct hole *h;

	while ((h = thread_next(holes))) {
		int64_t result = hole_make_shared(h);
		bool late;

		pthread_mutex_lock(&holes->lock);
		h->result = result;
		h->made = true;
		late = h->late;
		pthread_cond_signal(&holes->made);
		pthread_mutex_unlock(&holes->lock);
		if (late) {
			pthread_detach(pthread_self());
			hole_made_late(h);
			return NULL;
		}
	}
	return NULL;
}

/* --- its callers --- */

/* Does the thread sleep in the kernel? */
static bool thread_sleeps(pid_t tid)
{
	char path[64], text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'D';
}

/* Lock 4 held.  Until it is made, or so long. */
static void hole_wait_for(struct holes *holes, const struct hole *h, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!h->made &&
	       !pthread_cond_timedwait(&holes->made, &holes->lock, &until))
		;
}

/* Lock 4 held.  Until it is made, or is late. */
static void hole_wait(struct holes *holes, const struct hole *h)
{
	int asleep = 0;
	long ns = LOOK_NS;

	for (int i = 0; i < LOOKS_MOST && asleep < 2; i++) {
		hole_wait_for(holes, h, ns);
		if (h->made)
			return;
		asleep = !holes->next && thread_sleeps(holes->tid) ? asleep + 1
								   : 0;
		if (ns < LOOK_MOST_NS)
			ns *= 2;
	}
}

/* Lock 4 held. */
static int hole_need_thread(struct holes *holes)
{
	int err;

	if (holes->has_thread)
		return 0;
	holes->tid = 0;
	err = pthread_create(&holes->thread, NULL, hole_thread, holes);
	holes->has_thread = !err;
	return -err;
}

/* Return: as hole_punch(). */
static int64_t hole_hand_over(struct holes *holes, struct hole *h)
{
	int64_t result;

	pthread_mutex_lock(&holes->lock);
	result = hole_need_thread(holes);
	if (!result) {
		holes->next = h;
		pthread_cond_signal(&holes->handed);
		hole_wait(holes, h);
		/* A thread that has not even begun must not find it later. */
		if (!h->made && holes->next) {
			holes->next = NULL;
			result = -EAGAIN;
		} else if (!h->made) {
			h->late = true;
			holes->has_thread = false;
			result = -EINPROGRESS;
		} else {
			result = h->result;
		}
	}
	pthread_mutex_unlock(&holes->lock);
	return result;
}

static bool is_shared(struct pool *pool, uint32_t inode)
{
	return pool->leases && inode_opens(pool, inode);
}

int64_t hole_punch(struct pool *pool, uint32_t inode, int fd, uint64_t first,
		   uint64_t end)
{
	struct holes *holes = pool->volatiles->holes;
	struct hole now = { .pool = pool,
			    .inode = inode,
			    .first = first,
			    .end = end,
			    .fd = fd };
	struct hole *h;
	struct stat st;
	int64_t result;

	if (fstat(fd, &st) < 0)
		return -errno;
	now.blocks = st.st_blocks;
	now.ino = st.st_ino;
	if (!is_shared(pool, inode))
		return hole_make(&now);
	h = malloc(sizeof(*h));
	if (!h)
		return -ENOMEM;
	*h = now;
	h->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (h->fd < 0) {
		free(h);
		return -errno;
	}
	result = hole_hand_over(holes, h);
	if (result == -EINPROGRESS) {
		TAILQ_INSERT_TAIL(&holes->late, h, link);
		holes->nr_late++;
	} else {
		hole_free(h);
	}
	return result;
}

bool hole_must_wait(struct pool *pool, uint32_t inode)
{
	struct holes *holes = pool->volatiles->holes;

	if (!holes->nr_late || !is_shared(pool, inode))
		return false;
	return holes->nr_late >= LATE_MAX ||
	       hole_is_late(pool, inode, 0, UINT64_MAX);
}

bool hole_is_late(struct pool *pool, uint32_t inode, uint64_t first,
		  uint64_t end)
{
	const struct hole *h;

	TAILQ_FOREACH(h, &pool->volatiles->holes->late, link)
	if (h->inode == inode && h->first < end && h->end > first)
		return true;
	return false;
}

int holes_open(struct pool *pool)
{
	struct holes *holes = calloc(1, sizeof(*holes));
	pthread_condattr_t attr;

	if (!holes)
		return -ENOMEM;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&holes->lock, NULL);
	pthread_cond_init(&holes->handed, NULL);
	pthread_cond_init(&holes->made, &attr);
	pthread_condattr_destroy(&attr);
	TAILQ_INIT(&holes->late);
	pool->volatiles->holes = holes;
	return 0;
}

/* The process ends before a thread that is late. */
void holes_close(struct pool *pool)
{
	struct holes *holes = pool->volatiles->holes;

	if (!holes)
		return;
	if (holes->has_thread) {
		pthread_mutex_lock(&holes->lock);
		holes->closing = true;
		pthread_cond_signal(&holes->handed);
		pthread_mutex_unlock(&holes->lock);
		pthread_join(holes->thread, NULL);
	}
	if (!holes->nr_late)
		free(holes);
	pool->volatiles->holes = NULL;
}
