/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of inodes by inode number: a hash table that grows and shrinks by a
 * bucket at a time, so that no request pays for all inodes there are.
 *
 *	bucket   0   1   2   3   4   5         half = 4: there would be 8, but
 *	                 ^   ^   |   |         the inodes of 6 and 7 are still
 *	         ^---^-----------'---'         in 2 and 3; those of 4 and 5 came
 *	                                       from 0 and 1
 *
 * Locks: pool->lock (1) held by all callers.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/inode/inode_priv.h"

/* Merged by one inode that goes: more than it takes to keep up. */
#define MERGES_MOST 2

#define BUCKETS_BYTES (INODE_MAX * sizeof(uint32_t))

static uint32_t *inode_bucket(struct inode_table *t, uint64_t ino)
{
	/* tmpfs numbers its inodes one after another: multiply to spread. */
	uint32_t h = (ino ^ ino >> 32) * 0x9e3779b97f4a7c15ull >> 32;

	h &= 2 * t->half_buckets - 1;
	return &t->bucket[h < t->nr_buckets ? h : h - t->half_buckets];
}

uint32_t inode_by_ino(struct inode_table *t, uint64_t ino)
{
	uint32_t i = *inode_bucket(t, ino);

	while (i && inode_rec(t, i)->ino != ino)
		i = inode_mem(t, i)->next;
	return i;
}

void inode_hash(struct inode_table *t, uint32_t i)
{
	uint32_t *head = inode_bucket(t, inode_rec(t, i)->ino);

	inode_mem(t, i)->next = *head;
	*head = i;
}

void inode_unhash(struct inode_table *t, uint32_t i)
{
	uint32_t *at = inode_bucket(t, inode_rec(t, i)->ino);

	while (*at && *at != i)
		at = &inode_mem(t, *at)->next;
	if (*at)
		*at = inode_mem(t, i)->next;
}

/* Puts the inodes of a bucket where they belong by now. */
static void bucket_spread(struct inode_table *t, uint32_t bucket)
{
	uint32_t i = t->bucket[bucket], next;

	for (t->bucket[bucket] = 0; i; i = next) {
		next = inode_mem(t, i)->next;
		inode_hash(t, i);
	}
}

static void bucket_split(struct inode_table *t)
{
	uint32_t from = t->nr_buckets++ - t->half_buckets;

	if (t->nr_buckets == 2 * t->half_buckets)
		t->half_buckets *= 2;
	bucket_spread(t, from);
}

static void bucket_merge(struct inode_table *t)
{
	uint32_t last = --t->nr_buckets;
	size_t page = sysconf(_SC_PAGESIZE);

	if (last < t->half_buckets)
		t->half_buckets /= 2;
	bucket_spread(t, last);
	if (last * sizeof(*t->bucket) % page == 0)
		madvise(&t->bucket[last], page, MADV_DONTNEED);
}

void inode_hash_fit(struct inode_table *t)
{
	if (t->nr_inodes > t->nr_buckets)
		bucket_split(t);
	for (int i = 0; i < MERGES_MOST && t->nr_inodes < t->nr_buckets / 2 &&
			t->nr_buckets > INODE_BUCKETS_MIN;
	     i++)
		bucket_merge(t);
}

int inode_hash_open(struct inode_table *t, uint32_t nr)
{
	t->nr_buckets = nr > INODE_BUCKETS_MIN ? nr : INODE_BUCKETS_MIN;
	t->half_buckets = INODE_BUCKETS_MIN;
	while (2 * t->half_buckets <= t->nr_buckets)
		t->half_buckets *= 2;
	t->bucket = mmap(NULL, BUCKETS_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->bucket == MAP_FAILED) {
		t->bucket = NULL;
		return -ENOMEM;
	}
	return 0;
}

void inode_hash_close(struct inode_table *t)
{
	if (t->bucket)
		munmap(t->bucket, BUCKETS_BYTES);
}
