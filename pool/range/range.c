/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The range allocator: best fit over the bytes of one region.
 *
 * What it is for: placing transactions, and saying which pages a placement
 * makes used and a release makes unused, when ranges are as small as 8 bytes
 * and many share a page.
 *
 * States and legal moves: the ranges cover the region without a gap, so a
 * range ends where its neighbour begins.  Each is reserved (it has an owner)
 * or a hole (it has none).  Reserving cuts a hole in up to three, freeing
 * joins a range with the holes at its sides: two holes are never neighbours.
 * So the nearest reserved byte before and after any range is at most two steps
 * away, which is all there is to know about shared pages.
 *
 * range_impl.h draws it.
 *
 * Locks, in order: none of its own; the box's callers hold pool->lock (1).
 *
 * What reclaim may do to it meanwhile: nothing.  Reclaim sees pages, never
 * ranges, and takes only pages that were reported unused here.
 */
#include "pool/range/range_impl.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_PAGES (UINT64_C(1) << 31)
#define CHUNK_BYTES 4096
#define SLOTS_PER_CHANGE 3 /* most that one call takes: range, hole, owner */

#define SLOTS_PER_CHUNK \
	((CHUNK_BYTES - sizeof(struct slot_chunk)) / sizeof(union slot))

/* The owner of both ends of every list, so that an end is not a hole. */
static struct owner edge;

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_size(const struct avl_node *a, const struct avl_node *b)
{
	const struct range *x = range_of(a), *y = range_of(b);
	int by_length = order(length(x), length(y));

	return by_length ? by_length : order(x->offset, y->offset);
}

static int cmp_size_key(const void *key, const struct avl_node *node)
{
	return order(*(const uint64_t *)key, length(range_of(node)));
}

static int cmp_offset(const struct avl_node *a, const struct avl_node *b)
{
	return order(range_of(a)->offset, range_of(b)->offset);
}

static int cmp_offset_key(const void *key, const struct avl_node *node)
{
	return order(*(const uint64_t *)key, range_of(node)->offset);
}

static int cmp_uid(const struct avl_node *a, const struct avl_node *b)
{
	return order(owner_of(a)->uid, owner_of(b)->uid);
}

static int cmp_uid_key(const void *key, const struct avl_node *node)
{
	return order(*(const uid_t *)key, owner_of(node)->uid);
}

static void slot_free(struct range_allocator *ra, union slot *slot)
{
	slot->next = ra->spare;
	ra->spare = slot;
	ra->nr_spare++;
}

static union slot *slot_alloc(struct range_allocator *ra)
{
	union slot *slot = ra->spare;

	ra->spare = slot->next;
	ra->nr_spare--;
	return slot;
}

/* The lowest address comes out first. */
static void slots_add(struct range_allocator *ra, union slot *slots, int nr)
{
	ra->nr_slots += nr;
	while (nr--)
		slot_free(ra, &slots[nr]);
}

/*
 * Has enough free slots for one call, so that a call cannot fail half way.  The
 * first chunks are small, since most boxes hold few transactions.
 */
static int slots_prepare(struct range_allocator *ra)
{
	size_t nr = ra->nr_slots, bytes;
	struct slot_chunk *chunk;

	if (ra->nr_spare >= SLOTS_PER_CHANGE)
		return 0;
	if (nr > SLOTS_PER_CHUNK)
		nr = SLOTS_PER_CHUNK;
	bytes = sizeof(*chunk) + nr * sizeof(union slot);
	chunk = malloc(bytes);
	if (!chunk)
		return -ENOMEM;
	chunk->next = ra->chunks;
	ra->chunks = chunk;
	ra->metadata += bytes;
	slots_add(ra, chunk->slots, nr);
	return 0;
}

static void chunks_free(struct range_allocator *ra)
{
	struct slot_chunk *chunk;

	while ((chunk = ra->chunks)) {
		ra->chunks = chunk->next;
		free(chunk);
	}
}

static struct owner *owner_find(const struct range_allocator *ra, uid_t uid)
{
	return owner_of(avl_find(&ra->owners, &uid, cmp_uid_key));
}

