/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bigdir - directories of very many names, and listings from anywhere.
 *
 *	bigdir fill DIR N	makes N files, "stable-0" and so on, all of
 *				them names of one or a few inodes
 *	bigdir churn DIR N	lists DIR while another process makes and
 *				removes names in it all the time; says how many
 *				of the N stable names were there not once, and
 *				how many more than once, and how many names the
 *				other made meanwhile: "MISSING TWICE MADE"
 *	bigdir seek DIR OFFSET	lists DIR from OFFSET on, a name a line
 *
 * A listing is read in pieces of 2 KiB, so that there are many moments at which
 * the directory can change under it.
 */
#include "tests/tools/lib/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PIECE 2048
#define NAMES_OF_ONE 100
#define YOUNG 64 /* names that the other process keeps at a time */

static void make_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		fail(name);
	close(fd);
}

static void fill(long n)
{
	char name[64], first[64];

	for (long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "stable-%ld", i);
		if (i % NAMES_OF_ONE == 0) {
			make_file(name);
			strcpy(first, name);
		} else if (link(first, name)) {
			fail(name);
		}
	}
}

/* Makes a name and removes the one that is YOUNG older, for ever. */
static _Noreturn void change(atomic_long *made)
{
	char name[64];

	/* nobody else would end it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (long i = 0;; i++) {
		snprintf(name, sizeof(name), "young-%ld", i);
		make_file(name);
		atomic_fetch_add(made, 1);
		if (i < YOUNG)
			continue;
		snprintf(name, sizeof(name), "young-%ld", i - YOUNG);
		if (unlink(name))
			fail(name);
	}
}

/* Counts each stable name in @seen.  What else there is does not matter. */
static void count_names(unsigned char *seen, long n)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(8) char piece[PIECE];
	ssize_t size;

	if (dir < 0)
		fail("open");
	while ((size = getdents64(dir, piece, sizeof(piece))) > 0) {
		for (ssize_t at = 0; at < size;) {
			struct dirent64 *d = (struct dirent64 *)(piece + at);
			long i;

			at += d->d_reclen;
			if (sscanf(d->d_name, "stable-%ld", &i) != 1)
				continue;
			if (i < 0 || i >= n)
				exit(EXIT_NONSENSE);
			if (seen[i] < 255)
				seen[i]++;
		}
	}
	if (size < 0)
		fail("getdents64");
	close(dir);
}

static void churn(long n)
{
	unsigned char *seen = calloc(n, 1);
	atomic_long *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long missing = 0, twice = 0, before;
	int status;
	pid_t pid;

	if (!seen || made == MAP_FAILED)
		fail("memory");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0)
		change(made);
	while (atomic_load(made) < 2 * YOUNG && !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	before = atomic_load(made);
	count_names(seen, n);
	before = atomic_load(made) - before;
	kill(pid, SIGKILL);
	/* it must not have ended by itself */
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		exit(EXIT_NONSENSE);
	for (long i = 0; i < n; i++) {
		missing += seen[i] == 0;
		twice += seen[i] > 1;
	}
	printf("%ld %ld %ld\n", missing, twice, before);
	free(seen);
}

static void list_from(off_t off)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(8) char piece[PIECE];
	ssize_t size;

	if (dir < 0)
		fail("open");
	if (lseek(dir, off, SEEK_SET) != off)
		fail("lseek");
	while ((size = getdents64(dir, piece, sizeof(piece))) > 0) {
		for (ssize_t at = 0; at < size;) {
			struct dirent64 *d = (struct dirent64 *)(piece + at);

			at += d->d_reclen;
			puts(d->d_name);
		}
	}
	if (size < 0)
		fail("getdents64");
	close(dir);
}

int main(int argc, char **argv)
{
	long n;

	if (argc != 4)
		usage("fill|churn|seek DIR N");
	n = to_size(argv[3]);
	if (chdir(argv[2]))
		fail(argv[2]);
	if (!strcmp(argv[1], "fill"))
		fill(n);
	else if (!strcmp(argv[1], "churn"))
		churn(n);
	else
		list_from(n);
	return 0;
}
