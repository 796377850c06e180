/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsmodel - random operations on files, compared with a model in memory.
 *
 *	fsmodel [OPTION...] DIR
 *
 *	--seed N		the same seed does the same operations; 1
 *	--ops N			how many; 100000
 *	--files N		files at a time, and names a directory; 16
 *	--max-size BYTES	of a file; 256K
 *	--no-mmap		no mappings
 *	--volatile		volatile files and ranges: for a mounted pool
 *	--scan FILE		has them purged by writing to this one
 *	--let-go US		or waits up to this for them to be; 20000
 *
 * DIR is made if it is not there, and must be empty.  What each operation
 * returned and touched is compared at once, a whole file or directory now and
 * then, and everything at the end, when all of it is removed.  Prints one line
 * and gives status 0; or else it says what differs and what was done last,
 * leaves DIR as it is, and gives status 1.
 */
#include "tests/tools/fsmodel_parts/attrs.h"
#include "tests/tools/fsmodel_parts/data.h"
#include "tests/tools/fsmodel_parts/dirs.h"
#include "tests/tools/fsmodel_parts/names.h"

#include <getopt.h>

#define USAGE                                                              \
	"[--seed N] [--ops N] [--files N] [--max-size BYTES] [--no-mmap] " \
	"[--volatile] [--scan FILE] "                                      \
	"[--let-go US] DIR"

static const struct operation {
	const char *name;
	bool (*run)(void);
	int weight;
} operations[] = {
	{ "pwrite", op_pwrite, 90 },
	{ "write", op_write, 50 },
	{ "read", op_read, 70 },
	{ "pread", op_pread, 120 },
	{ "ftruncate", op_ftruncate, 25 },
	{ "truncate", op_truncate, 15 },
	{ "fallocate", op_fallocate, 40 },
	{ "seek", op_seek, 30 },
	{ "copy_file_range", op_copy_range, 30 },
	{ "sendfile", op_sendfile, 20 },
	{ "splice-read", op_splice_read, 15 },
	{ "splice-write", op_splice_write, 15 },
	{ "fsync", op_fsync, 15 },
	{ "map", op_map, 12 },
	{ "map-read", op_map_read, 60 },
	{ "map-write", op_map_write, 60 },
	{ "msync", op_msync, 10 },
	{ "munmap", op_munmap, 8 },
	{ "whole", op_whole, 6 },
	{ "open", op_open, 70 },
	{ "reopen", op_reopen, 12 },
	{ "close", op_close, 50 },
	{ "tmpfile", op_tmpfile, 6 },
	{ "linkat", op_linkat, 12 },
	{ "link", op_link, 20 },
	{ "unlink", op_unlink, 45 },
	{ "symlink", op_symlink, 10 },
	{ "mkdir", op_mkdir, 12 },
	{ "rmdir", op_rmdir, 12 },
	{ "rename", op_rename, 50 },
	{ "stat", op_stat, 60 },
	{ "remove-dir", op_remove_dir, 4 },
	{ "bad-name", op_bad_name, 4 },
	{ "chmod", op_chmod, 15 },
	{ "fchmod", op_fchmod, 10 },
	{ "utimens", op_utimens, 20 },
	{ "setxattr", op_setxattr, 25 },
	{ "getxattr", op_getxattr, 25 },
	{ "removexattr", op_removexattr, 10 },
	{ "listxattr", op_listxattr, 10 },
	{ "readdir", op_readdir, 10 },
	{ "stream", op_stream, 40 },
	{ "unpin", op_unpin, 20 },
	{ "pin", op_pin, 10 },
	{ "volatile", op_volatile, 6 },
	{ "let-go", op_let_go, 12 },
};

#define NR_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void run_one(int total)
{
	const struct operation *op;

	do {
		int n = rnd(total);

		for (op = operations; n >= op->weight; op++)
			n -= op->weight;
		op_name = op->name;
	} while (!op->run());
}

static void run(void)
{
	int total = 0;

	for (int i = 0; i < NR_OPERATIONS; i++)
		total += operations[i].weight;
	for (op_number = 1; op_number <= opt.ops; op_number++)
		run_one(total);
}