/* Charges @bytes of one more range to @uid.  slots_prepare() was called. */
static struct owner *owner_charge(struct range_allocator *ra, uid_t uid,
				  uint64_t bytes)
{
	struct owner *owner = owner_find(ra, uid);

	if (!owner) {
		owner = &slot_alloc(ra)->owner;
		owner->uid = uid;
		owner->bytes = 0;
		owner->nr_ranges = 0;
		avl_insert(&ra->owners, &owner->node);
	}
	owner->bytes += bytes;
	owner->nr_ranges++;
	return owner;
}

static void owner_discharge(struct range_allocator *ra, struct owner *owner,
			    uint64_t bytes)
{
	owner->bytes -= bytes;
	if (--owner->nr_ranges)
		return;
	avl_erase(&ra->owners, &owner->node);
	slot_free(ra, (union slot *)owner);
}

/* Makes a range that begins at @offset, behind @prev; it is in no tree yet. */
static struct range *range_add(struct range_allocator *ra, struct range *prev,
			       uint64_t offset)
{
	struct range *range = &slot_alloc(ra)->range;

	range->offset = offset;
	range->owner = NULL;
	range->prev = prev;
	range->next = prev->next;
	prev->next->prev = range;
	prev->next = range;
	return range;
}

/* Its bytes become those of the range before it. */
static void range_del(struct range_allocator *ra, struct range *range)
{
	range->prev->next = range->next;
	range->next->prev = range->prev;
	slot_free(ra, (union slot *)range);
}

/* A hole's length must not change while it is in the tree. */
static void hole_insert(struct range_allocator *ra, struct range *hole)
{
	avl_insert(&ra->by_size, &hole->node);
	ra->nr_holes++;
}

static void hole_erase(struct range_allocator *ra, struct range *hole)
{
	avl_erase(&ra->by_size, &hole->node);
	ra->nr_holes--;
}

/* Where the nearest reserved byte before @range ends; 0 if there is none. */
static uint64_t reserved_before(const struct range *range)
{
	const struct range *prev = range->prev;

	return is_hole(prev) ? prev->offset : range->offset;
}

/* Where the nearest reserved byte after @range is; the region's end if none. */
static uint64_t reserved_after(const struct range *range)
{
	const struct range *next = range->next;

	return is_hole(next) ? next->next->offset : next->offset;
}

/*
 * The pages that bytes [from, to) touch and no other reserved bytes do.  The
 * nearest of those end at @before and begin at @after.  @from < @to.
 * (As binder_free_buf_locked() in binder_alloc.c and what it calls.)
 */
static struct page_run lone_pages(const struct range_allocator *ra,
				  uint64_t from, uint64_t to, uint64_t before,
				  uint64_t after)
{
	uint64_t first = from >> ra->page_shift;
	uint64_t last = ((to - 1) >> ra->page_shift) + 1;

	if (before > first << ra->page_shift)
		first++;
	if (after < last << ra->page_shift)
		last--;
	if (first >= last)
		return (struct page_run){ 0, 0 };
	return (struct page_run){ first, last - first };
}

static struct page_run lone_pages_of(const struct range_allocator *ra,
				     const struct range *range)
{
	return lone_pages(ra, range->offset, range->next->offset,
			  reserved_before(range), reserved_after(range));
}

/* 0 and *@rounded, or -EINVAL. */
static int round_size(uint64_t size, uint64_t *rounded)
{
	if (size > UINT64_MAX - (RANGE_ALIGN - 1))
		return -EINVAL;
	if (!size)
		size = RANGE_ALIGN;
	*rounded = (size + RANGE_ALIGN - 1) & ~(uint64_t)(RANGE_ALIGN - 1);
	return 0;
}

/* Reserves [offset, offset + size) of @hole.  slots_prepare() was called. */
static struct range *carve(struct range_allocator *ra, struct range *hole,
			   uint64_t offset, uint64_t size, uid_t uid)
{
	struct range *range = hole;

	hole_erase(ra, hole);
	if (offset > hole->offset)
		range = range_add(ra, hole, offset);
	if (size < length(range))
		hole_insert(ra, range_add(ra, range, offset + size));
	if (range != hole)
		hole_insert(ra, hole);
	range->owner = owner_charge(ra, uid, size);
	avl_insert(&ra->by_offset, &range->node);
	ra->nr_reserved++;
	ra->reserved += size;
	return range;
}

