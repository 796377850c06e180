/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of records in the store.
 *
 * States: a record is free (its first word is 0) or live.  Only the owner of
 * the table decides what other values mean.  A step is present or absent; a
 * record of an absent step is free, and must not be looked at: that would make
 * memory, and in a full store there is none.
 * Locks: none of its own; pool->lock (1) is held by all callers.
 * Reclaim: never touches a table; its pages can be swapped, nothing more.
 */
#include "pool/store/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t table_nr_steps(const struct table *t)
{
	return t->nr / t->per_step;
}

static int table_need_steps(struct table *t, uint32_t nr)
{
	struct table_step *steps = realloc(t->steps, nr * sizeof(*steps));

	if (!steps)
		return -ENOMEM;
	t->steps = steps;
	return 0;
}

/* Index 0 is nobody's. */
static uint32_t step_capacity(const struct table *t, uint32_t step)
{
	return t->per_step - (step == 0);
}

/* Which of its records are free. */
static void step_scan(struct table *t, uint32_t step)
{
	struct table_step *s = &t->steps[step];
	uint32_t first = step * t->per_step;

	s->nr_free = 0;
	memset(s->free, 0, sizeof(s->free));
	for (uint32_t i = step == 0; i < t->per_step; i++) {
		if (table_live(t, first + i))
			continue;
		s->free[i / 64] |= 1ull << i % 64;
		s->nr_free++;
	}
}

static int step_fill(struct table *t, uint32_t step)
{
	return fallocate(t->fd, 0, (off_t)step * TABLE_STEP, TABLE_STEP) < 0
		       ? -errno
		       : 0;
}

static void table_scan(struct table *t)
{
	t->first = 0;
	t->nr_absent = 0;
	t->nr_free = 0;
	t->spare = UINT32_MAX;
	for (uint32_t i = 0; i < table_nr_steps(t); i++) {
		step_scan(t, i);
		if (t->steps[i].present)
			t->nr_free += t->steps[i].nr_free;
		else
			t->nr_absent++;
	}
}

static int table_grow(struct table *t)
{
	uint32_t step = table_nr_steps(t);
	int err;

	if (t->nr + t->per_step > t->max)
		return -ENOSPC;
	err = table_need_steps(t, step + 1);
	if (!err)
		err = step_fill(t, step);
	if (err)
		return err;
	t->steps[step].present = true;
	t->nr += t->per_step;
	step_scan(t, step);
	t->nr_free += t->steps[step].nr_free;
	return 0;
}

/* Whether a step of the file has memory. */
static int step_probe(struct table *t, uint32_t step)
{
	off_t start = (off_t)step * TABLE_STEP;
	off_t data = lseek(t->fd, start, SEEK_DATA);

	t->steps[step].present = data >= 0 && data < start + TABLE_STEP;
	/* One that was torn is finished. */
	return t->steps[step].present ? step_fill(t, step) : 0;
}

int table_open(struct table *t, int dirfd, const char *name, size_t rec_size,
	       uint32_t max)
{
	struct table new = { .rec_size = rec_size,
			     .max = max,
			     .per_step = TABLE_STEP / rec_size };
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
	new.nr = st.st_size / TABLE_STEP *new.per_step;
	err = table_need_steps(&new, table_nr_steps(&new) + 1);
	for (uint32_t i = 0; !err && i < table_nr_steps(&new); i++)
		err = step_probe(&new, i);
	if (err)
		goto err_unmap;
	table_scan(&new);
	*t = new;
	return 0;

err_unmap:
	free(new.steps);
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
	free(t->steps);
	memset(t, 0, sizeof(*t));
}

/* The lowest step with a free record; it gets memory if need be. */
static int table_find_step(struct table *t, uint32_t *step)
{
	uint32_t nr = table_nr_steps(t), i;
	int err;

	for (; t->first < nr; t->first++) {
		if (t->steps[t->first].present && t->steps[t->first].nr_free) {
			*step = t->first;
			return 0;
		}
	}
	if (!t->nr_absent) {
		err = table_grow(t);
		*step = err ? *step : nr;
		return err;
	}
	for (i = 0; t->steps[i].present; i++)
		;
	err = step_fill(t, i);
	if (err)
		return err;
	t->steps[i].present = true;
	t->nr_free += t->steps[i].nr_free;
	t->nr_absent--;
	t->first = i;
	*step = i;
	return 0;
}

int table_alloc(struct table *t, uint32_t *index)
{
	struct table_step *s;
	uint32_t step = 0, word = 0, i;
	int err = table_find_step(t, &step);

	if (err)
		return err;
	s = &t->steps[step];
	while (!s->free[word])
		word++;
	i = word * 64 + __builtin_ctzll(s->free[word]);
	s->free[word] &= s->free[word] - 1;
	s->nr_free--;
	t->nr_free--;
	if (t->spare == step)
		t->spare = UINT32_MAX;
	*index = step * t->per_step + i;
	memset(table_get(t, *index), 0, t->rec_size);
	return 0;
}

/* Steps at the end that have no memory are no more. */
static void table_trim(struct table *t)
{
	uint32_t nr = table_nr_steps(t), absent = 0;

	while (nr && !t->steps[nr - 1].present) {
		absent++;
		nr--;
	}
	if (!absent || ftruncate(t->fd, (off_t)nr * TABLE_STEP) < 0)
		return;
	t->nr = nr * t->per_step;
	t->nr_absent -= absent;
	if (t->first > nr)
		t->first = nr;
	/* One more than there are, so that there is always an array. */
	table_need_steps(t, nr + 1);
}

static void step_drop(struct table *t, uint32_t step)
{
	if (fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)step * TABLE_STEP, TABLE_STEP) < 0)
		return;
	t->steps[step].present = false;
	t->nr_free -= t->steps[step].nr_free;
	t->nr_absent++;
	table_trim(t);
}

/* Of two that are empty the later one goes. */
static void step_emptied(struct table *t, uint32_t step)
{
	uint32_t last = step;

	if (t->spare == UINT32_MAX) {
		t->spare = step;
		return;
	}
	if (t->spare > step) {
		last = t->spare;
		t->spare = step;
	}
	step_drop(t, last);
}

/* The one that is kept goes when the others have room for a while. */
static void table_drop_spare(struct table *t)
{
	uint32_t step = t->spare;

	if (step == UINT32_MAX ||
	    t->nr_free - t->steps[step].nr_free < t->per_step / 2)
		return;
	t->spare = UINT32_MAX;
	step_drop(t, step);
}

void table_rescan(struct table *t)
{
	table_scan(t);
	for (uint32_t i = 0; i < table_nr_steps(t); i++)
		if (t->steps[i].present &&
		    t->steps[i].nr_free == step_capacity(t, i))
			step_emptied(t, i);
	table_drop_spare(t);
}

void table_free(struct table *t, uint32_t index)
{
	uint32_t step = index / t->per_step, i = index % t->per_step;
	struct table_step *s = &t->steps[step];

	s->free[i / 64] |= 1ull << i % 64;
	s->nr_free++;
	t->nr_free++;
	if (t->first > step)
		t->first = step;
	if (s->nr_free == step_capacity(t, step))
		step_emptied(t, step);
	table_drop_spare(t);
}

uint64_t table_bytes(const struct table *t)
{
	return (uint64_t)(table_nr_steps(t) - t->nr_absent) * TABLE_STEP;
}
