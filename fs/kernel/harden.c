/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See harden.h. */
#include "fs/kernel/harden.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The kernel kills others first; -1000 would be: never. */
#define OOM_SCORE_ADJ -900

/*
 * A lock of the caller's would be held for the life of the mount, and a pipe
 * would not end.  What is opened from now on must not be taken for standard
 * error.
 */
static void harden_files(void)
{
	int fd;

	close_range(3, ~0u, 0);
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	if (fd >= 0)
		close(fd);
}

static void harden_oom_score(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "r+e");
	int score;

	if (!f)
		return;
	if (fscanf(f, "%d", &score) == 1 && score > OOM_SCORE_ADJ) {
		rewind(f);
		fprintf(f, "%d\n", OOM_SCORE_ADJ);
	}
	fclose(f);
}

/*
 * A core file would have everybody's content in it.  A limit of 0 is one for
 * files: a program that takes them (a pipe in core_pattern) is given all of it
 * then, but nothing at 1, which is too little for a file.  See core(5).  And
 * PR_SET_DUMPABLE lasts until the worker takes a user's credentials: it is
 * fs.suid_dumpable then.  Where a core is taken all the same, by a socket, there
 * is no memory in it.
 */
static void harden_core(void)
{
	const struct rlimit little = { 1, 1 }, none = { 0, 0 };
	FILE *f = fopen("/proc/self/coredump_filter", "we");

	/* Not above a hard limit of 0. */
	if (setrlimit(RLIMIT_CORE, &little) < 0)
		setrlimit(RLIMIT_CORE, &none);
	if (f) {
		fputs("0\n", f);
		fclose(f);
	}
}

void harden_process(void)
{
	harden_files();
	/* It would keep a file system from being unmounted. */
	if (chdir("/") < 0)
		perror("poolfs: cannot leave the directory");
	harden_core();
	harden_oom_score();
	prctl(PR_SET_DUMPABLE, 0);
}

void harden_privileges(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