/* One hole, no owner, and the built-in slots. */
static void make_empty(struct range_allocator *ra, uint64_t size)
{
	ra->end.offset = 0;
	ra->end.prev = &ra->end;
	ra->end.next = &ra->end;
	ra->end.owner = &edge;
	ra->by_size = (struct avl_tree){ NULL, cmp_size };
	ra->by_offset = (struct avl_tree){ NULL, cmp_offset };
	ra->owners = (struct avl_tree){ NULL, cmp_uid };
	ra->spare = NULL;
	ra->nr_spare = 0;
	ra->nr_slots = 0;
	ra->nr_holes = 0;
	ra->metadata = sizeof(*ra);
	slots_add(ra, ra->builtin, RANGE_NR_BUILTIN);
	range_add(ra, &ra->end, 0);
	ra->end.offset = size;
	hole_insert(ra, ra->end.next);
}

struct range_allocator *range_allocator_new(uint64_t size, uint32_t page_size)
{
	struct range_allocator *ra;

	if (page_size < RANGE_ALIGN || page_size & (page_size - 1) || !size ||
	    size % page_size || size / page_size > MAX_PAGES) {
		errno = EINVAL;
		return NULL;
	}
	ra = calloc(1, sizeof(*ra));
	if (!ra)
		return NULL;
	ra->page_shift = __builtin_ctz(page_size);
	make_empty(ra, size);
	return ra;
}

void range_allocator_free(struct range_allocator *ra)
{
	if (!ra)
		return;
	chunks_free(ra);
	free(ra);
}

int range_reserve(struct range_allocator *ra, uint64_t size, uid_t owner,
		  uint64_t owner_quota, struct range **out,
		  struct page_run *used)
{
	struct avl_node *fit;
	struct range *range;
	int err;

	err = round_size(size, &size);
	if (err)
		return err;
	if (size > ra->end.offset)
		return -EMSGSIZE;
	if (size > owner_quota ||
	    range_owner_bytes(ra, owner, NULL) > owner_quota - size)
		return -EDQUOT;
	fit = avl_lower_bound(&ra->by_size, &size, cmp_size_key);
	if (!fit)
		return -ENOSPC;
	err = slots_prepare(ra);
	if (err)
		return err;
	range = carve(ra, range_of(fit), range_of(fit)->offset, size, owner);
	*out = range;
	*used = lone_pages_of(ra, range);
	return 0;
}

int range_reserve_at(struct range_allocator *ra, uint64_t offset, uint64_t size,
		     uid_t owner, struct range **out, struct page_run *used)
{
	struct range *next, *hole;
	int err;

	if (offset % RANGE_ALIGN || round_size(size, &size) ||
	    offset > ra->end.offset || size > ra->end.offset - offset)
		return -EINVAL;
	next = range_of(
		avl_lower_bound(&ra->by_offset, &offset, cmp_offset_key));
	if (!next)
		next = &ra->end;
	hole = next->prev;
	if (!is_hole(hole) || offset < hole->offset ||
	    offset + size > next->offset)
		return -EEXIST;
	err = slots_prepare(ra);
	if (err)
		return err;
	*out = carve(ra, hole, offset, size, owner);
	*used = lone_pages_of(ra, *out);
	return 0;
}

/* Moves the end of @range forward to @end, into the hole behind it. */
static struct page_run grow(struct range_allocator *ra, struct range *range,
			    uint64_t end)
{
	uint64_t from = range->next->offset, after = reserved_after(range);
	struct range *hole = range->next;

	hole_erase(ra, hole);
	if (end < hole->next->offset) {
		hole->offset = end;
		hole_insert(ra, hole);
	} else {
		range_del(ra, hole);
	}
	return lone_pages(ra, from, end, from, after);
}

