/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator of a box: which bytes of the region belong to which
 * transaction.  Best fit, 8-byte alignment, O(log n).  It does not touch the
 * region's memory.  It reports which pages a call makes used or unused; a page
 * is used while any reserved range touches it.  (Rules: binder_alloc.c and
 * binder/range_alloc/ in the kernel's drivers/android.)
 *
 * Memory: 56 bytes for each reserved range, each hole between two of them and
 * each owner that holds a range.  It is allocated in chunks of at most 4 KiB,
 * which are kept until the allocator is freed.
 *
 * No locks inside: the owner (a box) serialises all calls on one allocator.
 */
#ifndef POOLFS_POOL_RANGE_H
#define POOLFS_POOL_RANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RANGE_ALIGN 8

struct range_allocator;
struct range; /* one reserved range; valid until range_free() */

/* An owner that is no user: see range_set_owner(). */
#define RANGE_NOBODY ((uid_t)-1)

/* A run of pages; nr 0 means none. */
struct page_run {
	uint32_t first;
	uint32_t nr;
};

/**
 * range_allocator_new - an allocator over @size bytes.
 * @size: bytes, a multiple of the page size, at most 2^31 pages.
 * @page_size: bytes, a power of two, at least 8.
 * Return: it, or NULL with errno EINVAL or ENOMEM.
 */
struct range_allocator *range_allocator_new(uint64_t size, uint32_t page_size);

/** range_allocator_free - free it with all its ranges; NULL is fine. */
void range_allocator_free(struct range_allocator *ra);

/**
 * range_reserve - reserve @size bytes: the smallest free range that fits, the
 * lowest of equals, taken at its start.
 * @size: bytes; rounded up to 8, at least 8 (so offsets are unique).
 * @owner: uid charged for it.
 * @owner_quota: most bytes (rounded) @owner may hold after this, or
 *	UINT64_MAX.
 * @out: the range.
 * @used: out, the pages that only this range touches: the caller must call
 *	region_use_range() for them.
 *
 * Return: 0; -EINVAL (size overflows when rounded); -EMSGSIZE (larger than the
 * whole region); -EDQUOT; -ENOSPC (does not fit now); -ENOMEM.  They are
 * checked in this order.  On failure nothing has changed, and *@out and *@used
 * are untouched.
 */
int range_reserve(struct range_allocator *ra, uint64_t size, uid_t owner,
		  uint64_t owner_quota, struct range **out,
		  struct page_run *used);

/**
 * range_reserve_at - the same at a given place; for rebuilding an allocator
 * from recorded transactions, in any order.  No quota is looked at.
 * Return: 0; -EINVAL when @offset is not aligned or the end is outside; -EEXIST
 * when any byte is reserved already; -ENOMEM.
 */
int range_reserve_at(struct range_allocator *ra, uint64_t offset, uint64_t size,
		     uid_t owner, struct range **out, struct page_run *used);

/**
 * range_resize - grow or shrink a range where it stands.
 * @used, @unused: as in range_reserve() and range_free(); a call fills one and
 *	sets the other's nr to 0.
 * Return: 0; -EINVAL, -EMSGSIZE, -EDQUOT as in range_reserve(), the last only
 * when growing; -ENOSPC when too few bytes behind it are free; -ENOMEM only
 * when shrinking.  On failure nothing has changed.
 */
int range_resize(struct range_allocator *ra, struct range *range, uint64_t size,
		 uint64_t owner_quota, struct page_run *used,
		 struct page_run *unused);

/**
 * range_free - give a range back; NULL is fine and makes no page unused.
 * @unused: out, pages that no reserved range touches any more: the caller must
 *	call region_stop_using_range() for them.
 */
void range_free(struct range_allocator *ra, struct range *range,
		struct page_run *unused);

/**
 * range_set_owner - another one is charged for @range; no quota is looked at.
 * Return: 0; -ENOMEM, not if @owner holds another range.
 */
int range_set_owner(struct range_allocator *ra, struct range *range,
		    uid_t owner);

uint64_t range_offset(const struct range *range); /* bytes */
uint64_t range_size(const struct range *range); /* bytes, rounded up to 8 */
uid_t range_owner(const struct range *range); /* that it was reserved for */

struct range_stat {
	uint64_t size; /* bytes of the region */
	uint64_t reserved; /* bytes */
	uint64_t largest_free; /* bytes; what fits right now */
	uint64_t metadata; /* bytes of memory the allocator itself takes */
	uint32_t nr_reserved; /* ranges */
	uint32_t nr_free; /* ranges */
};
void range_stat(const struct range_allocator *ra, struct range_stat *out);

/** range_owner_bytes - bytes (rounded) that @owner holds, and in how many
 * ranges; @nr_ranges may be NULL. */
uint64_t range_owner_bytes(const struct range_allocator *ra, uid_t owner,
			   uint32_t *nr_ranges);

/**
 * range_suspect - Binder's low-space rule (debug_low_async_space_locked() in
 * binder_alloc.c), to be called after @owner has been given a range.
 * @quota: bytes that all senders but the box's owner may hold together,
 *	normally half of the region.
 * @held: bytes that count against @quota.
 *
 * While less than a fifth of @quota is left (a tenth of the region), a sender
 * is suspect that holds more than 50 ranges or more than half of @quota (a
 * quarter of the region).  After one was reported, none is reported until a
 * call finds that more than a fifth is left.
 * Return: true when @owner is to be reported now.
 */
bool range_suspect(struct range_allocator *ra, uint64_t quota, uint64_t held,
		   uid_t owner);

/**
 * range_check - walk everything and verify the invariants (tests).
 * Return: NULL, or a sentence that names the first one broken.
 */
const char *range_check(const struct range_allocator *ra);

#endif
