/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * everyop - every operation there is, and a worker that is killed at one of its
 * answers: all that follows is as if it had not been.
 *
 *	everyop POOL DIE-AT SEED
 *	everyop POOL DIE-AT FIRST STRIDE
 *	everyop POOL DIE-AT WHEN K show
 *
 * POOL is mounted with die_at.so and DIE_AT=DIE-AT.  A run does one of each
 * operation on a plain file, a range, a box, a control file..., and writes down
 * what each returned.  After one run without a kill, there are runs with one:
 * at an answer of each opcode, picked at random, or at each STRIDEth answer from
 * FIRST on, and for three moments: before the answer, after it, and when the
 * request was read.  With "show" there is one, and both texts are shown.
 *
 * It prints what differs, and the opcodes that the worker was killed at.
 */
#include "tests/preload/die_at.h"
#include "tests/tools/everyop_parts/said.h"

#include <linux/fuse.h>
#include <sys/mman.h>

static struct die_at *die;
static unsigned int killed[DIE_WHENS][DIE_AT_OPCODES], kills, differ;

static const char *const whens[] = { "before", "after", "unread" };

/* --- one run --- */

/* Events so far, of those that a run causes: their names. */
static void tell_events(int fd, bool show)
{
	static char text[1 << 16];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		for (char *line = strtok(text, "\n"); line && show;
		     line = strtok(NULL, "\n")) {
			char *name = strstr(line, "\"event\":\"");

			if (name && (!strncmp(name + 9, "config", 6) ||
				     !strncmp(name + 9, "purge", 5) ||
				     !strncmp(name + 9, "suspect", 7)))
				fprintf(said, "\t%.20s\n", name);
		}
	}
	told("events", errno == EAGAIN ? 0 : -1);
}

/*
 * What must not be left behind.  Not inodes: a FORGET that was read and not
 * carried out does not come again, so a reference may be left.
 */
static const char *const fields[] = {
	"boxes", "transactions", "open", "waiting", "tree open",
};
#define FIELDS (sizeof(fields) / sizeof(*fields))

/* A text that is made once more, as the answer was lost, counts its own file. */
static long least(const char *path, const char *field)
{
	long a = field_of(path, field), b = field_of(path, field);

	return a < b ? a : b;
}

/* The last RELEASE may come later. */
static void count_left(long *out)
{
	for (int i = 0; i < 400 && (field_of(at(".pool/stats"), "tree open") ||
				    field_of(at(".pool/stats"), "open") > 1);
	     i++)
		usleep(500);
	for (size_t i = 0; i < FIELDS; i++)
		out[i] = least(at(".pool/stats"), fields[i]);
}

static char *run(void)
{
	char *text = NULL;
	long before[FIELDS], after[FIELDS];
	size_t size = 0;
	int events;

	said = open_memstream(&text, &size);
	if (!said)
		fail("open_memstream");
	count_left(before);
	events = tell_done(
		open(at(".pool/events"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	tell_events(events, false);
	do_names();
	do_files();
	do_ranges();
	do_boxes();
	do_control();
	tell_events(events, true);
	tell(close(events));
	tell_names(at("."));
	count_left(after);
	for (size_t i = 0; i < FIELDS; i++)
		told(fields[i], after[i] == before[i]);
	fclose(said);
	return text;
}

/* @k: of its answers.  @died: out, the opcode; 0: there are not so many. */
static char *run_killed(enum die_when when, uint64_t k, uint32_t *died)
{
	char *text;

	die->answers = 0;
	die->opcode = 0;
	die->when = when;
	die->at = k;
	text = run();
	die->at = 0;
	*died = die->opcode;
	return text;
}

/* --- two texts --- */

/* The line that differs, the one before, and some that follow. */
static void show_lines(const char *what, const char *text, const char *line)
{
	const char *from = line;

	for (int i = 0; i < 2 && from > text; i++)
		for (from--; from > text && from[-1] != '\n';)
			from--;
	printf("    %s:\n", what);
	for (int i = 0; i < 5 && *from; i++) {
		int len = strcspn(from, "\n");

		printf("\t%.*s\n", len, from);
		from += len + !!from[len];
	}
}

static void show_difference(const char *a, const char *b)
{
	size_t same = 0, line = 0;

	for (; a[same] && a[same] == b[same]; same++)
		if (a[same] == '\n')
			line = same + 1;
	show_lines("without", a, a + line);
	show_lines("with", b, b + line);
}

static void compare(const char *want, enum die_when when, uint64_t k)
{
	uint32_t died;
	char *got = run_killed(when, k, &died);

	if (died) {
		killed[when][died]++;
		kills++;
	}
	if (strcmp(want, got)) {
		differ++;
		printf("%s %ju, opcode %u:\n", whens[when], (uintmax_t)k, died);
		show_difference(want, got);
	}
	free(got);
}

static void each(const char *want, uint64_t first, uint64_t stride,
		 uint64_t all)
{
	for (int when = 0; when < DIE_WHENS; when++)
		for (uint64_t k = first; k <= all; k += stride)
			compare(want, when, k);
}

static void one_of_each(const char *want, unsigned int seed)
{
	uint32_t answered[DIE_AT_OPCODES];

	printf("seed %u\n", seed);
	for (int op = 0; op < DIE_AT_OPCODES; op++)
		answered[op] = die->answered[op];
	for (int op = 0; op < DIE_AT_OPCODES; op++) {
		if (!answered[op] || op == FUSE_INIT)
			continue;
		die->only = op;
		compare(want, DIE_BEFORE, 1 + rand_r(&seed) % answered[op]);
		compare(want, op % 2 ? DIE_AFTER : DIE_UNREAD,
			1 + rand_r(&seed) % answered[op]);
	}
}

static int show(const char *want, const char *when_name, uint64_t k)
{
	int when = 0;
	uint32_t died;
	char *got;

	while (when < DIE_WHENS && strcmp(when_name, whens[when]))
		when++;
	if (when == DIE_WHENS)
		usage("before, after or unread?");
	got = run_killed(when, k, &died);
	printf("%s---\n%s", want, got);
	return strcmp(want, got) != 0;
}

static void map_die(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *map = mmap(NULL, sizeof(*die), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	if (fd < 0 || map == MAP_FAILED)
		fail(path);
	close(fd);
	die = map;
}

int main(int argc, char **argv)
{
	char *want, *again;
	uint32_t died;
	uint64_t all;

	if (argc < 4 || argc > 6)
		usage("POOL DIE-AT SEED | FIRST STRIDE | WHEN K show");
	pool = argv[1];
	root = getuid() == 0;
	umask(022);
	map_die(argv[2]);
	free(run()); /* the kernel asks for some things once */
	want = run_killed(DIE_BEFORE, 0, &died);
	memset(die->answered, 0, sizeof(die->answered));
	again = run_killed(DIE_BEFORE, 0, &died);
	all = die->answers;
	if (strcmp(want, again)) {
		printf("two runs without a kill differ:\n");
		show_difference(want, again);
		return 1;
	}
	free(again);
	if (argc == 6)
		return show(want, argv[3], to_size(argv[4]));
	if (argc == 4)
		one_of_each(want, to_size(argv[3]));
	else
		each(want, to_size(argv[3]), to_size(argv[4]), all);
	printf("%ju answers, %u kills, %u differ; killed at", (uintmax_t)all,
	       kills, differ);
	for (int i = 0; i < DIE_AT_OPCODES; i++)
		if (killed[DIE_BEFORE][i])
			printf(" %d", i);
	printf("\n");
	free(want);
	return differ != 0;
}
