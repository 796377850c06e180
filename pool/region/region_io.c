/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of a region: reading, writing and zeroing.
 *
 * States: a write allocates memory for pages that had none;
 * region_wrote_locked() marks them populated afterwards.  Pages that have
 * memory are accessed through one shared mapping of the whole file.  Writing to
 * a hole through it would be SIGBUS when the store is full: holes are written
 * by system calls, which can fail.
 *
 * Locks: region->lock (2 in locks.h) while the frames are read, and during the
 * copy unless all pages are Used.
 *
 * Reclaim: does not take Used pages, so the lock may be dropped around the
 * copy.  It cannot take Available pages while the lock is held.
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

/* Writes of at least so many bytes may allocate a huge folio. */
#define HUGE_WORTH (256u << 10)

/* The pages behind a range of bytes. */
struct view {
	uint32_t first, end; /* pages */
	bool used; /* all of them are */
	bool populated;
	uint32_t cold; /* not in the mapping's page table */
};

static struct view view_locked(const struct region *region, uint64_t off,
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

void *region_map_file(struct region *region, off_t off, size_t size)
{
	int fd = region_fd(region);
	void *map = MAP_FAILED;

	if (fd < 0)
		return map;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);
	region_fd_done(region, fd);
	return map;
}

/* Of the mappings that a process may have, the regions leave half. */
static bool map_locked(struct region *region)
{
	size_t size = region->pages << region->lru->page_shift;
	void *map;

	if (region->map || region->map_failed ||
	    region->lru->nr_maps >= REGION_MAPS_MAX)
		return region->map;
	map = region_map_file(region, 0, size);
	if (map == MAP_FAILED) {
		region->map_failed = true;
	} else {
		region->map = map;
		region->lru->nr_maps++;
	}
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
 * Has the kernel fill in page table entries sixteen at a time, instead of
 * faulting on each page: it maps around a read fault, not around a write fault.
 */
static void prefault(const struct region *region, const struct view *v)
{
	unsigned int shift = region->lru->page_shift;

	if (v->cold >= FAULT_AHEAD)
		madvise(region->map + ((size_t)v->first << shift),
			(size_t)(v->end - v->first) << shift,
			MADV_POPULATE_READ);
}

/*
 * Starts an access: checks the bounds and reads the frames.  Returns with the
 * lock held, on success, unless all pages are Used.
 */
static int access_begin(struct region *region, uint64_t off, size_t len,
			struct view *v, bool *mapped)
{
	pthread_mutex_lock(&region->lock);
	if (!region_has_bytes_locked(region, off, len)) {
		pthread_mutex_unlock(&region->lock);
		return -EFAULT;
	}
	*v = view_locked(region, off, len);
	*mapped = v->populated && map_locked(region);
	if (*mapped && v->cold)
		set_mapped_locked(region, v);
	if (v->used)
		pthread_mutex_unlock(&region->lock);
	if (*mapped)
		prefault(region, v);
	return 0;
}

static void access_end(struct region *region, const struct view *v)
{
	if (!v->used)
		pthread_mutex_unlock(&region->lock);
}

static int check_empty_access(struct region *region, uint64_t off)
{
	return off <= region_size(region) ? 0 : -EFAULT;
}

static int fill_fd(int fd, uint64_t off, const char *buf, size_t len,
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

/* Return: 0 or -errno.  *@done bytes were written in either case. */
static int fill_file(struct region *region, uint64_t off, const char *buf,
		     size_t len, size_t *done)
{
	int fd = region_fd(region), err;

	*done = 0;
	if (fd < 0)
		return fd;
	err = fill_fd(fd, off, buf, len, done);
	region_fd_done(region, fd);
	return err;
}

/* After a pwrite() of the range: marks the pages of @done bytes populated. */
static void record_memory(struct region *region, const struct view *v,
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
 * A tmpfs mounted huge=within_size allocates 2 MiB when one byte is written
 * into a hole by a system call.  A fault through a mapping with MADV_NOHUGEPAGE
 * allocates just the pages it touches, and is ten times faster.  Errors are
 * ignored: the pwrite() that follows meets them again.
 */
static void populate_small(struct region *region, const struct view *v)
{
	unsigned int shift = region->lru->page_shift;
	size_t size = (size_t)(v->end - v->first) << shift;
	void *map;

	if (size >= HUGE_WORTH)
		return;
	map = region_map_file(region, (off_t)v->first << shift, size);
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
		return check_empty_access(region, off);
	err = access_begin(region, off, len, &v, &mapped);
	if (err)
		return err;
	if (mapped) {
		memcpy(region->map + off, buf, len);
	} else {
		if (!v.populated)
			populate_small(region, &v);
		err = fill_file(region, off, buf, len, &done);
		record_memory(region, &v, off, done, err);
	}
	access_end(region, &v);
	return err;
}

static int read_fd(int fd, uint64_t off, char *buf, size_t len)
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

static int read_file(struct region *region, uint64_t off, char *buf, size_t len)
{
	int fd = region_fd(region), err;

	if (fd < 0)
		return fd;
	err = read_fd(fd, off, buf, len);
	region_fd_done(region, fd);
	return err;
}

int region_read(struct region *region, uint64_t off, void *buf, size_t len)
{
	struct view v;
	bool mapped;
	int err;

	if (!len)
		return check_empty_access(region, off);
	err = access_begin(region, off, len, &v, &mapped);
	if (err)
		return err;
	if (mapped)
		memcpy(buf, region->map + off, len);
	else
		err = read_file(region, off, buf, len);
	access_end(region, &v);
	return err;
}
