/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame table of an LRU: 12 bytes for each page that was touched, in chunks
 * that stand for 2 MiB of one region's file.
 *
 *	region->ids:   [ 7 | 0 | 9 | ... ]	chunk id by chunk of the file;
 *	                 |       |		0: never touched, all Free
 *	chunks:   | .. | 7 | 8 | 9 | ..		region, index, busy: by id
 *	                 |
 *	frames:   | .. |[f f f ... f]| ..	512 of them (4 KiB pages) by id
 *
 * A frame's number is its chunk's id followed by its place in the chunk, so
 * neighbours in a chunk have neighbouring numbers.  Chunk 0 is never given out:
 * frame 0 means none.
 *
 * Each array is one reservation of address space, made accessible as ids are
 * given out.  The frames of chunks 2n and 2n + 1 share pages of memory; these
 * go back to the kernel when both chunks are idle.
 */
#ifndef POOLFS_POOL_REGION_FRAME_H
#define POOLFS_POOL_REGION_FRAME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool/lib/extent_list.h"

struct region;

/*
 * An extent of four Available pages; fields that are not shown are unused.
 *
 *	  head                        tail
 *	+-----------+-------+-------+-------+
 *	| link      |       |       |       |
 *	| len 4     |       |       | len 4 |
 *	| Available | Avail | Avail | Avail |
 *	+-----------+-------+-------+-------+
 */
struct frame {
	struct extent_link link; /* node lock; of an extent's head */
	uint16_t len; /* region and node lock; pages; of head and tail */
	uint8_t nid; /* region lock; NUMA node of the memory */
	uint8_t bits; /* region lock; FRAME_* */
};

#define FRAME_STATE 0x03u /* enum page_state */
#define FRAME_POPULATED 0x04u /* the store's file has memory there */
#define FRAME_CACHED 0x08u /* the kernel may hold a copy in front of it */
#define FRAME_MAPPED 0x10u /* our mapping has its page table entry */
#define FRAME_ALL 0x1fu

struct frame_chunk {
	struct region *region; /* NULL: idle; set before frames are listed */
	uint32_t index; /* among the region's chunks; idle: the next one */
	uint32_t busy; /* region lock; frames whose bits are not 0 */
};

struct frame_table {
	struct frame *frames;
	struct frame_chunk *chunks;
	unsigned int shift; /* a chunk has 1 << shift frames */
	uint32_t max; /* ids there is address space for */
	pthread_mutex_t lock; /* a leaf; guards what follows */
	uint32_t nr; /* ids below it have been given out */
	uint32_t open; /* ids below it are accessible memory */
	uint32_t idle; /* first idle chunk, chained by index; 0: none */
	_Atomic uint64_t pairs; /* pairs of chunks that hold memory */
};

/** frame_table_init - an empty table.  Return: 0 or -ENOMEM. */
int frame_table_init(struct frame_table *t, unsigned int page_shift);
void frame_table_release(struct frame_table *t);

/**
 * chunk_alloc - a chunk of zeroed frames.
 * @index: which of @region's chunks it is.
 * Return: its id; 0: no memory.
 */
uint32_t chunk_alloc(struct frame_table *t, struct region *region,
		     uint32_t index);

/** chunk_free - free a chunk; the bits of all its frames are 0. */
void chunk_free(struct frame_table *t, uint32_t id);

/** frame_table_bytes - memory of the table. */
uint64_t frame_table_bytes(const struct frame_table *t);

static inline struct frame_chunk *chunk_of(const struct frame_table *t,
					   uint32_t f)
{
	return &t->chunks[f >> t->shift];
}

/* Its index in its chunk. */
static inline uint32_t frame_place(const struct frame_table *t, uint32_t f)
{
	return f & ((1u << t->shift) - 1);
}

/* The page of the region that it stands for. */
static inline uint32_t frame_page(const struct frame_table *t, uint32_t f)
{
	return chunk_of(t, f)->index << t->shift | frame_place(t, f);
}

static inline unsigned int frame_state(const struct frame_table *t, uint32_t f)
{
	return t->frames[f].bits & FRAME_STATE;
}

static inline void frame_set(struct frame_table *t, uint32_t f, uint8_t bits)
{
	struct frame *frame = &t->frames[f];

	chunk_of(t, f)->busy += !!bits - !!frame->bits;
	frame->bits = bits;
}

/* Clears and sets bits in @nr frames of one chunk. */
static inline void frames_change(struct frame_table *t, uint32_t f, uint32_t nr,
				 uint8_t clear, uint8_t set)
{
	for (; nr; f++, nr--)
		frame_set(t, f, (t->frames[f].bits & ~clear) | set);
}

#endif
