/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the mount was asked for.  fs/options.c fills it from the command line;
 * nothing changes it afterwards.
 */
#ifndef POOLFS_FS_REQUEST_MOUNT_OPTIONS_H
#define POOLFS_FS_REQUEST_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/kernel/mount_flags.h"

enum io_mode {
	MODE_AUTO,
	MODE_PASSTHROUGH,
	MODE_CACHED
};
#define PSI_PATHS_MAX 16
#define SIZE_LEAST (1u << 20) /* of a pool, in bytes */

struct options {
	char *mountpoint; /* absolute */
	char *source; /* what df and mount show */
	char *kernel; /* comma-separated, for mount(2) and fusermount3 */
	struct mount_flags flags; /* the same, as far as they are flags */
	char *given; /* all of -o, to be shown */
	bool remount; /* change the mount that there is */
	const char *shown; /* an option that only the kernel's lists have */
	char *store; /* absolute, or NULL */
	bool repair; /* drop what is wrong in it */
	bool foreground;
	bool debug;
	bool noacl;
	bool list_control; /* the root lists box and .pool */
	bool idmap; /* mounts of it can be idmapped */
	bool export; /* file handles can be opened */
	enum io_mode mode;
	uint64_t size; /* bytes, at the mount: see mount_shared */
	bool size_given;
	char *limits; /* comma-separated, for the store's tmpfs; or NULL */
	/* The root directory's, -1: as it is. */
	int64_t root_mode, root_uid, root_gid;
	uint32_t user_quota; /* percent, 0: the pool's default */
	uint64_t min_free; /* bytes, 0: the reclaimer's default */
	const char *psi[PSI_PATHS_MAX]; /* absolute, from malloc() */
	int nr_psi;
};

/** options_shared - may others than who mounts use it? */
bool options_shared(const struct options *o);

/** mode_name - "auto", "passthrough" or "cached". */
const char *mode_name(enum io_mode mode);

/**
 * size_parse - a whole number of bytes with an optional K, M, G or T (powers of
 * 1024): "4096", "64M"; "1.5G" is none.
 * @total: bytes that a percentage is of, as in "50%"; 0: no percentages.
 * @out: bytes; untouched on failure.
 *
 * Return: 0; -EINVAL, not such a number; -ERANGE, above UINT64_MAX or 100%.
 */
int size_parse(const char *text, uint64_t total, uint64_t *out);

#endif
