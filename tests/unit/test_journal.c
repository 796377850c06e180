/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: all or nothing, and once only, whichever instruction is the
 * last one.
 */
#include <errno.h>
#include <signal.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/mman.h>

#include "pool/store/journal.h"
#include "tests/unit/step.h"

#define REC 64
#define MAX 4096
#define FIELDS 12 /* that a change stores, in two tables */

struct rec {
	uint32_t state;
	uint32_t pad;
	uint64_t value[FIELDS / 2];
	char rest[8];
};

struct world {
	struct table a, b;
	struct journal journal;
};

static struct world w;
static char *dir;

static void open_world(const char *path, bool forget)
{
	struct table *tables[] = { &w.a, &w.b };
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t i;

	must(fd >= 0, "open");
	must(table_open(&w.a, fd, "a", REC, MAX) == 0, "table a");
	must(table_open(&w.b, fd, "b", REC, MAX) == 0, "table b");
	must(journal_open(&w.journal, fd, tables, 2, forget) == 0, "journal");
	close(fd);
	if (table_live(&w.a, 1))
		return;
	must(table_alloc(&w.a, &i) == 0 && table_alloc(&w.b, &i) == 0, "alloc");
	*(uint32_t *)table_record(&w.a, 1) = *(uint32_t *)table_record(&w.b,
								       1) = 1;
}

static void close_world(void)
{
	journal_release(&w.journal);
	journal_release(&w.journal);
	table_release(&w.a);
	table_release(&w.b);
}

static uint64_t *field(int i)
{
	struct rec *rec = table_record(i % 2 ? &w.b : &w.a, 1);

	return &rec->value[i / 2];
}

static void set_all(uint64_t token, uint64_t value)
{
	journal_begin(&w.journal, token);
	for (int i = 0; i < FIELDS; i++)
		jset(&w.journal, *field(i), value + i);
	journal_commit(&w.journal, value);
}

static bool all_are(uint64_t value)
{
	for (int i = 0; i < FIELDS; i++)
		if (*field(i) != value + i)
			return false;
	return true;
}

static void test_plain(void)
{
	int64_t result = 5;

	dir = scratch_dir("plain");
	open_world(dir, true);
	ok(!journal_replayed(&w.journal, 0, &result) &&
		   !journal_replayed(&w.journal, 9, &result) && result == 5,
	   "a new journal has carried nothing out");
	journal_begin(&w.journal, 9);
	jset(&w.journal, *field(0), 77);
	ok(*field(0) == 0, "nothing happens before the commit");
	journal_commit(&w.journal, -EMSGSIZE);
	ok(*field(0) == 77, "then it does");
	ok(journal_replayed(&w.journal, 9, &result) && result == -EMSGSIZE,
	   "the same token again: the same answer");
	ok(!journal_replayed(&w.journal, 8, &result), "another token: none");
	journal_begin(&w.journal, 0);
	journal_commit(&w.journal, 1);
	ok(!journal_replayed(&w.journal, 0, &result) &&
		   !journal_replayed(&w.journal, 9, &result),
	   "token 0 is nobody's, and the one before is forgotten");
	journal_begin(&w.journal, 10);
	jset(&w.journal, *field(0), 1);
	jset(&w.journal, *field(0), 2);
	journal_commit(&w.journal, INT64_MIN);
	ok(*field(0) == 2, "of two values for one field the later one holds");
	close_world();

	open_world(dir, false);
	ok(*field(0) == 2 && journal_replayed(&w.journal, 10, &result) &&
		   result == INT64_MIN,
	   "the next worker knows it as well");
	close_world();
	open_world(dir, true);
	ok(*field(0) == 2 && !journal_replayed(&w.journal, 10, &result),
	   "the next mount does not");
	close_world();
	free(dir);
}

static void test_limits(void)
{
	static const char bytes[JOURNAL_BYTES] = "as many as one entry takes";
	struct rec *rec;

	dir = scratch_dir("limits");
	open_world(dir, true);
	rec = table_record(&w.a, 1);
	journal_begin(&w.journal, 1);
	for (int i = 0; i < JOURNAL_ENTRIES; i++)
		journal_set(&w.journal, rec->value, bytes, sizeof(bytes));
	journal_commit(&w.journal, 0);
	ok(!memcmp(rec->value, bytes, sizeof(bytes)),
	   "%d entries of %d bytes fit", JOURNAL_ENTRIES, JOURNAL_BYTES);
	close_world();
	free(dir);
}

