/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded cache of descriptors: see fd_cache.h.
 *
 * States (of a descriptor): in use <-> on the list -> closed, by
 * fd_cache_drop() or as the oldest of too many.  What is dropped while in use
 * is closed at the end of that.
 * Locks: fd_cache.lock, a leaf (4).
 * Reclaim: uses it as everybody does.
 */
#include "pool/lib/fd_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FDS_KEPT_FREE 64 /* and no less than an eighth of the limit */
#define FDS_MAX 3968 /* more are memory of the kernel for little use */
#define FDS_MIN 16

uint32_t fd_cache_max(void)
{
	struct rlimit rl;
	rlim_t keep, max;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return FDS_MIN;
	keep = rl.rlim_cur / 8 > FDS_KEPT_FREE ? rl.rlim_cur / 8
					       : FDS_KEPT_FREE;
	max = rl.rlim_cur > keep + FDS_MIN ? rl.rlim_cur - keep : FDS_MIN;
	return max < FDS_MAX ? max : FDS_MAX;
}

void fd_cache_init(struct fd_cache *c, uint32_t max)
{
	int fd;

	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->max = max;
	/*
	 * The kernel doubles the table of descriptors when it is full, which
	 * takes some milliseconds once there are threads.
	 */
	fd = fcntl(0, F_DUPFD_CLOEXEC, max + FDS_KEPT_FREE - 1);
	if (fd >= 0)
		close(fd);
}

void fd_cache_release(struct fd_cache *c)
{
	pthread_mutex_destroy(&c->lock);
	free(c->slot);
	memset(c, 0, sizeof(*c));
}

static void list_add_locked(struct fd_cache *c, int fd)
{
	struct fd_slot *s = &c->slot[fd];

	s->older = c->youngest;
	s->younger = 0;
	if (c->youngest)
		c->slot[c->youngest].younger = fd;
	else
		c->oldest = fd;
	c->youngest = fd;
}

static void list_del_locked(struct fd_cache *c, int fd)
{
	struct fd_slot *s = &c->slot[fd];

	if (s->older)
		c->slot[s->older].younger = s->younger;
	else
		c->oldest = s->younger;
	if (s->younger)
		c->slot[s->younger].older = s->older;
	else
		c->youngest = s->older;
}

/* Return: @fd, for the caller to close once the lock is dropped. */
static int forget_locked(struct fd_cache *c, int fd)
{
	*c->slot[fd].at = 0;
	c->slot[fd].at = NULL;
	c->nr--;
	return fd;
}

static int evict_locked(struct fd_cache *c)
{
	int fd = c->oldest;

	if (c->nr <= c->max || !fd)
		return -1;
	list_del_locked(c, fd);
	c->evicted++;
	return forget_locked(c, fd);
}

static int need_slots_locked(struct fd_cache *c, int nr)
{
	struct fd_slot *slot;

	if (nr <= c->nr_slots)
		return 0;
	nr = (nr | 63) + 1;
	slot = realloc(c->slot, nr * sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	memset(slot + c->nr_slots, 0, (nr - c->nr_slots) * sizeof(*slot));
	c->slot = slot;
	c->nr_slots = nr;
	return 0;
}

static int use_locked(struct fd_cache *c, int fd)
{
	if (fd && !c->slot[fd].users++)
		list_del_locked(c, fd);
	return fd;
}

int fd_cache_use(struct fd_cache *c, int *at)
{
	int fd;

	pthread_mutex_lock(&c->lock);
	fd = use_locked(c, *at);
	pthread_mutex_unlock(&c->lock);
	return fd;
}

int fd_cache_add(struct fd_cache *c, int *at, int fd)
{
	int ret = fd, surplus = -1;

	pthread_mutex_lock(&c->lock);
	if (*at) {
		ret = use_locked(c, *at);
		surplus = fd;
	} else if (need_slots_locked(c, fd + 1) < 0) {
		ret = -ENOMEM;
		surplus = fd;
	} else {
		*at = fd;
		c->slot[fd].at = at;
		c->slot[fd].users = 1;
		c->nr++;
		surplus = evict_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
	if (surplus >= 0)
		close(surplus);
	return ret;
}

void fd_cache_done(struct fd_cache *c, int fd)
{
	int surplus = -1;

	pthread_mutex_lock(&c->lock);
	if (!--c->slot[fd].users) {
		if (c->slot[fd].at) {
			list_add_locked(c, fd);
			surplus = evict_locked(c);
		} else {
			surplus = fd;
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (surplus >= 0)
		close(surplus);
}

void fd_cache_drop(struct fd_cache *c, int *at)
{
	int fd;

	pthread_mutex_lock(&c->lock);
	fd = *at;
	if (fd) {
		forget_locked(c, fd);
		if (c->slot[fd].users)
			fd = 0;
		else
			list_del_locked(c, fd);
	}
	pthread_mutex_unlock(&c->lock);
	if (fd)
		close(fd);
}
