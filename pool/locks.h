/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock order of the whole program.  Take them in this order only; other
 * files cite the numbers.
 *
 *	1  pool->lock		all that a request changes: tables and journal,
 *				boxes, transactions, range allocators, open
 *				files; inodes of plain files, volatile files
 *				and ranges with their two LRU lists; the limit
 *				of the store; requests that wait
 *	2  region->lock		the page frames of one region
 *	3  lru->node[n].lock	one NUMA node's list of extents
 *	4  leaf locks		chunks of frames, descriptors, event ring, log,
 *				reclaim status: no other lock is taken under them
 *
 * Reclaim takes them in the other direction, so it only tries those that are
 * out of order, and never waits:
 *
 *	box-pages	finds an extent under 3, tries 2, and skips the extent
 *			if that fails.  It never takes 1.
 *	volatile-files	try 1, which a purge needs, and stop the scan if that
 *	volatile-ranges	fails.  A scan may also be called by the holder of 1
 *			that needs room; it stops if that holder is in the
 *			middle of a change (inode_table.busy, journal.active).
 *
 * A function whose name ends in _locked needs its lock held by the caller.
 */
#ifndef POOLFS_POOL_LOCKS_H
#define POOLFS_POOL_LOCKS_H
#endif
