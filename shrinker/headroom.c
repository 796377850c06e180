/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the limits of our cgroup leave.
 *
 * What it is for: tmpfs pages that we write are charged to our group.  Without
 * swap the kernel cannot give them back, and kills us at the limit.
 *
 * States: the levels, our group and those above it that have a limit, are found
 * anew every second, since limits change and processes are moved.  Usage is
 * read each time: other processes use up the same limit.
 *
 * Locks: none; each headroom belongs to one thread, or to one lock.
 *
 *	limit |---------- usage ----------|-- left --|
 *	            |- file cache -|                     reclaimed by the kernel
 *	            |- what fits into swap -|            before it kills: spare
 */
#include "shrinker/headroom.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shrinker/cgroup.h"
#include "shrinker/clock.h"

#define LIMITS_NS 1000000000ll
#define SPARE_NS 1000000ll

#define MARGIN_PART 8
#define MARGIN_MOST (32ull << 20)

static void headroom_close(struct headroom *h)
{
	while (h->nr) {
		struct headroom_level *l = &h->level[--h->nr];

		close(l->usage_fd);
		free(l->dir);
	}
	h->limit = HEADROOM_NONE;
}

static void headroom_add(void *arg, const struct cgroup_limit *found)
{
	struct headroom *h = arg;
	struct headroom_level *l = &h->level[h->nr];

	if (h->nr == HEADROOM_LEVELS)
		return;
	*l = (struct headroom_level){ .limit = found->limit,
				      .version = found->version };
	l->usage_fd = open(found->usage, O_RDONLY | O_CLOEXEC);
	if (l->usage_fd < 0)
		return;
	l->dir = strdup(found->dir);
	if (!l->dir) {
		close(l->usage_fd);
		return;
	}
	if (l->limit < h->limit)
		h->limit = l->limit;
	h->nr++;
}

void headroom_init(struct headroom *h, const struct cgroup *cg)
{
	*h = (struct headroom){ .cg = cg, .limit = HEADROOM_NONE };
}

void headroom_release(struct headroom *h)
{
	headroom_close(h);
	h->cg = NULL;
}

static void headroom_look(struct headroom *h, int64_t now)
{
	if (now < h->next_ns)
		return;
	headroom_close(h);
	cgroup_each_limit(h->cg, headroom_add, h);
	h->next_ns = now + LIMITS_NS;
}

static uint64_t level_usage(const struct headroom_level *l)
{
	char text[32];
	ssize_t n = pread(l->usage_fd, text, sizeof(text) - 1, 0);

	/* The group is gone: we were moved, and soon look again. */
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

static uint64_t level_free(const struct headroom_level *l)
{
	uint64_t usage = level_usage(l);

	return usage < l->limit ? l->limit - usage : 0;
}

/* What the kernel could reclaim, as of now, but for the least of pauses. */
static void level_look(struct headroom_level *l, uint64_t left, int64_t now)
{
	if (l->spare_ns && now - l->spare_ns < SPARE_NS)
		return;
	l->spare = cgroup_spare(l->dir, l->version, left);
	l->spare_ns = now;
}

static bool level_has(struct headroom_level *l, uint64_t want, uint64_t margin,
		      int64_t now)
{
	uint64_t left = level_free(l);

	if (left >= want + margin)
		return true;
	if (left + l->spare < want + margin)
		level_look(l, left, now);
	if (left + l->spare < want + margin)
		return false;
	/* It may be from there that we take it. */
	l->spare -= want < l->spare ? want : l->spare;
	return true;
}

bool headroom_has(struct headroom *h, uint64_t want, uint64_t margin)
{
	int64_t now;
	bool has = true;

	if (!h->cg)
		return true;
	now = clock_ns();
	headroom_look(h, now);
	for (int i = 0; has && i < h->nr; i++)
		has = level_has(&h->level[i], want, margin, now);
	return has;
}

uint64_t headroom_left(struct headroom *h)
{
	uint64_t least = HEADROOM_NONE;

	if (!h->cg)
		return least;
	headroom_look(h, clock_ns());
	for (int i = 0; i < h->nr; i++) {
		struct headroom_level *l = &h->level[i];
		uint64_t left = level_free(l);

		left += cgroup_spare(l->dir, l->version, left);
		if (left > l->limit)
			left = l->limit;
		if (left < least)
			least = left;
	}
	return least;
}

uint64_t headroom_margin(const struct headroom *h)
{
	uint64_t margin = h->limit / MARGIN_PART;

	return margin < MARGIN_MOST ? margin : MARGIN_MOST;
}
