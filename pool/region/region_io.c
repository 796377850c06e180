/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of a region: reading, writing and zeroing.
 *
 * States: none is changed by intent; a write gives memory to pages that had
 * none, which region_wrote_locked() notes afterwards.  Pages that have memory
 * are reached through one shared mapping of the whole file.  Touching a hole
 * through it would make memory, or SIGBUS when the store is full: such pages
 * are written by system calls, which can fail.
 *
 * Locks: region->lock (2 in locks.h) while looking at the pages, and while
 * bytes move unless all the pages are Used.
 *
 * Reclaim leaves Used pages alone, so the lock may be let go around the copy;
 * it cannot take Available ones while the lock is held.
 */
#include "pool/region/region_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Fewer cold pages than this are left to fault one by one. */
#define FAULT_AHEAD 4

/* Bytes from which on a write may bring in a huge folio. */
#define HUGE_WORTH (256u << 10)

/* What there is behind a range of bytes. */
struct view {
	uint32_t first, end; /* pages */
	bool used; /* all of them are */
	bool populated;
	uint32_t cold; /* not in the mapping's page table */
};

static struct view look_locked(const struct region *region, uint64_t off,
			       size_t len)
{
	const struct frame_table *t = &region->lru->table;
	unsigned int shift = region->lru->page_shift;
	struct view v = {
		.first = off >> shift,
		.end = ((off + len - 1) >> shift) + 1,
	};
	uint8_t all = 0xff;
	struct span s;
	uint32_t i;

	for (s = region_span(region, v.first, v.end); s.nr;
	     s = region_span_next(region, s, v.end)) {
		if (!s.f)
			return v;
		for (i = 0; i < s.nr; i++) {
			uint8_t bits = t->frames[s.f + i].bits;

			if ((bits & FRAME_STATE) != PAGE_USED)
				bits &= ~FRAME_STATE;
			v.cold += !(bits & FRAME_MAPPED);
			all &= bits;
		}
	}
	v.used = all & FRAME_STATE;
	v.populated = all & FRAME_POPULATED;
	return v;
}

static bool map_locked(struct region *region)
{
	size_t size = region->pages << region->lru->page_shift;
	void *map;

	if (region->map || region->map_failed)
		return region->map;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd,
		   0);
	if (map == MAP_FAILED)
		region->map_failed = true;
	else
		region->map = map;
	return region->map;
}

static void set_mapped_locked(struct region *region, const struct view *v)
{
	struct span s;

	for (s = region_span(region, v->first, v->end); s.nr;
	     s = region_span_next(region, s, v->end))
		frames_change(&region->lru->table, s.f, s.nr, 0, FRAME_MAPPED);
}

/*
 * Have the kernel fill in page table entries sixteen at a time (it maps around
 * a read fault, not around a write fault) instead of faulting on each page.
 */
static void warm(const struct region *region, const struct view *v)
{
	unsigned int shift = region->lru->page_shift;

	if (v->cold >= FAULT_AHEAD)
		madvise(region->map + ((size_t)v->first << shift),
			(size_t)(v->end - v->first) << shift,
			MADV_POPULATE_READ);
}

/*
 * Start an access: check the bounds and look.  Returns with the lock held only
 * if it has to stay so while bytes move.
 */
static int begin(struct region *region, uint64_t off, size_t len,
		 struct view *v, bool *mapped)
{
	pthread_mutex_lock(&region->lock);
	if (!region_has_bytes_locked(region, off, len)) {
		pthread_mutex_unlock(&region->lock);
		return -EFAULT;
	}
	*v = look_locked(region, off, len);
	*mapped = v->populated && map_locked(region);
	if (*mapped && v->cold)
		set_mapped_locked(region, v);
	if (v->used)
		pthread_mutex_unlock(&region->lock);
	if (*mapped)
		warm(region, v);
	return 0;
}

static void end(struct region *region, const struct view *v)
{
	if (!v->used)
		pthread_mutex_unlock(&region->lock);
}

static int empty_range(struct region *region, uint64_t off)
{
	return off <= region_size(region) ? 0 : -EFAULT;
}

/* Return: 0, or how it failed; *@done bytes have arrived in any case. */
static int fill_file(int fd, uint64_t off, const char *buf, size_t len,
		     size_t *done)
{
	ssize_t n;

	for (*done = 0; *done < len; *done += n) {
		n = pwrite(fd, buf + *done, len - *done, off + *done);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n < 0)
			n = 0;
	}
	return 0;
}

/* After a write by system call of @done bytes of the range. */
static void note_memory(struct region *region, const struct view *v,
			uint64_t off, size_t done, int err)
{
	unsigned int shift = region->lru->page_shift;

	if (v->populated)
		return;
	if (v->used)
		pthread_mutex_lock(&region->lock);
	if (done)
		region_wrote_locked(region, v->first,
				    ((off + done - 1) >> shift) + 1);
	if (err)
		region_scan_locked(region, v->first, v->end);
	if (v->used)
		pthread_mutex_unlock(&region->lock);
}

/*
 * A tmpfs mounted huge=within_size gives 2 MiB to whoever writes one byte into
 * a hole by a system call; a fault through a mapping that wants no huge pages
 * brings in just the pages it touches, and is ten times faster.  This is only a
 * preparation: what it cannot do, the write will do or fail at.
 */
static void populate_small(const struct region *region, const struct view *v)
{
	unsigned int shift = region->lru->page_shift;
	size_t size = (size_t)(v->end - v->first) << shift;
	void *map;

	if (size >= HUGE_WORTH)
		return;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd,
		   (off_t)v->first << shift);
	if (map == MAP_FAILED)
		return;
	if (madvise(map, size, MADV_NOHUGEPAGE) == 0)
		madvise(map, size, MADV_POPULATE_WRITE);
	munmap(map, size);
}

int region_write(struct region *region, uint64_t off, const void *buf,
		 size_t len)
{
	struct view v;
	size_t done;
	bool mapped;
	int err;

	if (!len)
		return empty_range(region, off);
	err = begin(region, off, len, &v, &mapped);
	if (err)
		return err;
	if (mapped) {
		memcpy(region->map + off, buf, len);
	} else {
		if (!v.populated)
			populate_small(region, &v);
		err = fill_file(region->fd, off, buf, len, &done);
		note_memory(region, &v, off, done, err);
	}
	end(region, &v);
	return err;
}

static int read_file(int fd, uint64_t off, char *buf, size_t len)
{
	ssize_t n;

	for (; len; off += n, buf += n, len -= n) {
		n = pread(fd, buf, len, off);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n < 0)
			n = 0;
	}
	return 0;
}

int region_read(struct region *region, uint64_t off, void *buf, size_t len)
{
	struct view v;
	bool mapped;
	int err;

	if (!len)
		return empty_range(region, off);
	err = begin(region, off, len, &v, &mapped);
	if (err)
		return err;
	if (mapped)
		memcpy(buf, region->map + off, len);
	else
		err = read_file(region->fd, off, buf, len);
	end(region, &v);
	return err;
}
