/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arithmetic of the MemAvailable watch.
 *
 * What it is for: a PSI trigger can come two seconds after memory ran out, or
 * not exist at all.  So MemAvailable is watched, too: seldom while there is
 * plenty, often when there is little.
 *
 * States: none; the functions work on their arguments alone.
 *
 * Locks: none.
 *
 * Reclaim meanwhile: nothing here is shared.
 */
#include "shrinker/meminfo.h"

#include <errno.h>
#include <string.h>

#include "shrinker/readfile.h"

#define MIB (1024ull * 1024)

/* The figure behind "NAME:", given in kB; @line is one line without newline. */
static int parse_kb(const char *at, const char *end, uint64_t *bytes)
{
	uint64_t value = 0;
	int digits = 0;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	for (; at < end && *at >= '0' && *at <= '9'; at++, digits++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at - '0', &value))
			return -ERANGE;
	if (end > at && end[-1] == '\r')
		end--;
	if (!digits || end - at != 3 || memcmp(at, " kB", 3))
		return -EINVAL;
	if (__builtin_mul_overflow(value, 1024, &value))
		return -ERANGE;
	*bytes = value;
	return 0;
}

static int find_kb(const char *text, size_t len, const char *name,
		   uint64_t *bytes)
{
	const char *end = text + len;
	size_t name_len = strlen(name);

	while (text < end) {
		const char *newline = memchr(text, '\n', end - text);

		if (!newline)
			break;
		if ((size_t)(newline - text) > name_len &&
		    !memcmp(text, name, name_len))
			return parse_kb(text + name_len, newline, bytes);
		text = newline + 1;
	}
	return -EINVAL;
}

int meminfo_parse(const char *text, size_t len, struct meminfo *out)
{
	struct meminfo mi;
	int err = find_kb(text, len, "MemTotal:", &mi.total);

	if (!err)
		err = find_kb(text, len, "MemAvailable:", &mi.available);
	if (err)
		return err;
	if (!mi.total)
		return -EINVAL;
	if (mi.available > mi.total)
		mi.available = mi.total;
	*out = mi;
	return 0;
}

int meminfo_read(const char *path, struct meminfo *out)
{
	char text[8192];
	ssize_t len = readfile(path, text, sizeof(text));

	return len < 0 ? len : meminfo_parse(text, len, out);
}

/*
 * The interval grows with the square of what is left above @min_free, as a
 * share of half of all memory: short near @min_free, where memory may be used
 * up at gigabytes a second, and seconds far above it.
 */
unsigned int meminfo_interval_ms(const struct meminfo *mi, uint64_t min_free,
				 unsigned int max_ms)
{
	uint64_t plenty = mi->total / 2;
	uint64_t spare;
	double share;

	if (mi->available <= min_free || max_ms <= MEMINFO_MIN_MS)
		return MEMINFO_MIN_MS;
	spare = mi->available - min_free;
	if (spare >= plenty)
		return max_ms;
	share = (double)spare / plenty;
	return MEMINFO_MIN_MS + (max_ms - MEMINFO_MIN_MS) * share * share;
}

uint64_t meminfo_default_min_free(uint64_t total)
{
	uint64_t least = total / 8 < 32 * MIB ? total / 8 : 32 * MIB;

	return total / 64 > least ? total / 64 : least;
}
