/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of records in the store.
 *
 * States: a record is free (its first word is 0) or live; the table's owner
 * decides what other values mean.  A block is present (has memory) or absent.
 * All records of an absent block are free, and their memory is not read: that
 * would allocate memory, or SIGBUS in a full store.  table_record() sees to it.
 * Locks: none of its own; pool->lock (1) is held by all callers.
 * Reclaim: never punches a table.
 */
#include "pool/store/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Alignas(64) const char table_no_record[TABLE_BLOCK / 16];

static uint32_t table_nr_blocks(const struct table *t)
{
	return t->nr / t->per_block;
}

static int table_need_blocks(struct table *t, uint32_t nr)
{
	struct table_block *blocks = realloc(t->blocks, nr * sizeof(*blocks));

	if (!blocks)
		return -ENOMEM;
	t->blocks = blocks;
	return 0;
}

/* Record 0 is not used. */
static uint32_t block_capacity(const struct table *t, uint32_t block)
{
	return t->per_block - (block == 0);
}

/* Finds out which records of the block are free. */
static void block_scan(struct table *t, uint32_t block)
{
	struct table_block *s = &t->blocks[block];
	uint32_t first = block * t->per_block;

	s->nr_free = 0;
	memset(s->free, 0, sizeof(s->free));
	for (uint32_t i = block == 0; i < t->per_block; i++) {
		if (table_live(t, first + i))
			continue;
		s->free[i / 64] |= 1ull << i % 64;
		s->nr_free++;
	}
}

static int block_fill(struct table *t, uint32_t block)
{
	if (t->tried)
		return mmap(t->base + (size_t)block * TABLE_BLOCK, TABLE_BLOCK,
			    PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			    0) == MAP_FAILED
			       ? -errno
			       : 0;
	return fallocate(t->fd, 0, (off_t)block * TABLE_BLOCK, TABLE_BLOCK) < 0
		       ? -errno
		       : 0;
}

static void table_scan(struct table *t)
{
	t->first = 0;
	t->nr_absent = 0;
	t->nr_free = 0;
	t->spare = UINT32_MAX;
	for (uint32_t i = 0; i < table_nr_blocks(t); i++) {
		block_scan(t, i);
		if (t->blocks[i].present)
			t->nr_free += t->blocks[i].nr_free;
		else
			t->nr_absent++;
	}
}

static int table_grow(struct table *t)
{
	uint32_t block = table_nr_blocks(t);
	int err;

	if (t->nr + t->per_block > t->max)
		return -ENOSPC;
	err = table_need_blocks(t, block + 1);
	if (!err)
		err = block_fill(t, block);
	if (err)
		return err;
	t->blocks[block].present = true;
	t->nr += t->per_block;
	block_scan(t, block);
	t->nr_free += t->blocks[block].nr_free;
	return 0;
}

/* Finds out whether a block of the file has memory. */
static int block_probe(struct table *t, uint32_t block)
{
	off_t start = (off_t)block * TABLE_BLOCK;
	off_t data = lseek(t->fd, start, SEEK_DATA);

	t->blocks[block].present = data >= 0 && data < start + TABLE_BLOCK;
	/* A worker may have been killed while it allocated the block. */
	return t->blocks[block].present ? block_fill(t, block) : 0;
}

int table_open(struct table *t, int dirfd, const char *name, size_t rec_size,
	       uint32_t max)
{
	struct table new = { .rec_size = rec_size,
			     .max = max,
			     .per_block = TABLE_BLOCK / rec_size,
			     .shift = __builtin_ctz(TABLE_BLOCK / rec_size) };
	struct stat st;
	int err;

	new.map_size = (size_t)max *rec_size;
	new.fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			0600);
	if (new.fd < 0)
		return -errno;
	if (fstat(new.fd, &st) < 0) {
		err = -errno;
		goto err_close;
	}
	if ((uint64_t)st.st_size > new.map_size) {
		err = -EUCLEAN;
		goto err_close;
	}
	new.base = mmap(NULL, new.map_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, new.fd, 0);
	if (new.base == MAP_FAILED) {
		err = -errno;
		goto err_close;
	}
	new.nr = st.st_size / TABLE_BLOCK *new.per_block;
	err = table_need_blocks(&new, table_nr_blocks(&new) + 1);
	for (uint32_t i = 0; !err && i < table_nr_blocks(&new); i++)
		err = block_probe(&new, i);
	if (err)
		goto err_unmap;
	table_scan(&new);
	*t = new;
	return 0;

err_unmap:
	free(new.blocks);
	munmap(new.base, new.map_size);
err_close:
	close(new.fd);
	return err;
}

void table_release(struct table *t)
{
	if (!t->base)
		return;
	munmap(t->base, t->map_size);
	close(t->fd);
	free(t->blocks);
	memset(t, 0, sizeof(*t));
}

