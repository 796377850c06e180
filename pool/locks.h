/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock order of the whole program.  Take them in this order only; other
 * files cite the numbers.
 *
 *	1  pool->lock		boxes, their transactions, range allocators,
 *				open handles: everything a request changes
 *	2  region->lock		the page frames of one region, its descriptor
 *	3  lru->node[n].lock	one node's list of extents
 *	4  leaf locks		event ring, log, reclaim status: nothing is
 *				taken under them
 *
 * The reclaimer comes from the other end: it finds an extent under 3 and needs
 * 2 to take it off.  It only ever *tries* 2 there, and skips the extent when
 * somebody has it.  It never takes 1.
 *
 * Functions whose names end in _locked want their lock held by the caller.
 */
#ifndef POOLFS_POOL_LOCKS_H
#define POOLFS_POOL_LOCKS_H
#endif