/* --- notes --- */

static bool noted_is(uint64_t token, uint64_t ino)
{
	struct journal_intent note = { 0 };

	return journal_intends(&w.journal, token, NULL) &&
	       journal_intends(&w.journal, token, &note) && note.ino == ino &&
	       note.inode == ino + 1 && note.victim == ino + 2;
}

static void note(uint64_t token, uint64_t ino)
{
	struct journal_intent n = { .ino = ino,
				    .inode = ino + 1,
				    .victim = ino + 2 };

	journal_intend(&w.journal, token, &n);
}

static void change(uint64_t token)
{
	journal_begin(&w.journal, token);
	journal_commit(&w.journal, 0);
}

static void test_notes(void)
{
	struct journal_intent n = { .ino = 77 };

	dir = scratch_dir("notes");
	open_world(dir, true);
	ok(!journal_intends(&w.journal, 0, &n) &&
		   !journal_intends(&w.journal, 5, &n) &&
		   !journal_unfinished(&w.journal, &n) && n.ino == 77,
	   "a new journal has nothing noted");
	note(5, 100);
	ok(noted_is(5, 100) && !journal_intends(&w.journal, 6, &n) &&
		   !journal_intends(&w.journal, 0, &n) && n.ino == 77,
	   "a note is its request's");
	close_world();
	open_world(dir, false);
	ok(noted_is(5, 100) && journal_unfinished(&w.journal, &n) &&
		   n.ino == 100,
	   "the next worker finds it, and that it was begun");
	change(0);
	ok(noted_is(5, 100) && journal_unfinished(&w.journal, &n),
	   "a change of nobody's on the way leaves it");
	change(5);
	ok(!journal_intends(&w.journal, 5, &n) &&
		   !journal_unfinished(&w.journal, &n),
	   "carried out, it is over");
	change(6);
	ok(!journal_intends(&w.journal, 5, &n) &&
		   !journal_unfinished(&w.journal, &n),
	   "and stays so after the next request");
	note(7, 200);
	change(8);
	ok(!journal_intends(&w.journal, 7, &n) &&
		   !journal_unfinished(&w.journal, &n),
	   "another request ends one that was not carried out");
	note(9, 300);
	note(10, 400);
	ok(!journal_intends(&w.journal, 9, &n) && noted_is(10, 400),
	   "of two notes the later one holds");
	note(0, 500);
	ok(!journal_intends(&w.journal, 0, &n) &&
		   !journal_intends(&w.journal, 10, &n),
	   "a note of nobody's is none");
	note(11, 600);
	close_world();
	open_world(dir, true);
	ok(!journal_intends(&w.journal, 11, &n) &&
		   !journal_unfinished(&w.journal, &n),
	   "nor is there any in the next mount");
	close_world();
	free(dir);
}

/* --- a kill at every instruction --- */

#define BEFORE 1000
#define AFTER 2000
#define TOKEN 42

static char *copy;
static int seen_before, seen_after;

static void step_prepare(void *arg)
{
	open_world(dir, false);
}

static void step_op(void *arg)
{
	set_all(TOKEN, AFTER);
}

static void step_see(void *arg)
{
	int64_t result = 0;
	bool replayed;

	scratch_empty(copy);
	scratch_copy(dir, copy);
	open_world(copy, false);
	replayed = journal_replayed(&w.journal, TOKEN, &result);
	if (replayed) {
		must(result == AFTER, "result %" PRId64, result);
		must(all_are(AFTER), "carried out, but not whole");
		seen_after++;
	} else {
		must(all_are(BEFORE), "not carried out, but not as before");
		must(!seen_after, "undone by going on");
		seen_before++;
		/* Its caller asks again. */
		set_all(TOKEN, AFTER);
		must(all_are(AFTER), "the second attempt");
	}
	close_world();
	/* Once more, as a worker killed while it started would leave it. */
	open_world(copy, false);
	must(all_are(AFTER) && journal_replayed(&w.journal, TOKEN, &result),
	     "opened twice");
	close_world();
}

