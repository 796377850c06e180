/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables: records come and go, survive a reopening, grow in steps, end at
 * their maximum, leave the table as it was when the store is full, and can be
 * read when they have no memory.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>

#include "pool/store/table.h"
#include "tests/unit/scratch.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmpfs.h"

#define REC 64
#define IN_STEP ((64u << 10) / REC)

struct rec {
	uint32_t state;
	uint32_t value;
	char rest[REC - 8];
};

static int dirfd_;

static struct rec *rec(struct table *t, uint32_t i)
{
	return table_record(t, i);
}

static uint32_t publish(struct table *t, uint32_t value)
{
	uint32_t i;

	must(table_alloc(t, &i) == 0, "table_alloc");
	must(i > 0, "record 0 is never used");
	must(!table_live(t, i), "published by its owner only");
	rec(t, i)->value = value;
	rec(t, i)->state = 1;
	return i;
}

static void retire(struct table *t, uint32_t i)
{
	rec(t, i)->state = 0;
	table_free(t, i);
}

static void test_empty(void)
{
	struct table t = { 0 };
	uint32_t n = 0;

	ok(table_open(&t, dirfd_, "empty", REC, 10 * IN_STEP) == 0,
	   "a table that is new opens");
	table_for_each (&t, i)
		n++;
	ok(n == 0, "and has no records");
	ok(!table_live(&t, 0) && !table_live(&t, 1) &&
		   !table_live(&t, UINT32_MAX),
	   "an index of any size may be asked about");
	table_release(&t);
	table_release(&t);
	ok(!t.base, "releasing it twice is harmless");
}

static void test_bad(void)
{
	struct table t = { .nr = 77 }, before = t;

	ok(table_open(&t, dirfd_, "no/such/dir", REC, IN_STEP) == -ENOENT &&
		   !memcmp(&t, &before, sizeof(t)),
	   "a failed opening says why and touches nothing");
}

static void test_zeroed(void)
{
	struct table t;
	uint32_t i, again;
	bool clean = true;

	must(table_open(&t, dirfd_, "zeroed", REC, IN_STEP) == 0, "open");
	i = publish(&t, 5);
	ok(i == 1, "the lowest index comes first");
	memset(rec(&t, i)->rest, 0xee, sizeof(rec(&t, i)->rest));
	retire(&t, i);
	must(table_alloc(&t, &again) == 0, "table_alloc");
	for (size_t b = 0; b < REC; b++)
		clean &= !((char *)rec(&t, again))[b];
	ok(again == i && clean, "a record that is used again is zeroed");
	table_free(&t, again);
	table_release(&t);
}

static void test_grow_and_end(void)
{
	uint32_t max = 3 * IN_STEP, n = 0, i = 99;
	struct table t;

	must(table_open(&t, dirfd_, "grow", REC, max) == 0, "open");
	while (table_alloc(&t, &i) == 0) {
		rec(&t, i)->state = 1;
		rec(&t, i)->value = ++n;
		must(i < max, "index %u of %u", i, max);
	}
	ok(n == max - 1, "every record but 0 can be had: %u", n);
	i = 99;
	ok(table_alloc(&t, &i) == -ENOSPC && i == 99,
	   "then it is ENOSPC, the index untouched");
	retire(&t, 1234);
	ok(table_alloc(&t, &i) == 0 && i == 1234, "one that is freed is had");
	table_free(&t, i);
	table_release(&t);

	must(table_open(&t, dirfd_, "grow", REC, max) == 0, "reopen");
	n = 0;
	table_for_each (&t, j) {
		n++;
		must(rec(&t, j)->value == j, "record %u says %u", j,
		     rec(&t, j)->value);
	}
	ok(n == max - 2, "all of them are there when it is opened again");
	ok(table_alloc(&t, &i) == 0 && i == 1234,
	   "and the only free one is known");
	table_release(&t);
}

/* Memory of the file, in steps. */
static unsigned int steps_of(struct table *t)
{
	struct stat st;

	must(fstat(t->fd, &st) == 0, "fstat");
	must(table_bytes(t) == (uint64_t)st.st_blocks * 512, "bytes");
	return table_bytes(t) / TABLE_BLOCK;
}

