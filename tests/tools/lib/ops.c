/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/tools/lib/ops.h"

int fds[MAX_FDS];
int nr_fds;
int fd = -1;
char *map;

void say(long result)
{
	const char *name = result < 0 ? strerrorname_np(errno) : NULL;

	if (name)
		puts(name);
	else
		printf("%ld\n", result);
	fflush(stdout);
}

void say_bytes(ssize_t n, const char *bytes)
{
	if (n < 0) {
		say(n);
		return;
	}
	printf("%zd:", n);
	/* a line of output has one line */
	for (ssize_t i = 0; i < n; i++)
		putchar(bytes[i] == '\n' ? '$' : bytes[i] ? bytes[i] : '.');
	putchar('\n');
	fflush(stdout);
}

const struct word open_words[] = {
	{ "r", O_RDONLY },
	{ "w", O_WRONLY },
	{ "rw", O_RDWR },
	{ "append", O_APPEND },
	{ "dsync", O_DSYNC },
	{ "sync", O_SYNC },
	{ "direct", O_DIRECT },
	{ "nonblock", O_NONBLOCK },
	{ "trunc", O_TRUNC },
	{ "creat", O_CREAT },
	{ "excl", O_EXCL },
	{ "nofollow", O_NOFOLLOW },
	{ "directory", O_DIRECTORY },
	{ "path", O_PATH },
	{ "tmpfile", O_TMPFILE },
	{ NULL, 0 },
};

int parse_words(char *text, const struct word *words)
{
	int flags = 0;

	for (char *p = strtok(text, ","); p; p = strtok(NULL, ",")) {
		const struct word *w = words;

		while (w->name && strcmp(p, w->name))
			w++;
		if (!w->name)
			usage("OP WORD,...: no such word");
		flags |= w->value;
	}
	return flags;
}

void opened(int new_fd)
{
	say(new_fd < 0 ? -1 : 0);
	if (nr_fds == MAX_FDS)
		usage("at most 64 files");
	fds[nr_fds++] = fd = new_fd;
}

static void op_open(char **arg)
{
	opened(open(arg[0], parse_words(arg[1], open_words), 0666));
}

static void op_fd(char **arg)
{
	int n = atoi(arg[0]);

	if (n < 0 || n >= nr_fds)
		usage("fd N: of those that were opened");
	fd = fds[n];
}

static void op_write(char **arg)
{
	say(write(fd, arg[0], strlen(arg[0])));
}

static void op_pwrite(char **arg)
{
	say(pwrite(fd, arg[0], strlen(arg[0]), to_size(arg[1])));
}

static void read_at(size_t size, off_t offset)
{
	char *buf = malloc(size + 1);
	ssize_t n;

	if (!buf)
		fail("malloc");
	n = offset < 0 ? read(fd, buf, size) : pread(fd, buf, size, offset);
	say_bytes(n, buf);
	free(buf);
}

static void op_read(char **arg)
{
	read_at(to_size(arg[0]), -1);
}

static void op_pread(char **arg)
{
	read_at(to_size(arg[0]), to_size(arg[1]));
}

static void op_lseek(char **arg)
{
	say(lseek(fd, to_size(arg[0]), SEEK_SET));
}

static void op_fsync(char **arg)
{
	say(fsync(fd));
}

static void op_close(char **arg)
{
	say(close(fd));
}

static void op_truncate(char **arg)
{
	say(ftruncate(fd, to_size(arg[0])));
}

static void op_dup(char **arg)
{
	opened(dup(fd));
}

static void op_map(char **arg)
{
	map = mmap(NULL, to_size(arg[0]), PROT_READ, MAP_SHARED, fd, 0);
	say(map == MAP_FAILED ? -1 : 0);
}

static void op_peek(char **arg)
{
	say_bytes(to_size(arg[0]), map + to_size(arg[1]));
}

static void op_unlink(char **arg)
{
	say(unlink(arg[0]));
}

static void op_rmdir(char **arg)
{
	say(rmdir(arg[0]));
}

static void op_mkdir(char **arg)
{
	say(mkdir(arg[0], strtoul(arg[1], NULL, 8)));
}

static void op_rename(char **arg)
{
	say(rename(arg[0], arg[1]));
}

static void op_link(char **arg)
{
	say(link(arg[0], arg[1]));
}

static void op_symlink(char **arg)
{
	say(symlink(arg[0], arg[1]));
}

static void op_chmod(char **arg)
{
	say(chmod(arg[0], strtoul(arg[1], NULL, 8)));
}

static void op_wait(char **arg)
{
	int status;

	if (wait(&status) < 0)
		say(-1);
	else if (WIFSIGNALED(status))
		printf("-%d\n", WTERMSIG(status));
	else
		printf("%d\n", WEXITSTATUS(status));
	fflush(stdout);
}

static void op_await(char **arg)
{
	double end = now() + 300;

	while (access(arg[0], F_OK)) {
		if (now() > end)
			exit(EXIT_TIME);
		usleep(1000);
	}
}

static void op_sleep(char **arg)
{
	usleep(atoi(arg[0]) * 1000);
}

static void op_kill(char **arg)
{
	raise(atoi(arg[0]));
}

static void op_touch(char **arg)
{
	int sign = open(arg[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (sign < 0)
		fail(arg[0]);
	close(sign);
}

static void op_end(char **arg)
{
}

static const struct op core_ops[] = {
	{ "open", 2, op_open },
	{ "fd", 1, op_fd },
	{ "write", 1, op_write },
	{ "pwrite", 2, op_pwrite },
	{ "read", 1, op_read },
	{ "pread", 2, op_pread },
	{ "lseek", 1, op_lseek },
	{ "fsync", 0, op_fsync },
	{ "close", 0, op_close },
	{ "truncate", 1, op_truncate },
	{ "dup", 0, op_dup },
	{ "map", 1, op_map },
	{ "peek", 2, op_peek },
	{ "unlink", 1, op_unlink },
	{ "rmdir", 1, op_rmdir },
	{ "mkdir", 2, op_mkdir },
	{ "rename", 2, op_rename },
	{ "link", 2, op_link },
	{ "symlink", 2, op_symlink },
	{ "chmod", 2, op_chmod },
	{ "wait", 0, op_wait },
	{ "sleep", 1, op_sleep },
	{ "kill", 1, op_kill },
	{ "touch", 1, op_touch },
	{ "await", 1, op_await },
	{ "end", 0, op_end },
	{ NULL, 0, NULL },
};

static const struct op *find_op(const char *name, const struct op *op)
{
	while (op->name && strcmp(name, op->name))
		op++;
	return op->name ? op : NULL;
}

/* Runs a child from @arg on; where its parent goes on. */
static char **start_child(char **arg, char **end, bool *in_child)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	*in_child = pid == 0;
	if (pid)
		while (arg < end && strcmp(*arg, "end"))
			arg++;
	return arg;
}

int run_ops(int argc, char **argv, const struct op *own)
{
	char **arg = argv + 1, **end = argv + argc;
	bool in_child = false;

	while (arg < end) {
		const struct op *op;

		if (!strcmp(*arg, "child")) {
			arg = start_child(arg + 1, end, &in_child);
			continue;
		}
		op = find_op(*arg, own);
		if (!op)
			op = find_op(*arg, core_ops);
		if (!op || end - ++arg < op->args)
			usage("OP [ARG...]...");
		if (in_child && op->run == op_end)
			return 0;
		op->run(arg);
		arg += op->args;
	}
	return 0;
}
