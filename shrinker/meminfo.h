/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/meminfo, and how soon to look at it again.
 */
#ifndef POOLFS_SHRINKER_MEMINFO_H
#define POOLFS_SHRINKER_MEMINFO_H

#include <stddef.h>
#include <stdint.h>

/* Bytes. */
struct meminfo {
	uint64_t total;
	uint64_t available; /* at most total */
};

/* Milliseconds between looks: below min_free, and with plenty of memory. */
#define MEMINFO_MIN_MS 50
#define MEMINFO_MAX_MS 5000

/**
 * meminfo_parse - MemTotal and MemAvailable out of the text of /proc/meminfo.
 * Return: 0; -EINVAL when one is missing, malformed or cut off, or MemTotal is
 * 0; -ERANGE when one does not fit into 64 bits of bytes.
 */
int meminfo_parse(const char *text, size_t len, struct meminfo *out);

/** meminfo_read - from a file.  Return: as above, or what open/read say. */
int meminfo_read(const char *path, struct meminfo *out);

/**
 * meminfo_interval_ms - milliseconds until the next look.
 * @min_free: bytes of available memory under which reclaim runs.
 * @max_ms: the longest interval, at least MEMINFO_MIN_MS.
 *
 * MEMINFO_MIN_MS at @min_free and under it, @max_ms when half of all memory is
 * left above it, and never less for more memory.
 */
unsigned int meminfo_interval_ms(const struct meminfo *mi, uint64_t min_free,
				 unsigned int max_ms);

/** meminfo_default_min_free - bytes: a small share of @total bytes. */
uint64_t meminfo_default_min_free(uint64_t total);

#endif