/* All that has a name or is open, and each attribute of it. */
static void compare_everything(void)
{
	op_name = "compare everything";
	compare_dir(root);
	for (int i = 0; i < nr_nodes; i++) {
		struct node *n = &nodes[i];

		if (n->kind == FILE_NODE)
			compare_whole(n);
		else if (is_dir(n) && n->nlink)
			compare_dir(n);
	}
	for (int i = 0; i < MAX_OPENS; i++) {
		const struct open *o = &opens[i];

		for (int j = 0; o->node && !no_xattrs && j < NR_XATTRS; j++)
			compare_xattr(o->node, o->fd, j);
	}
	for (int i = 0; i < MAX_MAPS; i++) {
		const struct map *m = &maps[i];

		if (m->addr && m->off < m->node->size)
			compare_map(m, m->off, rest(m->node, m->off, m->len));
	}
}

static void close_everything(void)
{
	while (op_close() || op_munmap())
		;
	for (int i = 0; i < MAX_STREAMS; i++) {
		if (streams[i].dir)
			close(streams[i].fd);
	}
}

/* SIGBUS: a mapping that must be there is not.  The others: it took too long. */
static void on_signal(int sig)
{
	wrong("SIG%s", sigabbrev_np(sig));
}

static void make_names(void)
{
	static const char *const tails[] = { "", " a\nb",
					     "\xc3\xa4\xe2\x82\xac", "'\"$*" };

	nr_names = opt.files < 8 ? 8 : opt.files;
	names = calloc(nr_names, sizeof(*names));
	if (!names)
		fail("calloc");
	for (int i = 0; i < nr_names; i++) {
		sprintf(names[i], "n%03d%s", i, i % 3 ? "" : tails[i / 3 % 4]);
		if (i % 7 == 6) {
			memset(names[i] + 4, 'x', NAME_MAX - 4);
			names[i][NAME_MAX] = 0;
		}
	}
	memset(long_target, 'y', sizeof(long_target) - 1);
	for (int i = 1; i < sizeof(long_target) - 1; i += 100)
		long_target[i] = '/';
}

static void prepare(const char *dir)
{
	if (mkdir(dir, 0700) && errno != EEXIST)
		fail(dir);
	if (chdir(dir))
		fail(dir);
	umask(0);
	own_uid = geteuid();
	make_names();
	for (size_t i = 0; i < sizeof(random_bytes); i++)
		random_bytes[i] = 1 + rnd(255);
	nr_nodes = opt.files + MAX_DIRS + MAX_SYMLINKS;
	nodes = calloc(nr_nodes, sizeof(*nodes));
	if (!nodes || pipe2(pipe_fds, O_CLOEXEC))
		fail("pipe");
	for (int i = 0; i < MAX_STREAMS; i++) {
		streams[i].touched = calloc(1, nr_names);
		streams[i].seen = calloc(1, nr_names);
	}
	root = node_new(DIR_NODE, 0700);
	root->nlink = 1;
	signal(SIGBUS, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGALRM, on_signal);
	compare_dir(root); /* it is empty */
}

static int open_scan(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		fail(path);
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "files", required_argument, NULL, 'f' },
		{ "max-size", required_argument, NULL, 'm' },
		{ "no-mmap", no_argument, NULL, 'n' },
		{ "volatile", no_argument, NULL, 'v' },
		{ "scan", required_argument, NULL, 'S' },
		{ "let-go", required_argument, NULL, 'l' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 's')
			opt.seed = strtoull(optarg, NULL, 0);
		else if (c == 'o')
			opt.ops = strtoull(optarg, NULL, 0);
		else if (c == 'f')
			opt.files = strtoull(optarg, NULL, 0);
		else if (c == 'm')
			opt.max_size = to_size(optarg);
		else if (c == 'n')
			opt.no_mmap = true;
		else if (c == 'v')
			opt.volatiles = true;
		else if (c == 'S')
			opt.scan = open_scan(optarg);
		else if (c == 'l')
			opt.let_go_us = strtoull(optarg, NULL, 0);
		else
			usage(USAGE);
	}
	/* names have three digits */
	if (argc - optind != 1 || !opt.files || opt.files > 999 ||
	    !opt.max_size || !opt.let_go_us)
		usage(USAGE);
	rnd_state = opt.seed;
	prepare(argv[optind]);
	run();
	compare_everything();
	close_everything();
	op_name = "remove everything";
	remove_all(root);
	printf("%ju operations, %ju bytes compared, %ju pages purged, "
	       "%ju files gone\n",
	       (uintmax_t)opt.ops, (uintmax_t)compared, (uintmax_t)nr_purged,
	       (uintmax_t)nr_gone);
	return 0;
}
