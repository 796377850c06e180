/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See mount_flags.h. */
#include "fs/kernel/mount_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What Debian 12's libc does not know: Linux 5.10. */
#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

#define ATIMES (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

static const struct {
	const char *name;
	unsigned long on, off;
	bool libfuse;
} names[] = {
	{ "rw", 0, MS_RDONLY, true },
	{ "ro", MS_RDONLY, 0, true },
	{ "suid", 0, MS_NOSUID, true },
	{ "nosuid", MS_NOSUID, 0, true },
	{ "dev", 0, MS_NODEV, true },
	{ "nodev", MS_NODEV, 0, true },
	{ "exec", 0, MS_NOEXEC, true },
	{ "noexec", MS_NOEXEC, 0, true },
	{ "async", 0, MS_SYNCHRONOUS, true },
	{ "sync", MS_SYNCHRONOUS, 0, true },
	{ "dirsync", MS_DIRSYNC, 0, true },
	{ "atime", 0, MS_NOATIME, false },
	{ "noatime", MS_NOATIME, ATIMES & ~MS_NOATIME, true },
	{ "diratime", 0, MS_NODIRATIME, false },
	{ "nodiratime", MS_NODIRATIME, 0, false },
	{ "relatime", MS_RELATIME, ATIMES & ~MS_RELATIME, false },
	{ "norelatime", 0, MS_RELATIME, false },
	{ "strictatime", MS_STRICTATIME, ATIMES & ~MS_STRICTATIME, false },
	{ "nostrictatime", 0, MS_STRICTATIME, false },
};

bool mount_flag(const char *name, struct mount_flags *f, bool *libfuse)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name))
			continue;
		f->on = (f->on & ~names[i].off) | names[i].on;
		f->off = (f->off & ~names[i].on) | names[i].off;
		*libfuse = names[i].libfuse;
		return true;
	}
	return false;
}

/* ST_* of statvfs(3) as flags of mount(2). */
static unsigned long flags_of(unsigned long st)
{
	static const struct {
		unsigned long st, ms;
	} same[] = {
		{ ST_NOSYMFOLLOW, MS_NOSYMFOLLOW },
		{ ST_RDONLY, MS_RDONLY },
		{ ST_NOSUID, MS_NOSUID },
		{ ST_NODEV, MS_NODEV },
		{ ST_NOEXEC, MS_NOEXEC },
		{ ST_NOATIME, MS_NOATIME },
		{ ST_NODIRATIME, MS_NODIRATIME },
		{ ST_RELATIME, MS_RELATIME },
		{ ST_SYNCHRONOUS, MS_SYNCHRONOUS },
	};
	unsigned long ms = 0;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (st & same[i].st)
			ms |= same[i].ms;
	/* mount(2) takes no word about it for relatime. */
	return ms & ATIMES ? ms : ms | MS_STRICTATIME;
}

int mount_flags_apply(const char *dir, const struct mount_flags *f,
		      struct mount_flags *before)
{
	struct statvfs st;
	unsigned long flags;

	if (statvfs(dir, &st) < 0)
		return -errno;
	flags = flags_of(st.f_flag);
	if (before)
		*before = (struct mount_flags){ .on = flags, .off = ~flags };
	if (((flags & ~f->off) | f->on) == flags)
		return 0;
	flags = (flags & ~f->off) | f->on;
	return mount("poolfs", dir, "fuse.poolfs", MS_REMOUNT | flags, NULL) < 0
		       ? -errno
		       : 0;
}

/* --- access times; what Debian 12's headers do not know: Linux 6.8 --- */

#ifndef SYS_statmount
#define SYS_statmount 457
#endif
#define STATMOUNT_BASICS 3u /* of the file system, and of the mount */

struct statmount_request {
	uint32_t size;
	uint32_t spare;
	uint64_t id;
	uint64_t param;
};

struct statmount_basics {
	uint32_t size;
	uint32_t mnt_opts;
	uint64_t mask;
	uint32_t sb_dev_major;
	uint32_t sb_dev_minor;
	uint64_t sb_magic;
	uint32_t sb_flags;
	uint32_t fs_type;
	uint64_t mnt_id;
	uint64_t mnt_parent_id;
	uint32_t mnt_id_old;
	uint32_t mnt_parent_id_old;
	uint64_t mnt_attr;
	uint64_t more[64];
};

int mount_atime(uint64_t id, uint64_t *attributes)
{
	struct statmount_request request = { sizeof(request), 0, id,
					     STATMOUNT_BASICS };
	struct statmount_basics is;

	if (!id)
		return -ENOSYS;
	if (syscall(SYS_statmount, &request, &is, sizeof(is), 0) < 0)
		return -errno;
	*attributes = is.mnt_attr & (MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME);
	if (is.sb_flags & MS_RDONLY || is.mnt_attr & MOUNT_ATTR_RDONLY)
		*attributes = MOUNT_ATTR_NOATIME;
	return 0;
}

int mount_set_atime(int fd, const char *path, uint64_t attributes)
{
	struct mount_attr attr = {
		.attr_clr = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME,
		.attr_set = attributes,
	};

	return mount_setattr(fd, path, *path ? 0 : AT_EMPTY_PATH, &attr,
			     sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

int mount_flags_finish(const char *dir, const struct mount_flags *f)
{
	if (!(f->on & (MS_STRICTATIME | MS_NODIRATIME)))
		return 0;
	return mount_set_atime(
		AT_FDCWD, dir,
		(f->on & MS_NOATIME	  ? MOUNT_ATTR_NOATIME
		 : f->on & MS_STRICTATIME ? MOUNT_ATTR_STRICTATIME
					  : MOUNT_ATTR_RELATIME) |
			(f->on & MS_NODIRATIME ? MOUNT_ATTR_NODIRATIME : 0));
}