/* Moves the end of @range back to @end.  slots_prepare() was called. */
static struct page_run shrink(struct range_allocator *ra, struct range *range,
			      uint64_t end)
{
	uint64_t to = range->next->offset, after = reserved_after(range);
	struct range *hole = range->next;

	if (is_hole(hole)) {
		hole_erase(ra, hole);
		hole->offset = end;
	} else {
		hole = range_add(ra, range, end);
	}
	hole_insert(ra, hole);
	return lone_pages(ra, end, to, end, after);
}

/* Whether @range may become @size long. */
static int may_resize(struct range_allocator *ra, const struct range *range,
		      uint64_t size, uint64_t owner_quota)
{
	uint64_t have = length(range);

	if (size > ra->end.offset)
		return -EMSGSIZE;
	if (size < have)
		return slots_prepare(ra);
	if (size == have)
		return 0;
	if (range->owner->bytes + (size - have) > owner_quota)
		return -EDQUOT;
	if (!is_hole(range->next) || length(range->next) < size - have)
		return -ENOSPC;
	return 0;
}

int range_resize(struct range_allocator *ra, struct range *range, uint64_t size,
		 uint64_t owner_quota, struct page_run *used,
		 struct page_run *unused)
{
	uint64_t have = length(range);
	int err;

	err = round_size(size, &size);
	if (!err)
		err = may_resize(ra, range, size, owner_quota);
	if (err)
		return err;
	*used = (struct page_run){ 0, 0 };
	*unused = (struct page_run){ 0, 0 };
	if (size > have)
		*used = grow(ra, range, range->offset + size);
	else if (size < have)
		*unused = shrink(ra, range, range->offset + size);
	range->owner->bytes += size - have;
	ra->reserved += size - have;
	return 0;
}

void range_free(struct range_allocator *ra, struct range *range,
		struct page_run *unused)
{
	struct range *prev, *next;

	*unused = (struct page_run){ 0, 0 };
	if (!range)
		return;
	*unused = lone_pages_of(ra, range);
	avl_erase(&ra->by_offset, &range->node);
	ra->nr_reserved--;
	ra->reserved -= length(range);
	owner_discharge(ra, range->owner, length(range));
	range->owner = NULL;

	prev = range->prev;
	next = range->next;
	if (is_hole(next)) {
		hole_erase(ra, next);
		range_del(ra, next);
	}
	if (is_hole(prev)) {
		hole_erase(ra, prev);
		range_del(ra, range);
		range = prev;
	}
	hole_insert(ra, range);
}

int range_set_owner(struct range_allocator *ra, struct range *range,
		    uid_t owner)
{
	struct owner *before = range->owner;

	if (!owner_find(ra, owner) && slots_prepare(ra))
		return -ENOMEM;
	range->owner = owner_charge(ra, owner, length(range));
	owner_discharge(ra, before, length(range));
	return 0;
}

uint64_t range_offset(const struct range *range)
{
	return range->offset;
}

uint64_t range_size(const struct range *range)
{
	return length(range);
}

uid_t range_owner(const struct range *range)
{
	return range->owner->uid;
}

void range_stat(const struct range_allocator *ra, struct range_stat *out)
{
	const struct range *largest = range_of(avl_last(&ra->by_size));

	*out = (struct range_stat){
		.size = ra->end.offset,
		.reserved = ra->reserved,
		.largest_free = largest ? length(largest) : 0,
		.metadata = ra->metadata,
		.nr_reserved = ra->nr_reserved,
		.nr_free = ra->nr_holes,
	};
}

uint64_t range_owner_bytes(const struct range_allocator *ra, uid_t owner,
			   uint32_t *nr_ranges)
{
	const struct owner *found = owner_find(ra, owner);

	if (nr_ranges)
		*nr_ranges = found ? found->nr_ranges : 0;
	return found ? found->bytes : 0;
}

bool range_suspect(struct range_allocator *ra, uint64_t quota, uint64_t held,
		   uid_t owner)
{
	uint64_t left = held < quota ? quota - held : 0, bytes;
	uint32_t nr;

	if (left >= quota / 5) {
		ra->suspect_named = false;
		return false;
	}
	bytes = range_owner_bytes(ra, owner, &nr);
	if (ra->suspect_named || (nr <= 50 && bytes <= quota / 2))
		return false;
	ra->suspect_named = true;
	return true;
}