/* The lowest present block with a free record, or else one made present. */
static int table_find_block(struct table *t, uint32_t *block)
{
	uint32_t nr = table_nr_blocks(t), i;
	int err;

	for (; t->first < nr; t->first++) {
		if (t->blocks[t->first].present &&
		    t->blocks[t->first].nr_free) {
			*block = t->first;
			return 0;
		}
	}
	if (!t->nr_absent) {
		err = table_grow(t);
		*block = err ? *block : nr;
		return err;
	}
	for (i = 0; t->blocks[i].present; i++)
		;
	err = block_fill(t, i);
	if (err)
		return err;
	t->blocks[i].present = true;
	t->nr_free += t->blocks[i].nr_free;
	t->nr_absent--;
	t->first = i;
	*block = i;
	return 0;
}

int table_alloc(struct table *t, uint32_t *index)
{
	struct table_block *s;
	uint32_t block = 0, word = 0, i;
	int err = table_find_block(t, &block);

	if (err)
		return err;
	s = &t->blocks[block];
	while (!s->free[word])
		word++;
	i = word * 64 + __builtin_ctzll(s->free[word]);
	s->free[word] &= s->free[word] - 1;
	s->nr_free--;
	t->nr_free--;
	if (t->spare == block)
		t->spare = UINT32_MAX;
	*index = block * t->per_block + i;
	memset(table_record(t, *index), 0, t->rec_size);
	return 0;
}

/* Cuts absent blocks off the end of the file. */
static void table_trim(struct table *t)
{
	uint32_t nr = table_nr_blocks(t), absent = 0;

	while (nr && !t->blocks[nr - 1].present) {
		absent++;
		nr--;
	}
	if (!absent || ftruncate(t->fd, (off_t)nr * TABLE_BLOCK) < 0)
		return;
	t->nr = nr * t->per_block;
	t->nr_absent -= absent;
	if (t->first > nr)
		t->first = nr;
	/* One more than there are, since realloc() to 0 would free it. */
	table_need_blocks(t, nr + 1);
}

static void block_drop(struct table *t, uint32_t block)
{
	if (fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)block * TABLE_BLOCK, TABLE_BLOCK) < 0)
		return;
	t->blocks[block].present = false;
	t->nr_free -= t->blocks[block].nr_free;
	t->nr_absent++;
	table_trim(t);
}

/* One empty block stays present, the lowest: it is the spare one. */
static void block_emptied(struct table *t, uint32_t block)
{
	uint32_t last = block;

	if (t->spare == UINT32_MAX) {
		t->spare = block;
		return;
	}
	if (t->spare > block) {
		last = t->spare;
		t->spare = block;
	}
	block_drop(t, last);
}

/* The spare block goes when the others have half a block of free records. */
static void table_drop_spare(struct table *t)
{
	uint32_t block = t->spare;

	if (block == UINT32_MAX ||
	    t->nr_free - t->blocks[block].nr_free < t->per_block / 2)
		return;
	t->spare = UINT32_MAX;
	block_drop(t, block);
}

void table_rescan(struct table *t)
{
	table_scan(t);
	for (uint32_t i = 0; i < table_nr_blocks(t); i++)
		if (t->blocks[i].present &&
		    t->blocks[i].nr_free == block_capacity(t, i))
			block_emptied(t, i);
	table_drop_spare(t);
}

void table_free(struct table *t, uint32_t index)
{
	uint32_t block = index / t->per_block, i = index % t->per_block;
	struct table_block *s = &t->blocks[block];

	s->free[i / 64] |= 1ull << i % 64;
	s->nr_free++;
	t->nr_free++;
	if (t->first > block)
		t->first = block;
	if (s->nr_free == block_capacity(t, block))
		block_emptied(t, block);
	table_drop_spare(t);
}

int table_revive(struct table *t, uint32_t index)
{
	uint32_t block = index / t->per_block;
	int err = 0;

	while (!err && index >= t->nr)
		err = table_grow(t);
	if (err || t->blocks[block].present)
		return err;
	err = block_fill(t, block);
	if (err)
		return err;
	t->blocks[block].present = true;
	t->nr_free += t->blocks[block].nr_free;
	t->nr_absent--;
	return 0;
}

bool table_any_live(const struct table *t)
{
	table_for_each (t, i)
		return true;
	return false;
}

int table_try(struct table *t)
{
	void *base = mmap(t->base, t->map_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, t->fd, 0);

	t->tried = base != MAP_FAILED;
	return t->tried ? 0 : -errno;
}

int table_cut(int dirfd, const char *name, uint64_t most)
{
	int fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t length;
	struct stat st;
	int err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) == 0) {
		length = st.st_size / TABLE_BLOCK * TABLE_BLOCK;
		if (length > most)
			length = most;
		if (length != (uint64_t)st.st_size)
			err = ftruncate(fd, length) < 0 ? -errno : 0;
	}
	close(fd);
	return err;
}

uint64_t table_bytes(const struct table *t)
{
	return (uint64_t)(table_nr_blocks(t) - t->nr_absent) * TABLE_BLOCK;
}
