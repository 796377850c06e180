/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All the sources one reclaimer listens to.
 *
 * What it is for: which files tell about pressure on this machine, in this
 * container, under this service manager.
 *
 * States: the list is made once; only the sources in it change.
 *
 * Locks: none; only the reclaimer's thread calls it.
 *
 * Reclaim meanwhile: it is reclaim that listens.
 */
#include "shrinker/psi_set.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_PRESSURE "/proc/pressure/memory"

static int base64_value(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? at - alphabet : -1;
}

ssize_t psi_base64_decode(const char *text, void *buf, size_t size)
{
	unsigned char *out = buf;
	size_t len = strlen(text), nr = 0;

	if (len % 4)
		return -EINVAL;
	for (size_t at = 0; at < len; at += 4) {
		uint32_t bits = 0;
		int pad = 0;

		for (int i = 0; i < 4; i++) {
			int value = base64_value(text[at + i]);

			if (text[at + i] == '=' && i >= 2 && at + 4 == len)
				pad++;
			else if (value < 0 || pad)
				return -EINVAL;
			bits = bits << 6 | (value < 0 ? 0 : value);
		}
		for (int i = 0; i < 3 - pad; i++) {
			if (nr == size)
				return -ENOSPC;
			out[nr++] = bits >> (16 - 8 * i);
		}
	}
	return nr;
}

static bool set_has(const struct psi_set *set, const char *path)
{
	struct psi_source_status status;

	for (int i = 0; i < set->nr; i++) {
		psi_source_status(set->source[i], &status);
		if (!strcmp(status.path, path))
			return true;
	}
	return false;
}

static int set_add(struct psi_set *set, const char *path,
		   const struct psi_threshold *explicit, bool bare)
{
	struct psi_source *s;

	if (set_has(set, path))
		return 0;
	if (set->nr == PSI_SET_MAX)
		return -E2BIG;
	s = psi_source_new(path, explicit, bare);
	if (!s)
		return -ENOMEM;
	set->source[set->nr++] = s;
	return 0;
}

/*
 * The service manager's protocol: a path, and what to write there.  /dev/null
 * means that pressure is not to be watched.  Whatever the manager writes to a
 * FIFO or a socket is an event.
 */
static int add_environment(struct psi_set *set)
{
	const char *path = secure_getenv("MEMORY_PRESSURE_WATCH");
	const char *text = secure_getenv("MEMORY_PRESSURE_WRITE");
	struct psi_threshold threshold;
	char buf[256];
	ssize_t len;

	if (!path || !*path || !strcmp(path, "/dev/null"))
		return 0;
	len = text ? psi_base64_decode(text, buf, sizeof(buf)) : -EINVAL;
	if (len < 0 || psi_trigger_parse(buf, len, &threshold))
		return set_add(set, path, NULL, true);
	return set_add(set, path, &threshold, true);
}

static int add_default(struct psi_set *set, const struct cgroup *cg)
{
	char path[PATH_MAX];
	/* First, so that its own trigger wins if it names one of the others. */
	int err = add_environment(set);

	if (!err)
		err = set_add(set, SYSTEM_PRESSURE, NULL, false);
	if (!err && cg && !cgroup_pressure_path(cg, path, sizeof(path)))
		err = set_add(set, path, NULL, false);
	return err;
}

int psi_set_init(struct psi_set *set, const char *const *paths, int nr,
		 const struct cgroup *cg)
{
	int err = 0;

	set->nr = 0;
	if (nr == 0)
		return add_default(set, cg);
	for (int i = 0; !err && i < nr; i++)
		err = set_add(set, paths[i], NULL, false);
	return err;
}

void psi_set_release(struct psi_set *set)
{
	while (set->nr > 0)
		psi_source_free(set->source[--set->nr]);
}

void psi_set_arm(struct psi_set *set, const struct psi_limits *limits,
		 uint64_t now)
{
	for (int i = 0; i < set->nr; i++)
		psi_source_arm(set->source[i], limits, now);
}

int psi_set_pollfds(const struct psi_set *set, struct pollfd *fds, int *owner)
{
	int nr = 0;

	for (int i = 0; i < set->nr; i++) {
		int end = nr + psi_source_pollfds(set->source[i], fds + nr);

		while (nr < end)
			owner[nr++] = i;
	}
	return nr;
}

bool psi_set_has_events(const struct psi_set *set)
{
	struct pollfd fds[PSI_NR_KINDS];

	for (int i = 0; i < set->nr; i++)
		if (psi_source_pollfds(set->source[i], fds))
			return true;
	return false;
}

struct psi_pressure psi_set_pressure(const struct psi_set *set)
{
	struct psi_pressure all = { 0, 0 };

	for (int i = 0; i < set->nr; i++) {
		for (int k = 0; k < PSI_NR_KINDS; k++) {
			bool hot;

			if (!psi_source_pressure(set->source[i], k, &hot))
				continue;
			all.under |= 1u << k;
			all.hot |= hot ? 1u << k : 0;
		}
	}
	return all;
}
