/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that requests are read into.  A waiting request may keep the buffer
 * that it came in: see wait.c.
 */
#include "fs/request/buffer.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "fs/request/context.h"

/*
 * On a huge page if there is one: the kernel pins it piece by piece.  It is
 * touched beforehand: a worker that is killed while the kernel copies a request
 * gets no page any more, and the request would fail with EIO.
 */
void *buffer_alloc(struct worker *w)
{
	volatile char *buf = w->spare_buffer;

	w->spare_buffer = NULL;
	if (buf)
		return (void *)buf;
	buf = aligned_alloc(REQUEST_BUFFER, REQUEST_BUFFER);
	if (!buf)
		return NULL;
	madvise((void *)buf, REQUEST_BUFFER, MADV_HUGEPAGE);
	for (size_t at = 0; at < REQUEST_BUFFER; at += 4096)
		buf[at] = 0;
	return (void *)buf;
}

void buffer_free(struct worker *w, void *buffer)
{
	free(w->spare_buffer);
	w->spare_buffer = buffer;
}
