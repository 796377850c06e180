/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line asks for. */
#ifndef POOLFS_OPTIONS_H
#define POOLFS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum io_mode {
	MODE_AUTO,
	MODE_PASSTHROUGH,
	MODE_CACHED
};
#define PSI_PATHS_MAX 16

struct options {
	char *mountpoint; /* absolute */
	char *source; /* what df and mount show */
	char *kernel; /* comma-separated, for mount(2) and fusermount3 */
	char *store; /* absolute, or NULL */
	bool foreground;
	bool debug;
	bool noacl;
	enum io_mode mode;
	uint64_t size; /* bytes */
	char *limits; /* comma-separated, for the store's tmpfs; or NULL */
	/* The root directory's, -1: as it is. */
	int64_t root_mode, root_uid, root_gid;
	uint64_t min_free; /* bytes, 0: the reclaimer's default */
	const char *psi[PSI_PATHS_MAX]; /* absolute, from malloc() */
	int nr_psi;
};

/**
 * options_parse - fills *@o.
 * Return: -1: go on; otherwise the status to exit with (0 after --help and
 * --version, 2 after a message on standard error).
 */
int options_parse(struct options *o, int argc, char **argv);
void options_release(struct options *o);

const char *mode_name(enum io_mode mode);

/**
 * size_parse - "4096", "64M", "1.5G" is not: a whole number of bytes with an
 * optional K, M, G, T (powers of 1024), or with @total above 0 "50%" of it.
 * Return: 0, -EINVAL, -ERANGE.
 */
int size_parse(const char *text, uint64_t total, uint64_t *out);

#endif
