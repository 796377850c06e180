/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poolfs -o remount: see remount.h.
 *
 * The kernel passes no option of a remount on to the worker.  So flags are given
 * to the kernel, and limits to the worker by way of .pool/config: by an ioctl,
 * since the mount may be read-only.  What cannot be changed (store=, psi=...) is
 * ignored, as mount(8) gives again what fstab has.
 */
#include "fs/remount.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/poolfs.h"
#include "fs/request/mount_options.h"

static int remount_fails(const struct options *o, const char *why)
{
	fprintf(stderr, "poolfs: remount of %s: %s\n", o->mountpoint, why);
	return 1;
}

/* Of nr_inodes=N; other limits are tmpfs's own. */
static void add_inodes(json_t *config, const char *limits)
{
	static const char name[] = "nr_inodes=";
	char *list = strdup(limits ? limits : ""), *rest = list, *item;

	while ((item = strsep(&rest, ",")))
		if (!strncmp(item, name, sizeof(name) - 1))
			json_object_set_new(
				config, "nr_inodes",
				json_string(item + sizeof(name) - 1));
	free(list);
}

static json_t *config_of(const struct options *o)
{
	json_t *config = json_object();

	if (o->size_given)
		json_object_set_new(config, "size", json_integer(o->size));
	add_inodes(config, o->limits);
	if (o->root_mode >= 0)
		json_object_set_new(config, "mode",
				    json_sprintf("%04o", (int)o->root_mode));
	if (o->user_quota)
		json_object_set_new(config, "user_quota",
				    json_integer(o->user_quota));
	if (o->min_free)
		json_object_set_new(config, "min_free",
				    json_integer(o->min_free));
	return config;
}

/* Prints what .pool/config says of the last error. */
static int config_fails(const struct options *o, const char *path, int err)
{
	json_t *config = json_load_file(path, 0, NULL);
	const char *why =
		json_string_value(json_object_get(config, "last_error"));
	int status = remount_fails(o,
				   err == EINVAL && why ? why : strerror(err));

	json_decref(config);
	return status;
}

/* @fd: .pool/config, @path.  Return: 0 or the status to exit with. */
static int remount_config(const struct options *o, int fd, const char *path)
{
	json_t *config = config_of(o);
	struct poolfs_config text = { 0 };
	size_t len = json_dumpb(config, text.json, sizeof(text.json) - 1,
				JSON_COMPACT);
	bool none = !json_object_size(config);

	json_decref(config);
	if (len >= sizeof(text.json))
		return remount_fails(o, strerror(E2BIG));
	if (!none && ioctl(fd, POOLFS_IOC_CONFIG, &text) < 0)
		return config_fails(o, path, errno);
	return 0;
}

static int remount_all(const struct options *o, int fd, const char *path)
{
	struct mount_flags before;
	struct statfs sfs;
	int status, err;

	if (fd < 0 || fstatfs(fd, &sfs) < 0 || sfs.f_type != FUSE_SUPER_MAGIC)
		return remount_fails(o, "no pool is mounted there");
	/* First what other programs can stand in the way of. */
	err = mount_flags_apply(o->mountpoint, &o->flags, &before);
	if (err)
		return remount_fails(o, err == -EBUSY
						? "files are open for writing"
						: strerror(-err));
	status = remount_config(o, fd, path);
	if (status)
		mount_flags_apply(o->mountpoint, &before, NULL);
	return status;
}

int remount_run(const struct options *o)
{
	char *path;
	int fd, status;

	if (asprintf(&path, "%s/.pool/config", o->mountpoint) < 0)
		return remount_fails(o, strerror(ENOMEM));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	status = remount_all(o, fd, path);
	if (fd >= 0)
		close(fd);
	free(path);
	return status;
}
