/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The invariants of a range allocator.
 *
 * What it is for: tests and debug builds, which call range_check() after each
 * operation.
 *
 * States and legal moves: those of range.c; nothing is moved here.
 *
 * Locks, in order: those of range.c.
 *
 * What reclaim may do to it meanwhile: nothing.
 */
#include "pool/range/range_impl.h"

/* The list covers the region, has no two holes side by side, and agrees with
 * by_offset. */
static const char *check_list(const struct range_allocator *ra)
{
	const struct avl_node *node = avl_first(&ra->by_offset);
	const struct range *range, *end = &ra->end;
	uint32_t nr_reserved = 0, nr_holes = 0;
	uint64_t reserved = 0;

	if (end->next->offset)
		return "the first range does not begin at 0";
	for (range = end->next; range != end; range = range->next) {
		if (range->next->prev != range || range->prev->next != range)
			return "the list is not linked both ways";
		if (range->offset % RANGE_ALIGN)
			return "a range is not aligned";
		if (range->next->offset <= range->offset)
			return "a range is empty or out of order";
		if (is_hole(range) && is_hole(range->next))
			return "two holes are neighbours";
		if (is_hole(range)) {
			nr_holes++;
			continue;
		}
		if (range_of(node) != range)
			return "the list and the tree by offset differ";
		node = avl_next(node);
		nr_reserved++;
		reserved += length(range);
	}
	if (node)
		return "a range is in the tree by offset only";
	if (nr_reserved != ra->nr_reserved || nr_holes != ra->nr_holes)
		return "the number of ranges is wrong";
	if (reserved != ra->reserved)
		return "the number of reserved bytes is wrong";
	return NULL;
}

static const char *check_holes(const struct range_allocator *ra)
{
	const struct avl_node *node;
	uint32_t nr = 0;

	for (node = avl_first(&ra->by_size); node; node = avl_next(node)) {
		const struct range *hole = range_of(node);

		if (!is_hole(hole) || hole->prev->next != hole)
			return "something is in the tree by size but no hole";
		nr++;
	}
	return nr == ra->nr_holes ? NULL : "a hole is missing in its tree";
}

static const char *check_owners(const struct range_allocator *ra,
				uint32_t *nr_owners)
{
	uint32_t nr_all = 0;
	const struct avl_node *node;
	const struct range *range;

	for (node = avl_first(&ra->owners); node; node = avl_next(node)) {
		const struct owner *owner = owner_of(node);
		uint64_t bytes = 0;
		uint32_t nr = 0;

		for (range = ra->end.next; range != &ra->end;
		     range = range->next) {
			if (range->owner != owner)
				continue;
			bytes += length(range);
			nr++;
		}
		if (!nr || nr != owner->nr_ranges || bytes != owner->bytes)
			return "an owner's account is wrong";
		nr_all += nr;
		++*nr_owners;
	}
	return nr_all == ra->nr_reserved ? NULL : "a range has a lost owner";
}

const char *range_check(const struct range_allocator *ra)
{
	uint32_t nr_owners = 0, nr_spare = 0;
	const union slot *slot;
	const char *wrong;

	if (!avl_check(&ra->by_size) || !avl_check(&ra->by_offset) ||
	    !avl_check(&ra->owners))
		return "a tree is out of balance or order";
	wrong = check_list(ra);
	if (!wrong)
		wrong = check_holes(ra);
	if (!wrong)
		wrong = check_owners(ra, &nr_owners);
	if (wrong)
		return wrong;
	for (slot = ra->spare; slot; slot = slot->next)
		nr_spare++;
	if (nr_spare != ra->nr_spare ||
	    nr_spare + nr_owners + ra->nr_reserved + ra->nr_holes !=
		    ra->nr_slots)
		return "slots are lost";
	return NULL;
}
