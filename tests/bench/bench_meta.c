/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_meta - what is done to many small files, and how many requests it takes.
 *
 *	bench_meta [--count 1000] [--tar FILE --tar-files N] [--stats FILE]
 *		[--rounds 3] NAME DIR [NAME DIR]...
 *
 * Prints for each side, in microseconds,
 *
 *	NAME_stat	a stat of a file that has been seen before
 *	NAME_readdir	a listing of the directory with --count of them
 *	NAME_create	making a file, writing 4 KiB, closing it
 *	NAME_unlink	removing it
 *	NAME_untar	a file of an archive with N of them, when tar unpacks it
 *
 * and, if the first side is a pool and --stats names its .pool/stats,
 * NAME_stat_requests and so on: the FUSE requests that each took.
 */
#include "tests/bench/lib/sides.h"

#include <dirent.h>
#include <ftw.h>
#include <getopt.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BLOCK 4096
#define STAT_LOOPS 50
#define READDIR_LOOPS 100

enum meta_op {
	OP_STAT,
	OP_READDIR,
	OP_CREATE,
	OP_UNLINK,
	OP_UNTAR,
	NR_OPS
};

static int nr_files = 1000, tar_files;
static const char *tar_file, *stats_file;
static struct side *metered; /* whose requests are counted */
static double requests[NR_OPS]; /* the least of the rounds */
static bool counted[NR_OPS];
static char (*names)[16];
static char block[BLOCK];

/* --- requests --- */

static double requests_now(void)
{
	json_t *stats, *nr;
	json_error_t error;
	double value;

	stats = json_load_file(stats_file, 0, &error);
	if (!stats)
		errx(1, "%s: %s", stats_file, error.text);
	nr = json_object_get(stats, "requests");
	if (!json_is_integer(nr))
		errx(1, "%s: no \"requests\"", stats_file);
	value = json_integer_value(nr);
	json_decref(stats);
	return value;
}

struct meter {
	double start;
	double before;
	double own; /* requests that asking takes */
};

static void meter_start(struct meter *m, struct side *side)
{
	if (side == metered) {
		m->own = -requests_now();
		m->before = requests_now();
		m->own += m->before;
	}
	m->start = bench_now();
}

/* Return: microseconds a piece. */
static double meter_stop(struct meter *m, struct side *side, enum meta_op op,
			 double pieces)
{
	double spent = bench_now() - m->start, nr;

	if (side == metered) {
		nr = (requests_now() - m->before - m->own) / pieces;
		if (!counted[op] || nr < requests[op])
			requests[op] = nr;
		counted[op] = true;
	}
	return spent / pieces * 1e6;
}

/* --- the operations --- */

static int open_dir(struct side *side, const char *name)
{
	int fd = openat(side->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s/%s", side->path, name);
	return fd;
}

static int make_dir(struct side *side, const char *name)
{
	if (mkdirat(side->dir, name, 0700) && errno != EEXIST)
		err(1, "%s/%s", side->path, name);
	return open_dir(side, name);
}

static void make_files(struct side *side, int dir)
{
	for (int i = 0; i < nr_files; i++) {
		int fd = openat(dir, names[i],
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0 || write(fd, block, BLOCK) != BLOCK || close(fd))
			err(1, "%s: %s", side->path, names[i]);
	}
}

static void remove_files(struct side *side, int dir)
{
	for (int i = 0; i < nr_files; i++)
		if (unlinkat(dir, names[i], 0))
			err(1, "%s: %s", side->path, names[i]);
}

static void stat_files(struct side *side, int dir)
{
	struct stat st;

	for (int i = 0; i < nr_files; i++)
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW) ||
		    st.st_size != BLOCK)
			err(1, "stat in %s: %s", side->path, names[i]);
}

static double op_stat(struct side *side)
{
	int dir = open_dir(side, "seen");
	struct meter m;
	double us;

	stat_files(side, dir);
	meter_start(&m, side);
	for (int i = 0; i < STAT_LOOPS; i++)
		stat_files(side, dir);
	us = meter_stop(&m, side, OP_STAT, (double)STAT_LOOPS * nr_files);
	close(dir);
	return us;
}

static void list_files(struct side *side, const char *path)
{
	DIR *dir = opendir(path);
	int nr = 0;

	if (!dir)
		err(1, "%s", path);
	while (readdir(dir))
		nr++;
	closedir(dir);
	if (nr != nr_files + 2)
		errx(1, "%s lists %d of %d files", path, nr - 2, nr_files);
}

