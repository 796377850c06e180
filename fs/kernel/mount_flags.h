/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount options that are flags of the kernel's. */
#ifndef POOLFS_FS_KERNEL_MOUNT_FLAGS_H
#define POOLFS_FS_KERNEL_MOUNT_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

/* What a list of options sets and clears; the last one wins.  MS_*. */
struct mount_flags {
	unsigned long on, off;
};

/**
 * mount_flag - add the option @name.
 * @libfuse: out: libfuse knows it, too.
 * Return: false: it is no flag.
 */
bool mount_flag(const char *name, struct mount_flags *f, bool *libfuse);

/**
 * mount_flags_apply - of the mount on @dir; others stay as they are.
 * @before: out, unless NULL: what takes it back.
 * Return: 0 or -errno; -EBUSY: files are open for writing.
 */
int mount_flags_apply(const char *dir, const struct mount_flags *f,
		      struct mount_flags *before);

/**
 * mount_atime - MOUNT_ATTR_* by which reads on the mount with this
 * mount_id() set access times: of a read-only one MOUNT_ATTR_NOATIME.
 * Return: 0 or -errno; -ENOSYS before Linux 6.8.
 */
int mount_atime(uint64_t id, uint64_t *attributes);

/**
 * mount_set_atime - the same for the mount on @path, or, if that is "", the one
 * that the descriptor @fd is.  No request is sent.  Return: 0 or -errno.
 */
int mount_set_atime(int fd, const char *path, uint64_t attributes);

/**
 * mount_flags_finish - what libfuse has not done of @f at the mount on @dir, as
 * it does not know these names.  No request is sent.
 * Return: 0 or -errno; -EPERM for who may not mount.
 */
int mount_flags_finish(const char *dir, const struct mount_flags *f);

#endif