static void test_every_step(void)
{
	struct step_watch watch = { .file = { { .name = "a" },
					      { .name = "b" },
					      { .name = "journal" } } };
	struct step_result r;

	dir = scratch_dir("steps");
	copy = scratch_dir("copy");
	watch.dir = dir;
	open_world(dir, true);
	set_all(41, BEFORE);
	close_world();
	r = step_through(&watch, step_prepare, step_op, step_see, NULL);
	if (r.refused) {
		ok(true, "every step # SKIP this machine refuses ptrace");
		return;
	}
	printf("# %" PRIu64 " instructions, %u states of the store\n", r.steps,
	       r.states);
	ok(!r.died && r.states > 2 * FIELDS,
	   "a change of %d fields, killed after each instruction", FIELDS);
	ok(seen_before > FIELDS && seen_after > FIELDS,
	   "%d states had none of it, %d all of it, no state a part",
	   seen_before, seen_after);
	free(dir);
	free(copy);
}

/* --- kills at random, while changes go on --- */

static void change_for_ever(int progress)
{
	uint64_t value = *field(0);

	for (uint64_t token = 1;; token++) {
		value += 100;
		set_all(token, value);
		if (write(progress, &value, sizeof(value)) < 0)
			_exit(1);
	}
}

/* --- a note, killed at every instruction --- */

static void note_op(void *arg)
{
	note(TOKEN, BEFORE);
	note(TOKEN + 1, AFTER);
	change(TOKEN + 1);
}

static void note_see(void *arg)
{
	struct journal_intent n;

	scratch_empty(copy);
	scratch_copy(dir, copy);
	open_world(copy, false);
	for (uint64_t token = TOKEN - 1; token <= TOKEN + 2; token++) {
		bool is = journal_intends(&w.journal, token, NULL);

		must(!is || (token == TOKEN && noted_is(token, BEFORE)) ||
			     (token == TOKEN + 1 && noted_is(token, AFTER)),
		     "a part of a note");
		seen_before += is && token == TOKEN;
		seen_after += is && token == TOKEN + 1;
	}
	must(!journal_unfinished(&w.journal, &n) || n.victim == n.ino + 2,
	     "begun, by a part of a note");
	close_world();
}

static void test_note_steps(void)
{
	struct step_watch watch = { .file = { { .name = "journal" } } };
	struct step_result r;

	seen_before = seen_after = 0;
	dir = scratch_dir("note-steps");
	copy = scratch_dir("note-copy");
	watch.dir = dir;
	open_world(dir, true);
	close_world();
	r = step_through(&watch, step_prepare, note_op, note_see, NULL);
	if (r.refused)
		ok(true, "a note # SKIP this machine refuses ptrace");
	else
		ok(!r.died && seen_before && seen_after,
		   "two notes, killed after each instruction: %u states",
		   r.states);
	free(dir);
	free(copy);
}

static void test_random_kills(void)
{
	unsigned int seed = 7;
	uint64_t told = 0;

	dir = scratch_dir("random");
	for (int round = 0; round < 200; round++) {
		uint64_t value;
		int fds[2];
		pid_t pid;

		must(pipe2(fds, O_CLOEXEC) == 0, "pipe2");
		pid = fork();
		must(pid >= 0, "fork");
		if (pid == 0) {
			open_world(dir, false);
			change_for_ever(fds[1]);
		}
		close(fds[1]);
		must(read(fds[0], &told, sizeof(told)) == sizeof(told), "read");
		usleep(rand_r(&seed) % 500);
		kill(pid, SIGKILL);
		while (read(fds[0], &value, sizeof(value)) == sizeof(value))
			told = value;
		waitpid(pid, NULL, 0);
		close(fds[0]);
		open_world(dir, false);
		value = *field(0);
		must(all_are(value), "round %d: a part of a change", round);
		must(value == told || value == told + 100,
		     "round %d: %" PRIu64 " after %" PRIu64, round, value,
		     told);
		close_world();
	}
	ok(told > 20000, "200 kills: whole changes only, none lost");
	free(dir);
}

int main(void)
{
	scratch_new();
	test_plain();
	test_limits();
	test_notes();
	test_every_step();
	test_note_steps();
	test_random_kills();
	return done();
}