static void retire_step(struct table *t, uint32_t step)
{
	for (uint32_t i = 0; i < IN_STEP; i++)
		if (step || i)
			retire(t, step * IN_STEP + i);
}

/* Makes or frees the lower half of the first step. */
static void half(struct table *t, bool full)
{
	for (uint32_t i = 1; i <= IN_STEP / 2; i++) {
		if (full)
			must(publish(t, i) == i, "record %u is back", i);
		else
			retire(t, i);
	}
}

static void test_given_back(void)
{
	struct table t;
	uint32_t i;

	must(table_open(&t, dirfd_, "back", REC, 10 * IN_STEP) == 0, "open");
	for (i = 1; i < 5 * IN_STEP; i++)
		publish(&t, i);
	ok(steps_of(&t) == 5, "five steps are full");
	retire_step(&t, 1);
	ok(steps_of(&t) == 5, "the first that is empty is kept");
	retire_step(&t, 3);
	ok(steps_of(&t) == 4, "of two one goes");
	retire_step(&t, 4);
	ok(steps_of(&t) == 3, "and of three two");
	half(&t, false);
	ok(steps_of(&t) == 2 && t.nr == 3 * IN_STEP && !table_live(&t, i - 1),
	   "and the last when the others have room; the table ends earlier");
	table_release(&t);
	must(table_open(&t, dirfd_, "back", REC, 10 * IN_STEP) == 0, "reopen");
	ok(steps_of(&t) == 2 && t.nr == 3 * IN_STEP, "for the next one, too");
	half(&t, true);
	retire_step(&t, 2);
	table_release(&t);
	must(table_open(&t, dirfd_, "back", REC, 10 * IN_STEP) == 0, "reopen");
	half(&t, false);
	ok(steps_of(&t) == 2,
	   "nothing goes before the journal has had its turn");
	table_rescan(&t);
	ok(steps_of(&t) == 1 && t.nr == IN_STEP, "a rescan gives back");
	half(&t, true);
	for (i = IN_STEP; i < 4 * IN_STEP; i++)
		must(publish(&t, i) == i, "record %u is back", i);
	ok(steps_of(&t) == 4, "and it grows again");
	table_release(&t);
}

/* The step that is kept when it is empty, and what is put into it again. */
static void test_spare(void)
{
	struct table t;
	uint32_t i;

	must(table_open(&t, dirfd_, "spare", REC, 10 * IN_STEP) == 0, "open");
	for (i = 1; i < 2 * IN_STEP; i++)
		publish(&t, i);
	retire_step(&t, 1);
	must(publish(&t, 7) == IN_STEP, "the first of the second step");
	half(&t, false);
	ok(steps_of(&t) == 2 && table_live(&t, IN_STEP) &&
		   rec(&t, IN_STEP)->value == 7,
	   "one that is used again stays");
	half(&t, true);
	for (i = IN_STEP + 1; i < 2 * IN_STEP; i++)
		must(publish(&t, i) == i, "record %u is back", i);
	retire_step(&t, 0);
	for (i = IN_STEP; i < IN_STEP + IN_STEP / 2; i++)
		retire(&t, i);
	ok(steps_of(&t) == 1 && t.nr == 2 * IN_STEP,
	   "the first step goes as well");
	table_release(&t);
}

/* Random use, with reopenings and rescans, against an array. */
static void test_random(void)
{
	static uint32_t model[4 * IN_STEP];
	unsigned int seed = 1;
	struct table t;

	must(table_open(&t, dirfd_, "random", REC, 4 * IN_STEP) == 0, "open");
	for (uint32_t n = 1; n < 60000; n++) {
		uint32_t i = rand_r(&seed) % (3 * IN_STEP);

		if (n % 10000 == 0) {
			table_release(&t);
			must(table_open(&t, dirfd_, "random", REC,
					4 * IN_STEP) == 0,
			     "reopen");
		} else if (n % 3000 == 0) {
			table_rescan(&t);
		}
		if (i && model[i]) {
			must(rec(&t, i)->value == model[i], "record %u", i);
			model[i] = 0;
			retire(&t, i);
		} else if (i) {
			i = publish(&t, n);
			must(!model[i], "%u given out twice", i);
			model[i] = n;
		}
	}
	for (uint32_t i = 0; i < 4 * IN_STEP; i++)
		must(!!table_live(&t, i) == !!model[i], "record %u", i);
	ok(true, "60,000 random steps agree with an array");
	table_release(&t);
}

