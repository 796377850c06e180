/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a file of a tmpfs has memory.
 *
 * Unlike lseek(2) it takes no lock of the file, looks at nothing but the range,
 * and sees what fallocate(2) has allocated and nobody has written yet.
 */
#ifndef POOLFS_POOL_LIB_CACHESTAT_H
#define POOLFS_POOL_LIB_CACHESTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What Debian 12's headers do not know: Linux 6.5. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/**
 * count_cached - pages of bytes [at, at+len) that have memory, or are in swap.
 * Return: false: before Linux 6.5.
 */
static inline bool count_cached(int fd, uint64_t at, uint64_t len,
				uint64_t *pages)
{
	struct {
		uint64_t off, len;
	} range = { at, len };
	struct {
		uint64_t cached, dirty, writeback, evicted, recent;
	} stat;

	if (syscall(SYS_cachestat, fd, &range, &stat, 0) < 0)
		return false;
	/* What is evicted is in swap. */
	*pages = stat.cached + stat.evicted;
	return true;
}

#endif
