/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which NUMA node pages are that have memory.
 *
 * What this thread has just written is taken to be on its own node.  What is
 * found (in an adopted file, or made by readers of holes) may be on any: the
 * kernel is asked, about many pages in one call.  It tells about pages that are in
 * the page table, so they are mapped for that.
 *
 * Locks: region->lock (2 in locks.h) held by all callers.
 * Reclaim: does not punch the pages meanwhile, it needs the same lock.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/region/region_priv.h"

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#endif

#define ASK_AT_ONCE 256 /* pages */

/* The default of lru_set_locate(). */
static void ask_kernel(char *mem, uint32_t nr, size_t page, int *nid)
{
	void *at[ASK_AT_ONCE];
	int status[ASK_AT_ONCE];

	for (uint32_t i = 0; i < nr; i++)
		at[i] = mem + i * page;
	if (syscall(SYS_move_pages, 0, (unsigned long)nr, at, NULL, status, 0))
		return;
	for (uint32_t i = 0; i < nr; i++)
		if (status[i] >= 0)
			nid[i] = status[i];
}

static void locate(struct lru *lru, char *mem, uint32_t nr, uint8_t *out)
{
	size_t page = 1ul << lru->page_shift;
	int nid[ASK_AT_ONCE];

	while (nr) {
		uint32_t n = nr < ASK_AT_ONCE ? nr : ASK_AT_ONCE;

		for (uint32_t i = 0; i < n; i++)
			nid[i] = out[i];
		if (lru->locate)
			lru->locate(mem, n, page, nid);
		else
			ask_kernel(mem, n, page, nid);
		for (uint32_t i = 0; i < n; i++)
			out[i] = (unsigned int)nid[i] % lru->nr_nodes;
		mem += n * page;
		out += n;
		nr -= n;
	}
}

void region_nodes_locked(struct region *region, uint32_t first, uint32_t nr,
			 bool written, uint8_t *nid)
{
	struct lru *lru = region->lru;
	size_t size = (size_t)nr << lru->page_shift;
	off_t off = (off_t)first << lru->page_shift;
	char *mem;

	memset(nid, lru_nid_now(lru), nr);
	if (written || lru->nr_nodes == 1)
		return;
	mem = region->map ? region->map + off
			  : region_map_file(region, off, size);
	if (mem == MAP_FAILED)
		return;
	/* They have memory: no hole is filled. */
	madvise(mem, size, MADV_POPULATE_READ);
	locate(lru, mem, nr, nid);
	if (!region->map)
		munmap(mem, size);
}
