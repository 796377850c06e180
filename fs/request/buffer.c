/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that requests are read into.
 *
 * The kernel copies a request page by page, each page whole or not at all.  So
 * where the first word of a page is zero before, it says afterwards whether the
 * page was copied.  Nothing that is to be found there begins with zeros: a
 * request begins with its length; a BATCH_FORGET, the only one of which more
 * than the first page matters, has a number of an inode there.
 */
#include "fs/request/buffer.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fs/request/context.h"

#define BUFFER_PAGE 4096 /* bytes: no page is smaller */

/* On a huge page if there is one: the kernel pins it piece by piece. */
void *buffer_alloc(void)
{
	void *buffer = aligned_alloc(REQUEST_BUFFER, REQUEST_BUFFER);

	if (buffer)
		madvise(buffer, REQUEST_BUFFER, MADV_HUGEPAGE);
	return buffer;
}

void *buffer_new(void)
{
	void *buffer = mmap(NULL, REQUEST_BUFFER, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (buffer == MAP_FAILED)
		return NULL;
	madvise(buffer, REQUEST_BUFFER, MADV_HUGEPAGE);
	return buffer;
}

/*
 * A worker that is killed while the kernel copies a request gets no page any
 * more, and the request would fail with EIO.
 */
void buffer_touch(void *buffer)
{
	volatile char *page = buffer;

	for (size_t at = 0; at < REQUEST_BUFFER; at += BUFFER_PAGE)
		page[at] = page[at];
}

void buffer_done(void *buffer, size_t len)
{
	char *page = buffer;

	atomic_signal_fence(memory_order_seq_cst);
	for (size_t at = 0; at < len; at += BUFFER_PAGE)
		*(volatile uint64_t *)(page + at) = 0;
	atomic_signal_fence(memory_order_seq_cst);
}
