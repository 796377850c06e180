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

void harden_process(void)
{
	const struct rlimit none = { 0, 0 };

	harden_files();
	/* It would keep a file system from being unmounted. */
	if (chdir("/") < 0)
		perror("poolfs: cannot leave the directory");
	/* It would have everybody's content in it. */
	setrlimit(RLIMIT_CORE, &none);
	harden_oom_score();
	prctl(PR_SET_DUMPABLE, 0);
}

void harden_privileges(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
