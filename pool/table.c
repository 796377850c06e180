/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of records in the store.
 *
 * States: a record is free (its first word is 0) or live.  Only the owner of
 * the table decides what other values mean.
 * Locks: none of its own; pool->lock (1) is held by all callers.
 * Reclaim: never touches a table; its pages can be swapped, nothing more.
 */
#include "pool/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int table_reserve_stack(struct table *t, uint32_t nr)
{
	uint32_t *stack = realloc(t->free, nr * sizeof(*stack));

	if (!stack)
		return -ENOMEM;
	t->free = stack;
	return 0;
}

/* Puts every free record on the stack, the lowest index on top. */
static void table_stack_free(struct table *t, uint32_t first, uint32_t end)
{
	for (uint32_t i = end; i-- > first;)
		if (i && !table_live(t, i))
			t->free[t->nr_free++] = i;
}

void table_rescan(struct table *t)
{
	t->nr_free = 0;
	table_stack_free(t, 0, t->nr);
}

static int table_grow(struct table *t)
{
	uint32_t step = TABLE_STEP / t->rec_size;
	uint32_t nr = t->nr + step;
	int err;

	if (nr > t->max)
		return -ENOSPC;
	err = table_reserve_stack(t, nr);
	if (err)
		return err;
	if (fallocate(t->fd, 0, (off_t)t->nr * t->rec_size, TABLE_STEP) < 0)
		return -errno;
	t->nr = nr;
	table_stack_free(t, nr - step, nr);
	return 0;
}

int table_open(struct table *t, int dirfd, const char *name, size_t rec_size,
	       uint32_t max)
{
	struct table new = { .rec_size = rec_size, .max = max };
	struct stat st;
	int err;

	new.map_size = (size_t)max *rec_size;
	new.fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (new.fd < 0)
		return -errno;
	if (fstat(new.fd, &st) < 0) {
		err = -errno;
		goto err_close;
	}
	new.base = mmap(NULL, new.map_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, new.fd, 0);
	if (new.base == MAP_FAILED) {
		err = -errno;
		goto err_close;
	}
	/* Growth is in whole steps; a torn one is finished by the next. */
	new.nr = st.st_size / TABLE_STEP *(TABLE_STEP / rec_size);
	err = table_reserve_stack(&new, new.nr + 1);
	if (err)
		goto err_unmap;
	table_rescan(&new);
	*t = new;
	return 0;

err_unmap:
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
	free(t->free);
	memset(t, 0, sizeof(*t));
}

int table_alloc(struct table *t, uint32_t *index)
{
	if (!t->nr_free) {
		int err = table_grow(t);

		if (err)
			return err;
	}
	*index = t->free[--t->nr_free];
	memset(table_get(t, *index), 0, t->rec_size);
	return 0;
}

void table_free(struct table *t, uint32_t index)
{
	t->free[t->nr_free++] = index;
}
