/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "poolctl doctor": mounts that nobody serves and stores that no pool uses, of
 * the user who asks.  They are left where all processes of a mount were killed
 * at once.
 */
#include "fs/doctor.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fs/kernel/dead.h"
#include "pool/store/left.h"

struct visit {
	bool fix;
	int found, failed;
};

static void tell(struct visit *v, const char *path, const char *what, int err)
{
	v->found++;
	v->failed += err != 0;
	if (!v->fix)
		printf("%s: %s\n", path, what);
	else if (err)
		printf("%s: %s; cannot be removed: %s\n", path, what,
		       strerror(-err));
	else
		printf("%s: %s; removed\n", path, what);
}

static void on_mount(void *arg, const char *dir, int err)
{
	tell(arg, dir, "a mount that nobody serves", err);
}

static void on_store(void *arg, const char *path, int err)
{
	tell(arg, path, "a store that no pool uses", err);
}

int doctor(int nr, char **args)
{
	struct visit v = { .fix = nr == 1 && !strcmp(args[0], "--fix") };

	if (nr > v.fix) {
		fputs("poolctl: doctor: there is --fix, and nothing else\n"
		      "Try 'poolctl --help'.\n",
		      stderr);
		return 2;
	}
	mounts_dead(NULL, v.fix, on_mount, &v);
	stores_left(v.fix, on_store, &v);
	if (!v.found)
		puts("nothing was left behind");
	else if (!v.fix)
		puts("\"poolctl doctor --fix\" removes it");
	return v.fix ? v.failed != 0 : v.found != 0;
}
