/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator of a box: which bytes of the region belong to which
 * transaction.  Best fit, 8-byte alignment, O(log n).  It touches no memory of
 * the region and knows no pages' content: it only says which pages its answers
 * make used or unused.  (Rules: drivers/android/binder_alloc.c and
 * drivers/android/binder/range_alloc/.)
 *
 * No locks inside: the owner (a box) serialises all calls on one allocator.
 */
#ifndef POOLFS_RANGE_H
#define POOLFS_RANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RANGE_ALIGN 8

struct range_allocator;
struct range; /* one reserved range; valid until range_free() */

/* A run of pages; nr 0 means none. */
struct page_run {
	uint32_t first;
	uint32_t nr;
};

/**
 * range_allocator_new - an allocator over @size bytes.
 * @size: bytes, a multiple of the page size, at most 2^31 pages.
 * @page_size: bytes, a power of two.
 * Return: it, or NULL with errno EINVAL or ENOMEM.
 */
struct range_allocator *range_allocator_new(uint64_t size, uint32_t page_size);

/** range_allocator_free - and all its ranges; NULL is fine. */
void range_allocator_free(struct range_allocator *ra);

/**
 * range_reserve - reserve @size bytes: the smallest free range that fits, the
 * lowest of equals, taken at its start.
 * @size: bytes; rounded up to 8, at least 8 (so offsets are unique).
 * @owner: uid charged for it.
 * @owner_quota: most bytes (rounded) @owner may hold after this, or
 *	UINT64_MAX.
 * @out: the range.
 * @used: pages that no reserved range touched before and this one does: the
 *	caller must use_range() them.
 *
 * Return: 0; -EINVAL (size overflows when rounded); -EMSGSIZE (larger than the
 * whole region); -EDQUOT; -ENOSPC (does not fit now); -ENOMEM.  On failure
 * nothing has changed, and *@out and *@used are untouched.
 */
int range_reserve(struct range_allocator *ra, uint64_t size, uid_t owner,
		  uint64_t owner_quota, struct range **out,
		  struct page_run *used);

/**
 * range_reserve_at - the same at a given place; for rebuilding an allocator
 * from recorded transactions.  -EEXIST when any byte is reserved already,
 * -EINVAL when @offset is not aligned or the end is outside.
 */
int range_reserve_at(struct range_allocator *ra, uint64_t offset, uint64_t size,
		     uid_t owner, struct range **out, struct page_run *used);

/**
 * range_resize - grow or shrink a range where it stands.
 * @used, @unused: as in range_reserve() and range_free(); a call fills one and
 *	sets the other's nr to 0.
 * Return: 0; -ENOSPC when the bytes behind it are not free; -EINVAL,
 * -EMSGSIZE, -EDQUOT, -ENOMEM as in range_reserve().
 */
int range_resize(struct range_allocator *ra, struct range *range, uint64_t size,
		 uint64_t owner_quota, struct page_run *used,
		 struct page_run *unused);

/**
 * range_free - give a range back.
 * @unused: pages that no reserved range touches any more: the caller must
 *	stop_using_range() them.
 */
void range_free(struct range_allocator *ra, struct range *range,
		struct page_run *unused);

uint64_t range_offset(const struct range *range); /* bytes */
uint64_t range_size(const struct range *range);	  /* bytes, rounded up to 8 */

struct range_stat {
	uint64_t size;		/* bytes of the region */
	uint64_t reserved;	/* bytes */
	uint64_t largest_free;	/* bytes; what fits right now */
	uint32_t nr_reserved;	/* ranges */
	uint32_t nr_free;	/* ranges */
};
void range_stat(const struct range_allocator *ra, struct range_stat *out);

/** range_owner_bytes - bytes (rounded) that @owner holds, and in how many. */
uint64_t range_owner_bytes(const struct range_allocator *ra, uid_t owner,
			   uint32_t *nr_ranges);

/**
 * range_suspect - Binder's low-space rule: once less than a tenth of @quota
 * is left of it (@quota being the most bytes all senders but the box's owner
 * should hold together), a sender that holds more than 50 ranges or more than
 * half of @quota is named.  It is named once until space recovers.
 * @held: bytes that count against @quota.
 * @owner: who has just been given a range.
 * Return: true when @owner is to be named now.
 */
bool range_suspect(struct range_allocator *ra, uint64_t quota, uint64_t held,
		   uid_t owner);

/**
 * range_check - walk everything and verify the invariants (tests).
 * Return: NULL, or a sentence that names the first one broken.
 */
const char *range_check(const struct range_allocator *ra);

#endif