static double op_readdir(struct side *side)
{
	char path[4096];
	struct meter m;

	snprintf(path, sizeof(path), "%s/seen", side->path);
	list_files(side, path);
	meter_start(&m, side);
	for (int i = 0; i < READDIR_LOOPS; i++)
		list_files(side, path);
	return meter_stop(&m, side, OP_READDIR, READDIR_LOOPS);
}

/* Leaves the files to op_unlink, which is next. */
static double op_create(struct side *side)
{
	int dir = make_dir(side, "new");
	struct meter m;
	double us;

	meter_start(&m, side);
	make_files(side, dir);
	us = meter_stop(&m, side, OP_CREATE, nr_files);
	close(dir);
	return us;
}

static double op_unlink(struct side *side)
{
	int dir = open_dir(side, "new");
	struct meter m;
	double us;

	meter_start(&m, side);
	remove_files(side, dir);
	us = meter_stop(&m, side, OP_UNLINK, nr_files);
	close(dir);
	return us;
}

/* How many files a walk has met; nftw has no argument for it. */
static int files_met;

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	if (type == FTW_F)
		files_met++;
	return remove(path);
}

static void remove_tree(const char *path)
{
	if (nftw(path, remove_one, 20, FTW_DEPTH | FTW_PHYS))
		err(1, "removing %s", path);
}

static void run_tar(const char *into)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		execlp("tar", "tar", "-x", "-f", tar_file, "-C", into, NULL);
		err(127, "tar");
	}
	if (waitpid(pid, &status, 0) < 0 || status)
		errx(1, "tar failed in %s", into);
}

static double op_untar(struct side *side)
{
	char path[4096];
	struct meter m;
	double us;

	close(make_dir(side, "tree"));
	snprintf(path, sizeof(path), "%s/tree", side->path);
	meter_start(&m, side);
	run_tar(path);
	us = meter_stop(&m, side, OP_UNTAR, tar_files);
	files_met = 0;
	remove_tree(path);
	if (files_met != tar_files)
		errx(1, "%s: %d of %d files", path, files_met, tar_files);
	return us;
}

static const struct side_op ops[] = {
	[OP_STAT] = { "stat", "us", false, op_stat },
	[OP_READDIR] = { "readdir", "us", false, op_readdir },
	[OP_CREATE] = { "create", "us", false, op_create },
	[OP_UNLINK] = { "unlink", "us", false, op_unlink },
	[OP_UNTAR] = { "untar", "us", false, op_untar },
};

/* Once for a side: what op_stat and op_readdir look at. */
static void make_seen(struct side *side)
{
	int dir = make_dir(side, "seen");

	make_files(side, dir);
	close(dir);
}

static void remove_all(struct side *side)
{
	static const char *const made[] = { "seen", "new", "tree" };
	char path[4096];

	for (int i = 0; i < sizeof(made) / sizeof(*made); i++) {
		snprintf(path, sizeof(path), "%s/%s", side->path, made[i]);
		if (!access(path, F_OK))
			remove_tree(path);
	}
}

static void parse(int argc, char **argv, struct sides *sides, int *rounds)
{
	static const struct option longopts[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "tar", required_argument, NULL, 't' },
		{ "tar-files", required_argument, NULL, 'f' },
		{ "stats", required_argument, NULL, 's' },
		{ "rounds", required_argument, NULL, 'r' },
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'c')
			nr_files = atoi(optarg);
		else if (opt == 't')
			tar_file = optarg;
		else if (opt == 'f')
			tar_files = atoi(optarg);
		else if (opt == 's')
			stats_file = optarg;
		else if (opt == 'r')
			*rounds = atoi(optarg);
		else
			exit(2);
	}
	if (nr_files < 1 || *rounds < 1 || (tar_file && tar_files < 1))
		errx(2, "usage: bench_meta [options] NAME DIR...");
	sides_open(sides, argv + optind, argc - optind);
}

int main(int argc, char **argv)
{
	struct sides sides;
	int rounds = 3;

	parse(argc, argv, &sides, &rounds);
	if (stats_file)
		metered = &sides.side[0];
	names = calloc(nr_files, sizeof(*names));
	if (!names)
		err(1, "memory");
	for (int i = 0; i < nr_files; i++)
		snprintf(names[i], sizeof(*names), "file%d", i);
	for (int i = 0; i < sides.nr; i++)
		make_seen(&sides.side[i]);
	sides_run(&sides, ops, tar_file ? NR_OPS : OP_UNTAR, rounds);
	for (int op = 0; op < NR_OPS; op++)
		if (counted[op])
			printf("%s_%s_requests %.3f requests\n", metered->name,
			       ops[op].name, requests[op]);
	for (int i = 0; i < sides.nr; i++)
		remove_all(&sides.side[i]);
	return 0;
}