/* A step that a kill has torn is not there for the next one. */
static void test_torn(void)
{
	struct table t;
	uint32_t n = 0, i;
	int fd;

	must(table_open(&t, dirfd_, "torn", REC, 4 * IN_STEP) == 0, "open");
	publish(&t, 1);
	table_release(&t);
	fd = openat(dirfd_, "torn", O_RDWR | O_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, (64 << 10) + 4096) == 0, "ftruncate");
	close(fd);
	must(table_open(&t, dirfd_, "torn", REC, 4 * IN_STEP) == 0, "reopen");
	ok(t.nr == IN_STEP, "half a step does not count");
	while (table_alloc(&t, &i) == 0) {
		rec(&t, i)->state = 1;
		n++;
	}
	ok(n == 4 * IN_STEP - 2, "and is finished by the next growth");
	table_release(&t);
}

static void test_full_store(void)
{
	int dir = tmpfs_new("never", "256k");
	struct table t;
	uint32_t n = 0, i;
	int err;

	if (dir < 0) {
		ok(true, "a full store is ENOSPC # SKIP only root may mount");
		return;
	}
	must(table_open(&t, dir, "full", REC, 100 * IN_STEP) == 0, "open");
	while ((err = table_alloc(&t, &i)) == 0) {
		rec(&t, i)->state = 1;
		n++;
	}
	ok(err == -ENOSPC && n >= IN_STEP - 1,
	   "a full store is ENOSPC, after %u records", n);
	ok(steps_of(&t) * IN_STEP == t.nr && n == t.nr - 1,
	   "and the table is as large as before");
	retire(&t, 17);
	ok(table_alloc(&t, &i) == 0 && i == 17,
	   "and what was there goes on working");
	table_release(&t);
	close(dir);
}

/* Blocks in the middle and at the end are punched, or are none. */
static void test_not_there(void)
{
	uint64_t bytes, sum = 0;
	struct table t;
	uint32_t i;

	must(table_open(&t, dirfd_, "absent", REC, 10 * IN_STEP) == 0, "open");
	for (uint32_t n = 1; n < 6 * IN_STEP; n++)
		publish(&t, n);
	for (i = 1; i < 6 * IN_STEP; i++)
		if (i / IN_STEP && i / IN_STEP != 3)
			retire(&t, i);
	bytes = table_bytes(&t);
	ok(bytes < 6 * TABLE_BLOCK, "%d blocks of six have memory",
	   (int)(bytes / TABLE_BLOCK));
	for (i = 0; i < 20 * IN_STEP; i++)
		for (size_t at = 0; i / IN_STEP && i / IN_STEP != 3 && at < REC;
		     at++)
			sum += ((char *)rec(&t, i))[at] &&
			       !table_present(&t, i);
	ok(sum == 0 && table_bytes(&t) == bytes,
	   "records that are not there read as zeros, and take no memory");
	ok(rec(&t, UINT32_MAX)->state == 0 && !table_live(&t, UINT32_MAX),
	   "whatever the index is");
	table_release(&t);
	must(table_open(&t, dirfd_, "absent", REC, 10 * IN_STEP) == 0, "open");
	for (i = 0; i < 20 * IN_STEP; i++)
		sum += !table_present(&t, i) && rec(&t, i)->state;
	ok(sum == 0 && table_bytes(&t) == bytes, "to the next worker, too");
	table_release(&t);
}

int main(void)
{
	dirfd_ = open(scratch_new(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dirfd_ >= 0, "open");
	test_empty();
	test_bad();
	test_zeroed();
	test_grow_and_end();
	test_given_back();
	test_spare();
	test_random();
	test_torn();
	test_full_store();
	test_not_there();
	close(dirfd_);
	return done();
}
