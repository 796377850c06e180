/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets in listings of what a counter numbers: boxes and transactions.  A
 * 32-bit program can read a listing only if each offset fits into 31 bits, and
 * counters grow beyond that.  So an offset is the number modulo 2^30:
 *
 *	              oldest                                 newest
 *	     ...........|-- entries ------------------|........|
 *	                '--- 2^29 numbers: 31 bits ---'
 *
 * Whoever goes on there finds the number again, since all that is left is not
 * older than the oldest entry.  What has since become older than that is before
 * all entries.  Entries beyond, which take a listing of half a billion numbers,
 * have offsets of 64 bits.  Behind an offset of no entry there is none.
 */
#ifndef POOLFS_FS_REQUEST_OFFSET_H
#define POOLFS_FS_REQUEST_OFFSET_H

#include <stdint.h>
#include <sys/types.h>

#define OFFSET_DOTS 2 /* behind "." and ".." */
#define OFFSET_WHOLE (1ll << 62)
#define OFFSET_MODULUS (1ull << 30)

/**
 * offset_of_id - behind the entry @id.
 * @oldest: of all entries, no more than @id; both are above 0.
 */
static inline off_t offset_of_id(uint64_t id, uint64_t oldest)
{
	if (id - oldest >= OFFSET_MODULUS / 2)
		return OFFSET_WHOLE | id;
	return OFFSET_DOTS + 1 + id % OFFSET_MODULUS;
}

/** offset_id - the listing goes on with the first entry above this number. */
static inline uint64_t offset_id(off_t off, uint64_t oldest)
{
	uint64_t ahead;

	if (off <= OFFSET_DOTS)
		return 0;
	if (off & OFFSET_WHOLE)
		return off & ~OFFSET_WHOLE;
	if (off > (off_t)OFFSET_MODULUS + OFFSET_DOTS)
		return INT64_MAX;
	ahead = ((uint64_t)off - OFFSET_DOTS - 1 - oldest) % OFFSET_MODULUS;
	return ahead < OFFSET_MODULUS / 2 ? oldest + ahead : oldest - 1;
}

#endif
